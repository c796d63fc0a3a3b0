"""A vendor from a document alone: no code of its own, the same protocol as the others.

For job APIs that take a list of records in one request, show a job with a status word, and list
one result per record. What a document cannot describe (a search for lost jobs, control of
jobs, an exchange of credentials) needs a module. `docs/add-a-vendor.md` goes through a document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import LONGEST_WORD, clipped, plain, usable_id, whole
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    JobReading,
    PollAnswer,
    RefusalScope,
    Refused,
    SubmitAnswer,
    ThrottleReason,
)
from jobferry.vendors.credentials import authorizer
from jobferry.vendors.declarative.document import (
    RECORD,
    RECORDS,
    Document,
    Errors,
    JobList,
    Look,
    Polling,
    Results,
    read_document,
)
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.http.refusals import (
    Problem,
    is_missing,
    is_unclear,
    refused,
    refused_to_the_account,
    throttled,
    unclear,
    without_answer,
)
from jobferry.vendors.operation import Capabilities, Operation, compact_json
from jobferry.vendors.poll_collector import PollRound
from jobferry.vendors.protocol import READERS, LostSubmission, Meter, Vendor
from jobferry.vendors.results import NOTHING_DONE, SAYS_NOTHING, failed, one_per_record

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""A job id that is safe in a path; anything else is not one."""

REQUESTS_PER_POLL = 200
"""Status requests of one poll; jobs beyond are not seen this time."""

LIST_PAGES = 20
"""Pages of the list that one poll reads at the most."""

_UNREADABLE = Ambiguous("the vendor's answer cannot be read")


def vendor_from(document: Mapping[str, Any]) -> Vendor:
    """The vendor that a document describes, ready for the registry.

    Args:
        document: what YAML or JSON holds, parsed by the caller.

    Raises:
        DocumentError: with every fault of the document, one a line.
    """
    read = read_document(document)

    def read_results(
        operation: Operation,
        raw: JsonObject,
        count: int,
        records: Callable[[], Sequence[JsonObject]],
    ) -> list[RecordResult]:
        return _results_of(read, operation, raw, count, records)

    def client(
        base_url: str,
        read_secret: Callable[[bool], Mapping[str, str]],
        *,
        reach: Reach,
    ) -> DeclaredClient:
        from jobferry.vendors.http.client import HttpClient, check_base_url

        site = base_url.rstrip("/").removesuffix(read.base_path)
        root = check_base_url(site, reach)
        return DeclaredClient(HttpClient(root, authorizer(read_secret), reach=reach), read)

    return Vendor(
        name=read.name,
        title=read.title,
        operations=read.operations,
        capabilities=Capabilities(
            poll_batch=read.polling.batch,
            max_jobs=read.max_jobs,
            retention_seconds=read.retention_seconds,
            job_list=read.polling.listing is not None,
        ),
        read_results=read_results,
        client=client,
        encode=lambda operation, records: _body(read, operation, records),
        credential_forms=read.credentials,
        base_path=read.base_path,
    )


def _body(document: Document, operation: Operation, records: Sequence[JsonObject]) -> bytes:
    """The request body: the operation's template with the records in their place."""
    submission = document.submissions[operation.name]
    look = submission.record
    items = list(records) if look is None else [look(record) for record in records]

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(value) for key, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        return items if part == RECORDS else items[0] if part == RECORD else part

    return compact_json(filled(submission.body))


@dataclass
class _Round(PollRound):
    """A round that notes besides which jobs the first reader does not know."""

    missing: list[str] = field(default_factory=list)


