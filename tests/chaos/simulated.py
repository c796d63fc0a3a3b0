"""The vendor of a story where it is a real adapter: HTTP to the simulator, in the story's time.

One simulator runs in a process, on loopback, and is reset for every story. Exactly one actor of a
story runs at a time and waits for its answer with the baton in its hands, so that the simulator
sees the same requests in the same order whenever the same story is told. Every request that an
adapter sends is an effect of the story, with a name by what it was sent for.

What really happened is asked of the simulator (`/_sim/effects`) when the story has ended. It
numbers the requests that it gets, as we number those that we send: so a job is known to be of a
submission whether its answer was heard or not.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, Self, TypeVar
from unittest import mock

from jobferry.domain.outcome import Outcome
from jobferry.domain.types import JsonObject
from jobferry.vendors import registry
from jobferry.vendors.answers import Found, PollAnswer, Refused, SubmitAnswer, Throttled
from jobferry.vendors.http import client as http_module
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Meter, Vendor, VendorClient
from jobferry.vendors.zendesk_sunshine import adapter
from jobferry.vendors.zendesk_support import job_statuses
from tests.chaos import sites
from tests.chaos.adapters import ADAPTERS, TICKETS, Adapter, row_name
from tests.chaos.outages import Outage, to_request
from tests.chaos.sites import READ, SUBMISSION, UNHEARD, Site, Wrong
from tests.chaos.story import Story, file_of, row_names
from tests.chaos.truth import Invocation, Patience, Request, Sent
from tests.fakes.clock import START
from tests.fakes.effects import Effects
from tests.fakes.schedule import Schedule
from vendorsim import RunningSimulator, Scenario, start

T = TypeVar("T")
R = TypeVar("R")

SUBMIT, POLL, FIND, CONTROL = "vendor.submit", "vendor.poll", "vendor.find", "vendor.control"

_LONG_AFTER = 7_200.0
"""Seconds after the end of a story when every job that ever ends has ended."""

_NO_LIMIT = 1_000_000

_UNSAID = frozenset(
    {
        Wrong.NO_RESULTS,
        Wrong.SHORT_RESULTS,
        Wrong.SHUFFLED_RESULTS,
        Wrong.EMPTY_RESULT,
        Wrong.DIES,
        Wrong.DIES_AT_ONCE,
        Wrong.KILLED,
    }
)
"""Jobs that went wrong so do not say of every row what became of it."""

_GIVEN_UP = frozenset({Wrong.STUCK, Wrong.UNKNOWN_BY_ID, Wrong.FORGOTTEN})
"""Nobody waits for ever for what would be said of these."""

_HARD_TO_FIND = _UNSAID | _GIVEN_UP | {Wrong.ROW_REFUSED, Wrong.ROW_IN_CONFLICT, Wrong.ABORTED}
"""Jobs that went wrong so cannot be told from others of their size, or not in time."""


class _StoryClock:
    """The simulator's time: that of the story which is being told."""

    def __init__(self) -> None:
        self.schedule = Schedule(START)
        self.ahead = 0.0

    def now(self) -> float:
        return self.schedule.now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.schedule.pass_time(seconds)


@cache
def _running(_process: int) -> tuple[RunningSimulator, _StoryClock]:
    """The simulator of this process."""
    clock = _StoryClock()
    told: JsonObject = {"description": "Where is it?", "created_at": "2020-01-01T00:00:00Z"}
    tickets = [{"id": ticket_id, **told} for ticket_id in TICKETS]
    simulator = start(scenario=Scenario(records={"tickets": tickets}), clock=clock)
    atexit.register(simulator.stop)
    return simulator, clock


@dataclass(frozen=True)
class _Asking:
    """What an adapter is asked for, and the names of the rows in it."""

    kind: str
    names: tuple[str, ...] = ()


_OTHERWISE = _Asking(CONTROL)
_asking: ContextVar[_Asking | None] = ContextVar("asking", default=None)


@dataclass
class _Request:
    """A request as it left.

    who    the invocation that sent it
    heard  its answer said what had become of it
    """

    kind: str
    at: float
    names: tuple[str, ...]
    who: Invocation | None
    heard: bool = False


@dataclass(frozen=True)
class _Job:
    """A job that the simulator took.

    wrong     what went wrong with it, or with the answer to its submission
    ends_at   None: never
    repeated  nobody on our side may know of it, and its rows may go again unasked
    """

    job_id: str
    names: tuple[str, ...]
    begins_at: float
    ends_at: float | None
    wrong: frozenset[Wrong]
    repeated: bool


@dataclass(frozen=True)
class _Report:
    """What really happened in a story."""

    sent: Mapping[str, Sequence[Sent]] = field(default_factory=dict)
    jobs: Mapping[str, _Job] = field(default_factory=dict)
    doings: Mapping[str, list[str]] = field(default_factory=dict)
    struck: Counter[tuple[str, Wrong]] = field(default_factory=Counter)


class Watched:
    """A client of the real adapter, of which the story knows what it is asked for."""

    def __init__(self, client: VendorClient, name_of: Callable[[JsonObject], str | None]) -> None:
        self._client = client
        self._name_of = name_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @property
    def meter(self) -> Meter | None:
        return self._client.meter

    @meter.setter
    def meter(self, meter: Meter | None) -> None:
        self._client.meter = meter

    @property
    def requests_made(self) -> int:
        return self._client.requests_made

    def drop_idle_connections(self) -> None:
        self._client.drop_idle_connections()

    def test(self) -> Refused | Throttled | Any | None:
        return self._client.test()

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        names = tuple(name for record in records if (name := self._name_of(record)) is not None)
        with _asked_for(_Asking(SUBMIT, names)):
            return self._client.submit(operation, records, token)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        with _asked_for(_Asking(POLL)):
            return self._client.poll(job_ids)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        with _asked_for(_Asking(FIND)):
            return self._client.find(operation, lost, now)


@contextmanager
def _asked_for(vendor_session: _Asking) -> Iterator[None]:
    before = _asking.set(vendor_session)
    try:
        yield
    finally:
        _asking.reset(before)


