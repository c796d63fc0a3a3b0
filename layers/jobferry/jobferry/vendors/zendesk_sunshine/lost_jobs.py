"""Looking for a Sunshine job whose submission was not answered, and proving that it is ours.

The list shows when a job was made but neither its size nor its action; those come out of its
results. A job that made records is recognised by reading some of them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, Refused
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.job_search import (
    CLOCK_SKEW_SECONDS,
    Made,
    Match,
    RecordLookup,
    RecordReader,
    SearchResult,
    decide,
    examined,
    match_of_results,
    may_be_of_that_time,
    moment,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk_sunshine.jobs import SunshineReader, reading_of
from jobferry.vendors.zendesk_sunshine.results import ABORTED, FAILED, verdict_of

EXTERNAL_IDS_PER_REQUEST = 50


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
    records = RecordReader(
        lambda identity: _record(reader, kind, identity),
        lambda record: _key(kind, record),
        _resemblance,
    )
    listing = reader.listed()
    if listing.problem is not None:
        result = SearchResult(unreadable=True)
    else:
        result = examined(
            _candidates(listing.jobs, lost),
            lambda job: (_examine(reader, job, lost, records), str(job.get("id"))),
            complete=listing.complete,
        )

    def look_up(_absent: bool) -> RecordLookup:
        return _made(reader, operation, lost)

    return decide(result, now - lost.sent_at, retention, look_up)


def _candidates(jobs: Sequence[JsonObject], lost: LostSubmission) -> list[JsonObject]:
    """Jobs of that time that are no other chunk's."""
    of_that_time = [job for job in jobs if may_be_of_that_time(moment(job.get("created_at")), lost)]
    known = lost.jobs.known(job.get("id") for job in of_that_time)
    return [job for job in of_that_time if job.get("id") not in known]


def _examine(
    reader: SunshineReader, job: JsonObject, lost: LostSubmission, records: RecordReader
) -> Match:
    """Whether a job of the list is the lost one."""
    status = job.get("job_status")
    if status == ABORTED:
        # It did nothing: whether it was ours or not, the rows may be sent.
        return Match.NOT_OURS
    if status not in ("completed", FAILED):
        return Match.RUNNING
    shown = reader.show(str(job.get("id")))
    if not isinstance(shown, dict):
        return Match.DOUBTFUL if is_missing(shown) else Match.UNREADABLE
    listed = shown.get("results")
    results = [
        verdict_of(item if isinstance(item, dict) else {})
        for item in (listed if isinstance(listed, list) else [])
    ]
    broke_off = reading_of(shown).status == FAILED
    return match_of_results(results, lost.records, records, broke_off=broke_off)


def _record(reader: SunshineReader, kind: str, identity: str) -> JsonObject | Match | None:
    stored = reader.record(kind, identity)
    if isinstance(stored, dict):
        return stored
    return None if is_missing(stored) else Match.UNREADABLE


def _key(kind: str, record: JsonObject) -> tuple[str, ...] | None:
    """What a record is known by, wherever it stands; None for one without external id."""
    if kind == "relationships":
        return tuple(str(record.get(name)) for name in ("relationship_type", "source", "target"))
    external_id = record.get("external_id")
    return (str(record.get("type")), str(external_id)) if external_id else None


def _resemblance(ours: JsonObject, stored: JsonObject) -> Match:
    """Compare an object record without external id. Its type never changes, attributes may."""
    if str(ours.get("type")) != str(stored.get("type")):
        return Match.NOT_OURS
    sent, kept = ours.get("attributes"), stored.get("attributes")
    if not isinstance(sent, Mapping) or not isinstance(kept, Mapping) or not sent:
        return Match.DOUBTFUL
    equal = sum(name in kept and kept[name] == value for name, value in sent.items())
    if equal == len(sent):
        return Match.OURS
    untouched = stored.get("created_at") == stored.get("updated_at")
    return Match.NOT_OURS if untouched and not equal else Match.DOUBTFUL


def _made(reader: SunshineReader, operation: Operation, lost: LostSubmission) -> RecordLookup:
    """Whether a record with one of our external ids was made since we sent them."""
    if "external_id" not in operation.fields:
        return RecordLookup(Made.NO_LOOK_UP)
    by_type = _external_ids(lost)
    for type_key, external_ids in by_type.items():
        for start in range(0, len(external_ids), EXTERNAL_IDS_PER_REQUEST):
            batch = external_ids[start : start + EXTERNAL_IDS_PER_REQUEST]
            listing = reader.records_by_external_id(type_key, batch)
            if isinstance(listing.problem, Refused):
                # An account without this look-up leaves the list of jobs as the proof.
                return RecordLookup(Made.NO_LOOK_UP)
            if listing.problem is not None:
                return RecordLookup(Made.UNREADABLE)
            if any(_made_since(record, lost.sent_at) for record in listing.jobs):
                return RecordLookup(Made.SOME)
    return RecordLookup(Made.NONE, sum(map(len, by_type.values())) == len(lost.records))


def _external_ids(lost: LostSubmission) -> dict[str, list[str]]:
    """Type → external ids that can be asked for in a comma-separated list."""
    by_type: dict[str, list[str]] = {}
    for record in lost.records:
        external_id = str(record.get("external_id") or "")
        if external_id and "," not in external_id:
            by_type.setdefault(str(record.get("type")), []).append(external_id)
    return by_type


def _made_since(record: JsonObject, sent_at: float) -> bool:
    created = moment(record.get("created_at"))
    return created is None or created >= sent_at - CLOCK_SKEW_SECONDS
