"""Kinds of scenarios, by name: each is drawn from a seed, and can be run by itself.

Every mode has its part in every campaign, but for one that shows what is still open: `shows` says
what, and `seed` with which scenario. When that is mended, both go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.chaos.adapter_scenarios import (
    READ,
    SUBMISSION,
    AdapterScenario,
    VendorFault,
    VendorFaultKind,
)
from tests.chaos.adapters import ADAPTERS
from tests.chaos.drawing import draw, draw_with_adapter
from tests.chaos.malformed_answers import WAITS, draw_malformed
from tests.chaos.outages import (
    FIND,
    POLL,
    SOURCE,
    SUBMIT,
    TABLE,
    VENDOR,
    Outage,
    Way,
    draw_outage,
    draw_single,
)
from tests.chaos.scenario import (
    AbortRun,
    Action,
    ChangePriority,
    DeleteRun,
    DuplicateTask,
    Fault,
    FaultKind,
    File,
    JobBehaviour,
    PollReply,
    RecordBehaviour,
    ResolveRun,
    RetryRun,
    Reupload,
    Scenario,
    ScriptedPoll,
    SwitchAccount,
    VendorBehaviour,
)
from tests.chaos.sizes import PRODUCTION
from tests.fakes.vendor import Behaviour, Reply

LATES = (20.0, 61.0, 90.0, 300.0, 599.0)
"""Seconds for which a job that was accepted is shown to nobody."""

BURSTS = (2, 3, 10)
"""Equal faults in a row."""

RUNS = (5, 12, 40)
"""Runs on one connection."""

PERMANENT = 1_000_000
"""Faults in a row: more than a scenario has effects."""

DAY = 86_400.0

_DEATHS_OF_A_LAPTOP = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.ANSWER_LOST)

PRIORITIES = ("lowest", "lowest", "low", "medium", "high", "immediate")


@dataclass(frozen=True, slots=True)
class Mode:
    """A kind of scenarios.

    draw   the scenario of a seed
    shows  what it shows that is still open; empty: nothing
    seed   of a scenario that shows it
    slow   its scenarios take seconds each: few of them are enough
    """

    name: str
    draw: Callable[[int], Scenario]
    shows: str = ""
    seed: int = 0
    slow: bool = False

    @property
    def mixed(self) -> bool:
        """Whether it has a part in every campaign."""
        return not self.shows


def _random(name: str, seed: int) -> Random:
    return Random(f"{name} {seed}")


def _bursts(seed: int) -> Scenario:
    """Every fault comes several times in a row, but not in the first effects of a run."""
    rng, scenario = _random("bursts", seed), draw(seed)
    faults = tuple(replace(f, nth=f.nth + 2, times=rng.choice(BURSTS)) for f in scenario.faults)
    return replace(scenario, faults=faults)


def _late(seed: int) -> Scenario:
    """Jobs become visible late, whether their submissions were answered or not."""
    rng, scenario = _random("late", seed), draw(seed)
    jobs = tuple(
        rng.choice((JobBehaviour.VISIBLE_LATE, JobBehaviour.NORMAL))
        for _ in range(rng.randint(1, 4))
    )
    acts = (Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED)
    vendor = replace(
        scenario.vendor,
        late=rng.choice(LATES),
        jobs=(JobBehaviour.VISIBLE_LATE, *jobs),
        replies=tuple(Reply(rng.choice(acts)) for _ in range(rng.randint(1, 4))),
        searches=(),
    )
    return replace(
        scenario, vendor=vendor, faults=scenario.faults[:1], production_deadlines=True, hours=26.0
    )


def _late_with_adapter(seed: int) -> Scenario:
    """The same with real adapters: what was lost becomes visible up to ten minutes later."""
    names = list(ADAPTERS)
    rng, scenario = (
        _random("late at a site", seed),
        draw_with_adapter(names[seed % len(names)], seed),
    )
    adapter_scenario = scenario.adapter_scenario
    assert adapter_scenario is not None
    vendor_faults = [
        t
        for t in adapter_scenario.vendor_faults
        if t.what not in (VendorFaultKind.LATE, VendorFaultKind.FORGOTTEN)
    ][:1]
    for nth in sorted({1, rng.randint(1, 4)}):
        lost = rng.choice(
            (
                VendorFaultKind.ANSWER_LOST,
                VendorFaultKind.GATEWAY_TIMEOUT_DONE,
                VendorFaultKind.CUT_SHORT,
            )
        )
        late = VendorFault(VendorFaultKind.LATE, nth, SUBMISSION, int(rng.choice(LATES)))
        vendor_faults = [VendorFault(lost, nth), late, *(t for t in vendor_faults if t.nth != nth)]
    return replace(
        scenario,
        adapter_scenario=replace(adapter_scenario, vendor_faults=tuple(vendor_faults)),
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )


def _with_outages(scenario: Scenario, *outages: Outage) -> Scenario:
    return replace(
        scenario,
        outages=outages,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
        sizes=PRODUCTION,
    )


def _outage(seed: int) -> Scenario:
    """A collaborator fails for minutes or hours, and comes back."""
    rng = _random("outage", seed)
    scenario, outage = _calmer(rng, seed), draw_outage(rng)
    if outage.what == SOURCE:
        # While a run is opened that is a mode of its own: `open_failures`.
        return _when_opened(scenario, outage)
    return _with_outages(scenario, outage)


def _when_opened(scenario: Scenario, outage: Outage) -> Scenario:
    """The scenario with an outage that begins when all runs have been opened."""
    files = tuple(replace(file, arrives=0.0) for file in scenario.files)
    return _with_outages(replace(scenario, files=files, faults=()), replace(outage, at=25.0))


def _vendor_outage(seed: int) -> Scenario:
    """The same at a vendor behind its real adapter."""
    rng, names = _random("vendor outage", seed), list(ADAPTERS)
    scenario = draw_with_adapter(names[seed % len(names)], seed)
    outage = draw_outage(rng, (SUBMIT, POLL, FIND, VENDOR))
    adapter_scenario = scenario.adapter_scenario
    assert adapter_scenario is not None
    quiet = replace(adapter_scenario, vendor_faults=adapter_scenario.vendor_faults[:1])
    return _with_outages(replace(scenario, adapter_scenario=quiet), outage)


def _permanent_outage(seed: int) -> Scenario:
    """A collaborator is gone for good."""
    rng = _random("for ever", seed)
    scenario, outage = _calmer(rng, seed), draw_outage(rng, permanent=True)
    if outage.what == SOURCE and outage.way in (Way.UNREACHABLE, Way.THROTTLED):
        # A bucket that cannot even be asked for the file does not stay so: opening is repeated for
        # days, as long as the file counts as new. A right that is missing may stay missing.
        scenario = _when_opened(scenario, outage)
    else:
        scenario = _with_outages(scenario, outage)
    # Each run takes its own time, one after the other where they wait for the same slot.
    return replace(scenario, hours=scenario.hours * len(scenario.files))


def _single_refusal(seed: int) -> Scenario:
    """One 403 or one redirect, once: a run is not stopped for that."""
    rng = _random("single", seed)
    calm = File(rows=rng.randint(2, 9), batch=rng.choice((1, 2)))
    return Scenario(
        seed=seed,
        files=(calm,),
        vendor=VendorBehaviour(latencies=(rng.choice((5.0, 20.0)),)),
        outages=(draw_single(rng),),
    )


def _calmer(rng: Random, seed: int) -> Scenario:
    """A scenario with few faults of its own."""
    scenario = draw(seed)
    return replace(
        scenario,
        files=tuple(replace(file, trial=0, breaker=0) for file in scenario.files),
        vendor=replace(scenario.vendor, replies=scenario.vendor.replies[:1], searches=(), polls=()),
        actions=scenario.actions[:1] if rng.random() < 0.3 else (),
    )


def _row_expiry(seed: int) -> Scenario:
    """A run rests for longer than its rows are kept."""
    rng = _random("expiry", seed)
    trial = rng.choice((1, 2))
    return Scenario(
        seed=seed,
        files=(File(rows=rng.randint(3, 8), batch=rng.choice((1, 2)), trial=trial),),
        max_jobs=rng.choice((1, 3)),
        retention=2,
        approve_after=rng.choice((1.0, 2.5, 4.0)) * DAY,
        hours=5 * 24.0,
    )


def _resolve_runs(seed: int) -> Scenario:
    """Rows are unknown, and the operator resolves them, maybe from a laptop that dies.

    Closing has time: a resolve that has none gets nowhere.
    """
    rng, scenario = _random("resolving", seed), _calmer(_random("r", seed), seed)
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
    dying = Fault(*place, rng.choice(_DEATHS_OF_A_LAPTOP))
    late = [dying] if rng.random() < 0.8 else []
    return replace(
        scenario,
        files=files,
        vendor=vendor,
        actions=actions,
        faults=tuple(late),
        tight_deadlines=False,
    )


def _retry_runs(seed: int) -> Scenario:
    """Failed rows go again; priorities change; a run is deleted while others are late."""
    rng, scenario = _random("repeating", seed), draw(seed)
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
    dying = Fault(f"{task}/", rng.randint(1, 8), rng.choice(_DEATHS_OF_A_LAPTOP))
    return replace(
        scenario,
        faults=(*scenario.faults[:2], dying),
        vendor=replace(scenario.vendor, records=records),
        actions=(*others[:2], *drawn),
    )


def _same_bytes(seed: int) -> Scenario:
    """The same bytes are dropped twice."""
    rng = _random("same bytes", seed)
    scenario = _calmer(rng, seed)
    return replace(scenario, actions=(Reupload(0, rng.choice((0.0, 5.0, 60.0, 300.0))),))


def _switch_account(seed: int) -> Scenario:
    """The connection is pointed at another account under a run, and back."""
    rng = _random("elsewhere", seed)
    scenario = _calmer(rng, seed)
    moved = SwitchAccount(rng.choice((1.0, 10.0, 30.0)), rng.choice((70.0, 400.0)))
    files = tuple(replace(file, arrives=0.0) for file in scenario.files)
    return replace(scenario, files=files, actions=(moved,))


def _many_runs(seed: int) -> Scenario:
    """Many runs on one connection, with few slots and mixed priorities."""
    rng = _random("crowd", seed)
    files = tuple(
        File(
            rows=rng.randint(1, 4),
            batch=rng.choice((1, 2)),
            priority=rng.choice(PRIORITIES),
            arrives=rng.choice((0.0, 0.0, 5.0, 40.0)),
        )
        for _ in range(rng.choice(RUNS))
    )
    return Scenario(
        seed=seed,
        files=files,
        vendor=VendorBehaviour(latencies=(rng.choice((10.0, 20.0)),)),
        max_jobs=rng.choice((1, 2, 3)),
    )


def _rate_limited(seed: int) -> Scenario:
    """Few requests a minute at a vendor whose jobs cost more than one request to read."""
    rng = _random("metered", seed)
    vendor = ("zendesk_support", "zendesk_sunshine", "vidispine")[seed % 3]
    lost = (
        (VendorFault(VendorFaultKind.ANSWER_LOST, rng.randint(1, 4)),) if rng.random() < 0.5 else ()
    )
    return Scenario(
        seed=seed,
        files=(File(rows=rng.randint(4, 9)),),
        vendor=VendorBehaviour(latencies=(rng.choice((5.0, 20.0, 45.0)),)),
        max_jobs=rng.choice((3, 4)),
        per_minute=rng.choice((12, 20)),
        adapter_scenario=AdapterScenario(vendor, lost, short_list=rng.random() < 0.7),
        actions=(AbortRun(0, 15.0),) if vendor == "vidispine" and rng.random() < 0.4 else (),
    )


def _execution_timeout(seed: int) -> Scenario:
    """An execution takes longer than an execution may."""
    rng = _random("timed out", seed)
    scenario = _calmer(rng, seed)
    return replace(scenario, machine_seconds=rng.choice((20.0, 45.0, 200.0)))


def _malformed(seed: int) -> Scenario:
    """Answers about some jobs are what no adapter should let through, and waits are absurd."""
    rng, scenario = _random("hostile", seed), _calmer(_random("h", seed), seed)
    files = tuple(replace(file, rows=max(4, file.rows)) for file in scenario.files)
    acts = (Behaviour.THROTTLE, Behaviour.THROTTLE, Behaviour.TOO_MANY_JOBS, Behaviour.ACCEPT)
    waits = rng.random() < 0.5
    replies = tuple(Reply(rng.choice(acts), rng.choice(WAITS)) for _ in range(2 if waits else 0))
    polls = (
        (ScriptedPoll(), ScriptedPoll(PollReply.THROTTLED, rng.choice(WAITS)))
        if rng.random() < 0.3
        else ()
    )
    vendor = replace(
        scenario.vendor,
        malformed=draw_malformed(rng),
        replies=tuple(r if r.behaviour is not Behaviour.ACCEPT else Reply() for r in replies),
        polls=polls,
    )
    return replace(
        scenario,
        files=files,
        vendor=vendor,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )


WAITS_IN_HEADERS = ("1e12", 1_800_000_000, 31_536_000, -1, "soon", "inf", "9" * 400)
"""Absurd values of Retry-After."""


def _absurd_waits(seed: int) -> Scenario:
    """Absurd waits in the headers of a real adapter's vendor, on submissions and on reads."""
    names = list(ADAPTERS)
    rng, scenario = (
        _random("hostile at a site", seed),
        draw_with_adapter(names[seed % len(names)], seed),
    )
    assert scenario.adapter_scenario is not None
    throttled = (
        VendorFault(
            rng.choice((VendorFaultKind.THROTTLED, VendorFaultKind.UNAVAILABLE)),
            rng.randint(1, 3 if of == SUBMISSION else 9),
            of,
            rng.choice(WAITS_IN_HEADERS),
        )
        for of in (SUBMISSION, READ, rng.choice((SUBMISSION, READ)))
    )
    adapter_scenario = replace(
        scenario.adapter_scenario,
        vendor_faults=(*throttled, *scenario.adapter_scenario.vendor_faults[:1]),
    )
    return replace(
        scenario,
        adapter_scenario=adapter_scenario,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )


LANES = ("SubmitJobs", "PollJobs", "SettleJob")
"""The tasks of a lane."""


def _forced_abort(seed: int) -> Scenario:
    """From some moment on no task of a lane gets anywhere, and the operator ends the run by force:
    maybe from a laptop that dies, and then once more.
    """
    rng, scenario = _random("by force", seed), _calmer(_random("f", seed), seed)
    file = replace(scenario.files[0], rows=rng.randint(2, 9), bad=(), arrives=0.0)
    fault_kinds = (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.THROTTLED)
    failing = [
        Fault(f"{t}/", rng.choice((1, 8, 20, 60)), rng.choice(fault_kinds), times=PERMANENT)
        for t in LANES
    ]
    if rng.random() < 0.5:
        failing.append(Fault("Abort/", rng.randint(1, 3), rng.choice(_DEATHS_OF_A_LAPTOP)))
    at = rng.choice((1.0, 20.0, 75.0, 400.0, 4_000.0))
    return replace(
        scenario,
        files=(file,),
        faults=(*failing, *scenario.faults[:1]),
        actions=(AbortRun(0, at, force=True), AbortRun(0, at + 900.0, force=True)),
        production_deadlines=True,
    )


def _open_failures(seed: int) -> Scenario:
    """OpenRun fails for minutes or hours before there is a run."""
    rng = _random("opening", seed)
    outage = replace(draw_outage(rng, (TABLE, SOURCE)), at=0.0)
    if outage.way is Way.MISSING:
        outage = replace(outage, way=Way.DENIED)
    return Scenario(seed=seed, files=(File(rows=3),), outages=(outage,), hours=26.0)


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("bursts", _bursts),
        Mode("forced_abort", _forced_abort),
        Mode("many_runs", _many_runs, slow=True),
        Mode("account_switch", _switch_account),
        Mode("row_expiry", _row_expiry, slow=True),
        Mode(
            "permanent_outage",
            _permanent_outage,
            slow=True,
        ),
        Mode("malformed_answers", _malformed),
        Mode("absurd_waits", _absurd_waits),
        Mode("late", _late),
        Mode("late_with_adapter", _late_with_adapter),
        Mode("rate_limited", _rate_limited),
        Mode("open_failures", _open_failures),
        Mode("outage", _outage, slow=True),
        Mode("retry", _retry_runs),
        Mode("resolve", _resolve_runs),
        Mode("reupload", _same_bytes),
        Mode("single_refusal", _single_refusal),
        Mode("execution_timeout", _execution_timeout),
        Mode("vendor_outage", _vendor_outage, slow=True),
    )
}
"""By name."""

MIXED_MODES: Sequence[Mode] = [mode for mode in MODES.values() if mode.mixed]
"""Those that have a part in every campaign."""