class _Actors:
    """In place of a pool of threads: actors of the story, of which one runs at a time."""

    def __init__(self, clock: Schedule, max_workers: int) -> None:
        self._clock = clock
        self._workers = max_workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """All work has ended already."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        pairs = [(copy_context(), item) for item in items]

        def carry_out(pair: tuple[Context, T]) -> R:
            context, item = pair
            return context.run(work, item)

        return iter(self._clock.parallel_map(carry_out, pairs, self._workers))


class SimulatedAccount:
    """An account at the simulator, for one story; a context manager around it.

    Args:
        site: what the story says of it.
        who: the invocation that asks.
        outage: what strikes a request of this kind now.
    """

    def __init__(
        self,
        clock: Schedule,
        effects: Effects,
        story: Story,
        site: Site,
        who: Callable[[], Invocation | None],
        outage: Callable[[str], Outage | None] = lambda _kind: None,
    ) -> None:
        self._outage = outage
        self.adapter: Adapter = ADAPTERS[site.vendor]
        self._clock = clock
        self._effects = effects
        self._story = story
        self._site = site
        self._who = who
        self._names = frozenset(row_names(story))
        self._patience = Patience()
        self._requests: list[_Request] = []
        self._refused_at: list[Request] = []
        self._clients: list[HttpClient] = []
        self._cleanup = ExitStack()
        self._report = _Report()
        self._read_troubles = 0

    def __enter__(self) -> Self:
        self._simulator, simulator_clock = _running(os.getpid())
        simulator_clock.schedule, simulator_clock.ahead = self._clock, 0.0
        self._simulator.reset(**self._settings())
        self._simulator.set_faults(*sites.faults(self._site, self.adapter.submits))
        send = HttpClient._send
        story_time = SimpleNamespace(monotonic=self._clock.now, time=self._clock.now)

        def pool(max_workers: int) -> _Actors:
            return _Actors(self._clock, max_workers)

        def watched(client: HttpClient, *request: Any) -> Answer | NoAnswer:
            return self._send(client, lambda: send(client, *request))

        for patch in (
            mock.patch.dict(registry.LOADERS, {self.adapter.vendor.name: self._vendor}),
            mock.patch.object(HttpClient, "_send", watched),
            mock.patch.object(http_module, "time", story_time),
            mock.patch.object(adapter, "ThreadPoolExecutor", pool),
            # Stories have few jobs: so their list has pages, too.
            mock.patch.object(job_statuses, "LIST_PAGE", self._story.sizes.listed or 3),
            mock.patch.object(concurrent.futures, "ThreadPoolExecutor", pool),
        ):
            self._cleanup.enter_context(patch)
        return self

    def __exit__(self, *_error: object) -> None:
        """Keep what really happened; the simulator forgets it for the next story."""
        self._cleanup.close()
        for client in self._clients:
            client._session.close()
        _, simulator_clock = _running(os.getpid())
        simulator_clock.ahead = _LONG_AFTER
        self._report = self._read(self._simulator.effects())

    def _settings(self) -> JsonObject:
        story, site = self._story, self._site
        latencies = story.vendor.latencies or (20.0,)
        settings: JsonObject = {
            "seed": story.seed,
            "latency": [min(latencies), max(latencies)],
            "requests_per_minute": max(0, site.per_minute),
            "sunshine_requests_per_minute": max(0, site.per_minute),
            "job_items": "id_and_status" if site.short_list else "full",
        }
        if self.adapter.max_jobs:
            settings[self.adapter.max_jobs] = self.max_jobs
        return settings

    @property
    def base_url(self) -> str:
        return _running(os.getpid())[0].url + self.adapter.path

    def _vendor(self) -> Vendor:
        real = self.adapter.vendor

        def client(*args: Any, **options: Any) -> Watched:
            return Watched(real.client(*args, **options), self._name_of)

        return replace(real, client=client)

    def _name_of(self, record: JsonObject) -> str | None:
        return row_name(record, self._names)

    # while the story goes on

    def _send(self, client: HttpClient, send: Callable[[], Answer | NoAnswer]) -> Answer | NoAnswer:
        """One request, with whatever the story does to it."""
        vendor_session = _asking.get() or _OTHERWISE
        if client not in self._clients:
            self._clients.append(client)
        with self._effects.around(vendor_session.kind):
            if self._story.vendor.request_seconds:
                self._clock.sleep(self._story.vendor.request_seconds)
            me, now = self._who(), self._clock.now()
            self._patience.note_request(now, me)
            outage = self._outage(vendor_session.kind)
            if outage is not None:
                return self._struck(outage, vendor_session, me)
            request = _Request(vendor_session.kind, now, vendor_session.names, me)
            self._requests.append(request)
            answer = send()
            request.heard = isinstance(answer, Answer) and answer.status < 500
            if isinstance(answer, Answer) and answer.status >= 400:
                self._note_wish(vendor_session.kind, answer, me)
        return answer

    def _struck(
        self, outage: Outage, vendor_session: _Asking, me: Invocation | None
    ) -> Answer | NoAnswer:
        """A request while the vendor is out of order: the simulator does not get to see it."""
        answer = to_request(outage.way)
        if isinstance(answer, Answer):
            self._refused_at.append(Request(self._clock.now(), me))
            self._note_wish(vendor_session.kind, answer, me)
        return answer

    def _note_wish(self, kind: str, answer: Answer, me: Invocation | None) -> None:
        seconds = answer.retry_after
        if seconds is None and "retry-after" in answer.headers:
            self._patience.asked_at.append(self._clock.now())  # for a wait that nobody can mean
        if seconds is not None:
            full = b"TooManyJobs" in answer.body
            self._patience.ask(kind, self._clock.now(), seconds, me, submissions_only=full)

    # when it has ended

    def _read(self, told: JsonObject) -> _Report:
        """Put together what the simulator tells and what was sent."""
        troubles: dict[int, frozenset[Wrong]] = {}
        struck: Counter[tuple[str, Wrong]] = Counter()
        seen: Counter[str] = Counter()
        job_of = {int(job["request_id"].removeprefix("req-")): job for job in told["jobs"]}
        for number, request in enumerate(self._requests, 1):
            of = SUBMISSION if request.kind == SUBMIT else READ
            if request.kind == CONTROL:
                continue
            seen[of] += 1
            here = sites.striking(self._site, of, seen[of])
            troubles[number] = frozenset(t.what for t in here)
            struck.update((request.kind, t.what) for t in here)
            self._read_troubles += of == READ and bool(here)
        aborted = {
            effect["job_id"]: effect["at"]
            for effect in told["effects"]
            if effect["kind"] == "job" and "ABORT" in str(effect["fields"].get("status"))
        }
        jobs: dict[str, _Job] = {}
        sent: dict[str, list[Sent]] = {}
        for number, request in enumerate(self._requests, 1):
            if request.kind != SUBMIT:
                continue
            entry = job_of.get(number)
            job_id = None if entry is None else str(entry["job_id"])
            unheard = not request.heard or bool(troubles[number] & UNHEARD)
            for name in request.names:
                sent.setdefault(name, []).append(Sent(request.at, job_id, unheard))
            if entry is not None and job_id is not None:
                ends_at = aborted.get(job_id, entry["ends_at"])
                missed = unheard or (request.who is not None and request.who.harmed)
                jobs[job_id] = _Job(
                    job_id,
                    request.names,
                    entry["submitted_at"],
                    ends_at,
                    troubles[number],
                    repeated=missed and self._repeatable(request.names),
                )
        doings: dict[str, list[str]] = {}
        for effect in told["effects"]:
            row = self._name_of(effect["fields"])
            if row is not None and effect["kind"] in self.adapter.kinds:
                job = jobs[effect["job_id"]]
                unnamed = self.adapter.job_names_row and Wrong.NO_RESULTS in job.wrong
                made = job.job_id if unnamed else str(effect["id"])
                doings.setdefault(row, []).append(made)
        return _Report(sent, jobs, doings, struck)

    def _repeatable(self, names: Sequence[str]) -> bool:
        """Whether the operation that these rows are sent with may be repeated."""
        return all(self._story.files[file_of(name)].repeatable for name in names)

    @property
    def _list_has_results(self) -> bool:
        return self.adapter.list_has_results and not self._site.short_list

    @property
    def struck(self) -> Counter[tuple[str, Wrong]]:
        """(kind of effect, what went wrong at the vendor) → how often."""
        return self._report.struck

    @property
    def max_jobs(self) -> int:
        return max(1, self._story.vendor.max_jobs) if self.adapter.max_jobs else _NO_LIMIT

    @property
    def requests(self) -> Sequence[Request]:
        seen = [Request(request.at, request.who) for request in self._requests]
        return sorted([*seen, *self._refused_at], key=lambda request: request.at)

    @property
    def impatient(self) -> Sequence[str]:
        return self._patience.impatient

    @property
    def asked_at(self) -> Sequence[float]:
        return self._patience.asked_at

    def is_unusable(self, job_id: str) -> bool:
        return False

    def doings(self, _run_id: str = "") -> Mapping[str, list[str]]:
        return self._report.doings

    def sent(self, name: str, _run_id: str = "") -> Sequence[Sent]:
        return self._report.sent.get(name, ())

    def denied(self, name: str) -> bool:
        return any(Wrong.FORGOTTEN in job.wrong for job in self._jobs_of(name))

    def _jobs_of(self, name: str) -> list[_Job]:
        return [job for job in self._report.jobs.values() if name in job.names]

    def most_at_once(self) -> int:
        changes = sorted(
            change
            for job in self._report.jobs.values()
            if job.ends_at is not None and not (job.repeated or job.wrong & _HARD_TO_FIND)
            for change in ((job.begins_at, 1), (job.ends_at, -1))
        )
        most = now = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most

    def bears_out(self, name: str, outcome: Outcome) -> bool | None:
        job = self._report.jobs.get(outcome.job_id or "")
        wrong: frozenset[Wrong] = frozenset() if job is None else job.wrong
        match outcome.error_code:
            case "result_missing" | "result_says_nothing" | "job_without_results":
                return bool(wrong & _UNSAID)
            case "job_state_unknown" | "evidence_missing":
                return False
            case "job_forgotten":
                return Wrong.FORGOTTEN in wrong
            case "job_never_ended":
                return Wrong.STUCK in wrong or (
                    Wrong.UNKNOWN_BY_ID in wrong and not self._list_has_results
                )
            case "submission_lost":
                return self._may_be_lost(name)
        return None

    def _may_be_lost(self, name: str) -> bool:
        """Whether a lost submission of the row need not have been found."""
        if self._read_troubles:
            return True
        if self.adapter.vendor.capabilities.token_search:
            # A job that is told without its data does not show its token either.
            hides = {Wrong.FORGOTTEN, Wrong.NO_RESULTS}
            return any(job.wrong & hides for job in self._jobs_of(name))
        alike = any(job.wrong & _HARD_TO_FIND for job in self._report.jobs.values())
        unkeyed = not all(file.keyed for file in self._story.files)
        anonymous = unkeyed and not (self._site.external_ids or self.adapter.changes)
        return alike or anonymous

    def left_in_doubt(self, name: str) -> bool:
        return any(sent.unheard for sent in self.sent(name)) or any(
            job.wrong & (_UNSAID | _GIVEN_UP) for job in self._jobs_of(name)
        )
