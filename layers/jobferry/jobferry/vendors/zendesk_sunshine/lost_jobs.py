"""Looking for a Sunshine job whose submission was not answered, and proving that it is ours.

The list shows when a job was made but neither its size nor its action; those come out of its
results. A job that made records is recognised by reading some of them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto

from jobferry.domain.error_codes import may_have_been_done
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, FoundState, Refused
from jobferry.vendors.http.limits import REQUEST_SECONDS
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import TAKEN_WITHIN, LostSubmission
from jobferry.vendors.zendesk.errors import errors_of
from jobferry.vendors.zendesk_sunshine.jobs import SunshineReader, reading_of
from jobferry.vendors.zendesk_sunshine.results import ABORTED, FAILED, id_of

CLOCK_SKEW_SECONDS = 300.0
"""How far the vendor's clock may be from ours."""

CANDIDATES = 200
"""Jobs of the time in question that are looked at, each for one request and more."""

READ_BACK = 3
"""Records of a job that are read back at the most; mostly the first one decides."""

EXTERNAL_IDS_PER_REQUEST = 50


class _Match(Enum):
    OURS = auto()
    NOT_OURS = auto()
    DOUBTFUL = auto()
    VANISHED = auto()
    RUNNING = auto()
    UNREAD = auto()


def find_job(
    reader: SunshineReader,
    operation: Operation,
    kind: str,
    lost: LostSubmission,
    now: float,
    retention: float,
) -> Found:
    """What became of a lost submission; `requests` is left to the caller.

    Args:
        kind: where the records of the operation are read, `objects` or `relationships`.
        now: epoch seconds.
        retention: seconds for which the vendor lists a job.
    """
    listing = reader.listed()
    if listing.problem is not None:
        return _pending("the list of jobs could not be read", readable=False)
    candidates = [job for job in listing.jobs if _may_be_ours(job, lost)]
    if len(candidates) > CANDIDATES:
        return _weighed(reader, operation, lost, "too many jobs were begun at that time")
    seen: Counter[_Match] = Counter()
    for job in candidates:
        match = _examine(reader, job, kind, lost.records)
        if match is _Match.OURS:
            return Found(FoundState.FOUND, str(job["id"]))
        seen[match] += 1
    if seen[_Match.UNREAD]:
        return _pending("a job of that time cannot be read yet", readable=False)
    if seen[_Match.RUNNING]:
        return _pending("a job of that time is still running")
    if seen[_Match.VANISHED]:
        return Found(
            FoundState.UNDECIDABLE, reason="a job ran at that time and what it made is gone"
        )
    doubt = ""
    if seen[_Match.DOUBTFUL]:
        doubt = "a job ran at that time and its records cannot be told apart"
    elif not listing.complete:
        doubt = "the list of recent jobs is too long"
    elif now - lost.sent_at > retention:
        doubt = "the vendor has forgotten jobs of that time"
    return _weighed(reader, operation, lost, doubt)


def _pending(reason: str, *, readable: bool = True) -> Found:
    return Found(FoundState.PENDING, reason=reason, readable=readable)


def _may_be_ours(job: JsonObject, lost: LostSubmission) -> bool:
    if job.get("id") in lost.known_jobs:
        return False
    created = _moment(job.get("created_at"))
    if created is None:
        return True
    latest = lost.sent_at + REQUEST_SECONDS + TAKEN_WITHIN + CLOCK_SKEW_SECONDS
    return lost.sent_at - CLOCK_SKEW_SECONDS <= created <= latest


def _examine(
    reader: SunshineReader, job: JsonObject, kind: str, records: Sequence[JsonObject]
) -> _Match:
    """Whether a job of the list is the lost one."""
    status = job.get("job_status")
    if status == ABORTED:
        # It did nothing: whether it was ours or not, the rows may be sent.
        return _Match.NOT_OURS
    if status not in ("completed", FAILED):
        return _Match.RUNNING
    shown = reader.show(str(job.get("id")))
    if not isinstance(shown, dict):
        return _Match.DOUBTFUL if is_missing(shown) else _Match.UNREAD
    results = shown.get("results")
    items = [
        item if isinstance(item, dict) else {}
        for item in (results if isinstance(results, list) else [])
    ]
    # Fewer are no proof: a job that failed lists what it had done, and results may lack rows.
    if len(items) > len(records):
        return _Match.NOT_OURS
    made = [
        (ours, identity)
        for ours, item in zip(records, items, strict=False)
        if item.get("success") is True and (identity := id_of(item))
    ]
    if not made:
        # Every row was refused: again, nothing was done. Without all results nobody can say, nor
        # where the vendor failed over a row.
        whole = len(items) == len(records) and reading_of(shown).status != FAILED
        refused = whole and all(_refused(item) for item in items)
        return _Match.NOT_OURS if refused else _Match.DOUBTFUL
    return _compare(reader, kind, records, made)


