"""The vendor behind a real adapter: HTTP to the simulator, in the scenario's time.

One simulator runs in a process, on loopback, and is reset for every scenario. Exactly one actor of
a scenario runs at a time and waits for its answer while no other runs, so that the simulator
sees the same requests in the same order whenever the same scenario is run. Every request that an
adapter sends is an effect of the scenario, with a name by what it was sent for.

What really happened is asked of the simulator (`/_sim/effects`) when the scenario has ended. It
numbers the requests that it gets, as we number those that we send: so a job is known to be of a
submission whether its answer arrived or not.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Self, TypeVar
from unittest import mock

from jobferry.domain.outcome import Outcome
from jobferry.domain.types import JsonObject
from jobferry.vendors import registry
from jobferry.vendors.http import client as http_module
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.zendesk_sunshine import adapter
from jobferry.vendors.zendesk_support import job_statuses
from tests.chaos import adapter_scenarios
from tests.chaos.adapter_scenarios import (
    AMBIGUOUS,
    READ,
    SUBMISSION,
    AdapterScenario,
    VendorFaultKind,
)
from tests.chaos.adapters import ADAPTERS, Adapter, row_name
from tests.chaos.ground_truth import Invocation, Request, Sent, ThrottleLog
from tests.chaos.observed_client import (
    CONTROL,
    OTHER_CALL,
    SUBMIT,
    ActorPool,
    Call,
    ObservedClient,
    current_call,
)
from tests.chaos.outages import Outage, to_request
from tests.chaos.running_simulator import running_simulator
from tests.chaos.scenario import Scenario, file_of, row_names
from virtual.effects import Effects
from virtual.schedule import Schedule

T = TypeVar("T")
R = TypeVar("R")


_LONG_AFTER = 7_200.0
"""Seconds after the end of a scenario when every job that ever ends has ended."""

_NO_LIMIT = 1_000_000

_INCOMPLETE_RESULTS = frozenset(
    {
        VendorFaultKind.NO_RESULTS,
        VendorFaultKind.SHORT_RESULTS,
        VendorFaultKind.SHUFFLED_RESULTS,
        VendorFaultKind.EMPTY_RESULT,
        VendorFaultKind.DIES,
        VendorFaultKind.DIES_AT_ONCE,
        VendorFaultKind.KILLED,
    }
)
"""Jobs that went wrong so do not say of every row what became of it."""

_GIVEN_UP = frozenset(
    {VendorFaultKind.STUCK, VendorFaultKind.UNKNOWN_BY_ID, VendorFaultKind.FORGOTTEN}
)
"""Nobody waits for ever for the results of these."""

_HARD_TO_FIND = (
    _INCOMPLETE_RESULTS
    | _GIVEN_UP
    | {VendorFaultKind.ROW_REFUSED, VendorFaultKind.ROW_IN_CONFLICT, VendorFaultKind.ABORTED}
)
"""Jobs that went wrong so cannot be told apart from others of their size, or not in time."""


@dataclass
class _Request:
    """A request as it left.

    who    the invocation that sent it
    answered  its answer said what had become of it
    """

    kind: str
    at: float
    names: tuple[str, ...]
    who: Invocation | None
    answered: bool = False


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
    faults: frozenset[VendorFaultKind]
    repeated: bool


@dataclass(frozen=True)
class _Facts:
    """What really happened in a scenario."""

    sent: Mapping[str, Sequence[Sent]] = field(default_factory=dict)
    jobs: Mapping[str, _Job] = field(default_factory=dict)
    applied: Mapping[str, list[str]] = field(default_factory=dict)
    injected: Counter[tuple[str, VendorFaultKind]] = field(default_factory=Counter)


class SimulatedAccount:
    """An account at the simulator, for one scenario; a context manager around it.

    Args:
        adapter_scenario: what the scenario says of it.
        who: the invocation that asks.
        outage: what strikes a request of this kind now.
    """

    def __init__(
        self,
        clock: Schedule,
        effects: Effects,
        scenario: Scenario,
        adapter_scenario: AdapterScenario,
        who: Callable[[], Invocation | None],
        outage: Callable[[str], Outage | None] = lambda _kind: None,
    ) -> None:
        self._outage = outage
        self.adapter: Adapter = ADAPTERS[adapter_scenario.vendor]
        self._clock = clock
        self._effects = effects
        self._scenario = scenario
        self._adapter_scenario = adapter_scenario
        self._who = who
        self._names = frozenset(row_names(scenario))
        self._throttle_log = ThrottleLog()
        self._requests: list[_Request] = []
        self._refused_at: list[Request] = []
        self._clients: list[HttpClient] = []
        self._cleanup = ExitStack()
        self._facts = _Facts()
        self._read_faults = 0

    def __enter__(self) -> Self:
        self._simulator, simulator_clock = running_simulator(os.getpid())
        simulator_clock.schedule, simulator_clock.ahead = self._clock, 0.0
        self._simulator.reset(**self._settings())
        self._simulator.set_faults(
            *adapter_scenarios.simulator_faults(self._adapter_scenario, self.adapter.submits)
        )
        send = HttpClient._send
        scenario_time = SimpleNamespace(monotonic=self._clock.now, time=self._clock.now)

        def pool(max_workers: int) -> ActorPool:
            return ActorPool(self._clock, max_workers)

        def observed(client: HttpClient, *request: Any) -> Answer | NoAnswer:
            return self._send(client, lambda: send(client, *request))

        for patch in (
            mock.patch.dict(registry.LOADERS, {self.adapter.vendor.name: self._vendor}),
            mock.patch.object(HttpClient, "_send", observed),
            mock.patch.object(http_module, "time", scenario_time),
            mock.patch.object(adapter, "ThreadPoolExecutor", pool),
            # Scenarios have few jobs: so their list has pages, too.
            mock.patch.object(job_statuses, "LIST_PAGE", self._scenario.sizes.listed or 3),
            mock.patch.object(concurrent.futures, "ThreadPoolExecutor", pool),
        ):
            self._cleanup.enter_context(patch)
        return self

    def __exit__(self, *_error: object) -> None:
        """Keep what really happened; the simulator forgets it for the next scenario."""
        self._cleanup.close()
        for client in self._clients:
            client._session.close()
        _, simulator_clock = running_simulator(os.getpid())
        simulator_clock.ahead = _LONG_AFTER
        self._facts = self._read(self._simulator.effects())

    def _settings(self) -> JsonObject:
        scenario, adapter_scenario = self._scenario, self._adapter_scenario
        latencies = scenario.vendor.latencies or (20.0,)
        settings: JsonObject = {
            "seed": scenario.seed,
            "latency": [min(latencies), max(latencies)],
            "requests_per_minute": max(0, adapter_scenario.per_minute),
            "sunshine_requests_per_minute": max(0, adapter_scenario.per_minute),
            "job_items": "id_and_status" if adapter_scenario.short_list else "full",
        }
        if self.adapter.max_jobs:
            settings[self.adapter.max_jobs] = self.max_jobs
        return settings

    @property
    def base_url(self) -> str:
        return running_simulator(os.getpid())[0].url + self.adapter.path

    def _vendor(self) -> Vendor:
        real = self.adapter.vendor

        def client(*args: Any, **options: Any) -> ObservedClient:
            return ObservedClient(real.client(*args, **options), self._name_of)

        return replace(real, client=client)

    def _name_of(self, record: JsonObject) -> str | None:
        return row_name(record, self._names)

    # while the scenario goes on

    def _send(self, client: HttpClient, send: Callable[[], Answer | NoAnswer]) -> Answer | NoAnswer:
        """One request, with whatever the scenario does to it."""
        call = current_call.get() or OTHER_CALL
        if client not in self._clients:
            self._clients.append(client)
        with self._effects.around(call.kind):
            if self._scenario.vendor.request_seconds:
                self._clock.sleep(self._scenario.vendor.request_seconds)
            me, now = self._who(), self._clock.now()
            self._throttle_log.note_request(now, me)
            outage = self._outage(call.kind)
            if outage is not None:
                return self._during_outage(outage, call, me)
            request = _Request(call.kind, now, call.names, me)
            self._requests.append(request)
            answer = send()
            request.answered = isinstance(answer, Answer) and answer.status < 500
            if isinstance(answer, Answer) and answer.status >= 400:
                self._note_throttle(call.kind, answer, me)
        return answer

    def _during_outage(
        self, outage: Outage, call: Call, me: Invocation | None
    ) -> Answer | NoAnswer:
        """A request while the vendor is out of order: the simulator does not get to see it."""
        answer = to_request(outage.way)
        if isinstance(answer, Answer):
            self._refused_at.append(Request(self._clock.now(), me))
            self._note_throttle(call.kind, answer, me)
        return answer

    def _note_throttle(self, kind: str, answer: Answer, me: Invocation | None) -> None:
        seconds = answer.retry_after
        if seconds is None and "retry-after" in answer.headers:
            self._throttle_log.throttled_at.append(
                self._clock.now()
            )  # for a wait that nobody can mean
        if seconds is not None:
            full = b"TooManyJobs" in answer.body
            self._throttle_log.note_wait(
                kind, self._clock.now(), seconds, me, submissions_only=full
            )

    # when it has ended

    def _read(self, effects: JsonObject) -> _Facts:
        """Put together what the simulator reports and what was sent."""
        vendor_faults: dict[int, frozenset[VendorFaultKind]] = {}
        injected: Counter[tuple[str, VendorFaultKind]] = Counter()
        seen: Counter[str] = Counter()
        job_of = {int(job["request_id"].removeprefix("req-")): job for job in effects["jobs"]}
        for number, request in enumerate(self._requests, 1):
            of = SUBMISSION if request.kind == SUBMIT else READ
            if request.kind == CONTROL:
                continue
            seen[of] += 1
            here = adapter_scenarios.matching_faults(self._adapter_scenario, of, seen[of])
            vendor_faults[number] = frozenset(t.what for t in here)
            injected.update((request.kind, t.what) for t in here)
            self._read_faults += of == READ and bool(here)
        aborted = {
            effect["job_id"]: effect["at"]
            for effect in effects["effects"]
            if effect["kind"] == "job" and "ABORT" in str(effect["fields"].get("status"))
        }
        jobs: dict[str, _Job] = {}
        sent: dict[str, list[Sent]] = {}
        for number, request in enumerate(self._requests, 1):
            if request.kind != SUBMIT:
                continue
            entry = job_of.get(number)
            job_id = None if entry is None else str(entry["job_id"])
            answer_lost = not request.answered or bool(vendor_faults[number] & AMBIGUOUS)
            for name in request.names:
                sent.setdefault(name, []).append(Sent(request.at, job_id, answer_lost))
            if entry is not None and job_id is not None:
                ends_at = aborted.get(job_id, entry["ends_at"])
                missed = answer_lost or (request.who is not None and request.who.interrupted)
                jobs[job_id] = _Job(
                    job_id,
                    request.names,
                    entry["submitted_at"],
                    ends_at,
                    vendor_faults[number],
                    repeated=missed and self._repeatable(request.names),
                )
        applied: dict[str, list[str]] = {}
        for effect in effects["effects"]:
            row = self._name_of(effect["fields"])
            if row is not None and effect["kind"] in self.adapter.kinds:
                job = jobs[effect["job_id"]]
                unnamed = self.adapter.job_names_row and VendorFaultKind.NO_RESULTS in job.faults
                made = job.job_id if unnamed else str(effect["id"])
                applied.setdefault(row, []).append(made)
        return _Facts(sent, jobs, applied, injected)

    def _repeatable(self, names: Sequence[str]) -> bool:
        """Whether the operation that these rows are sent with may be repeated."""
        return all(self._scenario.files[file_of(name)].repeatable for name in names)

    @property
    def _list_has_results(self) -> bool:
        return self.adapter.list_has_results and not self._adapter_scenario.short_list

    @property
    def injected(self) -> Counter[tuple[str, VendorFaultKind]]:
        """(kind of effect, what went wrong at the vendor) → how often."""
        return self._facts.injected

    @property
    def max_jobs(self) -> int:
        return max(1, self._scenario.vendor.max_jobs) if self.adapter.max_jobs else _NO_LIMIT

    @property
    def requests(self) -> Sequence[Request]:
        seen = [Request(request.at, request.who) for request in self._requests]
        return sorted([*seen, *self._refused_at], key=lambda request: request.at)

    @property
    def throttle_violations(self) -> Sequence[str]:
        return self._throttle_log.throttle_violations

    @property
    def throttled_at(self) -> Sequence[float]:
        return self._throttle_log.throttled_at

    def is_unusable(self, job_id: str) -> bool:
        return False

    def applied(self, _run_id: str = "") -> Mapping[str, list[str]]:
        return self._facts.applied

    def sent(self, name: str, _run_id: str = "") -> Sequence[Sent]:
        return self._facts.sent.get(name, ())

    def denies_job(self, name: str) -> bool:
        return any(VendorFaultKind.FORGOTTEN in job.faults for job in self._jobs_of(name))

    def _jobs_of(self, name: str) -> list[_Job]:
        return [job for job in self._facts.jobs.values() if name in job.names]

    def max_in_flight(self) -> int:
        changes = sorted(
            change
            for job in self._facts.jobs.values()
            if job.ends_at is not None and not (job.repeated or job.faults & _HARD_TO_FIND)
            for change in ((job.begins_at, 1), (job.ends_at, -1))
        )
        most = now = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most

    def confirms(self, name: str, outcome: Outcome) -> bool | None:
        job = self._facts.jobs.get(outcome.job_id or "")
        faults: frozenset[VendorFaultKind] = frozenset() if job is None else job.faults
        match outcome.error_code:
            case "result_missing" | "result_says_nothing" | "job_without_results":
                return bool(faults & _INCOMPLETE_RESULTS)
            case "job_state_unknown" | "evidence_missing":
                return False
            case "job_forgotten":
                return VendorFaultKind.FORGOTTEN in faults
            case "job_never_ended":
                return VendorFaultKind.STUCK in faults or (
                    VendorFaultKind.UNKNOWN_BY_ID in faults and not self._list_has_results
                )
            case "submission_lost":
                return self._may_be_lost(name)
        return None

    def _may_be_lost(self, name: str) -> bool:
        """Whether a lost submission of the row need not have been found."""
        if self._read_faults:
            return True
        if self.adapter.vendor.capabilities.token_search:
            # A job that is listed without its data does not show its token either.
            hides = {VendorFaultKind.FORGOTTEN, VendorFaultKind.NO_RESULTS}
            return any(job.faults & hides for job in self._jobs_of(name))
        alike = any(job.faults & _HARD_TO_FIND for job in self._facts.jobs.values())
        unkeyed = not all(file.keyed for file in self._scenario.files)
        anonymous = unkeyed and not (self._adapter_scenario.external_ids or self.adapter.changes)
        return alike or anonymous

    def left_uncertain(self, name: str) -> bool:
        return any(sent.answer_lost for sent in self.sent(name)) or any(
            job.faults & (_INCOMPLETE_RESULTS | _GIVEN_UP) for job in self._jobs_of(name)
        )
