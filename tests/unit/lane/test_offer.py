"""Whole runs that begin with few jobs, and what becomes of them when those fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.types import JsonObject
from jobferry.lane.offer import open_pool
from jobferry.lane.session import open_session
from jobferry.lane.state import LaneState
from tests.thorough import some_of
from tests.unit.operator.test_pause_resume import fails, resumed, trial
from virtual.clock import START
from virtual.effects import CrashOnce, Phase
from virtual.vendor import CREATE, Behaviour, Reply
from virtual.world import World, sample_csv

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED

LATENCY = 20.0
SETTLED_WITHIN = 5.0
"""Seconds from the end of a job until the next ones are sent, at the most."""

RAMP = {"ramp": "on"}


def world_of(*, rows_a_job: int = 10, slots: int = 30, lane_window: int = 100) -> World:
    world = World(max_records=rows_a_job, slots=slots, lane_window=lane_window)
    world.put_profile(RAMP)
    world.account.latency = lambda _number: LATENCY
    return world


def waves(world: World) -> list[int]:
    """Jobs that were sent before others had ended, in order."""
    jobs = sorted(world.account.jobs.values(), key=lambda job: job.created_at)
    sent: list[int] = []
    ends_at = 0.0
    for job in jobs:
        if job.created_at >= ends_at:
            sent.append(0)
            ends_at = job.ends_at
        sent[-1] += 1
    return sent


def seconds(run: Run) -> float:
    assert run.closed_at is not None
    return run.closed_at - run.started_at


def test_one_job_then_three_then_all_slots() -> None:
    with world_of() as world:
        run = world.processed(sample_csv(340))

        assert waves(world) == [1, 3, 30]
        assert run.status is RunStatus.COMPLETED
        assert run.outcomes[SUCCEEDED] == 340
        assert seconds(run) < 3 * LATENCY + 3 * SETTLED_WITHIN
        assert world.problems(run.run_id) == []


@pytest.mark.parametrize("latency", [0.5, 5.0, 300.0])
def test_it_costs_two_latencies_once(latency: float) -> None:
    took = []
    for switch in ("on", "off"):
        with world_of() as world:
            world.put_profile({"ramp": switch})
            world.account.latency = lambda _number: latency
            took.append(seconds(world.processed(sample_csv(1_500))))

    assert took[0] <= took[1] + 2.3 * latency + 2 * SETTLED_WITHIN


@pytest.mark.parametrize(("jobs", "sent"), [(1, [1]), (2, [1, 1]), (4, [1, 3]), (5, [1, 3, 1])])
def test_a_small_file_waits_no_more_than_it_must(jobs: int, sent: list[int]) -> None:
    with world_of() as world:
        run = world.processed(sample_csv(10 * jobs))

        assert waves(world) == sent
        assert seconds(run) < len(sent) * (LATENCY + SETTLED_WITHIN)


def test_a_file_of_one_job_takes_as_long_as_without() -> None:
    took = []
    for switch in ("on", "off"):
        with world_of() as world:
            world.put_profile({"ramp": switch})
            took.append(seconds(world.processed(sample_csv(10))))

    assert took[0] == took[1]


@pytest.mark.parametrize("changes", [{"ramp": "off"}, {"breaker": "off"}])
def test_a_profile_can_do_without(changes: dict[str, str]) -> None:
    with world_of() as world:
        world.put_profile({**RAMP, **changes})
        world.processed(sample_csv(100))

        assert waves(world) == [10]


def test_what_can_be_taken_back_needs_none() -> None:
    with world_of() as world:
        operation = replace(world.vendor.operations[CREATE], undone_by="things.delete")
        operations = world.vendor.operations
        assert isinstance(operations, dict)
        operations[CREATE] = operation
        world.processed(sample_csv(100))

        assert waves(world) == [10]


def test_a_run_whose_first_job_fails_is_paused_and_says_how_it_goes_on() -> None:
    with world_of() as world:
        world.account.result_of = lambda r: RecordResult(
            FAILED, code=f"Bad{r['ref']}", text="Name: is taken"
        )
        run = world.processed(sample_csv(1_000))

        assert run.outcomes[FAILED] == len(world.account.times_applied) == 10
        assert run.suspended
        assert run.pause is not None
        assert run.pause.code == "breaker"
        assert run.pause.reason == (
            "10 of the first 10 rows failed, which is more than 50%: with 10 error codes, most "
            "often with Badr1: Name: is taken. Of the file's 1,000 rows no others were sent: "
            "`jobferry resume` sends them all the same, `jobferry abort` ends the run."
        )
        assert [m for m in world.metrics if "RunsPaused" in m] == [{"RunsPaused": 1}]
        assert world.store.limits.get(run.connection).in_flight == 0


def test_long_words_of_the_vendor_leave_room_for_what_to_do() -> None:
    with world_of() as world:
        world.account.result_of = lambda _r: RecordResult(FAILED, code="Bad", text="long " * 200)
        run = world.processed(sample_csv(1_000))

        assert run.pause is not None
        assert run.pause.reason.endswith("`jobferry abort` ends the run.")


def test_a_yes_ends_the_ramp() -> None:
    with world_of() as world:
        world.account.result_of = fails(*range(1, 11))
        run = world.processed(sample_csv(200))
        assert run.pause is not None
        closed = resumed(world, run)

        assert waves(world) == [1, 19]
        assert (closed.outcomes[SUCCEEDED], closed.outcomes[FAILED]) == (190, 10)
        assert world.problems(run.run_id) == []


def test_after_a_trial_there_is_none() -> None:
    with world_of() as world:
        run = world.execute(world.drop(sample_csv(200), options=trial(10)))
        closed = resumed(world, run)

        assert closed.status is RunStatus.COMPLETED
        assert waves(world) == [1, 19]


def test_the_next_three_jobs_are_judged_too() -> None:
    with world_of() as world:
        world.account.result_of = fails(*range(11, 1_001))
        run = world.processed(sample_csv(1_000))

        assert run.pause is not None
        assert run.pause.reason.startswith("30 of the first 40 rows failed, which is more than 50%")
        assert len(world.account.times_applied) == 40


def two_in_three_fail(record: JsonObject) -> RecordResult:
    """For two reasons that have nothing in common."""
    said = int(record["ref"].removeprefix("r")) % 3
    if not said:
        return RecordResult(SUCCEEDED, vendor_id=f"id-{record['ref']}")
    return RecordResult(FAILED, code=("RecordInvalid", "http_403")[said - 1])


@pytest.mark.parametrize(
    "result_of", [fails(1, 2, 3, 4, 5), fails(*range(1, 41, 2)), two_in_three_fail]
)
def test_some_bad_rows_stop_nothing(result_of: Callable[[JsonObject], RecordResult]) -> None:
    with world_of() as world:
        world.put_profile({**RAMP, "breaker": {"share": 0.5, "at_least": 1_000}})
        world.account.result_of = result_of
        run = world.processed(sample_csv(200))

        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        assert waves(world) == [1, 3, 16]


@pytest.mark.parametrize(("bad", "sent"), [((1,), 60), ((1, 2, 3), 4), ((1, 2), 60)])
def test_one_bad_row_alone_says_nothing_of_the_file(bad: tuple[int, ...], sent: int) -> None:
    with world_of(rows_a_job=1) as world:
        world.put_profile({**RAMP, "breaker": {"share": 0.5, "at_least": 3}})
        world.account.result_of = fails(*bad)
        run = world.processed(sample_csv(60))

        assert len(world.account.times_applied) == sent
        assert (run.pause is None) is (sent == 60)


def test_rows_that_go_again_are_settled_first() -> None:
    tries: Counter[str] = Counter()

    def result_of(record: JsonObject) -> RecordResult:
        tries[record["ref"]] += 1
        if record["ref"] == "r3" and tries["r3"] < 3:
            return RecordResult(FAILED, code="conflict")
        return RecordResult(SUCCEEDED, vendor_id=f"id-{record['ref']}")

    with world_of() as world:
        world.account.result_of = result_of
        run = world.processed(sample_csv(100))

        assert [len(s.records) for s in world.account.submissions][:4] == [10, 1, 1, 10]
        assert waves(world) == [1, 1, 1, 3, 6]
        assert run.status is RunStatus.COMPLETED


@pytest.mark.parametrize("act", [Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED])
def test_so_is_a_submission_whose_answer_was_lost(act: Behaviour) -> None:
    with world_of() as world:
        world.account.will_reply(act)
        run = world.processed(sample_csv(100))

        assert waves(world) == [1, 3, 6]
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []


def test_a_job_that_is_refused_is_halved_before_others_are_sent() -> None:
    with world_of() as world:
        world.account.poison = lambda record: record["ref"] == "r3"
        run = world.processed(sample_csv(100))

        first = {f"r{n}" for n in range(1, 11)}
        others = [bool(first.isdisjoint(s.keys)) for s in world.account.submissions]
        assert others == sorted(others)
        assert (run.outcomes[SUCCEEDED], run.outcomes[FAILED]) == (99, 1)


def test_a_file_whose_jobs_are_refused_is_paused() -> None:
    with world_of() as world:
        world.account.will_reply(*[Reply(Behaviour.REFUSE, http_status=422)] * 10_000)
        run = world.processed(sample_csv(10_000))

        assert run.pause is not None
        assert "The vendor says no." in run.pause.reason
        assert run.outcomes[FAILED] == 10


def test_of_several_lanes_one_sends_until_it_is_over() -> None:
    with world_of(slots=10, lane_window=2) as world:
        run = world.processed(sample_csv(600))
        chunks = list(world.store.chunks.all(run.run_id))

        assert run.lanes == 5
        assert [chunk.lane for chunk in chunks[:4]] == [0, 0, 0, 0]
        assert {chunk.lane for chunk in chunks[4:]} == {0, 1, 2, 3, 4}
        assert waves(world)[:2] == [1, 3]
        assert world.account.most_in_flight == 10
        assert seconds(run) < (2 + 6) * (LATENCY + SETTLED_WITHIN) + 20
        assert world.problems(run.run_id) == []


def test_the_other_lanes_are_offered_nothing() -> None:
    with world_of(slots=10, lane_window=2) as world:
        run = world.planned(sample_csv(600))
        lanes = [open_session(LaneState(run.run_id, n), world.deps, START + 60.0) for n in range(2)]
        first, second = (lane for lane in lanes if lane is not None)

        assert (open_pool(first).left, open_pool(second).left) == (1, 0)
        assert first.left == second.left == 60


def test_lanes_without_a_job_wait_outside_of_their_functions() -> None:
    with world_of(slots=10, lane_window=2) as world:
        world.account.latency = lambda _number: 300.0
        run = world.planned(sample_csv(600))
        state = world.poll(world.submit(LaneState(run.run_id, 3)))

        assert world.clock.now() == START
        assert state.state == LaneRoute.WORKING
        assert state.idle > 0


def test_meanwhile_other_runs_have_the_other_slots() -> None:
    with world_of(slots=10) as world:
        world.put_profile({"name": "others", "ramp": "off"})
        first = world.drop(sample_csv(1_000))
        second = world.drop(sample_csv(1_000), profile="others")
        world.execute_all([first, second])
        jobs = sorted(world.account.jobs.values(), key=lambda job: job.created_at)
        began_at = jobs[0].created_at
        early = [job for job in jobs if job.created_at < began_at + LATENCY / 2]

        assert len(early) >= 8
        assert world.account.most_in_flight == 10


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("bad", [False, True])
def test_a_crash_anywhere_sends_no_more_than_it_may(phase: Phase, bad: bool) -> None:
    calm = CrashOnce(0, phase)
    carried_with(calm, bad=bad)
    for number in some_of(len(calm.seen), every=20, salt=2 * bad + (phase is Phase.BEFORE)):
        carried_with(CrashOnce(number, phase), bad=bad)


def carried_with(crash: CrashOnce, *, bad: bool) -> None:
    with World(max_records=2, max_jobs=4, slots=4, lane_window=2) as world:
        world.put_profile({**RAMP, "breaker": {"share": 0.5, "at_least": 8}})
        world.account.latency = lambda _number: 60.0
        if bad:
            world.account.result_of = fails(*range(3, 13))
        request = world.drop(sample_csv(20))
        world.effects.on_effect = crash
        run = world.execute(request)
        if bad:
            assert run.pause is not None
            assert len(world.account.times_applied) == 8
            run = resumed(world, run)
        jobs = sorted(world.account.jobs.values(), key=lambda job: job.created_at)
        assert jobs[1].created_at >= jobs[0].ends_at
        assert jobs[4].created_at >= max(job.ends_at for job in jobs[:4])
        assert {r["ref"] for job in jobs[:4] for r in job.records} == {f"r{n}" for n in range(1, 9)}
        assert world.problems(run.run_id) == []
        assert set(world.account.times_applied.values()) == {1}
