"""Tries a vendor's document at the vendor itself: one job, and what each path of it found.

Nothing is repeated and nothing is guessed: what was sent and what came back is shown step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobferry.domain.profile import ColumnType
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Accepted, Ambiguous, JobPhase, JobReading, Refused, Throttled
from jobferry.vendors.declarative.adapter import headers_of
from jobferry.vendors.declarative.answers import json_of
from jobferry.vendors.declarative.client import DeclaredClient
from jobferry.vendors.declarative.document import Document
from jobferry.vendors.declarative.loading import extractor, read_document
from jobferry.vendors.declarative.results import items_in, results_of
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer, check_base_url
from jobferry.vendors.operation import Operation

CHECK_TOKEN = "jobferry-check"  # noqa: S105 - no password: it tells one job from others
"""Goes with the job where the document has a place for a token."""

WAIT_SECONDS = 60.0
"""How long a job is waited for."""

_SAMPLES: Mapping[ColumnType, Any] = {
    ColumnType.INTEGER: 1,
    ColumnType.NUMBER: 1.5,
    ColumnType.BOOLEAN: True,
    ColumnType.DATE: "2026-01-01",
    ColumnType.DATETIME: "2026-01-01T00:00:00Z",
    ColumnType.EMAIL: "jobferry-check@example.com",
    ColumnType.LIST: ["jobferry check"],
    ColumnType.JSON: {},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a check.

    Attributes:
        requests: method, path and HTTP status (or why there is none) of each request
        found: path of the document, by its place there → what it found; None: nothing
        problem: why the check goes no further, or what is not as it should be; empty: all is well
        vendor: the problem is the vendor's answer, and not what the document says of it
    """

    name: str
    said: str
    requests: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    vendor: bool = False


