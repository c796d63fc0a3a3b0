"""Finding the job of a submission whose answer was lost, among Zendesk Support's recent jobs.

A job is ours if it is of our size, no other chunk's, and the records that it made are new and
carry our external ids (or our names or subjects, where there are none). Only a search that saw
everything and understood everything it saw may say "absent", because then the rows are sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from jobferry.model import JsonObject
from jobferry.vendors.base import Found, FoundState, JobPhase, JobReading, LostSubmission
from jobferry.vendors.zendesk_answers import json_object, problem_of
from jobferry.vendors.zendesk_jobs import API, JobReader, readings_of

if TYPE_CHECKING:
    from jobferry.vendors.http import HttpClient

VISIBLE_AFTER = 60.0
"""Seconds: a request that timed out may still be worked on; only then is "not listed" a proof."""

LIST_TRUSTED = 3_600.0
"""Seconds for which the list surely still shows a job: the shortest that was ever documented."""

CLOCK_TOLERANCE = 120.0
"""Seconds that the vendor's clock may be behind ours."""

# What a record shows of what we sent, best first. Only external ids tell records apart for sure.
_EXTERNAL_ID = "external_id"
_RESEMBLING = ("email", "subject", "name")


_CHANGES = frozenset({"update", "delete"})
"""What `action` says in the results of jobs that made nothing."""


class _Verdict(Enum):
    OURS = auto()
    NOT_OURS = auto()
    DOUBTFUL = auto()
    UNREADABLE = auto()
    RUNNING = auto()


def find_job(
    http: HttpClient, jobs: JobReader, kind: str | None, lost: LostSubmission, now: float
) -> Found:
    """Look for a lost submission.

    Args:
        kind: the records that its job makes, as their path says: `tickets`, `users`; None where
            they cannot be read back, so that no job of our size can be told from ours.
    """
    search = _Search(http, jobs, kind, lost)
    candidates: list[JsonObject] = []
    complete = False
    for page in jobs.pages():
        if not isinstance(page, tuple):
            return Found(FoundState.PENDING, reason="the list of jobs could not be read")
        items, more = page
        candidates += [item for item in items if item.get("id") not in lost.known_jobs]
        complete = not more
    verdicts: Counter[_Verdict] = Counter()
    for item in candidates:
        verdict, job_id = search.judge(item)
        if verdict is _Verdict.OURS:
            return Found(FoundState.FOUND, job_id)
        verdicts[verdict] += 1
    return _conclude(verdicts, complete=complete, age=now - lost.sent_at)


def _conclude(verdicts: Counter[_Verdict], *, complete: bool, age: float) -> Found:
    """What it means that no job was surely ours."""
    if verdicts[_Verdict.RUNNING]:
        return Found(FoundState.PENDING, reason="a job of this size is still running")
    if verdicts[_Verdict.UNREADABLE]:
        return Found(FoundState.PENDING, reason="a job or its records could not be read")
    if verdicts[_Verdict.DOUBTFUL]:
        return Found(
            FoundState.UNDECIDABLE,
            reason="a job of this size ran at that time and its records cannot be told apart",
        )
    if not complete:
        return Found(FoundState.UNDECIDABLE, reason="the list of recent jobs is too long")
    if age > LIST_TRUSTED:
        return Found(FoundState.UNDECIDABLE, reason="the vendor may have forgotten the job")
    if age < VISIBLE_AFTER:
        return Found(FoundState.PENDING, reason="a job may take a moment to become visible")
    return Found(FoundState.ABSENT)


@dataclass(frozen=True, slots=True)
class _Search:
    http: HttpClient
    jobs: JobReader
    kind: str | None
    lost: LostSubmission

    def judge(self, item: JsonObject) -> tuple[_Verdict, str]:
        """Whether a listed job is the one, and its id."""
        job_id = item.get("id")
        if not isinstance(job_id, str):
            return _Verdict.DOUBTFUL, ""
        listed = readings_of([item], [job_id])[job_id]
        if self._other_size(listed):
            return _Verdict.NOT_OURS, job_id
        reading: object = listed
        if listed.total is None or "results" not in item:
            reading = self.jobs.show(job_id)
        if reading is None:
            # Reading by id has lost it; the list says too little to decide.
            return _Verdict.DOUBTFUL, job_id
        if not isinstance(reading, JobReading):
            return _Verdict.UNREADABLE, job_id
        if self._other_size(reading):
            return _Verdict.NOT_OURS, job_id
        if reading.phase is not JobPhase.ENDED:
            return _Verdict.RUNNING, job_id
        return self._compare(reading.raw or {}), job_id

    def _other_size(self, reading: JobReading) -> bool:
        return reading.total not in (None, len(self.lost.records))

    def _compare(self, raw: JsonObject) -> _Verdict:
        """Whether the records of an ended job are ours."""
        if self.kind is None:
            return _Verdict.DOUBTFUL
        results = raw.get("results")
        items = results if isinstance(results, list) else []
        ids = [str(r["id"]) for r in items if isinstance(r, dict) and r.get("id") is not None]
        if not ids:
            return _Verdict.DOUBTFUL
        answer = self.http.request(
            "GET", f"{API}/{self.kind}/show_many", params={"ids": ",".join(ids)}
        )
        if problem_of(answer) is not None:
            return _Verdict.UNREADABLE
        stored = json_object(answer).get(self.kind)
        records = [
            record
            for record in (stored if isinstance(stored, list) else [])
            if isinstance(record, dict) and str(record.get("id")) in ids
        ]
        if not records:
            return _Verdict.DOUBTFUL
        if self._backdated:
            # An import says itself when its tickets were made, so their age says nothing, and
            # a job that changed older tickets is told by what its results say that it did.
            if any(isinstance(r, dict) and r.get("action") in _CHANGES for r in items):
                return _Verdict.NOT_OURS
        elif any(self._older(record) for record in records):
            return _Verdict.NOT_OURS
        return _resemblance(records, self.lost.records)

    @property
    def _backdated(self) -> bool:
        return any(record.get("created_at") for record in self.lost.records)

    def _older(self, record: JsonObject) -> bool:
        """Whether a record was there before our request left."""
        try:
            created = datetime.fromisoformat(str(record.get("created_at"))).timestamp()
        except ValueError:
            return False
        return created < self.lost.sent_at - CLOCK_TOLERANCE


def _resemblance(theirs: Sequence[JsonObject], ours: Sequence[JsonObject]) -> _Verdict:
    """Compare records by external id, and only where there is none by what resembles one."""
    wanted = _values(ours, _EXTERNAL_ID)
    if wanted:
        return (
            _Verdict.NOT_OURS
            if _values(theirs, _EXTERNAL_ID) - wanted
            else _known(theirs, _EXTERNAL_ID)
        )
    for name in _RESEMBLING:
        wanted = _values(ours, name)
        if wanted:
            return _Verdict.DOUBTFUL if _values(theirs, name) - wanted else _Verdict.OURS
    return _Verdict.DOUBTFUL


def _known(theirs: Sequence[JsonObject], name: str) -> _Verdict:
    """Records without any value of ours were made by somebody else."""
    return _Verdict.OURS if _values(theirs, name) else _Verdict.NOT_OURS


def _values(records: Iterable[JsonObject], name: str) -> Counter[str]:
    """The values of a field, without regard to case, and how often each stands there."""
    return Counter(
        str(record[name]).casefold() for record in records if record.get(name) not in (None, "")
    )
