"""`jobferry resolve`: what it answers, and that the run is carried to its end once more."""

from __future__ import annotations

import pytest

from jobferry.domain.run import Run, RunStatus
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.vendors.answers import PollAnswer
from tests.unit.cli.shell import Shell
from virtual.world import CONNECTION, sample_csv


@pytest.fixture
def run(shell: Shell) -> Run:
    """A closed run whose only job was given up."""
    shell.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    shell.world.schedule_with(max_poll_interval=1_800.0)
    return shell.world.processed(sample_csv(3))


def test_rows_are_decided_and_the_run_is_closed_anew(shell: Shell, run: Run) -> None:
    shell.world.clock.advance(2 * JOB_DEADLINE)

    answer = shell("resolve", run.run_id, "--wait", "--json")

    assert answer.code == 0
    assert answer.document == {
        "run_id": run.run_id,
        "resolving": False,
        "jobs": 1,
        "ended": 1,
        "resolved": {"succeeded": 3},
        "unknown": 0,
    }
    assert shell.world.run(run.run_id).status is RunStatus.COMPLETED


def test_without_waiting_an_execution_does_it(shell: Shell, run: Run) -> None:
    shell.world.clock.advance(2 * JOB_DEADLINE)
    polls = len(shell.world.account.polls)

    answer = shell("resolve", run.run_id)

    assert answer.code == 0
    assert "3 rows" in answer.stdout
    assert f"jobferry watch {run.run_id}" in answer.stderr
    assert len(shell.world.account.polls) == polls, "the command asks no vendor"
    shell.states.go_on()
    assert shell.world.run(run.run_id).status is RunStatus.COMPLETED


def test_asked_again_it_starts_another_execution(shell: Shell, run: Run) -> None:
    """The first may have died; two that live do no harm."""
    shell.world.clock.advance(2 * JOB_DEADLINE)
    answers = [shell("resolve", run.run_id, "--json") for _ in range(2)]
    assert [answer.document["resolving"] for answer in answers] == [True, True]
    shell.states.go_on()
    assert shell.world.run(run.run_id).status is RunStatus.COMPLETED


def test_rows_that_stay_unknown_are_exit_code_4(shell: Shell, run: Run) -> None:
    answer = shell("resolve", run.run_id, "--wait", "--json")

    assert answer.code == 4
    assert (answer.document["ended"], answer.document["unknown"]) == (0, 3)
    assert shell.world.run(run.run_id).outcomes == run.outcomes


def test_a_run_without_unknown_rows_has_nothing_to_resolve(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(3))

    answer = shell("resolve", run.run_id)

    assert answer.code == 1
    assert "no unknown rows" in answer.stderr


def test_a_vendor_that_does_not_answer_is_a_warning(shell: Shell, run: Run) -> None:
    shell.world.account.will_answer_polls(*[PollAnswer(problem="time-out")] * 20)

    answer = shell("resolve", run.run_id, "--wait")

    assert answer.code == 4
    assert "could not be asked" in answer.stderr
    assert "time-out" in answer.stderr
    assert "Warning   " in shell("status", run.run_id).stdout


def test_without_its_connection_nobody_can_be_asked(shell: Shell, run: Run) -> None:
    shell.world.store.config.delete_connection(CONNECTION)

    answer = shell("resolve", run.run_id)

    assert answer.code == 1
    assert "gone" in answer.stderr
