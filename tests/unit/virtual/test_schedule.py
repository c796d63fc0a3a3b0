from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual.schedule import Actor, DeadlockError, NoTimePassesError, Schedule

Trace = list[tuple[float, str]]


def sleepers(schedule: Schedule, naps: dict[str, list[float]]) -> Trace:
    """Who woke when, with an actor for each name."""
    trace: Trace = []

    def sleeper(name: str) -> None:
        for seconds in naps[name]:
            schedule.sleep(seconds)
            trace.append((schedule.now(), name))

    schedule.run(lambda: schedule.parallel_map(sleeper, list(naps), workers=len(naps)))
    return trace


def test_alone_waiting_moves_the_clock() -> None:
    schedule = Schedule(100.0)
    schedule.sleep(2.0)
    schedule.until(110.0)
    schedule.until(50.0)
    schedule.advance(-3.0)
    schedule.give_way()
    assert schedule.now() == 110.0


def test_actors_wake_in_order_of_time() -> None:
    trace = sleepers(Schedule(0.0), {"a": [2.0, 2.0], "b": [1.0, 2.0], "c": [5.0]})
    assert trace == [(1.0, "b"), (2.0, "a"), (3.0, "b"), (4.0, "a"), (5.0, "c")]


def test_at_one_moment_the_first_to_wait_goes_first() -> None:
    trace = sleepers(Schedule(0.0), {"a": [1.0, 1.0], "b": [1.0, 1.0]})
    assert trace == [(1.0, "a"), (1.0, "b"), (2.0, "a"), (2.0, "b")]


NAPS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(st.integers(0, 3).map(float), max_size=4),
    min_size=1,
)


@given(naps=NAPS, seed=st.none() | st.integers(0, 1000))
def test_the_same_seed_gives_the_same_trace(naps: dict[str, list[float]], seed: int | None) -> None:
    first, second = (sleepers(Schedule(0.0, seed), naps) for _ in range(2))
    assert first == second
    assert [moment for moment, _ in first] == sorted(moment for moment, _ in first)
    for name, seconds in naps.items():
        woke = [moment for moment, who in first if who == name]
        assert woke == [sum(seconds[: i + 1]) for i in range(len(seconds))]


def test_another_seed_gives_another_order() -> None:
    naps = {name: [1.0] for name in "abcdef"}
    orders = {tuple(who for _, who in sleepers(Schedule(0.0, seed), naps)) for seed in range(20)}
    assert len(orders) > 10


@given(seed=st.none() | st.integers(0, 1000), workers=st.integers(1, 5))
def test_one_runs_at_a_time_and_no_more_than_the_workers(seed: int | None, workers: int) -> None:
    schedule = Schedule(0.0, seed)
    running = under_way = 0
    most = 0

    def work(item: int) -> int:
        nonlocal running, under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(3):
            running += 1
            assert running == 1
            running -= 1
            schedule.sleep(item % 2)
        under_way -= 1
        return item * item

    assert schedule.parallel_map(work, range(8), workers) == [i * i for i in range(8)]
    assert most == workers if seed is None else most <= workers


def test_gather_takes_as_long_as_its_workers_need() -> None:
    schedule = Schedule(0.0)
    schedule.parallel_map(schedule.sleep, [3.0, 1.0, 1.0, 1.0, 2.0], workers=2)
    assert schedule.now() == 5.0


def test_gather_raises_the_first_error_when_all_have_ended() -> None:
    schedule = Schedule(0.0)
    ended = []

    def work(item: int) -> None:
        schedule.sleep(10.0 - item)
        ended.append(item)
        if item in (1, 3):
            raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        schedule.parallel_map(work, range(5), workers=5)
    assert sorted(ended) == list(range(5))


def test_gather_of_nothing() -> None:
    assert Schedule(0.0).parallel_map(str, [], workers=3) == []


def test_gathers_nest() -> None:
    schedule = Schedule(0.0)

    def outer(item: int) -> list[float]:
        def inner(seconds: float) -> float:
            schedule.sleep(seconds)
            return item

        return schedule.parallel_map(inner, [1.0, 2.0], workers=2)

    assert schedule.parallel_map(outer, range(3), workers=3) == [[i, i] for i in range(3)]
    assert schedule.now() == 2.0


def test_an_actor_starts_when_its_maker_waits_and_hands_over_its_result() -> None:
    schedule = Schedule(0.0)
    steps = []

    def child() -> str:
        steps.append("child")
        schedule.sleep(4.0)
        return "done"

    def main() -> str:
        actor = schedule.spawn(child)
        steps.append("main")
        assert not actor.ended
        first, again = actor.join(), actor.join()
        return first + again

    assert schedule.run(main) == "donedone"
    assert steps == ["main", "child"]
    assert schedule.now() == 4.0


def test_giving_way_takes_no_time() -> None:
    schedule = Schedule(0.0)
    steps = []

    def main() -> None:
        schedule.spawn(lambda: steps.append("other"))
        schedule.give_way()
        steps.append("main")

    schedule.run(main)
    assert steps == ["other", "main"]
    assert schedule.now() == 0.0


def test_time_that_passes_under_an_actor_gives_nobody_a_turn_and_never_goes_back() -> None:
    schedule = Schedule(0.0)
    steps: list[tuple[float, str]] = []

    def other() -> None:
        schedule.sleep(1.0)
        steps.append((schedule.now(), "other"))

    def main() -> None:
        schedule.spawn(other)
        schedule.give_way()
        schedule.pass_time(5.0)
        steps.append((schedule.now(), "main"))
        schedule.pass_time(-5.0)
        schedule.give_way()

    schedule.run(main)
    assert steps == [(5.0, "main"), (5.0, "other")]
    assert schedule.now() == 5.0


