"""Pauses: a trial waits for a yes, too many failures stop the sending, and abort ends it all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Pause, Run, RunStatus
from jobferry.domain.timestamps import timestamp
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.operator.job_control import abort_run
from jobferry.operator.pause_resume import continue_run, resume
from jobferry.operator.status import run_document
from jobferry.steps.open_run import open_run, run_id_of
from jobferry.steps.sweep import SETTLED_SECONDS
from tests.thorough import some_of
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import Behaviour, Reply
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, FAILED, SKIPPED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.SKIPPED
REJECTED = OutcomeStatus.REJECTED

LITTLE_PATIENCE = {"breaker": {"share": 0.5, "at_least": 4}}


def trial(rows: int) -> dict[str, str]:
    return {"jobferry-trial": str(rows)}


def fails(*numbers: int, code: str = "RecordInvalid") -> Callable[[JsonObject], RecordResult]:
    """Rows of these numbers fail; without numbers, all do."""

    def result_of(record: JsonObject) -> RecordResult:
        if not numbers or int(record["ref"].removeprefix("r")) in numbers:
            return RecordResult(FAILED, code=code, text="Name: is taken")
        return RecordResult(SUCCEEDED, vendor_id=f"id-{record['ref']}")

    return result_of


def ask_for_an_execution(world: World, run_id: str, previous: str) -> None:
    world.restarts.append((run_id, previous))


def resumed(world: World, run: Run) -> Run:
    """Say yes to a paused run, once more if that was interrupted, and carry it on."""
    try:
        resume(run, world.deps, partial(ask_for_an_execution, world))
    except Crash:
        resume(world.run(run.run_id), world.deps, partial(ask_for_an_execution, world))
    world.run_restarts()
    return world.run(run.run_id)


def aborted(world: World, run: Run) -> Run:
    """Stop a run, and carry it on if nobody does."""
    abort_run(run, "Wrong file.", world.deps)
    continue_run(run.run_id, world.deps, partial(ask_for_an_execution, world))
    world.run_restarts()
    return world.run(run.run_id)


class TestTrial:
    @pytest.mark.parametrize("rows", [1, 2, 3, 6])
    def test_exactly_the_first_rows_are_sent(self, world: World, rows: int) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(rows)))

        assert sorted(world.account.times_applied) == [f"r{n}" for n in range(1, rows + 1)]
        assert run.closed_at is None
        assert run.pause is not None
        assert run.pause.code == "trial"
        assert run.suspended
        assert world.statuses(run.run_id) == [SUCCEEDED] * rows

    def test_rows_that_are_not_sent_do_not_count(self, world: World) -> None:
        world.put_profile({"row_key": "Ref"})
        body = "Name,Ref\n,bad\na,r1\nb,r1\n,bad\nc,r2\nd,r3\ne,r4\n"
        run = world.execute(world.drop(body, options=trial(3)))

        assert sorted(world.account.times_applied) == ["r1", "r2", "r3"]
        assert run.pause is not None
        assert run.pause.reason.endswith("is over: 3 succeeded. 1 more row can be sent.")
        assert resumed(world, run).outcomes[SUCCEEDED] == 4
        assert world.problems(run.run_id) == []

    def test_the_reason_says_how_it_went(self, world: World) -> None:
        world.account.result_of = fails(2)
        run = world.execute(world.drop(sample_csv(9), options=trial(4)))

        assert run_document(run, world.deps)["paused"] == {
            "code": "trial",
            "reason": "The trial of 4 rows is over: 3 succeeded and 1 failed. "
            "5 more rows can be sent.",
            "at": timestamp(world.clock.now()),
        }
        assert run_document(run, world.deps)["status"] == "paused"

    def test_a_yes_sends_the_rest(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        closed = resumed(world, run)

        assert closed.status is RunStatus.COMPLETED
        assert closed.outcomes[SUCCEEDED] == 9
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []
        assert run_document(closed, world.deps)["paused"] is None

    @pytest.mark.parametrize("rows", [4, 5, 100])
    def test_a_file_that_is_no_longer_than_the_trial_completes(
        self, world: World, rows: int
    ) -> None:
        run = world.execute(world.drop(sample_csv(4), options=trial(rows)))

        assert run.status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []

    def test_rows_that_go_again_are_part_of_the_trial(self, world: World) -> None:
        told = [RecordResult(FAILED, code="DatabaseConflict", text="Try again.")]
        world.account.result_of = lambda r: (
            told.pop()
            if r["ref"] == "r2" and told
            else RecordResult(SUCCEEDED, vendor_id=f"id-{r['ref']}")
        )
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))

        assert world.statuses(run.run_id) == [SUCCEEDED] * 3
        assert run.pause is not None

    def test_planning_in_steps_cuts_the_same_trial(self, world: World) -> None:
        world.seconds["plan"] = 0.0
        run = world.execute(world.drop(sample_csv(9), options=trial(5)))

        assert world.statuses(run.run_id) == [SUCCEEDED] * 5
        assert run.plan.trial_chunks == 3
        assert resumed(world, run).outcomes[SUCCEEDED] == 9

    def test_other_runs_have_the_connection_meanwhile(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(1)))

        assert world.store.limits.get(CONNECTION).in_flight == 0
        assert world.store.limits.demands(CONNECTION, world.clock.now()) == []
        other = world.processed(sample_csv(9, start=100))
        assert other.status is RunStatus.COMPLETED
        assert world.run(run.run_id).pause == run.pause

    @pytest.mark.parametrize("asked", ["0", "-3", "ten", "1.5", ""])
    def test_a_trial_that_cannot_be_understood_sends_nothing(
        self, world: World, asked: str
    ) -> None:
        run = world.execute(world.drop(sample_csv(3), options={"jobferry-trial": asked}))

        assert run.status is RunStatus.FAILED
        assert run.error == "The file's metadata jobferry-trial must be a whole number above 0."
        assert world.account.submissions == []

    def test_an_account_that_refuses_us_ends_the_run(self, world: World) -> None:
        world.account.will_reply(*[Behaviour.REFUSE_PROFILE] * 20)
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))

        assert run.status is RunStatus.ABORTED
        assert run.outcomes[FAILED] + run.outcomes[SKIPPED] == 9
        assert world.problems(run.run_id) == []


class TestResume:
    def test_twice_is_as_once(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        for _ in range(2):
            resume(run, world.deps, partial(ask_for_an_execution, world))
        resume(world.run(run.run_id), world.deps, partial(ask_for_an_execution, world))
        world.run_restarts()
        resume(run, world.deps, partial(ask_for_an_execution, world))

        assert world.restarts == []
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []

    def test_what_could_not_be_started_is_started_by_the_next_one(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))

        def refuse(_run_id: str, _previous: str) -> None:
            raise OSError("no")

        with pytest.raises(OSError, match="no"):
            resume(run, world.deps, refuse)
        assert resumed(world, world.run(run.run_id)).status is RunStatus.COMPLETED

    def test_or_by_the_sweep(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        resume(run, world.deps, lambda _run_id, _previous: None)
        world.clock.advance(SETTLED_SECONDS + 1)
        world.sweep()
        world.run_restarts()

        assert world.run(run.run_id).status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []

    def test_while_jobs_are_seen_through_the_same_execution_goes_on(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.latency = lambda number: 10.0 if number <= 2 else 100.0
        world.account.result_of = fails(1, 2, 3, 4)
        request = world.drop(sample_csv(40))
        run_id = run_id_of(request, str(request.version_id))
        asked: list[tuple[str, str]] = []

        def say_yes() -> None:
            while (run := world.store.runs.get(run_id)) is None or run.pause is None:
                world.clock.sleep(1.0)
            assert not run.suspended
            resume(run, world.deps, lambda *words: asked.append(words))

        def both() -> None:
            world.clock.spawn(say_yes)
            world.execute(request)

        world.clock.run(both)

        assert asked == []
        assert world.run(run_id).status is RunStatus.COMPLETED_WITH_FAILURES
        assert world.run(run_id).outcomes[SUCCEEDED] == 36
        assert world.problems(run_id) == []


class TestBreaker:
    def test_a_run_whose_rows_fail_alike_is_paused(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.latency = lambda _number: 60.0
        world.account.result_of = fails()
        run = world.processed(sample_csv(40))

        assert run.pause is not None
        assert run.pause.code == "breaker"
        assert run.pause.reason == "6 of 6 rows failed with RecordInvalid: Name: is taken"
        assert run.suspended
        assert 4 <= run.outcomes[FAILED] <= 12
        assert len(world.account.times_applied) == run.outcomes[FAILED]
        assert world.store.limits.get(CONNECTION).in_flight == 0
        assert [m for m in world.metrics if "RunsPaused" in m] == [{"RunsPaused": 1}]
        (line,) = [line for line in world.log if line.message == "run paused"]
        assert dict(line.keys) == {
            "run_id": run.run_id,
            "code": "breaker",
            "error": "RecordInvalid",
            "failed": 6,
        }

    def test_it_trips_again_on_new_failures_only(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.result_of = fails()
        run = world.processed(sample_csv(40))
        seen = run.outcomes[FAILED]
        world.account.result_of = fails(*range(1, seen + 4))
        second = resumed(world, run)
        assert second.status is RunStatus.COMPLETED_WITH_FAILURES
        assert second.outcomes[FAILED] == seen + 3
        assert world.problems(run.run_id) == []

    def test_and_again(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.result_of = fails()
        first = world.processed(sample_csv(60))
        second = resumed(world, first)

        assert second.pause is not None
        assert second.suspended
        assert second.outcomes[FAILED] >= first.outcomes[FAILED] + 4
        world.account.result_of = fails(0)
        assert resumed(world, second).outcomes[SUCCEEDED] == 60 - second.outcomes[FAILED]
        assert world.problems(first.run_id) == []

    @pytest.mark.parametrize("breaker", ["off", {"at_least": 41}, {"share": 0.9, "at_least": 1}])
    def test_a_profile_may_bear_more(self, world: World, breaker: object) -> None:
        world.put_profile({"breaker": breaker})
        world.account.result_of = fails(*range(5, 41))
        run = world.processed(sample_csv(40))

        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        assert run.outcomes[FAILED] == 36

    def test_a_code_of_its_own_for_every_row_does_not_keep_it_from_tripping(
        self, world: World
    ) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.result_of = lambda r: RecordResult(FAILED, code=f"Bad {r['ref']}", text="No.")
        run = world.processed(sample_csv(80))

        assert run.pause is not None
        assert (
            run.pause.reason == "6 of 6 rows failed with 6 error codes, most often with Bad r1: No."
        )
        assert sum(run.failures.values()) == run.outcomes[FAILED] < 80

    def test_rows_that_fail_for_different_reasons_while_others_succeed_do_not_trip_it(
        self, world: World
    ) -> None:
        world.put_profile(LITTLE_PATIENCE)

        def result_of(record: JsonObject) -> RecordResult:
            said = int(record["ref"].removeprefix("r")) % 3
            if not said:
                return RecordResult(SUCCEEDED, vendor_id=f"id-{record['ref']}")
            return RecordResult(FAILED, code=("RecordInvalid", "http_403")[said - 1], text="No.")

        world.account.result_of = result_of
        run = world.processed(sample_csv(81))

        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        assert run.failures == {"RecordInvalid": 27, "http_403": 27}

    def test_a_run_that_is_at_its_end_is_not_kept_open(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.result_of = fails()
        run = world.processed(sample_csv(6))

        assert run.status is RunStatus.COMPLETED_WITH_FAILURES
        assert run.pause is None

    def test_refused_submissions_count(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.will_reply(*[Reply(Behaviour.REFUSE)] * 1_000)
        run = world.processed(sample_csv(1_000))

        assert run.pause is not None
        assert "The vendor says no." in run.pause.reason
        assert run.outcomes[FAILED] < 500

    @pytest.mark.parametrize("phase", Phase)
    def test_a_crash_anywhere_loses_neither_rows_nor_the_pause(self, phase: Phase) -> None:
        calm = CrashOnce(0, phase)
        self._carried(calm)
        for number in some_of(len(calm.seen), every=8, salt=phase is Phase.BEFORE):
            self._carried(CrashOnce(number, phase))

    @staticmethod
    def _carried(crash: CrashOnce) -> None:
        with World(max_records=2, max_jobs=2) as world:
            world.put_profile(LITTLE_PATIENCE)
            world.account.latency = lambda _number: 60.0
            world.account.result_of = fails(*range(1, 7))
            request = world.drop(sample_csv(14), options=trial(12))
            world.effects.on_effect = crash
            run = world.execute(request)
            reasons = []
            while run.pause is not None:
                reasons.append(run.pause.code)
                run = resumed(world, run)
            assert reasons == ["breaker", "trial"]
            assert world.problems(run.run_id) == []
            assert (run.outcomes[SUCCEEDED], run.outcomes[FAILED]) == (8, 6)
            assert set(world.account.times_applied.values()) == {1}


class TestSweep:
    def test_a_run_that_rests_is_left_alone(self, world: World) -> None:
        world.execute(world.drop(sample_csv(9), options=trial(3)))
        world.clock.advance(SETTLED_SECONDS + 1)

        assert world.sweep() == {"open_runs": 1, "restarted": 0, "opened": 0}

    def test_one_that_died_while_its_jobs_were_seen_through_is_not(self, world: World) -> None:
        world.put_profile(LITTLE_PATIENCE)
        world.account.latency = lambda number: 10.0 if number <= 2 else 100.0
        world.account.result_of = fails()
        run = world.planned(sample_csv(40))
        state = world.submit(LaneState(run.run_id, 0))
        world.clock.advance(20)
        state = world.poll(state)
        world.settle(state)
        run = world.run(run.run_id)
        assert run.pause is not None
        assert not run.suspended

        world.clock.advance(SETTLED_SECONDS + 1)
        assert world.sweep()["restarted"] == 1
        world.run_restarts()
        run = world.run(run.run_id)
        assert run.suspended
        assert world.store.limits.get(CONNECTION).in_flight == 0
        assert run.outcomes[FAILED] == len(world.account.times_applied)


class TestAbort:
    def test_a_paused_run_closes(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        closed = aborted(world, run)

        assert closed.status is RunStatus.ABORTED
        assert (closed.outcomes[SUCCEEDED], closed.outcomes[SKIPPED]) == (3, 6)
        assert world.problems(run.run_id) == []

    def test_a_resume_does_not_undo_it(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        abort_run(run, "Wrong file.", world.deps)
        closed = resumed(world, world.run(run.run_id))

        assert closed.status is RunStatus.ABORTED
        assert len(world.account.times_applied) == 3
        assert world.problems(run.run_id) == []

    def test_the_sweep_closes_it_where_nobody_else_does(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(3)))
        abort_run(run, "Wrong file.", world.deps)
        world.clock.advance(SETTLED_SECONDS + 1)
        world.sweep()
        world.run_restarts()

        assert world.run(run.run_id).status is RunStatus.ABORTED

    def test_during_planning_every_row_is_skipped(self, world: World) -> None:
        world.seconds["plan"] = 0.0
        request = world.drop(sample_csv(9) + ",bad\n", options=trial(3))
        run_id = open_run(request, "arn:execution:0", world.deps)["run_id"]
        assert world.plan(run_id)["state"] == "planning"
        abort_run(world.run(run_id), "Wrong file.", world.deps)
        execution = world.execution()
        execution.run(lambda: {"run_id": run_id, "state": "open", "event": {}})

        run = world.run(run_id)
        assert run.status is RunStatus.ABORTED
        assert (run.outcomes[SKIPPED], run.outcomes[REJECTED]) == (9, 1)
        assert world.account.submissions == []
        assert world.problems(run_id) == []

    @pytest.mark.parametrize("seconds", [0.5, 4.0, 10.0, 21.0, 33.0, 60.0])
    def test_no_job_is_sent_from_then_on(self, seconds: float) -> None:
        """Two seconds are how old a lane's knowledge of its run may be."""
        with World(max_records=1, max_jobs=3) as world:
            world.account.request_seconds = 0.3
            world.account.latency = lambda number: 3.0 + number % 5
            request = world.drop(sample_csv(200))
            run_id = run_id_of(request, str(request.version_id))
            start = world.clock.now()

            def stop() -> None:
                world.clock.sleep(seconds)
                abort_run(world.run(run_id), "Wrong file.", world.deps)

            def both() -> None:
                world.clock.spawn(stop)
                world.execute(request)

            world.clock.run(both)

            run = world.run(run_id)
            assert run.status is RunStatus.ABORTED
            last = max(submission.at for submission in world.account.submissions)
            assert last <= start + seconds + 2.0 + 0.3
            assert run.outcomes[SUCCEEDED] == len(world.account.times_applied)
            assert run.outcomes[SKIPPED] == 200 - run.outcomes[SUCCEEDED]
            assert world.problems(run_id) == []

    @pytest.mark.parametrize(
        "script", [[], [Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED]]
    )
    def test_at_any_effect_the_sum_holds(self, script: list[Behaviour]) -> None:
        effects = self._stopped_after(0, script)
        assert effects > 60
        for number in some_of(effects, every=5, salt=len(script)):
            self._stopped_after(number, script)

    @staticmethod
    def _stopped_after(number: int, script: list[Behaviour]) -> int:
        """Stop a run after its `number`-th effect; returns how many effects there were."""
        with World(max_records=2, max_jobs=2) as world:
            world.account.will_reply(*script)
            request = world.drop(sample_csv(7) + ",bad\n", options=trial(3))
            run_id = run_id_of(request, str(request.version_id))
            seen = 0

            def stop(_kind: str, phase: Phase) -> None:
                nonlocal seen
                seen += phase is Phase.AFTER
                if seen == number and phase is Phase.AFTER:
                    seen += 1
                    run = world.store.runs.get(run_id)
                    if run is not None and run.closed_at is None:
                        abort_run(run, "Wrong file.", world.deps)

            world.effects.on_effect = stop
            run = world.execute(request)
            run = resumed(world, run) if run.pause is not None else run
            assert sum(run.outcomes.values()) == 8
            assert world.problems(run_id) == []
            assert set(world.account.times_applied.values()) <= {1}
            assert run.outcomes[SUCCEEDED] == len(world.account.times_applied)
            return seen


def test_a_pause_that_came_since_is_not_ended_by_an_old_yes(world: World) -> None:
    run = world.execute(world.drop(sample_csv(9), options=trial(3)))
    seen = world.run(run.run_id)
    assert world.store.runs.resume(seen)
    later = Pause("breaker", "Too many rows failed.", world.clock.now() + 1)
    assert world.store.runs.pause(run.run_id, later)

    assert not world.store.runs.resume(seen)

    assert world.run(run.run_id).pause == later
