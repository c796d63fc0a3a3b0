"""The half of a declared vendor that talks: submits, polls, and looks for lost jobs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import whole
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    JobPhase,
    JobReading,
    PollAnswer,
    Problem,
    Refused,
    SubmitAnswer,
)
from jobferry.vendors.declarative.answers import (
    JOB_ID,
    UNREADABLE,
    job_id_in,
    json_of,
    objects_in,
    problem_of,
    status_of,
)
from jobferry.vendors.declarative.document import (
    RECORD,
    RECORDS,
    TOKEN,
    Document,
    Extractor,
    JobList,
)
from jobferry.vendors.declarative.results import JOB, PAGES
from jobferry.vendors.declarative.search import JobSearch, Listed
from jobferry.vendors.http.limits import MAX_ANSWER_BYTES
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.http.vendor_client import HttpVendorClient
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation, compact_json
from jobferry.vendors.poll_collector import READERS, PollRound

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer

REQUESTS_PER_POLL = 200
"""Status requests of one poll; jobs beyond are not seen this time."""

LIST_PAGES = 20
"""Pages of a list that are read at the most."""

RESULT_PAGES = 50
"""Pages of one job's results that are read at the most; rows on later ones are unknown."""

LONGEST_TOKEN = "x" * 120
"""Stands for a token where a request is weighed."""


def body_of(
    document: Document,
    operation: Operation,
    records: Sequence[JsonObject],
    token: str = LONGEST_TOKEN,
) -> bytes:
    """The request body: the operation's template with the records and the token in their place."""
    submission = document.submissions[operation.name]
    change = submission.record
    items = list(records) if change is None else [change(record) for record in records]

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(value) for key, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        if part == TOKEN:
            return token
        return items if part == RECORDS else items[0] if part == RECORD else part

    return compact_json(filled(submission.body))


@dataclass
class _Round(PollRound):
    """A round that notes besides which jobs the first reader does not know."""

    missing: list[str] = field(default_factory=list)