def test_a_run_lasts_until_everybody_has_ended() -> None:
    schedule = Schedule(0.0)
    schedule.run(lambda: schedule.spawn(lambda: schedule.sleep(7.0)))
    assert schedule.now() == 7.0


def test_a_schedule_runs_again_and_time_goes_on() -> None:
    schedule = Schedule(0.0)
    for expected in (5.0, 10.0):
        schedule.run(lambda: schedule.sleep(5.0))
        assert schedule.now() == expected


def test_joining_raises_what_the_actor_raised() -> None:
    schedule = Schedule(0.0)

    def main() -> str:
        actor = schedule.spawn(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            actor.join()
        return "went on"

    assert schedule.run(main) == "went on"


def test_an_error_that_nobody_joins_is_not_lost() -> None:
    schedule = Schedule(0.0)

    def main() -> None:
        schedule.spawn(lambda: 1 // 0)
        schedule.sleep(10.0)

    with pytest.raises(ZeroDivisionError):
        schedule.run(main)
    assert schedule.now() == 10.0


def test_when_the_first_actor_fails_the_others_are_stopped_where_they_wait() -> None:
    schedule = Schedule(0.0)
    cleaned = []

    def endless() -> None:
        try:
            while True:
                try:
                    schedule.sleep(1.0)
                except Exception:  # noqa: BLE001 - an actor that survives every error
                    cleaned.append("wrong")
        finally:
            cleaned.append("endless")

    def main() -> None:
        schedule.spawn(endless)
        schedule.sleep(3.5)
        schedule.spawn(lambda: cleaned.append("never started"))
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        schedule.run(main)
    assert cleaned == ["endless"]
    assert schedule.now() == 3.5
    assert schedule.run(lambda: "again") == "again"


class TimeOut(BaseException):
    """As a test's time-out raises it in whatever runs."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeOut])
def test_an_interrupt_ends_the_run_whoever_has_the_turn(error: type[BaseException]) -> None:
    schedule = Schedule(0.0)
    stopped = []

    def interrupted() -> None:
        schedule.sleep(2.0)
        raise error

    def endless() -> None:
        while True:
            schedule.sleep(1.0)

    def main() -> None:
        schedule.spawn(interrupted)
        schedule.spawn(endless)
        try:
            schedule.sleep(100.0)
        finally:
            stopped.append("main")

    with pytest.raises(error):
        schedule.run(main)
    assert stopped == ["main"]
    assert schedule.now() == 2.0
    assert schedule.run(lambda: "again") == "again"


def test_a_deadlock_names_the_actors() -> None:
    schedule = Schedule(0.0)
    actors: list[Actor[Any]] = []
    stopped: list[str] = []

    def wait_for(other: int) -> None:
        try:
            actors[other].join()
        finally:
            stopped.append(actors[1 - other].name)

    def main() -> None:
        actors.append(schedule.spawn(lambda: wait_for(1), "actor L"))
        actors.append(schedule.spawn(lambda: wait_for(0), "actor R"))
        schedule.sleep(5.0)

    with pytest.raises(DeadlockError, match="actor L waits for actor R; actor R waits for actor L"):
        schedule.run(main)
    assert stopped == ["actor L", "actor R"]


def test_a_loop_in_which_no_time_passes_ends_the_run() -> None:
    schedule = Schedule(0.0, most_turns=1_000)

    def busy() -> None:
        while True:
            schedule.give_way()

    def main() -> None:
        schedule.sleep(3.0)
        schedule.spawn(busy, "busy").join()

    with pytest.raises(NoTimePassesError, match="busy had the last of 1000 turns"):
        schedule.run(main)
    assert schedule.run(lambda: "again") == "again"


def test_many_turns_are_no_loop_while_time_passes() -> None:
    schedule = Schedule(0.0, most_turns=10)
    naps = {name: [1.0] * 50 for name in "abc"}
    assert len(sleepers(schedule, naps)) == 150


def test_the_first_actor_in_a_deadlock() -> None:
    schedule = Schedule(0.0)

    def main() -> None:
        me = schedule._current
        assert me is not None
        schedule.spawn(me.join, "child").join()

    with pytest.raises(DeadlockError, match="main waits for child; child waits for main"):
        schedule.run(main)


@pytest.mark.parametrize(
    "inside", [lambda s: s.run(int), lambda s: s.parallel_map(s.run, [int], 1)]
)
def test_runs_do_not_nest(inside: Callable[[Schedule], object]) -> None:
    schedule = Schedule(0.0)
    with pytest.raises(RuntimeError, match="running already"):
        schedule.run(lambda: inside(schedule))


def test_spawning_is_for_the_inside_of_a_run() -> None:
    with pytest.raises(RuntimeError, match="Nobody runs"):
        Schedule(0.0).spawn(int)


def test_a_thread_that_is_no_actor_may_not_wait() -> None:
    schedule = Schedule(0.0)
    errors: list[Exception] = []

    def stranger() -> None:
        try:
            schedule.sleep(1.0)
        except RuntimeError as error:
            errors.append(error)

    def main() -> None:
        thread = threading.Thread(target=stranger)
        thread.start()
        thread.join()

    schedule.run(main)
    assert "no actor" in str(errors[0])


def test_ten_thousand_actors_one_after_another() -> None:
    schedule = Schedule(0.0)
    schedule.parallel_map(lambda _: schedule.sleep(1.0), range(10_000), workers=1)
    assert schedule.now() == 10_000.0
