"""Whole runs in virtual time: crashes at every effect, random faults, and a full window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import RunStatus
from jobferry.domain.types import JsonObject
from jobferry.lane.connection_requests import learn_latencies
from jobferry.steps.open_run import PRIORITIES
from jobferry.vendors.answers import (
    Found,
    FoundState,
    PollAnswer,
    Refused,
    Throttled,
    ThrottleReason,
)
from tests.thorough import at_most, some_of
from virtual.effects import CrashOnce, Phase
from virtual.vendor import CREATE, UPSERT, VENDOR, Behaviour, Reply
from virtual.world import CONNECTION, ExecutionFailedError, World, sample_csv

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN

SMALL = sample_csv(7) + ",bad\nagain,r1\n"
"""Seven rows to send, one that is rejected, one that is a repeat."""

LOST_ANSWERS = (Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED)
THROTTLED = (*LOST_ANSWERS, Reply(Behaviour.THROTTLE, 30.0))


def processed(
    operation: str, script: Sequence[Behaviour | Reply], crash: CrashOnce
) -> tuple[World, list[str]]:
    """A small run with troubles of every kind, in a world where the process dies once."""
    with World(max_records=2, max_jobs=3) as world:
        world.put_profile({"row_key": "Ref", "operation": operation})
        world.account.will_reply(*script)
        request = world.drop(SMALL)
        world.effects.on_effect = crash
        run = world.execute(request)
        assert dict(run.outcomes) == {
            SUCCEEDED: 7,
            FAILED: 0,
            OutcomeStatus.REJECTED: 1,
            OutcomeStatus.SKIPPED: 1,
            UNKNOWN: 0,
        }
        return world, world.problems(run.run_id)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("operation", [CREATE, UPSERT])
@pytest.mark.parametrize("script", [LOST_ANSWERS, THROTTLED], ids=["lost", "throttled"])
def test_a_crash_at_any_effect_loses_and_doubles_nothing(
    operation: str, phase: Phase, script: Sequence[Behaviour | Reply]
) -> None:
    calm = CrashOnce(0, phase)
    processed(operation, script, calm)
    assert len(calm.seen) > 60
    salt = 4 * (script is THROTTLED) + 2 * (operation == CREATE) + (phase is Phase.BEFORE)
    for number in some_of(len(calm.seen), every=10, salt=salt):
        crash = CrashOnce(number, phase)
        world, problems = processed(operation, script, crash)
        at = f"{phase} effect {number}, {crash.seen[number - 1]}"
        # Who dies with the vendor's Retry-After in hand cannot know of it afterwards.
        unnoted = ["requests came while the vendor asked to wait"] if script is THROTTLED else []
        assert problems in ([], unnoted), at
        assert set(world.account.times_applied) == {f"r{n}" for n in range(1, 8)}, at
        if operation == CREATE:
            assert max(world.account.times_applied.values()) == 1, at


def test_a_full_window_is_never_exceeded() -> None:
    with World() as world:
        world.account.latency = lambda number: 10.0 + number % 7
        run = world.processed(sample_csv(3_000))
        assert run.status is RunStatus.COMPLETED
        assert run.outcomes[SUCCEEDED] == 3_000
        assert (len(world.account.submissions), world.account.most_in_flight) == (30, 30)
        assert world.store.limits.get(CONNECTION).in_flight == 0
        assert world.problems(run.run_id) == []


def test_many_small_jobs_keep_thirty_in_flight_and_no_more() -> None:
    with World(max_records=10) as world:
        world.account.latency = lambda number: 10.0 + number % 7
        start = world.clock.now()
        run = world.processed(sample_csv(3_000))
        assert run.status is RunStatus.COMPLETED
        assert (len(world.account.submissions), world.account.most_in_flight) == (300, 30)
        assert all(s.reply.behaviour is Behaviour.ACCEPT for s in world.account.submissions)
        assert world.clock.now() - start < 1.5 * 300 * 13 / 30
        assert world.problems(run.run_id) == []


class TestExcess:
    """A vendor that refuses one job too many, and does nothing: slots are tried on estimate."""

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        seed=st.integers(0, 2**32),
        latencies=st.lists(st.floats(0.5, 9), min_size=1, max_size=6),
        there=st.integers(1, 8),
    )
    def test_nothing_is_exceeded_lost_or_doubled(
        self, seed: int, latencies: list[float], there: int
    ) -> None:
        with World(max_records=2, slots=8, senders=4, seed=seed, refuses_excess=True) as world:
            account = world.account
            account.max_jobs = there  # which may be fewer than are documented
            account.request_seconds = 0.3
            account.latency = lambda number: latencies[number % len(latencies)]
            run = world.processed(sample_csv(80))
            assert (run.status, run.outcomes[SUCCEEDED]) == (RunStatus.COMPLETED, 80)
            assert account.most_in_flight <= there
            assert set(account.times_applied.values()) == {1}
            assert {o.attempts for o in world.outcomes(run.run_id).values()} == {1}
            assert world.problems(run.run_id) == []

    def test_slots_are_refilled_sooner_than_looks_could(self) -> None:
        seconds = []
        for refuses_excess in (False, True):
            with World(max_records=1, refuses_excess=refuses_excess, senders=12) as world:
                world.account.request_seconds = 0.3
                world.account.latency = lambda number: 3.0 + number % 5 / 10
                start = world.clock.now()
                run = world.processed(sample_csv(600))
                assert world.problems(run.run_id) == []
                seconds.append(world.clock.now() - start)
                refused = sum(
                    s.reply.behaviour is Behaviour.TOO_MANY_JOBS for s in world.account.submissions
                )
                assert refused == 0 if not refuses_excess else refused < 60
        assert seconds[1] < seconds[0]

    @pytest.mark.parametrize("phase", Phase)
    def test_a_crash_at_any_effect_loses_and_doubles_nothing(self, phase: Phase) -> None:
        calm = CrashOnce(0, phase)
        full = carried_in_excess(calm)
        assert full > 0
        for number in some_of(len(calm.seen), every=4, salt=phase is Phase.BEFORE):
            carried_in_excess(CrashOnce(number, phase))
            # What only the claim says may have been sent holds its slots while it is searched for.
            carried_in_excess(CrashOnce(number, phase), token_search=True)


def carried_in_excess(crash: CrashOnce, *, token_search: bool = False) -> int:
    """A run that tries slots on estimate, in a world where the process dies once; returns how
    often it was refused."""
    with World(max_records=2, slots=3, refuses_excess=True, token_search=token_search) as world:
        world.account.request_seconds = 0.2
        world.account.latency = lambda number: 2.0 + number % 3 / 2
        known = {2: [(2.3, 2.5)] * 10}
        learn_latencies(world.store.limits, CONNECTION, CREATE, known)
        request = world.drop(sample_csv(20))
        world.effects.on_effect = crash
        run = world.execute(request)
        at = crash.seen[-1] if crash.seen else ""
        assert run.outcomes[SUCCEEDED] == 20, at
        assert set(world.account.times_applied.values()) == {1}, at
        assert world.account.most_in_flight in ({1, 2, 3} if token_search else {3}), at
        assert world.problems(run.run_id) == [], at
        return sum(s.reply.behaviour is Behaviour.TOO_MANY_JOBS for s in world.account.submissions)


class TestSideBySide:
    """Runs of one connection at the same time."""

    def test_an_urgent_small_run_ends_early_and_starves_nobody(self) -> None:
        with World(max_records=1, seed=3) as world:
            world.account.latency = lambda number: 8.0 + number % 5
            big = world.drop(sample_csv(900))
            small = world.drop(
                sample_csv(20, start=5_000), options={"jobferry-priority": "highest"}
            )
            start = world.clock.now()
            runs = world.execute_all([big, small], [0.0, 100.0])
            assert [run.outcomes[SUCCEEDED] for run in runs] == [900, 20]
            first, urgent = runs
            assert urgent.closed_at is not None
            assert urgent.closed_at - urgent.started_at < 45
            sent_meanwhile = [
                s
                for s in world.account.submissions
                if urgent.started_at + 5 < s.at < urgent.closed_at
                and s.keys[0] in {f"r{n}" for n in range(1, 901)}
            ]
            assert len(sent_meanwhile) > 5
            assert world.account.most_in_flight == 30
            # Together they take little longer than all their jobs after each other would.
            assert first.closed_at is not None
            assert first.closed_at - start < 1.15 * 920 * 10 / 30 + 12
            assert set(world.account.times_applied.values()) == {1}
            assert [world.problems(run.run_id) for run in runs] == [[], []]

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        seed=st.integers(0, 2**32),
        rows=st.lists(st.integers(1, 60), min_size=2, max_size=4),
        priorities=st.lists(st.sampled_from(PRIORITIES), min_size=4, max_size=4),
        lane_window=st.sampled_from([2, 100]),
    )
    def test_slots_are_shared_exactly(
        self, seed: int, rows: list[int], priorities: list[str], lane_window: int
    ) -> None:
        with World(max_records=2, max_jobs=5, seed=seed, lane_window=lane_window) as world:
            world.account.request_seconds = 0.2
            requests = [
                world.drop(
                    sample_csv(count, start=1_000 * index + 1),
                    options={"jobferry-priority": priorities[index]},
                )
                for index, count in enumerate(rows)
            ]
            runs = world.execute_all(requests)
            assert [run.outcomes[SUCCEEDED] for run in runs] == rows
            assert world.account.most_in_flight <= 5
            assert all(s.reply.behaviour is Behaviour.ACCEPT for s in world.account.submissions)
            assert set(world.account.times_applied.values()) == {1}
            assert all(world.problems(run.run_id) == [] for run in runs)

    def test_requests_of_a_minute_are_shared_too(self) -> None:
        with World(max_records=1, seed=1) as world:
            world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", 10, 40))
            requests = [world.drop(sample_csv(60)), world.drop(sample_csv(60, start=1_000))]
            runs = world.execute_all(requests)
            moments = sorted(
                [s.at for s in world.account.submissions] + [at for at, _ in world.account.polls]
            )
            assert max(sum(at <= m < at + 60 for m in moments) for at in moments) <= 40
            assert all(run.status is RunStatus.COMPLETED for run in runs)


def test_threads_send_as_one_does() -> None:
    with World(max_records=5, senders=8) as world:
        run = world.processed(sample_csv(600))
        assert run.outcomes[SUCCEEDED] == 600
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []


def test_two_runs_share_a_connection() -> None:
    with World(max_records=1, max_jobs=4) as world:
        requests = [world.drop(sample_csv(10)), world.drop(sample_csv(10, start=100))]
        runs = [world.execute(request) for request in requests]
        assert {run.status for run in runs} == {RunStatus.COMPLETED}
        assert len({run.run_id for run in runs}) == 2
        assert world.account.most_in_flight == 4


def test_events_that_come_again_change_nothing() -> None:
    with World(max_records=2) as world:
        request = world.drop(sample_csv(9))
        run = world.execute(request)
        before = world.table.items()
        assert world.execute(request) == run
        assert world.table.items() == before
        assert len(world.account.submissions) == 5


def test_no_cell_appears_in_a_log_or_a_payload() -> None:
    with World(max_records=2) as world:
        world.account.will_reply(
            Behaviour.NEVER_ARRIVED, Reply(Behaviour.REFUSE), Behaviour.APPLIED_NO_ANSWER
        )
        world.processed("Name,Ref\n" + "".join(f"private-{n},secret-{n}\n" for n in range(9)))
        text = repr([(line.message, line.keys) for line in world.log])
        assert "private" not in text
        assert "secret" not in text


def fate(record: JsonObject) -> RecordResult | None:
    """By the record's number: mostly good, some fail, of some the vendor does not speak."""
    number = int(record["ref"].removeprefix("r"))
    if number % 11 == 0:
        return None
    if number % 5 == 0:
        return RecordResult(FAILED, code="Invalid", text="Name: is taken")
    return RecordResult(SUCCEEDED, vendor_id=f"id-{number}")