class DeclaredClient(HttpVendorClient):
    """Talks to one account of a vendor that a document describes."""

    def __init__(self, http: HttpClient, document: Document) -> None:
        super().__init__(http)
        self._document = document

    def test(self) -> Problem | None:
        document, problem = self._get(self._document.test_path)
        if problem is not None:
            return problem
        return UNREADABLE if self._document.test_shows(document) is None else None

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        if not 0 < len(records) <= operation.max_records:
            return Refused("too_many_records", f"A job carries 1 to {operation.max_records} rows.")
        submission = self._document.submissions[operation.name]
        body = body_of(self._document, operation, records, token)
        path = submission.path.replace("{token}", quote(token, safe=""))
        answer = self._send(submission.method, path, body)
        problem = problem_of(answer, self._document.errors)
        if problem is not None:
            return problem
        job_id = job_id_in(self._document.job_id(json_of(answer)))
        if job_id is None:
            return Ambiguous("the vendor accepted the request but its answer names no job")
        return Accepted(job_id, warnings=answer.warnings)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read jobs as the document says; what is missing is looked for in its list, if any.

        A job is GONE only when every reader answered and none knew it.
        """
        before = self.requests_made
        gathered = _Round()
        usable = [job_id for job_id in job_ids if JOB_ID.fullmatch(job_id)]
        gathered.missing += [job_id for job_id in job_ids if not JOB_ID.fullmatch(job_id)]
        size = self._document.polling.batch
        starts = range(0, len(usable), size)[:REQUESTS_PER_POLL]
        if starts:
            with ThreadPoolExecutor(max_workers=min(READERS, len(starts))) as pool:
                batches = [usable[start : start + size] for start in starts]
                list(pool.map(lambda batch: self._read(batch, gathered), batches))
        if gathered.missing and not gathered.over.is_set():
            self._read_list(gathered)
        return replace(gathered.answer(), requests=self.requests_made - before)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for the job of a submission whose answer was lost."""
        before = self.requests_made
        gathered = _Round()

        def listed(listing: JobList) -> Listed:
            jobs, complete = self._pages(listing, gathered)
            failed = gathered.refused or gathered.throttled or gathered.transient_errors
            return jobs, complete, not failed

        def show(job_id: str) -> JobReading | Problem | None:
            seen = _Round()
            self._read([job_id], seen)
            reading = seen.readings.get(job_id)
            if reading is None and not seen.missing:
                return seen.refused or seen.throttled or UNREADABLE
            return reading

        search = JobSearch(self._document, lost, listed=listed, show=show, get=self._get)
        found = search.find(operation, now)
        made = self.requests_made - before
        return replace(found, requests=made, throttled=gathered.throttled)

    def recent_jobs(self, token: str) -> list[JsonObject]:
        """The jobs that a search for this token would examine; none where it cannot be read."""
        search = self._document.search
        if search is None:
            return []
        path = search.listing.path.replace("{token}", quote(token, safe=""))
        return self._pages(replace(search.listing, path=path), _Round())[0]

    def id_of(self, job: JsonObject) -> str | None:
        """The id of a job as it is listed; None where it has none that can be asked for."""
        path = self._document.polling.id
        return job_id_in(path(job)) if path else None

    def _read(self, job_ids: Sequence[str], gathered: _Round) -> None:
        """One status request: readings of the jobs that it shows."""
        if gathered.over.is_set():
            return
        polling = self._document.polling
        ids = ",".join(quote(job_id, safe="") for job_id in job_ids)
        document, problem = self._get(polling.path.replace("{ids}", ids).replace("{id}", ids))
        if is_missing(problem) and len(job_ids) == 1:
            gathered.missing += job_ids
            return
        jobs = objects_in(polling.jobs(document)) if problem is None else None
        if jobs is None:
            gathered.note(problem or UNREADABLE)
            return
        if polling.id is None:
            shown = dict(zip(job_ids, jobs, strict=False))
        else:
            shown = {job_id: job for job in jobs if (job_id := job_id_in(polling.id(job)))}
        for job_id in job_ids:
            if job_id in shown:
                self._take(job_id, shown[job_id], gathered)
            else:
                gathered.missing.append(job_id)

    def _take(self, job_id: str, job: JsonObject, gathered: _Round) -> None:
        """A reading of a job, with its results where they stand apart from it."""
        reading = self._reading(job_id, job)
        if reading.phase is JobPhase.ENDED and self._document.results.are_apart:
            pages = self._result_pages(job_id, job, gathered)
            if pages is None:
                return
            reading = replace(reading, raw={JOB: job, PAGES: pages})
        gathered.readings[job_id] = reading

    def _result_pages(self, job_id: str, job: JsonObject, gathered: _Round) -> list[Any] | None:
        """The results of an ended job; None where they could not be read this time.

        Nothing is asked of another host than the connection's: its results stay unread.
        """
        results = self._document.results
        if results.url is None:
            path: str | None = self._document.base_path + results.path.replace("{id}", job_id)
        else:
            path = own_path(self._http.base_url, results.url(job))
        pages: list[Any] = []
        size = 0
        for _ in range(RESULT_PAGES):
            if path is None:
                return pages
            answer = self._http.request("GET", path)
            problem = problem_of(answer, self._document.errors)
            document = json_of(answer)
            size += len(getattr(answer, "body", b""))
            if problem is not None or document is None or size > MAX_ANSWER_BYTES:
                gathered.note(UNREADABLE if problem is None or is_missing(problem) else problem)
                return None
            pages.append(document)
            path = _next_page(path, results.next, document)
        return pages

    def _read_list(self, gathered: _Round) -> None:
        """The second reader, for jobs that the first does not know."""
        listing, path = self._document.polling.listing, self._document.polling.id
        wanted = set(gathered.missing)
        complete = True
        if listing is not None and path is not None:
            jobs, complete = self._pages(listing, gathered)
            for job in jobs:
                job_id = job_id_in(path(job))
                if job_id is not None and job_id in wanted:
                    self._take_listed(job_id, job, listing, gathered)
        if complete:
            # No reader knows them: not visible yet, or forgotten. Age tells which.
            for job_id in wanted - set(gathered.readings):
                gathered.readings[job_id] = JobReading(job_id, JobPhase.GONE, "gone")

    def _take_listed(
        self, job_id: str, job: JsonObject, listing: JobList, gathered: _Round
    ) -> None:
        """A job as the list shows it: it has not ended until its results are read."""
        reading = self._reading(job_id, job)
        if reading.status not in listing.ends:
            reading = JobReading(job_id, JobPhase.ACTIVE, reading.status)
        elif self._document.results.are_apart:
            reading = replace(reading, raw={JOB: job, PAGES: []})
        gathered.readings[job_id] = reading

    def _pages(self, listing: JobList, gathered: _Round) -> tuple[list[JsonObject], bool]:
        """(the jobs of the pages that could be read, whether no page is missing)."""
        found: list[JsonObject] = []
        path: str | None = listing.path
        for _ in range(LIST_PAGES):
            if path is None:
                return found, True
            document, problem = self._get(path)
            jobs = objects_in(listing.jobs(document)) if problem is None else None
            if jobs is None:
                gathered.note(problem or UNREADABLE)
                return found, False
            found += jobs
            path = _next_page(path, listing.next, document)
        return found, path is None

    def _reading(self, job_id: str, job: JsonObject) -> JobReading:
        polling = self._document.polling
        status = status_of(polling, job)
        return JobReading(
            job_id=job_id,
            phase=JobPhase.ENDED if status in polling.ended else JobPhase.ACTIVE,
            status=status,
            progress=whole(polling.progress(job)) if polling.progress else None,
            total=whole(polling.total(job)) if polling.total else None,
            raw=job,
        )

    def _get(self, path: str) -> tuple[Any, Problem | None]:
        """The document of an answer, and what is wrong with it."""
        answer = self._send("GET", path)
        return json_of(answer), problem_of(answer, self._document.errors)

    def _send(self, method: str, path: str, body: bytes | None = None) -> Answer | NoAnswer:
        return self._http.request(method, self._document.base_path + path, body=body)


def own_path(root: str, address: object) -> str | None:
    """Path and query of an address on a site; None for any other, and for what is no address.

    Args:
        root: scheme, host and port of the site.
    """
    if not isinstance(address, str) or not address.isascii() or not address.isprintable():
        return None
    if set(address) & set(" \\#"):
        return None
    try:
        site, there = urlsplit(root), urlsplit(address)
        same = (there.scheme, there.hostname, _port(there)) == (
            site.scheme,
            site.hostname,
            _port(site),
        )
    except ValueError:
        return None
    is_path = not there.scheme and not there.netloc
    if not there.path.startswith("/") or "@" in there.netloc or not (same or is_path):
        return None
    return there.path + (f"?{there.query}" if there.query else "")


def _port(parts: SplitResult) -> int | None:
    return parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _next_page(path: str, following: Extractor | None, document: Any) -> str | None:
    """The address of the next page; None on the last one.

    Only its query is used: an answer leads to no other place than the document names.
    """
    address = following(document) if following else None
    if not isinstance(address, str) or not address:
        return None
    return f"{path.partition('?')[0]}?{urlsplit(address).query}"
