"""`abort --force` closes what nothing else can, and keeps the sum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.row_verdict import ABORTED_BY_FORCE
from jobferry.domain.run import Run, RunStatus
from jobferry.lane.state import LaneState
from jobferry.operator.job_control import force_run
from jobferry.operator.resolve_run import ask_resolve
from jobferry.steps.open_run import open_run, resume_run
from jobferry.steps.sweep import SETTLED_SECONDS
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import CONNECTION, ExecutionFailedError, World, sample_csv

SUCCEEDED, SKIPPED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.SKIPPED, OutcomeStatus.UNKNOWN


@pytest.fixture
def under_way(world: World) -> Run:
    """A run of twelve rows: two settled, two finished, two sent, six left."""
    run = world.planned(sample_csv(12))
    world.account.latency = lambda number: {1: 5.0, 2: 12.0}.get(number, 900.0)
    world.store.limits.ensure(CONNECTION, 3)
    state = world.submit(LaneState(run.run_id, 0))
    world.clock.advance(8.0)
    world.settle(world.poll(state))
    return world.run(run.run_id)


def forced(world: World, run: Run) -> Run:
    force_run(run, "Enough.", world.deps, lambda *who: world.restarts.append(who))
    world.run_restarts()
    return world.run(run.run_id)


def broken(*_: Any) -> Any:
    raise RuntimeError("no lane works any more")


def test_rows_under_way_are_unknown_and_the_rest_is_skipped(world: World, under_way: Run) -> None:
    settled = under_way.settled_rows
    assert settled > 0
    closed = forced(world, under_way)
    assert closed.status is RunStatus.UNRESOLVED
    assert closed.error == "Enough."
    outcomes = world.outcomes(closed.run_id).values()
    codes = {o.status: o.error_code for o in outcomes}
    assert (codes[UNKNOWN], codes[SKIPPED]) == (ABORTED_BY_FORCE, "aborted")
    assert closed.outcomes[SUCCEEDED] >= settled
    assert world.problems(closed.run_id) == []


def test_no_lane_no_vendor_and_no_secret_is_needed(
    world: World, under_way: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("submit", "poll", "read_secret"):
        monkeypatch.setattr(world, name, broken)
    world.deps = world.fresh_deps()
    polls = len(world.account.polls)
    closed = forced(world, under_way)
    assert closed.closed_at is not None
    assert len(world.account.polls) == polls
    assert world.problems(closed.run_id) == []


def test_it_works_without_a_connection(world: World, under_way: Run) -> None:
    world.store.config.delete_connection(CONNECTION)
    world.deps = world.fresh_deps()
    assert forced(world, under_way).closed_at is not None
    assert world.problems(under_way.run_id) == []


def test_a_lane_that_is_at_work_stops_at_once(world: World, under_way: Run) -> None:
    force_run(under_way, "Enough.", world.deps, lambda *who: world.restarts.append(who))
    sent, polls = len(world.account.submissions), len(world.account.polls)
    state = world.poll(world.submit(LaneState(under_way.run_id, 0)))
    assert state.state == "done"
    assert (len(world.account.submissions), len(world.account.polls)) == (sent, polls)


def test_one_that_is_being_planned_sends_nothing(world: World) -> None:
    request = world.drop(sample_csv(9))
    run_id = open_run(request, "arn:execution:0", world.deps)["run_id"]
    closed = forced(world, world.run(run_id))
    assert (closed.status, closed.rows) == (RunStatus.FAILED, 0)
    assert "Enough." in (closed.error or "")
    assert world.plan(run_id)["state"] == "unusable"
    assert world.account.submissions == []


def test_a_planner_that_is_behind_counts_nothing_any_more(world: World) -> None:
    request = world.drop(sample_csv(9))
    run_id = open_run(request, "arn:execution:0", world.deps)["run_id"]
    before = world.run(run_id)
    force_run(before, "Enough.", world.deps, lambda *_: None)
    from jobferry.domain.run import PlanState

    plan = PlanState(offset=10, row=3, dialect={})
    assert not world.store.runs.checkpoint(run_id, before.plan, plan, {SKIPPED: 3}, 0.0)


def test_what_is_unknown_can_be_resolved(world: World, under_way: Run) -> None:
    closed = forced(world, under_way)
    world.clock.advance(1_000)
    ask_resolve(closed, world.deps, lambda *who: world.restarts.append(who))
    world.run_restarts()
    again = world.run(closed.run_id)
    assert again.outcomes[UNKNOWN] == 0
    assert again.status is RunStatus.ABORTED
    assert world.problems(again.run_id) == []


@pytest.mark.parametrize("phase", Phase)
def test_killed_at_any_effect_it_ends_all_the_same(
    world: World, under_way: Run, phase: Phase
) -> None:
    start: Callable[[str, str], None] = lambda *who: world.restarts.append(who)  # noqa: E731
    for nth in range(1, 40):
        world.effects.on_effect = CrashOnce(nth, phase)
        try:
            force_run(world.run(under_way.run_id), "Enough.", world.deps, start)
            world.restarts.clear()
            run = world.run(under_way.run_id)
            execution = world.execution()
            world.close(run.run_id) if run.forced else None
            resume_run(run.run_id, run.execution, execution.arn, world.deps)
        except (Crash, ExecutionFailedError):
            world.deps = world.fresh_deps()
        if world.run(under_way.run_id).closed_at is not None:
            break
    world.effects.on_effect = lambda _kind, _phase: None
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.run_restarts()
    assert world.run(under_way.run_id).closed_at is not None
    assert world.problems(under_way.run_id) == []


def test_a_closed_run_is_not_forced(world: World) -> None:
    run = world.processed(sample_csv(2))
    assert not force_run(run, "Enough.", world.deps, partial(broken))
    assert world.run(run.run_id) == run