REPLIES = st.builds(
    Reply,
    st.sampled_from([Behaviour.ACCEPT, Behaviour.ACCEPT, *Behaviour]),
    st.none() | st.floats(0, 400, allow_subnormal=False),
)
POLLS = st.one_of(
    st.none(),
    st.builds(
        lambda seconds: PollAnswer(throttled=Throttled(ThrottleReason.RATE, seconds)),
        st.none() | st.floats(0, 400, allow_subnormal=False),
    ),
    st.just(PollAnswer(refused=Refused("403", "No."))),
    st.just(PollAnswer(problem="502")),
)
FINDS = st.one_of(
    st.none(),
    st.just(Found(FoundState.PENDING, requests=1)),
    st.just(Found(FoundState.UNDECIDABLE, requests=1)),
)


@settings(max_examples=at_most(60, 20), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_goes_wrong_every_row_has_one_true_outcome(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from([CREATE, UPSERT]))
    rows = data.draw(st.integers(0, 40))
    with World(max_records=data.draw(st.integers(1, 5)), max_jobs=4) as world:
        world.put_profile({"operation": operation})
        account = world.account
        account.result_of = fate
        latencies = data.draw(st.lists(st.floats(0, 200), min_size=1, max_size=5))
        account.latency = lambda number: latencies[number % len(latencies)]
        account.max_jobs = data.draw(st.integers(1, 5))
        account.will_reply(*data.draw(st.lists(REPLIES, max_size=8)))
        account.will_answer_polls(*data.draw(st.lists(POLLS, max_size=8)))
        account.will_find(*data.draw(st.lists(FINDS, max_size=4)))
        request = world.drop(sample_csv(rows))
        world.effects.on_effect = CrashOnce(
            data.draw(st.integers(0, 120)), data.draw(st.sampled_from(Phase))
        )
        run = world.execute(request)
        assert [p for p in world.problems(run.run_id) if "asked to wait" not in p] == []
        assert run.rows == rows
        check_against_effects(world, run.run_id, operation)


def check_against_effects(world: World, run_id: str, operation: str) -> None:
    """No outcome says what the vendor knows to be otherwise."""
    done: Any = world.account.times_applied
    for row, outcome in world.outcomes(run_id).items():
        key = f"r{row}"
        told = fate({"ref": key})
        if operation == CREATE:
            assert done[key] <= 1, f"row {row} was carried out {done[key]} times"
        match outcome.status:
            case OutcomeStatus.SUCCEEDED:
                assert done[key] >= 1
                assert told == RecordResult(SUCCEEDED, vendor_id=outcome.vendor_id)
            case OutcomeStatus.SKIPPED:
                # Lost upserts of stopped runs are a known fault of their own.
                assert done[key] == 0 or operation == UPSERT
            case OutcomeStatus.FAILED if outcome.error_code == "Invalid":
                assert told is not None
                assert told.status is FAILED
            case OutcomeStatus.FAILED:
                assert done[key] == 0 or operation == UPSERT
            case OutcomeStatus.REJECTED:
                raise AssertionError("no row of this file is bad")


def test_a_function_that_never_works_fails_the_execution_and_loses_nothing() -> None:
    with World(max_records=2) as world:
        request = world.drop(sample_csv(4))

        def broken(kind: str, phase: Phase) -> None:
            if kind == "objects.put":
                raise OSError("the archive is away")

        world.effects.on_effect = broken
        with pytest.raises(ExecutionFailedError):
            world.execute(request)
        world.effects.on_effect = CrashOnce(0, Phase.BEFORE)
        world.clock.advance(7_200)
        world.sweep()
        world.run_restarts()
        ((_, run),) = world.store.runs.newest()
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}


def test_a_run_of_many_days_is_handed_from_one_execution_to_the_next() -> None:
    passed_on = at_most(3, 1)
    rows = 22 * passed_on + 2
    with World(max_records=1, max_jobs=1) as world:
        world.account.latency = lambda _number: 12 * 3_600.0
        # What counts here are executions, and not the polls of a month.
        world.schedule_with(max_poll_interval=1_800.0)
        run = world.execute(world.drop(sample_csv(rows)))
        executions = 1
        while run.closed_at is None:
            assert world.clock.now() < run.started_at + executions * 11 * 86_400
            assert world.ended == {}
            world.clock.advance(300)
            assert world.sweep()["restarted"] == 1
            world.run_restarts()
            run = world.run(run.run_id)
            executions += 1
        assert executions == 1 + passed_on
        assert (run.status, run.stop) == (RunStatus.COMPLETED, None)
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []
