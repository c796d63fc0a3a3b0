"""Resolve: rows that are unknown are decided when the vendor can tell after all, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.trouble import SOURCE_MISSING
from jobferry.domain.types import JsonObject
from jobferry.lane.connection_requests import note_requests
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.operator.resolve_run import (
    NOT_ASKED,
    SEEN_WITHIN,
    SOURCE_GONE,
    WAITS_FOR,
    ask_resolve,
)
from jobferry.steps.open_run import resume_run
from jobferry.store.objects import SourceError
from jobferry.vendors.answers import (
    Found,
    FoundState,
    PollAnswer,
    Refused,
    Throttled,
    ThrottleReason,
)
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import Behaviour
from virtual.world import CONNECTION, ExecutionFailedError, World, sample_csv

ROWS = 6
SELDOM = 1_800.0
"""Seconds between polls of jobs that nobody waits for any longer."""

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


@pytest.fixture
def given_up(world: World) -> Run:
    """A closed run of three jobs, the second of which took longer than anybody waits."""
    world.account.latency = lambda number: 2 * JOB_DEADLINE if number == 2 else 20.0
    world.schedule_with(max_poll_interval=SELDOM)
    run = world.processed(sample_csv(ROWS))
    assert run.status is RunStatus.UNRESOLVED
    assert world.statuses(run.run_id) == [SUCCEEDED] * 2 + [UNKNOWN] * 2 + [SUCCEEDED] * 2
    return run


@pytest.fixture
def lost(world: World) -> Run:
    """A closed run of three jobs; what became of the second submission could not be told."""
    world.account.will_reply(Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER)
    world.account.will_find(Found(FoundState.UNDECIDABLE, reason="no list", requests=1))
    run = world.processed(sample_csv(ROWS))
    assert run.status is RunStatus.UNRESOLVED
    assert [o.error_code for o in world.outcomes(run.run_id).values()].count("submission_lost") == 2
    return run


def started(world: World) -> Callable[[str, str], None]:
    return lambda run_id, previous: world.restarts.append((run_id, previous))


def resolved(world: World, run: Run) -> Run:
    """A request that is made."""
    ask_resolve(run, world.deps, started(world))
    world.run_restarts()
    return world.run(run.run_id)


def swept(world: World, run_id: str, times: int = 6) -> Run:
    """What becomes of a run that nobody looks after but the sweep."""
    for _ in range(times):
        world.clock.advance(300)
        world.sweep()
        try:
            world.run_restarts()
        except ExecutionFailedError:
            continue
    return world.run(run_id)


class TestJobsThatWereGivenUp:
    def test_a_job_that_ended_since_decides_its_rows(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)

        again = resolved(world, given_up)

        assert again.status is RunStatus.COMPLETED
        assert again.resolving is not None
        assert (again.resolving.jobs, again.resolving.ended) == (1, 1)
        assert world.outcomes(again.run_id)[3].vendor_id == "id-r3"
        assert world.outcomes(again.run_id)[3].error_code is None
        assert world.problems(again.run_id) == []

    def test_the_files_are_written_anew(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        resolved(world, given_up)

        unknown = world.objects.get(f"results/{given_up.run_id}/unknown.csv").decode()
        succeeded = world.objects.get(f"results/{given_up.run_id}/succeeded.csv").decode()
        assert len(unknown.splitlines()) == 1
        assert len(succeeded.splitlines()) == 1 + ROWS

    def test_nothing_is_sent_and_what_is_asked_is_counted(
        self, world: World, given_up: Run
    ) -> None:
        sent = len(world.account.submissions)
        world.clock.advance(2 * JOB_DEADLINE)
        again = resolved(world, given_up)
        assert len(world.account.submissions) == sent
        assert again.requests["other"] == given_up.requests["other"] + 1

    def test_what_was_read_is_kept(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        resolved(world, given_up)
        (key,) = (k for k in world.objects.keys("evidence/") if "resolved" in k)
        assert list(world.objects.get_json(key)["jobs"]) == ["job-2"]

    def test_a_job_that_still_goes_on_changes_nothing(self, world: World, given_up: Run) -> None:
        again = resolved(world, given_up)
        assert again.status is RunStatus.UNRESOLVED
        assert again.outcomes == given_up.outcomes
        assert again.warnings == ()
        assert world.problems(again.run_id) == []

    def test_rows_that_were_decided_stay_as_they_are(self, world: World) -> None:
        said: dict[str, RecordResult | None] = {"r1": RecordResult(SUCCEEDED, "first")}

        def told(record: JsonObject) -> RecordResult | None:
            return said.get(str(record["ref"]))

        world.account.result_of = told
        run = world.processed(sample_csv(2))
        assert world.statuses(run.run_id) == [SUCCEEDED, UNKNOWN]
        said |= {"r1": RecordResult(FAILED, code="no"), "r2": RecordResult(FAILED, code="Invalid")}

        assert resolved(world, run).status is RunStatus.COMPLETED_WITH_FAILURES
        assert world.statuses(run.run_id) == [SUCCEEDED, FAILED]
        assert world.problems(run.run_id) == []

    def test_asked_twice_rows_are_counted_once(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        again = resolved(world, given_up)
        once_more = resolved(world, again)
        assert once_more.outcomes == again.outcomes
        assert world.problems(given_up.run_id) == []

    def test_asked_twice_at_once_it_happens_once(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        for _ in range(2):
            ask_resolve(given_up, world.deps, started(world))
        assert len(world.restarts) == 2
        world.run_restarts()
        assert world.run(given_up.run_id).status is RunStatus.COMPLETED
        assert world.problems(given_up.run_id) == []

    def test_many_jobs_are_asked_about_in_several_invocations(self, world: World) -> None:
        world.account.latency = lambda _number: 2 * JOB_DEADLINE
        world.schedule_with(max_poll_interval=SELDOM)
        run = world.processed(sample_csv(2 * ROWS))
        world.clock.advance(2 * JOB_DEADLINE)
        polls = len(world.account.polls)
        world.account.request_seconds = 5.0
        world.seconds["close"] = 1.0
        ask_resolve(run, world.deps, started(world))
        execution = world.execution()
        execution.run(partial(resume_run, run.run_id, run.execution, execution.arn, world.deps))
        assert world.run(run.run_id).status is RunStatus.COMPLETED
        asked = [job for _, jobs in world.account.polls[polls:] for job in jobs]
        assert sorted(asked) == sorted(set(asked))
        assert world.problems(run.run_id) == []


class TestLostSubmissions:
    def test_one_that_is_found_decides_its_rows(self, world: World, lost: Run) -> None:
        again = resolved(world, lost)
        assert again.status is RunStatus.COMPLETED
        assert world.outcomes(lost.run_id)[3].job_id == "job-2"
        assert world.problems(lost.run_id) == []

    def test_one_that_is_found_and_goes_on_is_decided_by_the_next(
        self, world: World, lost: Run
    ) -> None:
        world.account.jobs["job-2"].ends_at = world.clock.now() + 3_600
        assert resolved(world, lost).status is RunStatus.UNRESOLVED
        world.clock.advance(3_600)
        finds = len(world.account.searches)
        assert resolved(world, world.run(lost.run_id)).status is RunStatus.COMPLETED
        assert len(world.account.searches) == finds, "it knows its job by now"

    def test_one_that_never_arrived_is_failed_once_that_is_proven(
        self, world: World, lost: Run
    ) -> None:
        del world.account.jobs["job-2"]
        assert resolved(world, lost).status is RunStatus.UNRESOLVED, "it may still show itself"
        world.clock.advance(SEEN_WITHIN)
        again = resolved(world, world.run(lost.run_id))
        assert again.status is RunStatus.COMPLETED_WITH_FAILURES
        assert world.statuses(lost.run_id)[2:4] == [FAILED, FAILED]
        assert world.outcomes(lost.run_id)[3].error_code == "vendor_unavailable"
        assert world.problems(lost.run_id) == []

    def test_a_job_of_another_chunk_is_not_taken(self, world: World, lost: Run) -> None:
        chunk = next(c for c in world.store.chunks.all(lost.run_id) if c.job_id is None)
        other = next(c for c in world.store.chunks.all(lost.run_id) if c.job_id == "job-1")
        assert not world.store.chunks.adopt_late(CONNECTION, replace(other), "job-9")
        assert world.store.chunks.adopt_late(CONNECTION, chunk, "job-9")
        assert not world.store.chunks.adopt_late(CONNECTION, chunk, "job-10")

    def test_what_cannot_be_told_stays_unknown(self, world: World, lost: Run) -> None:
        world.account.will_find(Found(FoundState.UNDECIDABLE, reason="no list", requests=1))
        assert resolved(world, lost).status is RunStatus.UNRESOLVED
        assert world.problems(lost.run_id) == []

    def test_without_the_file_a_token_is_enough(
        self, world: World, lost: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: object) -> bytes:
            raise SourceError(SOURCE_MISSING)

        ask_resolve(lost, world.deps, started(world))
        with monkeypatch.context() as patched:
            patched.setattr(world.objects, "read_range", gone)
            with suppress(ExecutionFailedError):
                world.run_restarts()
        assert world.outcomes(lost.run_id)[3].status is SUCCEEDED
        assert world.run(lost.run_id).warnings == (SOURCE_GONE,)


@pytest.mark.parametrize("searched", [False, True], ids=["none", "list"])
def test_an_old_list_of_jobs_proves_nothing(searched: bool) -> None:
    with World(max_records=2, token_search=not searched) as world:
        world.account.will_reply(Behaviour.NEVER_ARRIVED)
        world.account.will_find(Found(FoundState.UNDECIDABLE, requests=1))
        run = world.processed(sample_csv(2))
        assert world.statuses(run.run_id) == [UNKNOWN] * 2
        world.clock.advance(3_600)

        again = resolved(world, run)

        assert again.status is (
            RunStatus.UNRESOLVED if searched else RunStatus.COMPLETED_WITH_FAILURES
        )


class TestVendorsThatCannotBeAsked:
    def test_a_refusal_closes_it_with_what_is_known(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        world.account.will_answer_polls(PollAnswer(refused=Refused("vendor_forbidden", "Not you.")))

        again = resolved(world, given_up)

        assert (again.status, again.outcomes) == (RunStatus.UNRESOLVED, given_up.outcomes)
        assert again.warnings == (f"{NOT_ASKED}. Not you.",)
        assert resolved(world, again).status is RunStatus.COMPLETED

    @pytest.mark.parametrize("wait", [None, 30.0, WAITS_FOR - 60])
    def test_a_wait_is_waited_for(self, world: World, given_up: Run, wait: float | None) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        throttled = Throttled(ThrottleReason.RATE, wait)
        world.account.will_answer_polls(PollAnswer(throttled=throttled))
        assert resolved(world, given_up).status is RunStatus.COMPLETED
        assert world.problems(given_up.run_id) == []

    def test_a_wait_that_is_too_long_closes_it(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        world.store.limits.block(CONNECTION, world.clock.now() + 3_600)
        polls = len(world.account.polls)
        again = resolved(world, given_up)
        assert again.status is RunStatus.UNRESOLVED
        assert again.warnings[0].startswith(NOT_ASKED)
        assert len(world.account.polls) == polls

    def test_it_waits_for_requests_of_its_own(self, world: World, given_up: Run) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        world.store.limits.advertised_rate(CONNECTION, 2)
        note_requests(world.store.limits, CONNECTION, 2, world.clock.now())
        began_at = world.clock.now()
        assert resolved(world, given_up).status is RunStatus.COMPLETED
        assert world.clock.now() >= began_at + 60

    @pytest.mark.parametrize(
        "answer",
        [
            PollAnswer(problem="HTTP 502"),
            PollAnswer(throttled=Throttled(ThrottleReason.UNREACHABLE)),
            PollAnswer(throttled=Throttled(ThrottleReason.CREDENTIALS)),
        ],
        ids=["502", "unreachable", "credentials"],
    )
    def test_one_that_is_away_for_ever_leaves_a_closed_run(
        self, world: World, given_up: Run, answer: PollAnswer
    ) -> None:
        world.clock.advance(2 * JOB_DEADLINE)
        world.account.will_answer_polls(*[answer] * 50)
        again = resolved(world, given_up)
        assert again.status is RunStatus.UNRESOLVED
        assert again.warnings[0].startswith(NOT_ASKED)
        assert world.problems(again.run_id) == []

    def test_a_secret_that_cannot_be_read_ends_it_too(
        self, world: World, given_up: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.clock.advance(2 * JOB_DEADLINE)

        def unreadable(*_: object) -> str:
            raise PermissionError

        monkeypatch.setattr(world, "read_secret", unreadable)
        world.deps = world.fresh_deps()
        ask_resolve(given_up, world.deps, started(world))
        again = swept(world, given_up.run_id)
        assert again.status is RunStatus.UNRESOLVED
        assert again.warnings == (f"{NOT_ASKED}. PermissionError.",)

    def test_a_connection_that_goes_meanwhile(self, world: World, given_up: Run) -> None:
        ask_resolve(given_up, world.deps, started(world))
        world.store.config.delete_connection(CONNECTION)
        world.deps = world.fresh_deps()
        world.run_restarts()
        again = world.run(given_up.run_id)
        assert again.status is RunStatus.UNRESOLVED
        assert again.warnings[0].startswith(NOT_ASKED)

    def test_without_a_connection_nothing_is_opened(self, world: World, given_up: Run) -> None:
        world.store.config.delete_connection(CONNECTION)
        with pytest.raises(LookupError):
            ask_resolve(given_up, world.deps, started(world))
        assert world.run(given_up.run_id) == given_up


def a_job_and_a_submission() -> Iterator[World]:
    """A world whose only run has a job that said nothing, and a submission that was lost."""
    with World(max_records=2, max_jobs=3) as world:
        told = world.account.result_of
        world.account.result_of = lambda record: None if record["ref"] in "r1 r2" else told(record)
        world.account.will_reply(Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER)
        world.account.will_find(Found(FoundState.UNDECIDABLE, requests=1))
        run = world.processed(sample_csv(ROWS))
        world.account.result_of = told
        assert world.statuses(run.run_id).count(UNKNOWN) == 4
        world.clock.advance(3_600)
        yield world


def effects_of_a_resolve() -> int:
    """How many effects it has from the request to the end."""
    for world in a_job_and_a_submission():
        counter = CrashOnce(0, Phase.BEFORE)
        world.effects.on_effect = counter
        (run,) = (run for _, run in world.store.runs.newest())
        assert resolved(world, run).status is RunStatus.COMPLETED
        return len(counter.seen)
    raise AssertionError("not reached")


@pytest.mark.parametrize("phase", Phase)
def test_killed_at_any_effect_it_ends_right(phase: Phase) -> None:
    """The operator's machine or the function dies, and nobody looks after it but the sweep."""
    for nth in range(1, effects_of_a_resolve() + 1):
        for world in a_job_and_a_submission():
            (run,) = (run for _, run in world.store.runs.newest())
            crash = CrashOnce(nth, phase)
            world.effects.on_effect = crash
            try:
                ask_resolve(run, world.deps, started(world))
                world.run_restarts()
            except (Crash, ExecutionFailedError):
                world.restarts.clear()
            again = swept(world, run.run_id, times=3)
            where = f"{phase} effect {nth}, {crash.seen[-1]}"
            if again == run:
                # It died before the request was noted: whoever asked asks again.
                assert nth == 1, where
                again = resolved(world, run)
            assert again.status is RunStatus.COMPLETED, where
            assert world.problems(run.run_id) == [], where
            succeeded = world.objects.get(f"results/{run.run_id}/succeeded.csv").decode()
            assert len(succeeded.splitlines()) == 1 + ROWS, where


def test_a_late_close_does_not_end_a_resolve(world: World, given_up: Run) -> None:
    """A twin of CloseRun that read the run before it was opened again has old files."""
    ask_resolve(given_up, world.deps, started(world))
    runs = world.store.runs
    assert not runs.close(given_up.run_id, RunStatus.UNRESOLVED, 0.0, {}, {})
    assert world.run(given_up.run_id).closed_at is None
