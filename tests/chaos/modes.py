"""Kinds of scenarios, by name: each is drawn from a seed, and can be run by itself.

Every mode has its part in every campaign, but for one that shows what is still open: `shows` says
what, and `seed` with which scenario. When that is mended, both go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.chaos.drawing import draw
from tests.chaos.mode_tools import (
    DAY,
    PRIORITIES,
    calmer,
    random_for,
    when_opened,
    with_outages,
)
from tests.chaos.operator_modes import (
    forced_abort,
    resolve_runs,
    retry_runs,
    same_bytes,
    switch_account,
)
from tests.chaos.outages import (
    SOURCE,
    TABLE,
    Way,
    draw_outage,
    draw_single,
)
from tests.chaos.scenario import (
    File,
    Scenario,
    VendorBehaviour,
)
from tests.chaos.vendor_modes import (
    absurd_waits,
    kept_before,
    late,
    late_with_adapter,
    malformed,
    rate_limited,
    vendor_outage,
)

BURSTS = (2, 3, 10)
"""Equal faults in a row."""


RUNS = (5, 12, 40)
"""Runs on one connection."""


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


def _bursts(seed: int) -> Scenario:
    """Every fault comes several times in a row, but not in the first effects of a run."""
    rng, scenario = random_for("bursts", seed), draw(seed)
    faults = tuple(replace(f, nth=f.nth + 2, times=rng.choice(BURSTS)) for f in scenario.faults)
    return replace(scenario, faults=faults)


def _outage(seed: int) -> Scenario:
    """A collaborator fails for minutes or hours, and comes back."""
    rng = random_for("outage", seed)
    scenario, outage = calmer(rng, seed), draw_outage(rng)
    if outage.what == SOURCE:
        # While a run is opened that is a mode of its own: `open_failures`.
        return when_opened(scenario, outage)
    return with_outages(scenario, outage)


def _permanent_outage(seed: int) -> Scenario:
    """A collaborator is gone for good."""
    rng = random_for("for ever", seed)
    scenario, outage = calmer(rng, seed), draw_outage(rng, permanent=True)
    if outage.what == SOURCE and outage.way in (Way.UNREACHABLE, Way.THROTTLED):
        # A bucket that cannot even be asked for the file does not stay so: opening is repeated for
        # days, as long as the file counts as new. A right that is missing may stay missing.
        scenario = when_opened(scenario, outage)
    else:
        scenario = with_outages(scenario, outage)
    # Each run takes its own time, one after the other where they wait for the same slot.
    return replace(scenario, hours=scenario.hours * len(scenario.files))


def _single_refusal(seed: int) -> Scenario:
    """One 403 or one redirect, once: a run is not stopped for that."""
    rng = random_for("single", seed)
    calm = File(rows=rng.randint(2, 9), batch=rng.choice((1, 2)))
    return Scenario(
        seed=seed,
        files=(calm,),
        vendor=VendorBehaviour(latencies=(rng.choice((5.0, 20.0)),)),
        outages=(draw_single(rng),),
    )


def _row_expiry(seed: int) -> Scenario:
    """A run rests for longer than its rows are kept."""
    rng = random_for("expiry", seed)
    trial = rng.choice((1, 2))
    return Scenario(
        seed=seed,
        files=(File(rows=rng.randint(3, 8), batch=rng.choice((1, 2)), trial=trial),),
        max_jobs=rng.choice((1, 3)),
        retention=2,
        approve_after=rng.choice((1.0, 2.5, 4.0)) * DAY,
        hours=5 * 24.0,
    )


def _many_runs(seed: int) -> Scenario:
    """Many runs on one connection, with few slots and mixed priorities."""
    rng = random_for("crowd", seed)
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


def _execution_timeout(seed: int) -> Scenario:
    """An execution takes longer than an execution may."""
    rng = random_for("timed out", seed)
    scenario = calmer(rng, seed)
    return replace(scenario, machine_seconds=rng.choice((20.0, 45.0, 200.0)))


def _open_failures(seed: int) -> Scenario:
    """OpenRun fails for minutes or hours before there is a run."""
    rng = random_for("opening", seed)
    outage = replace(draw_outage(rng, (TABLE, SOURCE)), at=0.0)
    if outage.way is Way.MISSING:
        outage = replace(outage, way=Way.DENIED)
    return Scenario(seed=seed, files=(File(rows=3),), outages=(outage,), hours=26.0)


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("bursts", _bursts),
        Mode("forced_abort", forced_abort),
        Mode("many_runs", _many_runs, slow=True),
        Mode("account_switch", switch_account),
        Mode("row_expiry", _row_expiry, slow=True),
        Mode(
            "permanent_outage",
            _permanent_outage,
            slow=True,
        ),
        Mode("malformed_answers", malformed),
        Mode("absurd_waits", absurd_waits),
        Mode("late", late),
        Mode("kept_before", kept_before),
        Mode("late_with_adapter", late_with_adapter),
        Mode("rate_limited", rate_limited),
        Mode("open_failures", _open_failures),
        Mode("outage", _outage, slow=True),
        Mode("retry", retry_runs),
        Mode("resolve", resolve_runs),
        Mode("reupload", same_bytes),
        Mode("single_refusal", _single_refusal),
        Mode("execution_timeout", _execution_timeout),
        Mode("vendor_outage", vendor_outage, slow=True),
    )
}
"""By name."""


MIXED_MODES: Sequence[Mode] = [mode for mode in MODES.values() if mode.mixed]
"""Those that have a part in every campaign."""
