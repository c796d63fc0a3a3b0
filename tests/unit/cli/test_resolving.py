"""`jobferry resolve`: what it answers, and that the run is carried to its end once more."""

from __future__ import annotations

import pytest

from jobferry.ledger.runs import Run
from jobferry.model import RunStatus
from jobferry.steps.look_at_jobs import JOB_DEADLINE
from jobferry.vendors.base import PollAnswer
from tests.fakes.world import CONNECTION, things
from tests.unit.cli.shell import Shell


@pytest.fixture
def run(shell: Shell) -> Run:
    """A closed run whose only job was given up."""
    shell.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    return shell.world.carried(things(3))


def test_rows_are_decided_and_the_run_is_closed_anew(shell: Shell, run: Run) -> None:
    shell.world.clock.advance(2 * JOB_DEADLINE)

    answer = shell("resolve", run.run_id, "--wait", "--json")

    assert answer.code == 0
    assert answer.document == {
        "run_id": run.run_id,
        "jobs": 1,
        "ended": 1,
        "resolved": {"succeeded": 3},
        "unknown": 0,
    }
    assert shell.world.run(run.run_id).status is RunStatus.COMPLETED


def test_without_waiting_it_says_that_the_files_come(shell: Shell, run: Run) -> None:
    shell.world.clock.advance(2 * JOB_DEADLINE)

    answer = shell("resolve", run.run_id)

    assert "3 rows" in answer.stdout
    assert f"jobferry watch {run.run_id}" in answer.stderr


def test_rows_that_stay_unknown_are_exit_code_4(shell: Shell, run: Run) -> None:
    answer = shell("resolve", run.run_id, "--json")

    assert answer.code == 4
    assert (answer.document["ended"], answer.document["unknown"]) == (0, 3)
    assert shell.world.run(run.run_id) == run


def test_a_run_without_unknown_rows_has_nothing_to_resolve(shell: Shell) -> None:
    run = shell.world.carried(things(3))

    answer = shell("resolve", run.run_id)

    assert answer.code == 1
    assert "no unknown rows" in answer.stderr


def test_a_vendor_that_does_not_answer_is_exit_code_2(shell: Shell, run: Run) -> None:
    shell.world.account.will_answer_polls(PollAnswer(problem="time-out"))

    answer = shell("resolve", run.run_id)

    assert answer.code == 2
    assert "time-out" in answer.stderr


def test_without_its_connection_nobody_can_be_asked(shell: Shell, run: Run) -> None:
    shell.world.ledger.config.delete_connection(CONNECTION)

    answer = shell("resolve", run.run_id)

    assert answer.code == 1
    assert "gone" in answer.stderr
