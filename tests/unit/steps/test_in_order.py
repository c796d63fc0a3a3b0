"""Whole runs of `order: file`: what later rows change stays changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.types import JsonObject
from jobferry.lane.offer import open_pool
from jobferry.lane.session import open_session
from jobferry.lane.state import LaneState
from tests.thorough import some_of
from tests.unit.operator.test_pause_resume import resumed, trial
from virtual.effects import CrashOnce, Phase
from virtual.vendor import UPSERT, Behaviour, Reply
from virtual.world import World

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED

IN_ORDER = {"order": "file", "operation": UPSERT}


def versions(*refs: str) -> str:
    """A file in which the row of number n gives its record the name `vn`."""
    return "Name,Ref\n" + "".join(f"v{n},{ref}\n" for n, ref in enumerate(refs, 1))


@pytest.fixture
def desk() -> Iterator[Desk]:
    with World(max_records=2, slots=30, lane_window=3) as world:
        world.put_profile(IN_ORDER)
        yield Desk(world)


class Desk:
    """A vendor that keeps the last name of each record, and may meet a conflict first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.names: dict[str, str] = {}
        self.applied: list[str] = []
        self.conflicts: Counter[str] = Counter()
        """Name → how often that row meets a conflict."""
        self._met: Counter[tuple[str, str]] = Counter()
        world.account.result_of = self.result_of

    def result_of(self, record: JsonObject) -> RecordResult:
        """Called when a job is first seen ended: one that is in flight has done nothing yet."""
        ref, name = str(record["ref"]), str(record["name"])
        if self._met[ref, name] < self.conflicts[name]:
            self._met[ref, name] += 1
            return RecordResult(FAILED, code="conflict", text="Somebody else was faster.")
        self.names[ref] = name
        self.applied.append(name)
        return RecordResult(SUCCEEDED, vendor_id=f"id-{ref}")

    def processed(self, body: str) -> Run:
        run = self.world.processed(body)
        assert self.world.problems(run.run_id) == []
        return run

    @property
    def numbers(self) -> list[int]:
        """Rows as they took effect."""
        return [int(name.removeprefix("v")) for name in self.applied]


def alone(world: World) -> bool:
    """Whether no job was made before the one before it had ended."""
    jobs = sorted(world.account.jobs.values(), key=lambda job: job.created_at)
    return all(b.created_at >= a.ends_at for a, b in pairwise(jobs))


def test_one_lane_sends_one_job_at_a_time(desk: Desk) -> None:
    run = desk.processed(versions(*"abcdefghijkl"))

    assert run.lanes == 1
    assert desk.world.account.most_in_flight == 1
    assert desk.numbers == list(range(1, 13))
    assert run.status is RunStatus.COMPLETED


def test_a_lane_is_offered_one_chunk(desk: Desk) -> None:
    run = desk.world.planned(versions(*"abcdefghijkl"))
    work = open_session(LaneState(run.run_id, 0), desk.world.deps, desk.world.clock.now() + 60.0)
    assert work is not None

    assert open_pool(work).left == 1
    assert work.left == 6


def test_without_it_they_go_side_by_side(desk: Desk) -> None:
    desk.world.put_profile({**IN_ORDER, "order": None})
    run = desk.processed(versions(*"abcdefghijkl"))

    assert run.lanes > 1
    assert desk.world.account.most_in_flight == 6


@pytest.mark.parametrize("act", [Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED])
def test_a_lost_submission_is_found_or_sent_again_before_later_rows(
    desk: Desk, act: Behaviour
) -> None:
    desk.world.account.will_reply(Behaviour.ACCEPT, act)
    desk.processed(versions("a", "b", "a", "c", "a", "d"))

    assert desk.numbers == [1, 2, 3, 4, 5, 6]
    assert desk.names["a"] == "v5"
    assert alone(desk.world)


def test_rows_that_go_again_go_before_later_rows(desk: Desk) -> None:
    desk.conflicts["v1"] = 2
    desk.processed(versions("a", "b", "a", "c", "d", "e"))

    assert desk.names["a"] == "v3"
    assert desk.numbers == [2, 1, 3, 4, 5, 6]