class _WatchedHttp(HttpClient):
    """An HTTP client that keeps what it was answered."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.exchanges: list[tuple[str, Answer | NoAnswer]] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        answer = super().request(method, path, params=params, body=body)
        self.exchanges.append((f"{method} {path}", answer))
        return answer


class VendorCheck:
    """One check of a document at one address.

    Args:
        document: the canonical one.
        base_url: the site's root, with or without the document's base path.
        credentials: as the document's `credentials` ask for them.
        sleep, monotonic: waits, and seconds of a clock that only goes forward.

    Raises:
        BaseUrlError: the address cannot be used.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        base_url: str,
        credentials: Mapping[str, str],
        *,
        reach: Reach,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._said = document
        self._document: Document = read_document(document)
        root = check_base_url(base_url.rstrip("/").removesuffix(self._document.base_path), reach)
        headers = headers_of(credentials, self._document.key_header)
        self._http = _WatchedHttp(root, lambda _refresh: headers, reach=reach)
        self._client = DeclaredClient(self._http, self._document)
        self._sleep = sleep
        self._monotonic = monotonic

    def steps(self, operation: Operation, record: JsonObject) -> Iterator[Step]:
        """What was done and found, one step after the other; ends at the first that fails.

        Args:
            record: the one record of the job that is sent. It is a real one.
        """
        yield (tested := self._test())
        if tested.problem:
            return
        submitted, job_id = self._submit(operation, record)
        yield submitted
        if job_id is None:
            return
        polled, reading = self._poll(job_id)
        yield polled
        if reading is None or reading.phase is not JobPhase.ENDED:
            return
        yield self._results(operation, record, reading)
        if self._document.search is not None:
            yield self._search(job_id)

    def _test(self) -> Step:
        problem = self._client.test()
        requests, document = self._exchanged()
        found = self._found(document, "test", ("shows",))
        return Step(
            "test", "One harmless request.", requests, found, _in_words(problem), vendor=True
        )

    def _submit(self, operation: Operation, record: JsonObject) -> tuple[Step, str | None]:
        answer = self._client.submit(operation, [record], CHECK_TOKEN)
        requests, document = self._exchanged()
        found = self._found(document, "submit", ("job_id",))
        if isinstance(answer, Accepted):
            said = f"Sent one job of {operation.name} with one record."
            return Step("submit", said, requests, found), answer.job_id
        found |= self._found(document, "errors", ("code", "message", "retry_after"))
        said = f"Tried to send one job of {operation.name} with one record."
        step = Step("submit", said, requests, found, _in_words(answer), vendor=True)
        return step, None

    def _poll(self, job_id: str) -> tuple[Step, JobReading | None]:
        """Poll until the job has ended, or the wait is over."""
        until, pause = self._monotonic() + WAIT_SECONDS, 1.0
        while True:
            answer = self._client.poll([job_id])
            reading = answer.readings.get(job_id)
            over = reading is None or reading.phase is JobPhase.ENDED
            if over or self._monotonic() >= until:
                break
            self._exchanged()
            self._sleep(pause)
            pause = min(2 * pause, 10.0)
        requests, _ = self._exchanged()
        found: dict[str, Any] = {"poll.status": None}
        if reading is None:
            refusal = answer.refused or answer.throttled
            problem = answer.problem or (refusal and _in_words(refusal)) or "The job is not shown."
        else:
            found = self._of_reading(reading)
            problem = _of_phase(reading)
        step = Step("poll", f"Polled the job {job_id}.", requests, found, problem, vendor=True)
        return step, reading

    def _of_reading(self, reading: JobReading) -> dict[str, Any]:
        found: dict[str, Any] = {"poll.status": reading.status or None}
        for key, value in (("progress", reading.progress), ("total", reading.total)):
            if key in self._said["poll"]:
                found[f"poll.{key}"] = value
        return found

    def _results(self, operation: Operation, record: JsonObject, reading: JobReading) -> Step:
        raw = reading.raw or {}
        items = items_in(self._document.results, raw)
        (result,) = results_of(self._document, operation, raw, 1, lambda: [record])
        found: dict[str, Any] = {"results.rows": f"{len(items)} found"}
        keys = ("succeeded", "failed", "id", "code", "text", "index", "key")
        if items:
            found |= self._found(items[0], "results", keys)
        said = f"Read as: {result.status}" + (f", id {result.vendor_id}" * bool(result.vendor_id))
        said += f" ({result.code}: {result.text})." if result.code else "."
        problem = "" if result.status in ("succeeded", "failed") else "The row would be unknown."
        return Step("results", said, (), found, problem)

    def _search(self, job_id: str) -> Step:
        """Whether the list of recent jobs shows the job that was just sent."""
        listed = self._client.recent_jobs(CHECK_TOKEN)
        requests, _ = self._exchanged()
        job = next((job for job in listed if self._client.id_of(job) == job_id), None)
        if job is None:
            said, problem = "Read the list of recent jobs.", f"It does not show the job {job_id}."
            return Step("search", said, requests, {}, problem)
        found = self._found(job, "search", ("created", "token"))
        problem = ""
        if self._said["search"].get("token") and found["search.token"] != CHECK_TOKEN:
            problem = f"search.token does not show the token that was sent ({CHECK_TOKEN})."
        return Step("search", "Read the list of recent jobs.", requests, found, problem)

    def _found(self, value: Any, section: str, keys: Sequence[str]) -> dict[str, Any]:
        """What those paths of a section that the document has find in a value."""
        said = self._said.get(section, {})
        return {f"{section}.{key}": extractor(said[key])(value) for key in keys if said.get(key)}

    def _exchanged(self) -> tuple[tuple[str, ...], Any]:
        """The requests since this was last asked, and the document of the last answer."""
        exchanges, self._http.exchanges = self._http.exchanges, []
        requests = tuple(
            f"{request} → {answer.status if isinstance(answer, Answer) else answer.reason}"
            for request, answer in exchanges
        )
        return requests, json_of(exchanges[-1][1]) if exchanges else None


def _of_phase(reading: JobReading) -> str:
    if reading.phase is JobPhase.GONE:
        return "The vendor does not show the job."
    if reading.phase is JobPhase.ENDED:
        return ""
    return (
        f"After {WAIT_SECONDS:.0f} seconds the job has the status {reading.status!r}, which is not "
        "in poll.ended, so its results were not read."
    )


def _in_words(problem: Refused | Throttled | Ambiguous | Accepted | None) -> str:
    match problem:
        case Refused(message=words) | Ambiguous(reason=words):
            return words
        case Throttled(reason=reason, retry_after=seconds):
            wait = "" if seconds is None else f", for {seconds:g} seconds"
            return f"The vendor wants no more for now ({reason}{wait})."
    return ""


def sample_record(operation: Operation) -> JsonObject:
    """A record that fills the fields which the operation asks for."""
    record: JsonObject = {}
    for name in [alternatives[0] for alternatives in operation.required]:
        *parents, last = name.split(".")
        place = record
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = _SAMPLES.get(operation.types.get(name, ColumnType.STRING), "jobferry check")
    return record
