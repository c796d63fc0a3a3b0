"""What runs tell the event bus: every kind of end, as its schema says, and no word too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import RunStatus, StopReason
from jobferry.domain.run_event import Change, run_event
from jobferry.domain.timestamps import timestamp
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.operator.job_control import abort_run
from jobferry.operator.pause_resume import continue_run, resume
from tests.events import ROOT, announced, problems, schema
from tests.unit.store.samples import a_run
from virtual.machine import ExecutionFailedError
from virtual.vendor import Behaviour
from virtual.world import World, sample_csv

SECRET_WORDS = "Ann-Marie's private words"


def told(world: World) -> list[tuple[str, str, str | None]]:
    return [
        (event["detail-type"], event["detail"]["status"], event["detail"].get("code"))
        for event in announced(world)
    ]


def _start(world: World) -> Callable[[str, str], None]:
    return lambda run_id, previous: world.restarts.append((run_id, previous))


def test_a_run_is_opened_and_closed(world: World) -> None:
    run = world.execute(world.drop(sample_csv(3)))
    assert told(world) == [("Run opened", "planning", None), ("Run closed", "completed", None)]
    opened, closed = (event["detail"] for event in announced(world))
    assert opened["at"] == timestamp(run.started_at)
    assert (opened["rows"], sum(opened["outcomes"].values())) == (0, 0)
    assert closed["outcomes"] == {
        "succeeded": 3,
        "failed": 0,
        "rejected": 0,
        "skipped": 0,
        "unknown": 0,
    }
    assert (closed["operation"], closed["connection"]) == (run.operation, run.connection)


def test_a_second_trigger_of_a_file_tells_nothing(world: World) -> None:
    request = world.drop(sample_csv(3))
    world.execute(request)
    before = list(world.announced)
    world.execute(request)
    assert world.announced == before


def test_a_file_that_is_refused_is_only_closed(world: World) -> None:
    world.execute(world.drop("", name="book.xlsx"))
    assert told(world) == [("Run closed", "failed", None)]
    world.execute(world.drop(sample_csv(1), profile="nobody"))
    assert told(world)[1:] == [("Run closed", "failed", None)]


def test_a_file_that_cannot_be_planned_was_open_before(world: World) -> None:
    world.execute(world.drop(""))
    assert told(world) == [("Run opened", "planning", None), ("Run closed", "failed", None)]


def test_a_trial_is_paused_and_goes_on(world: World) -> None:
    run = world.execute(world.drop(sample_csv(9), options={"jobferry-trial": "3"}))
    assert told(world) == [("Run opened", "planning", None), ("Run paused", "paused", "trial")]
    resume(run, world.deps, _start(world))
    world.run_restarts()
    assert told(world)[2:] == [("Run closed", "completed", None)]


def test_a_run_that_asks_before_it_begins_is_opened_and_paused(world: World) -> None:
    world.execute(world.drop(sample_csv(2)))
    world.execute(world.drop(sample_csv(2), name="again.csv"))
    assert told(world)[2:] == [
        ("Run opened", "planning", None),
        ("Run paused", "paused", "same_content"),
    ]


def test_who_aborts_a_paused_run_is_told_of_its_end(world: World) -> None:
    run = world.execute(world.drop(sample_csv(9), options={"jobferry-trial": "3"}))
    abort_run(run, SECRET_WORDS, world.deps)
    continue_run(run.run_id, world.deps, _start(world))
    world.run_restarts()
    assert told(world)[-1] == ("Run closed", "aborted", "aborted")
    assert SECRET_WORDS not in json.dumps(world.announced)


def test_nothing_that_a_vendor_says_is_told(world: World) -> None:
    failed = RecordResult(OutcomeStatus.FAILED, code="RecordInvalid", text=SECRET_WORDS)
    world.account.result_of = lambda _record: failed
    world.put_profile({"breaker": {"share": 0.5, "at_least": 2}})
    world.execute(world.drop(sample_csv(3), name="Ann-Marie.csv"))
    world.account.will_reply(*[Behaviour.REFUSE_RUN] * 9)
    world.execute(world.drop(sample_csv(4)))
    assert announced(world)[-1]["detail"]["status"] == "aborted"
    assert "Ann-Marie" not in json.dumps(world.announced)


def test_a_run_with_unknown_rows_closes_as_unresolved(world: World) -> None:
    world.account.latency = lambda _number: 2 * JOB_DEADLINE
    world.schedule_with(max_poll_interval=1_800.0)
    world.execute(world.drop(sample_csv(2)))
    assert told(world)[-1][:2] == ("Run closed", "unresolved")


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("vendor_unauthorized", "vendor_unauthorized"),
        ("RecordInvalid", "RecordInvalid"),
        ("Dear Ann, your account is locked", None),
        ("", None),
        ("x" * 65, None),
        ("a\nb", None),
        ("code\n", None),
    ],
)
def test_a_code_is_a_code(code: str, shown: str | None) -> None:
    event = run_event(a_run(stop=StopReason(code, "why")))
    assert event.get("code") == shown


@pytest.mark.parametrize("change", Change)
def test_the_sample_is_as_the_schema_says(change: Change) -> None:
    path = ROOT / "events" / f"eventbridge.run_{change.value}.json"
    event = json.loads(path.read_text())
    assert event["detail-type"] == change.detail_type
    assert problems(event) == []


@pytest.mark.parametrize("change", Change)
@pytest.mark.parametrize(
    "wrong",
    [{"error": "…"}, {"source": "inbox/a.csv"}, {"status": "running"}, {"at": 5}, {"rows": -1}],
)
def test_the_schema_refuses(change: Change, wrong: dict[str, Any]) -> None:
    path = ROOT / "events" / f"eventbridge.run_{change.value}.json"
    event = json.loads(path.read_text())
    event["detail"] |= wrong
    assert problems(event)
    assert schema(change).schema["title"] == change.detail_type


class _NoBus(list[Any]):
    """A bus that takes no event."""

    def append(self, _event: Any) -> None:
        raise OSError("no bus")


def test_a_bus_that_takes_no_event_keeps_no_run_from_going_on(world: World) -> None:
    world.announced = _NoBus()
    dropped_at = world.clock.now()
    with pytest.raises(ExecutionFailedError):
        world.execute(world.drop(sample_csv(6), options={"jobferry-trial": "2"}))
    (run,) = [run for _, run in world.store.runs.newest()]
    assert (run.phase, run.suspended) == (RunStatus.PAUSED, True)
    assert world.account.submissions[0].at - dropped_at < 60
    world.sweep()
    assert not world.restarts

    resume(run, world.deps, _start(world))
    with pytest.raises(ExecutionFailedError):
        world.run_restarts()
    assert world.run(run.run_id).status is RunStatus.COMPLETED
    assert not world.problems(run.run_id)
    world.clock.pass_time(7_200)
    world.sweep()
    assert not world.restarts