def test_a_lost_submission_and_a_row_that_goes_again_leave_the_last_row_on_top(desk: Desk) -> None:
    desk.conflicts["v1"] = 1
    desk.world.account.will_reply(
        Behaviour.ACCEPT, Behaviour.NEVER_ARRIVED, Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER
    )
    run = desk.processed(versions("a", "b", "c", "d", "a", "e"))

    assert desk.names["a"] == "v5"
    assert desk.numbers == [2, 1, 3, 4, 5, 6]
    assert alone(desk.world)
    assert run.status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    "reply",
    [Reply(Behaviour.THROTTLE, 7.0), Reply(Behaviour.TOO_MANY_JOBS, 7.0), Behaviour.TOO_MANY_JOBS],
)
def test_what_is_put_off_goes_before_later_rows(desk: Desk, reply: Reply | Behaviour) -> None:
    desk.world.account.will_reply(Behaviour.ACCEPT, reply, reply)
    desk.processed(versions(*"abcdefgh"))

    assert desk.numbers == list(range(1, 9))


def test_halves_of_a_refused_job_keep_their_order() -> None:
    with World(max_records=8) as world:
        world.put_profile(IN_ORDER)
        desk = Desk(world)
        world.account.poison = lambda record: record["name"] in ("v2", "v7")
        run = desk.processed(versions(*["a"] * 20))

        assert desk.numbers == [n for n in range(1, 21) if n not in (2, 7)]
        assert (run.outcomes[SUCCEEDED], run.outcomes[FAILED]) == (18, 2)


def test_a_row_that_was_overtaken_in_its_own_job_does_not_go_again(desk: Desk) -> None:
    desk.conflicts["v1"] = 1
    run = desk.processed(versions("a", "a", "b", "c"))
    outcome = desk.world.outcomes(run.run_id)[1]

    assert desk.names["a"] == "v2"
    assert (outcome.status, outcome.error_code) == (FAILED, "conflict")
    assert outcome.error == (
        "Somebody else was faster. A later row changed the same record before this one could go "
        "again (order: file)."
    )
    assert run.outcomes[SUCCEEDED] == 3


def test_one_that_was_not_does(desk: Desk) -> None:
    desk.conflicts.update(v2=1, v3=1, v4=2)
    run = desk.processed(versions("a", "a", "b", "b", "c"))

    assert run.outcomes[SUCCEEDED] == 5
    assert desk.names == {"a": "v2", "b": "v4", "c": "v5"}


def test_a_ramp_judges_it_as_any_other(desk: Desk) -> None:
    desk.world.put_profile({**IN_ORDER, "ramp": "on"})
    desk.world.account.result_of = lambda _record: RecordResult(FAILED, code="Bad")
    run = desk.world.processed(versions(*"abcdefghijklmnopqr"))

    assert run.pause is not None
    assert run.pause.reason.startswith("8 of the first 8 rows failed")


def test_a_trial_goes_on_in_order(desk: Desk) -> None:
    run = desk.world.execute(desk.world.drop(versions(*"aaaaaaaa"), options=trial(3)))
    resumed(desk.world, run)

    assert desk.numbers == list(range(1, 9))
    assert desk.world.account.most_in_flight == 1


def busy(desk: Desk) -> None:
    desk.conflicts.update(v1=1, v4=1)
    desk.world.account.will_reply(Behaviour.ACCEPT, Behaviour.NEVER_ARRIVED)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("trouble", [busy, lambda _desk: None])
def test_a_crash_anywhere_does_not_change_the_order(
    phase: Phase, trouble: Callable[[Desk], None]
) -> None:
    calm = CrashOnce(0, phase)
    crashed(calm, trouble)
    for number in some_of(len(calm.seen), every=10, salt=phase is Phase.BEFORE):
        crashed(CrashOnce(number, phase), trouble)


def crashed(crash: CrashOnce, trouble: Callable[[Desk], None]) -> None:
    with World(max_records=2, slots=10, lane_window=2) as world:
        world.put_profile(IN_ORDER)
        desk = Desk(world)
        trouble(desk)
        request = world.drop(versions("a", "b", "a", "c", "b", "a"))
        world.effects.on_effect = crash
        run = world.execute(request)
        assert world.problems(run.run_id) == []
        assert (desk.names["a"], desk.names["b"]) == ("v6", "v5")
        assert alone(world)