class DeclaredClient:
    """Talks to one account of a vendor that a document describes."""

    def __init__(self, http: HttpClient, document: Document) -> None:
        self._http = http
        self._document = document

    @property
    def meter(self) -> Meter | None:
        return self._http.meter

    @meter.setter
    def meter(self, meter: Meter | None) -> None:
        self._http.meter = meter

    @property
    def requests_made(self) -> int:
        return self._http.requests_made

    def wake(self) -> None:
        self._http.wake()

    def test(self) -> Problem | None:
        answer = self._send("GET", self._document.test_path)
        problem = _problem_of(answer, self._document.errors)
        if problem is not None:
            return problem
        return _UNREADABLE if self._document.test_shows(_json(answer)) is None else None

    def submit(
        self,
        operation: Operation,
        records: Sequence[JsonObject],
        token: str,  # noqa: ARG002  no document says where a token would go
    ) -> SubmitAnswer:
        if not 0 < len(records) <= operation.max_records:
            return Refused("too_many_records", f"A job carries 1 to {operation.max_records} rows.")
        submission = self._document.submissions[operation.name]
        body = _body(self._document, operation, records)
        answer = self._send(submission.method, submission.path, body)
        problem = _problem_of(answer, self._document.errors)
        if problem is not None:
            return problem
        job_id = _job_id(self._document.job_id(_json(answer)))
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
                list(pool.map(lambda batch: self._look_at(batch, gathered), batches))
        if gathered.missing and not gathered.over.is_set():
            self._look_for(gathered)
        return replace(gathered.answer(), requests=self.requests_made - before)

    def _look_at(self, job_ids: Sequence[str], gathered: _Round) -> None:
        """One status request: readings of the jobs that it shows."""
        if gathered.over.is_set():
            return
        polling = self._document.polling
        ids = ",".join(quote(job_id, safe="") for job_id in job_ids)
        answer = self._send("GET", polling.path.replace("{ids}", ids).replace("{id}", ids))
        problem = _problem_of(answer, self._document.errors)
        if is_missing(problem) and len(job_ids) == 1:
            gathered.missing += job_ids
            return
        jobs = _objects(polling.jobs(_json(answer))) if problem is None else None
        if jobs is None:
            gathered.note(problem or _UNREADABLE)
            return
        shown = {_job_id(polling.id(job)): job for job in jobs}
        for job_id in job_ids:
            if job_id in shown:
                gathered.readings[job_id] = self._reading(job_id, shown[job_id])
            else:
                gathered.missing.append(job_id)

    def _look_for(self, gathered: _Round) -> None:
        """The second reader, for jobs that the first does not know."""
        listing = self._document.polling.listing
        wanted = set(gathered.missing)
        complete = True
        if listing is not None:
            jobs, complete = self._listed(listing, gathered)
            for job in jobs:
                job_id = _job_id(self._document.polling.id(job))
                if job_id is not None and job_id in wanted:
                    reading = self._reading(job_id, job)
                    ended = reading.status in listing.ends
                    gathered.readings[job_id] = (
                        reading if ended else JobReading(job_id, JobPhase.ACTIVE, reading.status)
                    )
        if complete:
            # No reader knows them: not visible yet, or forgotten. Age tells which.
            for job_id in wanted - set(gathered.readings):
                gathered.readings[job_id] = JobReading(job_id, JobPhase.GONE, "gone")

    def _listed(self, listing: JobList, gathered: _Round) -> tuple[list[JsonObject], bool]:
        """(the jobs of the pages that could be read, whether no page is missing)."""
        found: list[JsonObject] = []
        path = listing.path
        for _ in range(LIST_PAGES):
            answer = self._send("GET", path)
            problem = _problem_of(answer, self._document.errors)
            jobs = _objects(listing.jobs(_json(answer))) if problem is None else None
            if jobs is None:
                gathered.note(problem or _UNREADABLE)
                return found, False
            found += jobs
            following = listing.next(_json(answer)) if listing.next else None
            if not isinstance(following, str) or not following:
                return found, True
            # The address before the query is the document's: an answer leads to no other place.
            path = f"{listing.path.partition('?')[0]}?{following.partition('?')[2]}"
        return found, False

    def _reading(self, job_id: str, job: JsonObject) -> JobReading:
        polling = self._document.polling
        status = _status(polling, job)
        return JobReading(
            job_id=job_id,
            phase=JobPhase.ENDED if status in polling.ended else JobPhase.ACTIVE,
            status=status,
            progress=whole(polling.progress(job)) if polling.progress else None,
            total=whole(polling.total(job)) if polling.total else None,
            raw=job,
        )

    def find(
        self,
        operation: Operation,  # noqa: ARG002
        lost: LostSubmission,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> Found:
        """Nothing that a document says could prove whose a job is."""
        return Found(FoundState.UNDECIDABLE, reason="this vendor's jobs cannot be searched")

    def _send(self, method: str, path: str, body: bytes | None = None) -> Answer | NoAnswer:
        return self._http.request(method, self._document.base_path + path, body=body)


def _problem_of(answer: Answer | NoAnswer, errors: Errors) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http.client import NoAnswer

    if isinstance(answer, NoAnswer):
        return without_answer(answer)
    status = answer.status
    if 200 <= status < 300:
        return None
    if is_unclear(status):
        return unclear(answer)
    code, message = _said(errors.code, answer), _said(errors.message, answer)

    def says(pattern: re.Pattern[str] | None) -> bool:
        return pattern is not None and bool(pattern.search(f"{code} {message}"))

    if says(errors.slots):
        return throttled(ThrottleReason.SLOTS, answer)
    if says(errors.run):
        return refused(code, message, status=status, who=_WHO, scope=RefusalScope.RUN)
    if status == 429 or says(errors.retry):
        return throttled(ThrottleReason.RATE, answer)
    of_the_account = refused_to_the_account(
        status, message, who=_WHO, is_document=bool(_objects(answer.json()))
    )
    return of_the_account or refused(code, message, status=status, who=_WHO)


_WHO = "The vendor"


def _results_of(
    document: Document,
    operation: Operation,
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """One result per record, in the order sent."""
    results = document.results
    listed = results.rows(raw)
    items = listed if isinstance(listed, list) else []
    status = _status(document.polling, raw)
    if not items and status in results.nothing_done:
        return [NOTHING_DONE] * count
    complete = len(items) == count or (status in results.partial and len(items) < count)
    if results.index is not None:
        placed = _by_index(items, results.index, count)
    elif results.key is not None and operation.match_on:
        placed = _by_key(items, results.key, operation, records(), complete=complete)
    else:
        placed = dict(enumerate(items)) if complete else {}
    return one_per_record(count, placed, lambda item: _verdict(item, results))


def _by_index(items: Sequence[Any], index: Look, count: int) -> dict[int, Any]:
    """Position in the request → its result. A place that two results claim is left empty."""
    places = [(whole(index(item)), item) for item in items]
    claims = Counter(place for place, _ in places)
    return {
        place: item
        for place, item in places
        if place is not None and place < count and claims[place] == 1
    }


def _by_key(
    items: Sequence[Any],
    key: Look,
    operation: Operation,
    records: Sequence[JsonObject],
    *,
    complete: bool,
) -> dict[int, Any]:
    """By order while no result names another record; otherwise by what they name."""
    sent = [_folded(operation, record.get(operation.match_on[0])) for record in records]
    named = [_folded(operation, key(item)) for item in items]
    if complete and all(name in ("", ours) for name, ours in zip(named, sent, strict=False)):
        return dict(enumerate(items))
    asked, claims = Counter(sent), Counter(named)
    places = {name: at for at, name in enumerate(sent) if name and asked[name] == 1}
    return {
        places[name]: item
        for name, item in zip(named, items, strict=True)
        if name in places and claims[name] == 1
    }


def _folded(operation: Operation, value: Any) -> str:
    text = plain(value)
    return text.casefold() if operation.match_on[0] in operation.folded else text


def _verdict(item: Any, results: Results) -> RecordResult:
    """What one result says of its record; failure outweighs success."""
    identity = results.id(item) if results.id else None
    vendor_id = usable_id(identity)
    if results.failed(item):
        return failed(vendor_id, _text(results.code, item), _text(results.text, item))
    if _states(results.succeeded(item), identity):
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id)
    return SAYS_NOTHING


def _states(found: Any, identity: Any) -> bool:
    """Whether what a document looks for states a success. What should be an id and is none, or a
    number that counts nothing, does not."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found > 0
    unusable = found is identity and not isinstance(found, bool) and usable_id(found) is None
    return bool(found) and not unusable


def _said(look: Look | None, answer: Answer) -> str:
    return _text(look, answer.json())


def _text(look: Look | None, value: Any) -> str:
    """What is found, as one line of text."""
    found = look(value) if look else None
    parts: Iterable[Any] = found if isinstance(found, list) else [found]
    return "; ".join(filter(None, map(plain, parts)))


def _json(answer: Answer | NoAnswer) -> Any:
    from jobferry.vendors.http.client import Answer

    return answer.json() if isinstance(answer, Answer) else None


def _objects(found: Any) -> list[JsonObject] | None:
    """The jobs that an answer shows; None where it shows neither one nor a list."""
    if isinstance(found, dict):
        return [found]
    if isinstance(found, list):
        return [each for each in found if isinstance(each, dict)]
    return None


def _job_id(found: Any) -> str | None:
    """A job id as text; APIs write numbers, too."""
    text = usable_id(found)
    return text if text is not None and JOB_ID.fullmatch(text) else None


def _status(polling: Polling, job: JsonObject) -> str:
    return clipped(plain(polling.status(job)), LONGEST_WORD)
