"""The half of Vidispine that talks: jobs created, read, found and controlled through the JobApi.

Every job carries two metadata keys of ours: the token of its submission, by which a lost one is
found exactly, and a mark that all jobs of ours share. The list has no filter by id, so a poll
lists our newest jobs, a page of them in one request, complete with data and log. Only jobs
that are not on these pages (they have been running for long) are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import whole_in_text
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    JobPhase,
    JobProblem,
    JobReading,
    PollAnswer,
    Problem,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    throttle_of,
)
from jobferry.vendors.http.vendor_client import HttpVendorClient
from jobferry.vendors.job_search import Match, SearchResult, examined
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.poll_collector import READERS
from jobferry.vendors.vidispine.answers import (
    JOB_ID,
    NOT_FOUND,
    document_of,
    job_of,
    objects,
    pairs,
    problem_of,
)
from jobferry.vendors.vidispine.jobs import age_of, is_thin, job_problem, reading_of
from jobferry.vendors.vidispine.requests import (
    OURS,
    OURS_KEY,
    PRIORITIES,
    TOKEN_KEY,
    creation_query,
    encode,
    query_of,
)

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, NoAnswer


API = "/API"

RETENTION_SECONDS = 86_400
"""Jobs are kept until the site's administrator purges them; that this takes a day is ours."""

LIST_PAGE = 200
"""Jobs asked for in one list call; a site that gives fewer is asked for the rest."""

LIST_PAGES = 5
"""Pages that one poll reads at the most."""

DELETE_BATCH = 100
"""Ids in one deletion, so that the address stays short."""

_UNREADABLE = Ambiguous("the answer is none of Vidispine's; check the base URL of the connection")


