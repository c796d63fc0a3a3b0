"""Modes in which an operator acts."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.drawing import draw
from tests.chaos.mode_tools import (
    DEATHS_OF_A_LAPTOP,
    PERMANENT,
    PRIORITIES,
    calmer,
    random_for,
)
from tests.chaos.scenario import (
    AbortRun,
    Action,
    ChangePriority,
    DeleteRun,
    DuplicateTask,
    Fault,
    FaultKind,
    JobBehaviour,
    RecordBehaviour,
    ResolveRun,
    RetryRun,
    Reupload,
    Scenario,
    SwitchAccount,
)


def resolve_runs(seed: int) -> Scenario:
    """Rows are unknown, and the operator resolves them, maybe from a laptop that dies.

    Closing has time: a resolve that has none gets nowhere.
    """
    rng, scenario = random_for("resolving", seed), calmer(random_for("r", seed), seed)
    files = (
        replace(scenario.files[0], rows=max(2, scenario.files[0].rows), repeatable=False, bad=()),
    )
    kinds = (JobBehaviour.NEVER_ENDS, JobBehaviour.NORMAL, JobBehaviour.NEVER_ENDS)
    vendor = replace(
        scenario.vendor,
        jobs=tuple(rng.choice(kinds) for _ in range(3)),
        replies=(),
    )
    actions: tuple[Action, ...] = (ResolveRun(0, times=rng.choice((1, 1, 2))),)
    # The second closing does what was asked; it may die at any of its effects, and again.
    by_hand = rng.random() < 0.3
    place = ("resolve/", rng.randint(1, 3)) if by_hand else ("CloseRun/", rng.randint(8, 40))
    dying = Fault(*place, rng.choice(DEATHS_OF_A_LAPTOP))
    late = [dying] if rng.random() < 0.8 else []
    return replace(
        scenario,
        files=files,
        vendor=vendor,
        actions=actions,
        faults=tuple(late),
        tight_deadlines=False,
    )


def retry_runs(seed: int) -> Scenario:
    """Failed rows go again; priorities change; a run is deleted while others are late."""
    rng, scenario = random_for("repeating", seed), draw(seed)
    records = tuple(
        rng.choice((RecordBehaviour.APPLIED, RecordBehaviour.REFUSED)) for _ in range(3)
    )
    drawn: list[Action] = [ChangePriority(0, rng.choice((0.0, 5.0, 30.0)), rng.choice(PRIORITIES))]
    if rng.random() < 0.6:
        drawn.append(RetryRun(0, operators=rng.choice((1, 2))))
    if rng.random() < 0.5:
        drawn.append(DeleteRun(0))
    others = tuple(h for h in scenario.actions if isinstance(h, DuplicateTask | AbortRun))
    task = rng.choice(("retry", "delete", "priority"))
    dying = Fault(f"{task}/", rng.randint(1, 8), rng.choice(DEATHS_OF_A_LAPTOP))
    return replace(
        scenario,
        faults=(*scenario.faults[:2], dying),
        vendor=replace(scenario.vendor, records=records),
        actions=(*others[:2], *drawn),
    )


def same_bytes(seed: int) -> Scenario:
    """The same bytes are dropped twice."""
    rng = random_for("same bytes", seed)
    scenario = calmer(rng, seed)
    return replace(scenario, actions=(Reupload(0, rng.choice((0.0, 5.0, 60.0, 300.0))),))


def switch_account(seed: int) -> Scenario:
    """The connection is pointed at another account under a run, and back."""
    rng = random_for("elsewhere", seed)
    scenario = calmer(rng, seed)
    moved = SwitchAccount(rng.choice((1.0, 10.0, 30.0)), rng.choice((70.0, 400.0)))
    files = tuple(replace(file, arrives=0.0) for file in scenario.files)
    return replace(scenario, files=files, actions=(moved,))


LANES = ("SubmitJobs", "PollJobs", "SettleJob")
"""The tasks of a lane."""


def forced_abort(seed: int) -> Scenario:
    """From some moment on no task of a lane gets anywhere, and the operator ends the run by force:
    maybe from a laptop that dies, and then once more.
    """
    rng, scenario = random_for("by force", seed), calmer(random_for("f", seed), seed)
    file = replace(scenario.files[0], rows=rng.randint(2, 9), bad=(), arrives=0.0)
    fault_kinds = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.THROTTLED)
    failing = [
        Fault(f"{t}/", rng.choice((1, 8, 20, 60)), rng.choice(fault_kinds), times=PERMANENT)
        for t in LANES
    ]
    if rng.random() < 0.5:
        failing.append(Fault("Abort/", rng.randint(1, 3), rng.choice(DEATHS_OF_A_LAPTOP)))
    at = rng.choice((1.0, 20.0, 75.0, 400.0, 4_000.0))
    return replace(
        scenario,
        files=(file,),
        faults=(*failing, *scenario.faults[:1]),
        actions=(AbortRun(0, at, force=True), AbortRun(0, at + 900.0, force=True)),
        production_deadlines=True,
    )
