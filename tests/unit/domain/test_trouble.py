"""What keeps a run from going on: borne for a bounded time, told all the while, and then ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import ClassVar

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.trouble import (
    CREDENTIALS_UNUSABLE,
    SOURCE_MISSING,
    SOURCE_UNREADABLE,
    VENDOR_THROTTLES,
    VENDOR_UNAVAILABLE,
    VENDOR_UNREACHABLE,
    Trouble,
    after_failure,
)
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.vendors.answers import (
    Ambiguous,
    Found,
    FoundState,
    PollAnswer,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from tests.thorough import THOROUGH, some_in
from virtual.vendor import Behaviour, FakeClient
from virtual.world import CONNECTION, ExecutionFailedError, World, sample_csv

DAY = 24 * 3_600.0
SWEEP = 300.0

SUCCEEDED, SKIPPED = OutcomeStatus.SUCCEEDED, OutcomeStatus.SKIPPED
FAILED, UNKNOWN = OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


def carried_by_sweeps(world: World, run_id: str, until: float = DAY + 3_600.0) -> Run:
    """What becomes of a run whose executions may fail: the sweep works on it on again and again."""
    start = world.clock.now()
    while world.run(run_id).closed_at is None and world.clock.now() < start + until:
        world.clock.advance(SWEEP)
        try:
            world.sweep()
            world.run_restarts()
        except (ExecutionFailedError, LookupError):
            continue
    return world.run(run_id)


def opened(world: World, rows: int) -> Run:
    """A run that is planned, and whose execution is not there any more."""
    return world.planned(sample_csv(rows))


class TestRules:
    @pytest.mark.parametrize(
        ("moments", "stops"),
        [
            ([0], False),
            ([0, 61], False),
            ([0, 20, 40], False),
            ([0, 30, 60], True),
            ([0, 1, 59.9], False),
        ],
    )
    def test_a_refusal_stops_after_several_over_a_minute(
        self, moments: Sequence[float], stops: bool
    ) -> None:
        trouble: Trouble | None = None
        for moment in moments:
            trouble = after_failure(trouble, "vendor_forbidden", "No.", moment)
        assert trouble is not None
        assert trouble.stops is stops

    def test_another_kind_of_trouble_does_not_count_for_it_but_the_time_goes_on(self) -> None:
        trouble = after_failure(None, VENDOR_UNREACHABLE, "away", 0.0)
        trouble = after_failure(trouble, "vendor_forbidden", "No.", 7_000.0)
        assert (trouble.times, trouble.since, trouble.stops) == (1, 0.0, False)

    def test_tries_come_later_and_later(self) -> None:
        trouble = after_failure(None, "vendor_forbidden", "No.", 0.0)
        waits = []
        for _ in range(40):
            waits.append(trouble.next_try - trouble.last)
            trouble = after_failure(trouble, "vendor_forbidden", "No.", trouble.next_try)
        assert waits == sorted(waits)
        assert waits[-1] == 300.0


REFUSALS = {
    "403": Refused("vendor_forbidden", "No.", RefusalScope.RUN, 403),
    "redirect": Refused("vendor_redirects", "Elsewhere.", RefusalScope.RUN, 307),
    "402": Refused("vendor_payment_required", "Pay.", RefusalScope.RUN, 402),
    "404 without an error": Refused("vendor_not_found", "Nobody.", RefusalScope.RUN, 404),
}


class Site:
    """A vendor that answers as it is told, by what it is asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.submit: Callable[[], SubmitAnswer | None] = lambda: None
        self.poll: Callable[[], PollAnswer | None] = lambda: None
        self.find: Callable[[], Found | None] = lambda: None
        self.submissions: list[float] = []
        world.vendor = replace(world.vendor, client=self._client)

    def _client(self, _base_url: str, credentials: object, **_options: object) -> FakeClient:
        return Played(self, credentials)

    def answers(self, *answers: SubmitAnswer) -> None:
        """To the next submissions."""
        left = list(answers)
        self.submit = lambda: left.pop(0) if left else None


class Played(FakeClient):
    def __init__(self, site: Site, credentials: object) -> None:
        super().__init__(site.world.account, credentials)
        self.site = site

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        self.site.submissions.append(self.site.world.clock.now())
        answer = self.site.submit()
        return answer if answer is not None else super().submit(operation, records, token)

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        answer = self.site.poll()
        return answer if answer is not None else super().poll(job_ids)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        answer = self.site.find()
        return answer if answer is not None else super().find(operation, lost, now)


@pytest.fixture
def site(world: World) -> Site:
    return Site(world)


class TestRefusedSubmissions:
    @pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
    @pytest.mark.parametrize("times", [1, 2])
    def test_a_refusal_that_passes_harms_no_row(
        self, world: World, site: Site, refusal: Refused, times: int
    ) -> None:
        site.answers(*[refusal] * times)
        run = world.processed(sample_csv(9))
        assert run.status is RunStatus.COMPLETED
        assert {o.attempts for o in world.outcomes(run.run_id).values()} == {1}
        assert world.problems(run.run_id) == []

    @pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
    def test_one_that_stays_ends_the_run_within_minutes(
        self, world: World, site: Site, refusal: Refused
    ) -> None:
        site.submit = lambda: refusal
        run = world.processed(sample_csv(9))
        assert (run.status, run.error) == (RunStatus.ABORTED, refusal.message)
        assert run.outcomes[FAILED] == 2
        assert run.outcomes[SKIPPED] == 7
        assert site.submissions[-1] - site.submissions[0] >= 60.0
        assert len(site.submissions) <= 6
        assert world.problems(run.run_id) == []

    def test_a_refusal_after_the_last_row_was_sent_makes_no_run_aborted(
        self, world: World, site: Site
    ) -> None:
        refused = PollAnswer(refused=REFUSALS["redirect"])
        left = [refused] * 4
        site.poll = lambda: left.pop() if left else None
        run = world.processed(sample_csv(6))
        assert run.status is RunStatus.COMPLETED
        assert run.outcomes[SUCCEEDED] == 6


class TestForEver:
    """What fails for good ends the run within a day, with outcomes, a reason, and no slot taken."""

    CASES: ClassVar[dict[str, tuple[SubmitAnswer, PollAnswer, str]]] = {
        "no such host": (
            Throttled(ThrottleReason.UNREACHABLE),
            PollAnswer(throttled=Throttled(ThrottleReason.UNREACHABLE)),
            VENDOR_UNREACHABLE,
        ),
        "credentials": (
            Throttled(ThrottleReason.CREDENTIALS),
            PollAnswer(throttled=Throttled(ThrottleReason.CREDENTIALS)),
            CREDENTIALS_UNUSABLE,
        ),
        "429": (
            Throttled(ThrottleReason.RATE, 60.0),
            PollAnswer(throttled=Throttled(ThrottleReason.RATE, 60.0)),
            VENDOR_THROTTLES,
        ),
        "429 without a hint": (
            Throttled(ThrottleReason.RATE),
            PollAnswer(throttled=Throttled(ThrottleReason.RATE)),
            VENDOR_THROTTLES,
        ),
        "502": (Ambiguous("502"), PollAnswer(problem="502"), VENDOR_UNAVAILABLE),
    }

    @pytest.mark.parametrize(
        ("sent", "name"),
        some_in(product((False, True), CASES), 2),
        ids=str,
    )
    def test_the_run_ends(self, world: World, site: Site, sent: bool, name: str) -> None:
        submitted, polled, code = self.CASES[name]
        answers = [None] * 3 if sent else []
        site.submit = lambda: answers.pop() if answers else submitted
        site.poll = lambda: polled
        site.find = lambda: Found(FoundState.PENDING, readable=False)
        run = opened(world, 12)
        started = world.clock.now()
        run = carried_by_sweeps(world, run.run_id)
        assert run.closed_at is not None
        assert run.closed_at - started <= DAY
        assert run.stop is not None
        assert run.stop.code == code
        assert run.error
        in_flight = UNKNOWN if sent or code == VENDOR_UNAVAILABLE else SKIPPED
        assert run.outcomes[in_flight] >= 2
        assert run.outcomes[SUCCEEDED] == 0
        assert world.problems(run.run_id) == []

    def test_it_is_told_since_when(self, world: World, site: Site) -> None:
        site.submit = lambda: Throttled(ThrottleReason.UNREACHABLE)
        run = opened(world, 4)
        began = world.clock.now()
        world.submit(lane_of(run))
        trouble = world.run(run.run_id).trouble
        assert trouble is not None
        assert (trouble.code, trouble.since) == (VENDOR_UNREACHABLE, began)

    @pytest.mark.parametrize("hours", [0.1, 1.2, 5.0])
    def test_an_outage_within_the_retention_leaves_nothing_unknown(
        self, world: World, site: Site, hours: float
    ) -> None:
        over_at = world.clock.now() + hours * 3_600.0

        def out() -> bool:
            return world.clock.now() < over_at

        answers = [None] * 3
        site.submit = lambda: answers.pop() if answers else Ambiguous("502") if out() else None
        site.poll = lambda: PollAnswer(problem="502") if out() else None
        site.find = lambda: Found(FoundState.PENDING, readable=False) if out() else None
        run = carried_by_sweeps(world, opened(world, 30).run_id)
        assert run.status is RunStatus.COMPLETED
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []

    @pytest.mark.parametrize("answers", [100, 300] if THOROUGH else [60])
    def test_submissions_that_fail_while_reads_work_fail_no_row(self, answers: int) -> None:
        with World(max_records=100, max_jobs=30) as world:
            site = Site(world)
            site.answers(*[Ambiguous("502")] * answers)
            run = carried_by_sweeps(world, opened(world, 3_000).run_id)
            assert run.status is RunStatus.COMPLETED
            assert set(world.account.times_applied.values()) == {1}
            assert world.problems(run.run_id) == []

    @pytest.mark.parametrize("hours", [1.5, 12.0])
    def test_credentials_that_are_mended_in_the_morning_leave_nothing_unknown(
        self, world: World, site: Site, hours: float
    ) -> None:
        """Nothing is sent any more after an hour; what is at the vendor is read all the same."""
        run = opened(world, 12)
        world.submit(lane_of(run))
        back_at = world.clock.now() + hours * 3_600.0
        unusable = Throttled(ThrottleReason.CREDENTIALS)

        def is_out() -> bool:
            return world.clock.now() < back_at

        site.submit = lambda: unusable if is_out() else None
        site.poll = lambda: PollAnswer(throttled=unusable) if is_out() else None
        run = carried_by_sweeps(world, run.run_id)
        assert run.status is RunStatus.ABORTED
        assert (run.outcomes[SUCCEEDED], run.outcomes[SKIPPED]) == (6, 6)
        assert run.outcomes[UNKNOWN] == 0
        assert world.problems(run.run_id) == []

    def test_the_file_is_deleted_under_way(self, world: World) -> None:
        run = opened(world, 12)
        world.submit(lane_of(run))
        world.objects.lose(run.source)
        started = world.clock.now()
        run = carried_by_sweeps(world, run.run_id)
        assert (run.status, run.stop.code if run.stop else "") == (
            RunStatus.ABORTED,
            SOURCE_MISSING,
        )
        assert run.closed_at is not None
        assert run.closed_at - started < 3_600.0
        assert run.outcomes[SUCCEEDED] == 6
        assert run.outcomes[SKIPPED] == 6
        assert world.problems(run.run_id) == []
        written = world.objects.get(f"results/{run.run_id}/succeeded.csv").decode("utf-8-sig")
        assert len(written.splitlines()) == 7

    @pytest.mark.parametrize("hours", [0.5, None])
    def test_the_file_may_not_be_read(self, world: World, hours: float | None) -> None:
        run = opened(world, 12)
        world.submit(lane_of(run))
        lasting = float("inf") if hours is None else hours * 3_600.0
        world.objects.denied[run.source.key] = world.clock.now() + lasting
        run = carried_by_sweeps(world, run.run_id)
        if hours is None:
            assert run.stop is not None
            assert run.stop.code == SOURCE_UNREADABLE
            assert run.outcomes[SKIPPED] == 6
        else:
            assert run.status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []

    @pytest.mark.parametrize("by_token", [True, False])
    def test_a_lost_submission_whose_file_may_not_be_read(self, by_token: bool) -> None:
        with World(max_records=2, token_search=by_token) as world:
            world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
            run = opened(world, 2)
            world.submit(lane_of(run))
            world.objects.denied[run.source.key] = float("inf")
            started = world.clock.now()
            run = carried_by_sweeps(world, run.run_id)
            assert run.closed_at is not None
            assert run.closed_at - started < 2.5 * 3_600.0
            # A token tells the job without the records; a list of jobs does not.
            assert world.statuses(run.run_id) == [SUCCEEDED if by_token else UNKNOWN] * 2
            assert run.stop is None if by_token else run.stop and run.stop.code == SOURCE_UNREADABLE
            assert world.problems(run.run_id) == []

    def test_a_run_whose_search_waits_for_its_file_says_so_until_it_can_be_read(self) -> None:
        with World(max_records=2, token_search=False) as world:
            world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
            run = opened(world, 2)
            state = world.submit(lane_of(run))
            world.objects.denied[run.source.key] = world.clock.now() + 600.0
            world.clock.advance(120.0)
            state = world.submit(state)
            assert world.run(run.run_id).troubles["source"].code == SOURCE_UNREADABLE
            world.clock.advance(600.0)
            world.submit(state)
            assert world.run(run.run_id).troubles == {}