class VidispineClient(HttpVendorClient):
    """Talks to one Vidispine site."""

    def test(self) -> Problem | None:
        answer = self._send("GET", "/jobtype")
        problem = problem_of(answer)
        if problem is not None:
            return problem
        return None if "uri" in (document_of(answer) or {}) else _UNREADABLE

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        if len(records) != operation.max_records:
            return Refused("too_many_records", "A Vidispine job carries one row.")
        query = creation_query(records[0], token)
        if isinstance(query, Refused):
            return query
        return _created(self._send("POST", f"/job?{query}", encode(operation, records)))

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """List our newest jobs, then read by id what the list did not show.

        A job is GONE only when both readers answered and neither knew it.
        """
        if not job_ids:
            return PollAnswer(requests=0)
        before = self.requests_made
        readings, trouble = self._list_ours(frozenset(job_ids))
        problems = [trouble] if trouble is not None else []
        doubtful = [
            job_id for job_id in job_ids if job_id not in readings or is_thin(readings[job_id])
        ]
        if doubtful and not _stops(trouble):
            for job_id, shown in self._show_each(doubtful).items():
                if isinstance(shown, JobReading):
                    readings[job_id] = shown
                elif shown is not None:
                    # The list's few words would do, but the next poll may tell the reasons.
                    readings.pop(job_id, None)
                    problems.append(shown)
                elif trouble is None:
                    readings.setdefault(job_id, JobReading(job_id, JobPhase.GONE, "gone"))
        unresolved = any(job_id not in readings for job_id in job_ids)
        throttled = next(filter(None, map(throttle_of, problems)), None)
        refused = next(
            (p for p in problems if isinstance(p, Refused) and p.scope is RefusalScope.RUN), None
        )
        return PollAnswer(
            readings=readings,
            throttled=throttled,
            refused=refused if unresolved else None,
            requests=self.requests_made - before,
            problem=_in_words(problems) if unresolved and not (throttled or refused) else None,
        )

    def _list_ours(self, wanted: frozenset[str]) -> tuple[dict[str, JobReading], Problem | None]:
        """Readings of the wanted jobs that the newest pages show, and why they end too early.

        No more pages than there are jobs left to find, as these can be read one by one.
        """
        readings: dict[str, JobReading] = {}
        first = 1
        for number in range(LIST_PAGES):
            if number and number >= len(wanted) - len(readings):
                break
            page, hits, problem = self._list(
                ("jobmetadata", f"{OURS_KEY}={OURS}"), ("first", str(first)), ("step", "true")
            )
            if problem is not None:
                return readings, problem
            for job in page:
                if str(job.get("jobId")) in wanted:
                    reading = reading_of(job)
                    readings[reading.job_id] = reading
            first += len(page)
            if not page or first > hits or len(readings) == len(wanted):
                break
        return readings, None

    def _list(self, *conditions: tuple[str, str]) -> tuple[list[JsonObject], int, Problem | None]:
        """(jobs of a page, newest first; jobs there are in all; what went wrong).

        `user=false`, because by default a list hides the jobs of other users, and credentials
        may be changed to another user's. Jobs of the same moment are distinguished by their id, so
        that pages neither overlap nor leave one out.
        """
        common = {
            "user": "false",
            "metadata": "true",
            "sort": "startTime desc,jobId desc",
            "number": str(LIST_PAGE),
        }
        query = query_of([*common.items(), *conditions])
        answer = self._send("GET", f"/job?{query}")
        problem = problem_of(answer)
        document = document_of(answer) if problem is None else None
        if problem is None and not {"hits", "job"} & set(document or {}):
            problem = _UNREADABLE
        jobs = objects((document or {}).get("job"))
        hits = whole_in_text((document or {}).get("hits"))
        return jobs, len(jobs) if hits is None else hits, problem

    def _show_each(self, job_ids: Sequence[str]) -> dict[str, JobReading | Problem | None]:
        """Jobs by id, None for one that is unknown. Ends early where the first cannot be read."""
        from concurrent.futures import ThreadPoolExecutor

        first, rest = job_ids[0], job_ids[1:]
        shown = {first: self._show(first)}
        if not rest or isinstance(shown[first], Refused | Throttled | Ambiguous):
            return shown
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            return shown | dict(zip(rest, pool.map(self._show, rest), strict=True))

    def _show(self, job_id: str) -> JobReading | Problem | None:
        """One job by id; None when the site does not know it."""
        if not JOB_ID.fullmatch(job_id):
            return None
        answer = self._send("GET", f"/job/{job_id}?metadata=true")
        problem = problem_of(answer)
        if _is_unknown(problem):
            return None
        if problem is not None:
            return problem
        job = job_of(answer, job_id)
        return _UNREADABLE if job is None else reading_of(job)

    def find(
        self,
        operation: Operation,  # noqa: ARG002  one kind of job, found by its token
        lost: LostSubmission,
        now: float,
    ) -> Found:
        """Look for the job that has the token of a lost submission.

        A copy that somebody started of it carries the same token: the oldest one is ours.
        """
        before = self.requests_made
        jobs, hits, problem = self._list(("jobmetadata", f"{TOKEN_KEY}={lost.token}"))

        def has_our_token(job: JsonObject) -> tuple[Match, str]:
            job_id = job.get("jobId")
            usable = isinstance(job_id, str) and JOB_ID.fullmatch(job_id)
            if usable and pairs(job.get("data")).get(TOKEN_KEY) == lost.token:
                return Match.OURS, str(job_id)
            # A site that does not search its jobs by metadata shows others.
            return Match.DOUBTFUL, ""

        result = SearchResult(unreadable=True)
        if problem is None:
            complete = len(jobs) >= hits
            result = examined(sorted(jobs, key=age_of), has_our_token, complete=complete)
        found = result.conclusion(now - lost.sent_at, RETENTION_SECONDS)
        made = self.requests_made - before
        return replace(found, requests=made, throttled=throttle_of(problem))

    def abort(
        self, job_id: str, *, reason: str | None = None, cleanup: bool = True
    ) -> Problem | None:
        """Ask for the end of a job; without cleanup, one that has not begun ends at once."""
        query = [("cleanup", "true" if cleanup else "false")]
        if reason:
            query.append(("reason", reason))
        return self._change("DELETE", job_id, query)

    def set_priority(self, job_id: str, priority: str) -> Problem | None:
        """Change a job's priority, one of `PRIORITIES` in either case."""
        level = priority.upper()
        if level not in PRIORITIES:
            return Refused("bad_priority", f"Vidispine knows the priorities {_LEVELS}.")
        return self._change("PUT", job_id, [("priority", level)])

    def delete(self, job_ids: Sequence[str]) -> Problem | None:
        """Remove the site's records of jobs; stops at the first problem.

        A list with an unknown id is refused whole, so its jobs are then removed one by one.
        """
        for start in range(0, len(job_ids), DELETE_BATCH):
            batch = job_ids[start : start + DELETE_BATCH]
            problem = self._delete(batch)
            if _is_unknown(problem):
                each = map(self._delete, ([job_id] for job_id in batch))
                problem = next((p for p in each if p is not None and not _is_unknown(p)), None)
            if problem is not None:
                return problem
        return None

    def _delete(self, job_ids: Sequence[str]) -> Problem | None:
        query = query_of([("id", ",".join(job_ids))])
        return problem_of(self._send("DELETE", f"/job?{query}"))

    def problems(self, job_id: str | None = None) -> list[JobProblem] | Problem:
        """What jobs wait for until somebody at the site acts."""
        if job_id is not None and not JOB_ID.fullmatch(job_id):
            return _no_such_job(job_id)
        path = "/job/problem" if job_id is None else f"/job/{job_id}/problem"
        answer = self._send("GET", path)
        problem = problem_of(answer)
        if problem is not None:
            return problem
        document = document_of(answer)
        if document is None:
            return _UNREADABLE
        return [job_problem(entry) for entry in objects(document.get("problem"))]

    def _change(self, method: str, job_id: str, query: Iterable[tuple[str, str]]) -> Problem | None:
        if not JOB_ID.fullmatch(job_id):
            return _no_such_job(job_id)
        return problem_of(self._send(method, f"/job/{job_id}?{query_of(query)}"))

    def _send(self, method: str, path: str, body: bytes | None = None) -> Answer | NoAnswer:
        return self._http.request(method, API + path, body=body)


_LEVELS = ", ".join(PRIORITIES)


def _no_such_job(job_id: str) -> Refused:
    return Refused(NOT_FOUND, f"{job_id!r} is not the id of a Vidispine job.")


def _is_unknown(problem: Problem | None) -> bool:
    return isinstance(problem, Refused) and problem.code == NOT_FOUND


def _created(answer: Answer | NoAnswer) -> SubmitAnswer:
    """What the answer to a request for a new job says of it."""
    problem = problem_of(answer)
    if problem is not None:
        return problem
    job_id = (document_of(answer) or {}).get("jobId")
    if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
        return Accepted(job_id, warnings=answer.warnings)
    return Ambiguous("the vendor accepted the request but its answer names no job")


def _stops(trouble: Problem | None) -> bool:
    """Whether the other reader would meet the same. A user may lack the right to list alone."""
    if isinstance(trouble, Refused):
        return trouble.scope is RefusalScope.RUN and trouble.http_status != 403
    return throttle_of(trouble) is not None


def _in_words(problems: Iterable[Problem]) -> str:
    """Problems as one line for the log: codes, and no words of the vendor's."""
    words = (
        problem.reason
        if isinstance(problem, Ambiguous)
        else f"refused: {problem.code}"
        if isinstance(problem, Refused)
        else "the vendor asks us to wait"
        for problem in problems
    )
    return "; ".join(dict.fromkeys(words)) or "not all jobs could be read"
