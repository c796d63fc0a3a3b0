"""Several runs on one account of the model vendor, in virtual time, with AWS's latencies charged.

A run is known by the tokens of its submissions, so that it shows which run got which job when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.virtual.bounds import least_wall, request_bound
from benchmarks.virtual.ours import ModelClient, ModelWorld
from benchmarks.virtual.policy import START
from benchmarks.virtual.vendor import JITTER, SECONDS, Conditions, Kind, Reason, VendorModel
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.steps.open_run import PRIORITY_OPTION
from jobferry.vendors.answers import Accepted, SubmitAnswer
from jobferry.vendors.operation import Operation
from virtual.effects import Phase
from virtual.schedule import Schedule
from virtual.world import Execution, sample_csv

CHARGED = {
    "table.write": 0.008,
    "table.transact": 0.025,
    "table.put_many": 0.015,
    "table.delete_many": 0.015,
    "objects.put": 0.04,
}
"""Seconds that an effect takes; assumed, as nothing here was measured on AWS."""

READ_SECONDS = 0.006
STEP_SECONDS = 0.06
"""From one state to the next one's function, warm."""

URGENT_ROWS = 10
MOST_JOBS = 100_000


class TokenClient(ModelClient):
    """The model's client, which notes the moment at which each run's jobs were accepted."""

    def __init__(
        self, vendor: VendorModel, schedule: Schedule, accepted: dict[str, list[float]]
    ) -> None:
        super().__init__(vendor, schedule)
        self._accepted = accepted

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        answer = super().submit(operation, records, token)
        if isinstance(answer, Accepted):
            run_id = token.rsplit(".", 2)[0]
            self._accepted.setdefault(run_id, []).append(self._schedule.now())
        return answer


class SharedWorld(ModelWorld):
    """The model's world with AWS's latencies, and with counts of what the runs use.

    Attributes:
        accepted: moments at which jobs were accepted, by run.
        transitions: states that were entered.
    """

    def __init__(self, vendor: VendorModel, schedule: Schedule, *, charged: bool = True) -> None:
        self.accepted: dict[str, list[float]] = {}
        self.transitions = 0
        self.charged = charged
        super().__init__(vendor, schedule)
        if charged:
            self.effects.on_effect = self._take_time
            self.effects.on_read = lambda _kind: self.clock.sleep(READ_SECONDS)

    def client_of(self, vendor: VendorModel, schedule: Schedule) -> Callable[..., ModelClient]:
        return lambda *_account, **_options: TokenClient(vendor, schedule, self.accepted)

    def execution(self) -> CountedExecution:
        return CountedExecution(self, f"arn:execution:{next(self._executions)}")

    def invoke(
        self, execution: Execution, name: str, work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        if self.charged:
            self.clock.sleep(STEP_SECONDS)
        return super().invoke(execution, name, work)

    def _take_time(self, kind: str, phase: Phase) -> None:
        if phase is Phase.BEFORE and kind in CHARGED:
            self.clock.sleep(CHARGED[kind])


@dataclass
class CountedExecution(Execution):
    """An execution that counts the states that it enters."""

    entered: Counter[str] = field(default_factory=Counter)

    def entering(self, name: str, payload: Any) -> None:
        super().entering(name, payload)
        assert isinstance(self.world, SharedWorld)
        self.world.transitions += 1


@dataclass(frozen=True, slots=True)
class Shared:
    """What runs side by side came to.

    Attributes:
        seconds: from the first upload to the last run's close.
        least_ratio: to the time of a client who knows everything.
        slot_use: part of the slots' time that was used while work was left.
        requests: sent, the refused ones too.
        request_ratio: to the fewest possible.
        refused: submissions that found no slot.
        gb_seconds: of the functions that submit and poll.
        transitions: states that were entered.
        writes: write units of the table.
        urgent: job latencies from the urgent file's upload to its first job; None without one.
        urgent_whole: job latencies from its upload to its close.
    """

    seconds: float
    least_ratio: float
    slot_use: float
    requests: int
    request_ratio: float
    refused: int
    gb_seconds: float
    transitions: int
    writes: int
    urgent: float | None = None
    urgent_whole: float | None = None


def share(
    conditions: Conditions,
    files: Sequence[int],
    seed: int,
    *,
    urgent_at: float | None = None,
    charged: bool = True,
) -> Shared:
    """Carry files side by side, all uploaded at once, and perhaps an urgent one.

    Args:
        files: jobs of each.
        urgent_at: seconds after which an urgent file is uploaded; None: none is.

    Raises:
        RuntimeError: a run broke a promise.
    """
    vendor, schedule = VendorModel(conditions, seed), Schedule(START, seed)
    began = START + Random(f"start {seed}").uniform(240, 300)
    with SharedWorld(vendor, schedule, charged=charged) as world:
        # No two files have the same rows: the second would be taken for the first one sent again.
        requests = [
            world.drop(sample_csv(jobs, start=1 + MOST_JOBS * i), name=f"file-{i}.csv")
            for i, jobs in enumerate(files)
        ]
        starts = [began - START] * len(files)
        if urgent_at is not None:
            options = {PRIORITY_OPTION: "immediate"}
            text = sample_csv(URGENT_ROWS, start=1 + MOST_JOBS * len(files))
            requests.append(world.drop(text, name="urgent.csv", options=options))
            starts.append(began - START + urgent_at)
        runs: list[Run] = schedule.run(lambda: world.execute_all(requests, starts))
        problems = [problem for run in runs for problem in world.problems(run.run_id)]
        done = sum(run.outcomes.get(OutcomeStatus.SUCCEEDED, 0) for run in runs)
        if problems or done != vendor.accepted:
            raise RuntimeError(f"{problems or done}")
        return _figures(vendor, world, runs, began, urgent_at)


def _figures(
    vendor: VendorModel,
    world: SharedWorld,
    runs: Sequence[Run],
    began: float,
    urgent_at: float | None,
) -> Shared:
    conditions = vendor.conditions
    seconds = max(run.closed_at or 0.0 for run in runs) - began
    least = least_wall(
        vendor.latencies,
        conditions.max_jobs,
        conditions.requests_per_minute,
        began,
        first=SECONDS[Kind.SUBMIT] * (1 - JITTER),
        last=SECONDS[Kind.POLL] * (1 - JITTER),
    )
    poll_batch = world.vendor.capabilities.poll_batch
    requests = vendor.requests.total()
    fewest = request_bound(vendor.accepted, conditions.max_jobs, poll_batch)
    figures = [world.store.runs.figures(run.run_id) for run in runs]
    urgent = whole = None
    if urgent_at is not None:
        uploaded, run = began + urgent_at, runs[-1]
        urgent = (min(world.accepted[run.run_id]) - uploaded) / conditions.latency
        whole = ((run.closed_at or 0.0) - uploaded) / conditions.latency
    return Shared(
        seconds=seconds,
        least_ratio=seconds / least,
        slot_use=vendor.slot_use(began),
        requests=requests,
        request_ratio=requests / fewest,
        refused=vendor.refused[Reason.JOBS],
        gb_seconds=sum(each.gb_ms for each in figures) / 1000,
        transitions=world.transitions,
        writes=sum(each.write_units for each in figures),
        urgent=urgent,
        urgent_whole=whole,
    )
