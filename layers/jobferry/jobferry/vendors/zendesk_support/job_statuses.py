"""Reading Zendesk Support's job statuses: many by id, one by id, or the list of recent ones.

Two readers, because each is known to fail where the other works: reading by id has lost jobs
under load that the list still showed (facetoe/zenpy, issue 291), and items of the list may hold
no more than id and status.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import whole, word
from jobferry.vendors.answers import (
    Ambiguous,
    JobPhase,
    JobReading,
    PollAnswer,
    Problem,
    Refused,
    Throttled,
    throttle_of,
)
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.zendesk.errors import JOB_ID, json_object, problem_of

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, NoAnswer
    from jobferry.vendors.zendesk.client import Account

API = "/api/v2"

POLL_BATCH = 100
"""Ids in one `show_many`: the cap of Zendesk's other show_many calls."""

LIST_PAGE = 100
"""Job statuses on a page of the list: as many as Zendesk allows."""

LIST_PAGES = 20
"""Pages that are searched, newest first."""

# queued and working are active; every other documented word is an end (killed: older accounts).
_ENDED = frozenset({"completed", "failed", "killed"})

_UNFINISHED = frozenset({"queued", "working"})
"""Words that say for sure that a job has not ended; one that nobody knows says nothing."""

_NO_LIST = Ambiguous("the answer holds no job statuses")


class JobReader:
    """Job statuses of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._unfinished_first = False

    @property
    def is_throttled(self) -> bool:
        """The vendor has asked us to wait since this was last reset."""
        return self._account.throttled is not None

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Poll jobs with as few requests as may be; `requests` is left to the caller.

        A job is GONE only when both readers answered and neither knew it.
        """
        readings: dict[str, JobReading] = {}
        problems: list[Problem] = []
        for start in range(0, len(job_ids), POLL_BATCH):
            seen = self._show_many(job_ids[start : start + POLL_BATCH])
            if isinstance(seen, dict):
                readings |= seen
            else:
                problems.append(seen)
                if _stops(seen):
                    break  # throttled or refused: the next request would be, too
        missing = {job_id for job_id in job_ids if job_id not in readings}
        if missing and not any(map(_stops, problems)):
            found, complete, problem = self._search(missing)
            readings |= found
            problems += [problem] if problem is not None else []
            if complete and not problems:
                readings |= {
                    job_id: JobReading(job_id, JobPhase.GONE, "gone")
                    for job_id in missing - found.keys()
                }
        return _answer(readings, problems)

    def show(self, job_id: str) -> JobReading | Problem | None:
        """One job by its id; None when this reader does not know it (404)."""
        if not JOB_ID.fullmatch(job_id):
            return None
        answer = self._get(f"/job_statuses/{job_id}")
        problem = problem_of(answer)
        if is_missing(problem):
            return None
        if problem is not None:
            return problem
        return readings_of([job_of(json_object(answer))], [job_id]).get(job_id) or _NO_LIST

    def pages(self) -> Iterator[tuple[list[JsonObject], bool] | Problem]:
        """Pages of the list, newest first: (jobs, whether more follow); or why one is missing."""
        params = {"page[size]": str(LIST_PAGE)}
        for _ in range(LIST_PAGES):
            answer = self._get("/job_statuses", **params)
            problem = problem_of(answer)
            document = json_object(answer)
            jobs = document.get("job_statuses")
            if problem is not None or not isinstance(jobs, list):
                yield problem or _NO_LIST
                return
            meta = document.get("meta")
            meta = meta if isinstance(meta, dict) else {}
            cursor = meta.get("after_cursor")
            more = bool(meta.get("has_more")) and isinstance(cursor, str) and cursor != ""
            yield [_listed(job) for job in jobs if isinstance(job, dict)], more
            if not more:
                return
            params["page[after]"] = str(cursor)

    def goes_back_to(self, page: Sequence[JsonObject], ended: Collection[str]) -> bool:
        """Whether all that the list shows after this page had ended before one of these jobs.

        It is sorted by when jobs ended, newest first
        (https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/).
        Where it shows those that have not ended is not said, and they must not be missed: it has to
        have shown one above an ended one, which still has not ended when it is asked by its id.
        """
        if not self._unfinished_first:
            first_ended = next((n for n, job in enumerate(page) if _has_ended(job)), 0)
            above = [job for job in page[:first_ended] if word(job.get("status")) in _UNFINISHED]
            running = next((str(job.get("id")) for job in above), None)
            reading = self.show(running) if running is not None else None
            if not isinstance(reading, JobReading) or reading.phase is not JobPhase.ACTIVE:
                return False
            self._unfinished_first = True
        return any(_has_ended(job) and job.get("id") in ended for job in page)

    def _show_many(self, job_ids: Sequence[str]) -> dict[str, JobReading] | Problem:
        answer = self._get("/job_statuses/show_many", ids=",".join(job_ids))
        if _is_too_large(answer) and len(job_ids) > 1:
            half = len(job_ids) // 2
            return self._show_parts((job_ids[:half], job_ids[half:]))
        problem = problem_of(answer)
        if is_missing(problem):
            return {}  # this reader knows none of them
        if problem is not None:
            return problem
        jobs = json_object(answer).get("job_statuses")
        if not isinstance(jobs, list):
            return _NO_LIST
        return self._with_results(readings_of(jobs, job_ids))

    def _show_parts(self, parts: Iterable[Sequence[str]]) -> dict[str, JobReading] | Problem:
        """Jobs whose statuses are too large for one answer; ends at the first problem."""
        readings: dict[str, JobReading] = {}
        for part in parts:
            seen = self._show_many(part)
            if not isinstance(seen, dict):
                return seen if not readings or _stops(seen) else readings
            readings |= seen
        return readings

    def _search(self, wanted: set[str]) -> tuple[dict[str, JobReading], bool, Problem | None]:
        """Jobs in the list: what was found, whether all of the list was seen, what went wrong."""
        readings: dict[str, JobReading] = {}
        for page in self.pages():
            if not isinstance(page, tuple):
                return readings, False, page
            jobs, more = page
            readings |= self._with_results(readings_of(jobs, wanted))
            if len(readings) == len(wanted) or not more:
                return readings, True, None
        return readings, False, None

    def _with_results(self, readings: dict[str, JobReading]) -> dict[str, JobReading]:
        """Look at ended jobs by id where an item holds no results, as documented items may."""
        for job_id, reading in readings.items():
            if reading.phase is JobPhase.ENDED and "results" not in (reading.raw or {}):
                shown = None if self.is_throttled else self.show(job_id)
                readings[job_id] = (
                    shown
                    if isinstance(shown, JobReading)
                    else JobReading(job_id, JobPhase.ACTIVE, reading.status)
                )
        return readings

    def _get(self, path: str, **params: str) -> Answer | NoAnswer:
        return self._account.request("GET", API + path, params=params or None)