def _refused(item: JsonObject) -> bool:
    """Whether a result says for sure that its row was not carried out."""
    errors = item.get("errors")
    code, text = errors_of(errors if isinstance(errors, list) else [])
    return item.get("success") is False and not may_have_been_done(code, text)


def _compare(
    reader: SunshineReader,
    kind: str,
    records: Sequence[JsonObject],
    made: Sequence[tuple[JsonObject, str]],
) -> _Match:
    """Read records back: one that has a key of ours decides, others must agree."""
    keys = {key for record in records if (key := _key(kind, record))}
    matches: set[_Match] = set()
    for ours, identity in made[:READ_BACK]:
        stored = reader.record(kind, identity)
        if not isinstance(stored, dict):
            if is_missing(stored):
                continue
            return _Match.UNREAD
        if _key(kind, ours):
            return _Match.OURS if _key(kind, stored) in keys else _Match.NOT_OURS
        matches.add(_resemblance(ours, stored))
    if not matches:
        return _Match.VANISHED
    return matches.pop() if len(matches) == 1 else _Match.DOUBTFUL


def _key(kind: str, record: JsonObject) -> tuple[str, ...] | None:
    """What a record is known by, wherever it stands; None for one without external id."""
    if kind == "relationships":
        return tuple(str(record.get(name)) for name in ("relationship_type", "source", "target"))
    external_id = record.get("external_id")
    return (str(record.get("type")), str(external_id)) if external_id else None


def _resemblance(ours: JsonObject, stored: JsonObject) -> _Match:
    """Compare an object record without external id. Its type never changes, attributes may."""
    if str(ours.get("type")) != str(stored.get("type")):
        return _Match.NOT_OURS
    sent, kept = ours.get("attributes"), stored.get("attributes")
    if not isinstance(sent, Mapping) or not isinstance(kept, Mapping) or not sent:
        return _Match.DOUBTFUL
    equal = sum(name in kept and kept[name] == value for name, value in sent.items())
    if equal == len(sent):
        return _Match.OURS
    untouched = stored.get("created_at") == stored.get("updated_at")
    return _Match.NOT_OURS if untouched and not equal else _Match.DOUBTFUL


def _weighed(
    reader: SunshineReader, operation: Operation, lost: LostSubmission, doubt: str
) -> Found:
    """The last word: whether a record with one of our external ids was made since we sent them.

    Args:
        doubt: why the jobs decide nothing; empty where none of them is ours.
    """
    by_jobs = Found(FoundState.UNDECIDABLE, reason=doubt) if doubt else Found(FoundState.ABSENT)
    if "external_id" not in operation.fields:
        return by_jobs
    by_type = _external_ids(lost.records)
    for type_key, external_ids in by_type.items():
        for start in range(0, len(external_ids), EXTERNAL_IDS_PER_REQUEST):
            batch = external_ids[start : start + EXTERNAL_IDS_PER_REQUEST]
            listing = reader.records_by_external_id(type_key, batch)
            if isinstance(listing.problem, Refused):
                # An account without this look-up leaves the list of jobs as the proof.
                return by_jobs
            if listing.problem is not None:
                return _pending("the records could not be read", readable=False)
            if any(_made_since(record, lost.sent_at) for record in listing.jobs):
                if doubt:
                    return by_jobs
                return _pending(
                    "records with these external ids were made since, by no job that was seen"
                )
    all_asked = sum(map(len, by_type.values())) == len(lost.records)
    return Found(FoundState.ABSENT) if all_asked else by_jobs


def _external_ids(records: Sequence[JsonObject]) -> dict[str, list[str]]:
    """Type → external ids that can be asked for in a comma-separated list."""
    by_type: dict[str, list[str]] = {}
    for record in records:
        external_id = str(record.get("external_id") or "")
        if external_id and "," not in external_id:
            by_type.setdefault(str(record.get("type")), []).append(external_id)
    return by_type


def _made_since(record: JsonObject, sent_at: float) -> bool:
    created = _moment(record.get("created_at"))
    return created is None or created >= sent_at - CLOCK_SKEW_SECONDS


def _moment(value: object) -> float | None:
    """Epoch seconds of a time as the vendor writes it."""
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError):
        return None
