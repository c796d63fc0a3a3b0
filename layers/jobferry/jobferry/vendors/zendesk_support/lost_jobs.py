"""Finding the job of a submission whose answer was lost, among Zendesk Support's recent jobs.

A job is ours if it is of our size, no other chunk's, and the records that it made are new, of the
kind that we sent, and carry our external ids (or our names or subjects, where there are none). Only
a search that saw everything and understood everything it saw may say "absent"; records with our
external ids have the last word (`zendesk_find_records`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from jobferry.domain.error_codes import may_have_been_done
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import usable_id, word
from jobferry.vendors.answers import Found, FoundState, JobPhase, JobReading
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import LostSubmission
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API, JobReader, readings_of
from jobferry.vendors.zendesk_support.lost_records import (
    Made,
    made_since,
    records_made,
    telling_age,
)
from jobferry.vendors.zendesk_support.requests import READABLE
from jobferry.vendors.zendesk_support.results import error_of_item, is_refusal

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

LIST_TRUSTED = 3_600.0
"""Seconds for which the list surely still shows a job: the shortest that was ever documented."""

CANDIDATES = 200
"""Jobs of our size and nobody's that are looked at, each for one request or more."""

# What a record shows of what we sent, best first. Only external ids tell records apart for sure.
_EXTERNAL_ID = "external_id"
_RESEMBLING = ("email", "subject", "name")

_CHANGES = frozenset({"update", "delete"})
"""What `action` says in the results of jobs that made nothing."""


class Verdict(Enum):
    """What a search makes of one job."""

    OURS = auto()
    NOT_OURS = auto()
    DOUBTFUL = auto()
    """It may be ours; whether our records are there decides."""
    VANISHED = auto()
    """What it made is gone: it may be ours, and nothing can tell any more."""
    UNREADABLE = auto()
    RUNNING = auto()


@dataclass(frozen=True, slots=True)
class Searched:
    """What a look through the list of recent jobs brought.

    job_id      the job that is ours, if one is
    verdicts    on the others, how many of each
    complete    every job of the list was seen
    unreadable  the list could not be read
    """

    job_id: str | None = None
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    complete: bool = False
    unreadable: bool = False

    def conclusion(self, age: float) -> Found:
        """What it means, `age` seconds after the submission."""
        if self.job_id is not None:
            return Found(FoundState.FOUND, self.job_id)
        pending = self.pending()
        if pending is not None:
            return pending
        if self.verdicts[Verdict.DOUBTFUL] or self.vanished:
            return Found(
                FoundState.UNDECIDABLE,
                reason="a job of this size ran at that time and its records cannot be told apart",
            )
        if not self.complete:
            return Found(
                FoundState.UNDECIDABLE, reason="the list of recent jobs does not reach back to it"
            )
        if age > LIST_TRUSTED:
            return Found(FoundState.UNDECIDABLE, reason="the vendor may have forgotten the job")
        return Found(FoundState.ABSENT)

    @property
    def vanished(self) -> bool:
        """Whether a job that may be ours made records that are gone."""
        return self.verdicts[Verdict.VANISHED] > 0

    def pending(self) -> Found | None:
        """Why it decides nothing yet, if it does not."""
        unreadable = None
        if self.unreadable:
            unreadable = "the list of jobs could not be read"
        elif self.verdicts[Verdict.UNREADABLE]:
            unreadable = "a job or its records could not be read"
        if unreadable is not None:
            return Found(FoundState.PENDING, reason=unreadable, readable=False)
        if self.verdicts[Verdict.RUNNING]:
            return Found(FoundState.PENDING, reason="a job of this size is still running")
        return None


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

    def made_ours(raw: JsonObject) -> Verdict:
        return _shown(lost, raw) if kind is None else _compare(account, kind, lost, raw)

    searched = search(jobs, lost, len(lost.records), made_ours)
    found = searched.conclusion(now - lost.sent_at)
    if found.state in (FoundState.FOUND, FoundState.PENDING) or searched.vanished:
        return found
    return _weighed(account, operation, lost, found)


def _weighed(account: Account, operation: Operation, lost: LostSubmission, found: Found) -> Found:
    """What the records with our external ids make of what the jobs said.

    None of them being there decides also where the list of jobs does not, if all were looked for.
    """
    absent = found.state is FoundState.ABSENT
    look = records_made(account, operation, lost.records, lost.sent_at, all_of_them=not absent)
    match look.made:
        case Made.UNREADABLE:
            return Found(
                FoundState.PENDING, reason="the records could not be looked up", readable=False
            )
        case Made.SOME if absent:
            return Found(
                FoundState.PENDING,
                reason="records with these external ids were made since, by no job that was seen",
            )
        case Made.NONE if look.whole:
            return Found(FoundState.ABSENT)
    return found