def _has_ended(job: JsonObject) -> bool:
    return word(job.get("status")) in _ENDED


def _is_too_large(answer: Answer | NoAnswer) -> bool:
    return getattr(answer, "too_large", False)


def _listed(job: JsonObject) -> JsonObject:
    """A job of a list; one whose id is none stays, as a job that cannot be asked for."""
    job_id = job.get("id")
    named = isinstance(job_id, str) and JOB_ID.fullmatch(job_id)
    return job if named else {**job, "id": None}


def job_of(document: JsonObject) -> JsonObject:
    """Newer answers wrap the job status, older ones are the bare object."""
    inner = document.get("job_status", document)
    return inner if isinstance(inner, dict) else {}


def readings_of(jobs: Iterable[Any], wanted: Iterable[str]) -> dict[str, JobReading]:
    """Readings of those jobs of a list that were asked for."""
    ids = set(wanted)
    readings: dict[str, JobReading] = {}
    for job in jobs:
        job_id = job.get("id") if isinstance(job, dict) else None
        if not isinstance(job_id, str) or job_id not in ids:
            continue
        status = word(job.get("status"))
        readings[job_id] = JobReading(
            job_id=job_id,
            phase=JobPhase.ENDED if status in _ENDED else JobPhase.ACTIVE,
            status=status,
            progress=whole(job.get("progress")),
            total=whole(job.get("total")),
            raw=job,
        )
    return readings


def _stops(problem: Problem) -> bool:
    """Whether the next request would meet the same, or come while the vendor asks us to wait."""
    return not isinstance(problem, Ambiguous) or throttle_of(problem) is not None


def _answer(readings: dict[str, JobReading], problems: Sequence[Problem]) -> PollAnswer:
    throttled: Throttled | None = None
    refused: Refused | None = None
    reasons: list[str] = []
    for problem in problems:
        throttled = throttle_of(problem) or throttled
        if isinstance(problem, Refused):
            refused = problem
        elif isinstance(problem, Ambiguous):
            reasons.append(problem.reason)
    return PollAnswer(
        readings=readings,
        throttled=throttled,
        refused=refused,
        problem="; ".join(dict.fromkeys(reasons)) or None,
    )
