"""Resolve: rows that are unknown are decided when their job can be read after all, and once."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from jobferry.ledger.runs import Run
from jobferry.model import JsonObject, OutcomeStatus, RecordResult, RunStatus
from jobferry.steps.control_jobs import VendorUnavailableError
from jobferry.steps.look_at_jobs import JOB_DEADLINE
from jobferry.steps.open_run import resume_run
from jobferry.steps.resolve_run import resolve_run
from jobferry.vendors.base import PollAnswer, Refused
from tests.fakes.effects import CrashOnce, Phase
from tests.fakes.world import World, things

ROWS = 6
SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


@pytest.fixture
def given_up(world: World) -> Run:
    """A closed run of three jobs, the second of which took longer than anybody waits."""
    world.account.latency = lambda number: 2 * JOB_DEADLINE if number == 2 else 20.0
    run = world.carried(things(ROWS))
    assert run.status is RunStatus.UNRESOLVED
    assert world.statuses(run.run_id) == [SUCCEEDED] * 2 + [UNKNOWN] * 2 + [SUCCEEDED] * 2
    return run


def closed_again(world: World, run: Run) -> Run:
    execution = world.execution()
    previous = world.run(run.run_id).execution
    execution.carry(partial(resume_run, run.run_id, previous, execution.arn, world.deps))
    return world.run(run.run_id)


def test_a_job_that_ended_since_decides_its_rows(world: World, given_up: Run) -> None:
    world.clock.advance(2 * JOB_DEADLINE)

    resolved = resolve_run(given_up, world.deps)

    assert (resolved.jobs, resolved.ended, resolved.rows) == (1, 1, Counter({SUCCEEDED: 2}))
    again = closed_again(world, given_up)
    assert again.status is RunStatus.COMPLETED
    assert world.outcomes(given_up.run_id)[3].vendor_id == "id-r3"
    assert world.outcomes(given_up.run_id)[3].error_code is None
    assert world.problems(given_up.run_id) == []


def test_the_files_are_written_anew(world: World, given_up: Run) -> None:
    world.clock.advance(2 * JOB_DEADLINE)
    resolve_run(given_up, world.deps)
    closed_again(world, given_up)

    unknown = world.objects.get(f"results/{given_up.run_id}/unknown.csv").decode()
    succeeded = world.objects.get(f"results/{given_up.run_id}/succeeded.csv").decode()
    assert len(unknown.splitlines()) == 1
    assert len(succeeded.splitlines()) == 1 + ROWS


def test_nothing_is_sent(world: World, given_up: Run) -> None:
    sent = len(world.account.submissions)
    world.clock.advance(2 * JOB_DEADLINE)
    resolve_run(given_up, world.deps)
    closed_again(world, given_up)
    assert len(world.account.submissions) == sent


def test_what_was_read_is_kept(world: World, given_up: Run) -> None:
    world.clock.advance(2 * JOB_DEADLINE)
    resolve_run(given_up, world.deps)
    (key,) = (k for k in world.objects.keys("evidence/") if "resolved" in k)
    assert list(world.objects.get_json(key)["jobs"]) == ["job-2"]


def test_a_job_that_still_goes_on_changes_nothing(world: World, given_up: Run) -> None:
    resolved = resolve_run(given_up, world.deps)

    assert (resolved.jobs, resolved.ended, resolved.rows) == (1, 0, Counter())
    assert world.run(given_up.run_id) == given_up


def test_rows_that_were_decided_stay_as_they_are(world: World) -> None:
    said: dict[str, RecordResult | None] = {"r1": RecordResult(SUCCEEDED, "first")}

    def told(record: JsonObject) -> RecordResult | None:
        return said.get(str(record["ref"]))

    world.account.result_of = told
    run = world.carried(things(2))
    assert world.statuses(run.run_id) == [SUCCEEDED, UNKNOWN]
    said |= {"r1": RecordResult(FAILED, code="no"), "r2": RecordResult(FAILED, code="Invalid")}

    assert resolve_run(run, world.deps).rows == Counter({FAILED: 1})

    assert closed_again(world, run).status is RunStatus.COMPLETED_WITH_FAILURES
    assert world.statuses(run.run_id) == [SUCCEEDED, FAILED]
    assert world.problems(run.run_id) == []


def test_asked_twice_rows_are_counted_once(world: World, given_up: Run) -> None:
    world.clock.advance(2 * JOB_DEADLINE)
    resolve_run(given_up, world.deps)

    assert resolve_run(given_up, world.deps).rows == Counter()

    closed_again(world, given_up)
    assert world.problems(given_up.run_id) == []


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("nth", range(4))
def test_a_crash_loses_nothing(world: World, given_up: Run, nth: int, phase: Phase) -> None:
    world.clock.advance(2 * JOB_DEADLINE)
    world.effects.on_effect = CrashOnce(nth, phase)
    try:
        resolve_run(given_up, world.deps)
    except BaseException:  # noqa: BLE001 - whatever a crash is
        world.effects.on_effect = lambda _kind, _phase: None
        resolve_run(world.run(given_up.run_id), world.deps)

    assert closed_again(world, given_up).status is RunStatus.COMPLETED
    assert world.problems(given_up.run_id) == []


def test_a_vendor_that_cannot_be_asked_is_said(world: World, given_up: Run) -> None:
    world.account.will_answer_polls(PollAnswer(refused=Refused("vendor_forbidden", "Not you.")))

    with pytest.raises(VendorUnavailableError, match="Not you"):
        resolve_run(given_up, world.deps)

    assert world.run(given_up.run_id) == given_up


def test_the_sweep_closes_a_run_whose_operator_went_away(world: World, given_up: Run) -> None:
    world.clock.advance(2 * JOB_DEADLINE)
    resolve_run(given_up, world.deps)

    world.sweep()
    world.carry_restarts()

    assert world.run(given_up.run_id).status is RunStatus.COMPLETED