def search(
    jobs: JobReader,
    lost: LostSubmission,
    size: int | None,
    compare: Callable[[JsonObject], Verdict],
) -> Searched:
    """Look through the list of recent jobs, as far back as the lost one may stand.

    Args:
        size: how many records ours shows as its total; None if that cannot be said.
        compare: whether an ended job is ours.
    """
    candidates: list[JsonObject] = []
    complete = reached = False
    for page in jobs.pages():
        if not isinstance(page, tuple):
            return Searched(unreadable=True)
        items, more = page
        candidates += [item for item in items if item.get("id") not in lost.known_jobs]
        reached = reached or any(item.get("id") in lost.ended_before for item in items)
        # A list that ends above jobs that it should still show has forgotten ours, perhaps.
        complete = reached or not lost.ended_before
        if not more or jobs.goes_back_to(items, lost.ended_before):
            break
    else:
        complete = False
    candidates = [item for item in candidates if not _of_other_size(item, size)]
    if len(candidates) > CANDIDATES:
        return Searched(None, Counter({Verdict.DOUBTFUL: len(candidates)}), complete)
    verdicts: Counter[Verdict] = Counter()
    for item in candidates:
        if jobs.told_to_wait:
            return Searched(unreadable=True)
        verdict, job_id = _judge(jobs, item, size, compare)
        if verdict is Verdict.OURS:
            return Searched(job_id, verdicts, complete)
        verdicts[verdict] += 1
    return Searched(None, verdicts, complete)


def _of_other_size(job: JsonObject, size: int | None) -> bool:
    """Whether a job says that it has another number of records than ours."""
    total = job.get("total")
    return size is not None and isinstance(total, int) and total != size


def _judge(
    jobs: JobReader,
    item: JsonObject,
    size: int | None,
    compare: Callable[[JsonObject], Verdict],
) -> tuple[Verdict, str]:
    """Whether a listed job is the one, and its id."""
    job_id = item.get("id")
    if not isinstance(job_id, str):
        return Verdict.DOUBTFUL, ""
    reading: object = readings_of([item], [job_id])[job_id]
    if not isinstance(item.get("total"), int) or "results" not in item:
        reading = jobs.show(job_id)
    if reading is None:
        # Reading by id has lost it; the list says too little to decide.
        return Verdict.DOUBTFUL, job_id
    if not isinstance(reading, JobReading):
        return Verdict.UNREADABLE, job_id
    if size is not None and reading.total not in (None, size):
        return Verdict.NOT_OURS, job_id
    if reading.phase is not JobPhase.ENDED:
        return Verdict.RUNNING, job_id
    raw = reading.raw or {}
    if size is not None and _did_nothing(raw, size):
        return Verdict.NOT_OURS, job_id
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


def _shown(lost: LostSubmission, raw: JsonObject) -> Verdict:
    """Whether the records that the results of an ended job show are ours.

    Jobs of custom objects list the records that they made, with their external ids.
    """
    wanted, shown = _values(lost.records, _EXTERNAL_ID), _values(items_in(raw), _EXTERNAL_ID)
    if wanted.total() < len(lost.records) or not shown:
        return Verdict.DOUBTFUL
    foreign = shown - wanted or any(not made_since(item, lost.sent_at) for item in items_in(raw))
    return Verdict.NOT_OURS if foreign else Verdict.OURS


def _compare(account: Account, kind: str, lost: LostSubmission, raw: JsonObject) -> Verdict:
    """Whether the records of an ended job are ours."""
    ids = ids_in(item for item in items_in(raw) if not is_refusal(item))
    if not ids:
        return Verdict.DOUBTFUL
    records = records_of(account, kind, ids)
    if records is None:
        return Verdict.UNREADABLE
    if not records:
        return _made_others(account, kind, ids)
    age = telling_age(lost.records)
    if age != "created_at" and any(word(item.get("action")) in _CHANGES for item in items_in(raw)):
        # What changed tickets made none, however old they may be.
        return Verdict.NOT_OURS
    if age is not None and not all(made_since(each, lost.sent_at, age) for each in records):
        return Verdict.NOT_OURS
    return _resemblance(records, lost.records)


def _made_others(account: Account, kind: str, ids: Collection[str]) -> Verdict:
    """On a job none of whose ids is that of a record of our kind: a job of another kind has made
    it, or our records are gone already."""
    for other in READABLE:
        records = [] if other == kind else records_of(account, other, ids)
        if records is None:
            return Verdict.UNREADABLE
        if records:
            return Verdict.NOT_OURS
    return Verdict.VANISHED


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


def _resemblance(theirs: Sequence[JsonObject], ours: Sequence[JsonObject]) -> Verdict:
    """Compare records by external id, and only where there is none by what resembles one.

    What stands in several rows tells nothing apart: another chunk of the file may have it, too.
    """
    wanted = _values(ours, _EXTERNAL_ID)
    if wanted:
        shown = _values(theirs, _EXTERNAL_ID)
        common = (shown & wanted).total()
        # Somebody may have changed one or the other since; others' records have none of ours.
        if common and 2 * common >= shown.total() and len(wanted) == wanted.total():
            return Verdict.OURS
        return Verdict.DOUBTFUL if common or wanted.total() < len(ours) else Verdict.NOT_OURS
    for name in _RESEMBLING:
        wanted = _values(ours, name)
        if wanted:
            telling = len(wanted) == wanted.total() == len(ours)
            return (
                Verdict.OURS if telling and not _values(theirs, name) - wanted else Verdict.DOUBTFUL
            )
    return Verdict.DOUBTFUL


def _values(records: Iterable[JsonObject], name: str) -> Counter[str]:
    """The values of a field, without regard to case, and how often each stands there."""
    return Counter(
        str(record[name]).casefold() for record in records if record.get(name) not in (None, "")
    )