class TestAccounts:
    def elsewhere(self, world: World) -> None:
        found = world.store.config.connection(CONNECTION)
        assert found is not None
        moved = Connection(found.name, found.vendor, "https://other.example", found.max_jobs)
        world.store.config.put_connection(moved)

    def back(self, world: World) -> None:
        found = world.store.config.connection(CONNECTION)
        assert found is not None
        moved = Connection(found.name, found.vendor, "https://acme.example", found.max_jobs)
        world.store.config.put_connection(moved)

    def test_a_connection_that_leads_elsewhere_pauses_the_run_until_it_is_back(
        self, world: World
    ) -> None:
        run = opened(world, 12)
        state = world.submit(lane_of(run))
        asked = len(world.account.polls)
        self.elsewhere(world)
        world.deps = world.fresh_deps()
        world.poll(state)
        execution = world.execution()
        execution.run(lambda: {"run_id": run.run_id, "state": "unusable"})
        paused = world.run(run.run_id)
        assert paused.pause is not None
        assert paused.pause.code == "connection_changed"
        assert paused.suspended
        assert len(world.account.polls) == asked
        assert len(world.account.submissions) == 3

        self.back(world)
        world.deps = world.fresh_deps()
        world.store.runs.resume(paused)
        execution.run(lambda: {"run_id": run.run_id, "state": "unusable"})
        assert world.run(run.run_id).status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []


def lane_of(run: Run) -> LaneState:
    return LaneState(run.run_id, 0)
