"""Finding the job of a submission whose answer was lost, among Zendesk Support's recent jobs.

A job is ours if it is of our size, no other chunk's, and the records that it made are new, of the
kind that we sent, and carry our external ids (or our names or subjects, where there are none). Only
a search that saw everything and understood everything it saw may say "absent"; records with our
external ids have the last word (`zendesk_find_records`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from jobferry.domain.error_codes import may_have_been_done
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import usable_id, word
from jobferry.vendors.answers import Found, JobPhase, JobReading
from jobferry.vendors.job_search import Match, RecordLookup, SearchResult, decide, examined
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API, JobReader, readings_of
from jobferry.vendors.zendesk_support.lost_records import made_since, records_made, telling_age
from jobferry.vendors.zendesk_support.requests import READABLE
from jobferry.vendors.zendesk_support.results import error_of_item, is_refusal

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

LIST_TRUSTED = 3_600.0
"""Seconds for which the list surely still shows a job: the shortest that was ever documented."""

# What a record shows of what we sent, best first. Only external ids tell records apart for sure.
_EXTERNAL_ID = "external_id"
_RESEMBLING = ("email", "subject", "name")

_CHANGES = frozenset({"update", "delete"})
"""What `action` says in the results of jobs that made nothing."""


def find_job(
    account: Account,
    jobs: JobReader,
    operation: Operation,
    kind: str | None,
    lost: LostSubmission,
    now: float,
) -> Found:
    """Look for a lost submission.

    Args:
        kind: the records that its job makes, as their path says: `tickets`, `users`; None where
            they cannot be read back, so that only what the results show can tell a job of our
            size from ours.
    """

    def made_ours(raw: JsonObject) -> Match:
        return _shown(lost, raw) if kind is None else _compare(account, kind, lost, raw)

    def look_up(absent: bool) -> RecordLookup:
        return records_made(account, operation, lost.records, lost.sent_at, all_of_them=not absent)

    result = search(jobs, lost, len(lost.records), made_ours)
    return decide(result, now - lost.sent_at, LIST_TRUSTED, look_up)


def search(
    jobs: JobReader,
    lost: LostSubmission,
    size: int | None,
    compare: Callable[[JsonObject], Match],
) -> SearchResult:
    """Read the list of recent jobs, as far back as the lost one may stand.

    Args:
        size: how many records ours shows as its total; None if that cannot be said.
        compare: whether an ended job is ours.
    """
    candidates: list[JsonObject] = []
    complete = reached = False
    for page in jobs.pages():
        if not isinstance(page, tuple):
            return SearchResult(unreadable=True)
        items, more = page
        ids = [item.get("id") for item in items]
        known, ended = lost.jobs.known(ids), lost.jobs.ended_before(ids)
        candidates += [item for item in items if item.get("id") not in known]
        reached = reached or bool(ended)
        if not more or jobs.goes_back_to(items, ended):
            # A list that ends above jobs that it should still show has forgotten ours, perhaps.
            complete = reached or not lost.jobs.any_ended_before()
            break
    candidates = [item for item in candidates if not _of_other_size(item, size)]
    return examined(
        candidates,
        lambda item: _examine(jobs, item, size, compare),
        complete=complete,
        stopped=lambda: jobs.is_throttled,
    )


def _of_other_size(job: JsonObject, size: int | None) -> bool:
    """Whether a job says that it has another number of records than ours."""
    total = job.get("total")
    return size is not None and isinstance(total, int) and total != size


def _examine(
    jobs: JobReader,
    item: JsonObject,
    size: int | None,
    compare: Callable[[JsonObject], Match],
) -> tuple[Match, str]:
    """Whether a listed job is the one, and its id."""
    job_id = item.get("id")
    if not isinstance(job_id, str):
        return Match.DOUBTFUL, ""
    reading: object = readings_of([item], [job_id])[job_id]
    if not isinstance(item.get("total"), int) or "results" not in item:
        reading = jobs.show(job_id)
    if reading is None:
        # Reading by id has lost it; the list says too little to decide.
        return Match.DOUBTFUL, job_id
    if not isinstance(reading, JobReading):
        return Match.UNREADABLE, job_id
    if size is not None and reading.total not in (None, size):
        return Match.NOT_OURS, job_id
    if reading.phase is not JobPhase.ENDED:
        return Match.RUNNING, job_id
    raw = reading.raw or {}
    if size is not None and _did_nothing(raw, size):
        return Match.NOT_OURS, job_id
    return compare(raw), job_id


def _did_nothing(raw: JsonObject, size: int) -> bool:
    """Whether every record was refused: be the job ours or not, its rows may be sent.

    An error of the vendor's own is no refusal: it may have struck when the row was done.
    """
    items = items_in(raw)
    return len(items) == size and all(
        is_refusal(item) and not may_have_been_done(*error_of_item(item, raw)) for item in items
    )


def ids_in(items: Iterable[JsonObject]) -> set[str]:
    """The ids that results name."""
    return {found for item in items if (found := usable_id(item.get("id"))) is not None}


def items_in(raw: JsonObject) -> list[JsonObject]:
    """The results of a job, one by one."""
    results = raw.get("results")
    return [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []


def _shown(lost: LostSubmission, raw: JsonObject) -> Match:
    """Whether the records that the results of an ended job show are ours.

    Jobs of custom objects list the records that they made, with their external ids.
    """
    wanted, shown = _values(lost.records, _EXTERNAL_ID), _values(items_in(raw), _EXTERNAL_ID)
    if wanted.total() < len(lost.records) or not shown:
        return Match.DOUBTFUL
    foreign = shown - wanted or any(not made_since(item, lost.sent_at) for item in items_in(raw))
    return Match.NOT_OURS if foreign else Match.OURS


def _compare(account: Account, kind: str, lost: LostSubmission, raw: JsonObject) -> Match:
    """Whether the records of an ended job are ours."""
    ids = ids_in(item for item in items_in(raw) if not is_refusal(item))
    if not ids:
        return Match.DOUBTFUL
    records = records_of(account, kind, ids)
    if records is None:
        return Match.UNREADABLE
    if not records:
        return _made_others(account, kind, ids)
    age = telling_age(lost.records)
    if age != "created_at" and any(word(item.get("action")) in _CHANGES for item in items_in(raw)):
        # What changed tickets made none, however old they may be.
        return Match.NOT_OURS
    if age is not None and not all(made_since(each, lost.sent_at, age) for each in records):
        return Match.NOT_OURS
    return _resemblance(records, lost.records)


def _made_others(account: Account, kind: str, ids: Collection[str]) -> Match:
    """On a job none of whose ids is that of a record of our kind: a job of another kind has made
    it, or our records are gone already."""
    for other in READABLE:
        records = [] if other == kind else records_of(account, other, ids)
        if records is None:
            return Match.UNREADABLE
        if records:
            return Match.NOT_OURS
    return Match.VANISHED


def records_of(account: Account, kind: str, ids: Collection[str]) -> list[JsonObject] | None:
    """Those of these records that are there; None where they could not be read."""
    answer = account.request(
        "GET", f"{API}/{kind}/show_many", params={"ids": ",".join(sorted(ids))}
    )
    if problem_of(answer) is not None:
        return None
    stored = json_object(answer).get(kind)
    return [
        record
        for record in (stored if isinstance(stored, list) else [])
        if isinstance(record, dict) and str(record.get("id")) in ids
    ]


def _resemblance(theirs: Sequence[JsonObject], ours: Sequence[JsonObject]) -> Match:
    """Compare records by external id, and only where there is none by what resembles one.

    What stands in several rows tells nothing apart: another chunk of the file may have it, too.
    """
    wanted = _values(ours, _EXTERNAL_ID)
    if wanted:
        shown = _values(theirs, _EXTERNAL_ID)
        common = (shown & wanted).total()
        # Somebody may have changed one or the other since; others' records have none of ours.
        if common and 2 * common >= shown.total() and len(wanted) == wanted.total():
            return Match.OURS
        return Match.DOUBTFUL if common or wanted.total() < len(ours) else Match.NOT_OURS
    for name in _RESEMBLING:
        wanted = _values(ours, name)
        if wanted:
            telling = len(wanted) == wanted.total() == len(ours)
            return Match.OURS if telling and not _values(theirs, name) - wanted else Match.DOUBTFUL
    return Match.DOUBTFUL


def _values(records: Iterable[JsonObject], name: str) -> Counter[str]:
    """The values of a field, without regard to case, and how often each stands there."""
    return Counter(
        str(record[name]).casefold() for record in records if record.get(name) not in (None, "")
    )
