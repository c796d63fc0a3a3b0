"""Filling slots, one decision at a time: what is sent, what is kept, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import pytest

from jobferry.domain.chunk import Chunk, ChunkOutcome, ChunkState, JobEnd, Pool, RetryChunk, Span
from jobferry.domain.connection import OUTAGE_FROM, Connection, Demand
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.row_verdict import when_stopped
from jobferry.domain.run import Pause, Run, StopReason
from jobferry.domain.trouble import (
    POLL,
    SOURCE,
    SOURCE_MISSING,
    SUBMIT,
    VENDOR_THROTTLES,
    VENDOR_UNAVAILABLE,
    Trouble,
)
from jobferry.lane import feedback, loop
from jobferry.lane.offer import offered
from jobferry.lane.session import LaneSession, open_session
from jobferry.lane.state import LaneState
from jobferry.lane.submitter import release_ready, submit
from jobferry.scheduler import fair_share, policy
from jobferry.scheduler.completion import NO_CORRECTION, Correction
from jobferry.scheduler.others import NO_OTHERS, OthersJobs
from jobferry.scheduler.policy import Submit, Wait
from jobferry.scheduler.rate_limit import ACCOUNT
from jobferry.scheduler.settings import USUAL
from jobferry.scheduler.snapshot import NEVER
from jobferry.store.chunks import Chunks
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    JobReading,
    RateReading,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from virtual.vendor import UPSERT, VENDOR, Behaviour, FakeClient, Reply, Submission
from virtual.world import CONNECTION, World, sample_csv

ACTIVE = JobReading("job", JobPhase.ACTIVE, "working")
HALT = StopReason("aborted", "Stopped by ops.")
SLOTS, RATE = ThrottleReason.SLOTS, ThrottleReason.RATE
CLAIMED, PLANNED, SUBMITTED = ChunkState.CLAIMED, ChunkState.PLANNED, ChunkState.SUBMITTED


def work_of(world: World, run: Run, *, lane: int = 0, seconds: float = 70.0) -> LaneSession:
    """A lane taken up by a fresh invocation."""
    work = open_session(LaneState(run.run_id, lane), world.task_deps(), world.clock.now() + seconds)
    assert work is not None
    return work


def held(work: LaneSession) -> dict[int, Chunk]:
    """The chunks in hand, by number."""
    return {chunk.number: chunk for chunk in work.chunks.in_state(*ChunkState)}


def slots_refused(work: LaneSession) -> bool:
    """Whether no submission is tried before the next poll."""
    return work.pace.refused >= USUAL.refusals_before_poll


def fill_slots(work: LaneSession) -> None:
    """One round of a lane that polls nothing; `work.next_submit_at` says when the next would be."""
    poll_not_before, work.pace.poll_not_before = work.pace.poll_not_before, NEVER
    work.pace.pool = None
    work.read_limits()
    loop._follow_run(work)
    decision = loop.decide(work)
    if isinstance(decision, Submit):
        submit(work, decision)
        decision = loop.decide(work)
    if isinstance(decision, Wait) and decision.release:
        release_ready(work)
        decision = loop.decide(work)
    work.next_submit_at = decision.until if isinstance(decision, Wait) else NEVER
    if isinstance(decision, Submit):
        work.next_submit_at = work.deps.now()
    if work.pace.poll_not_before == NEVER:
        work.pace.poll_not_before = poll_not_before


def claim(world: World, run: Run, count: int, *, lane: int = 0) -> list[Chunk]:
    """Chunks in hand that nothing was sent of yet."""
    if not count:
        return []
    pool = world.store.chunks.pool(run.run_id)
    planned = world.store.runs.planned_chunks(run.run_id, pool.cursor, count)
    now = world.clock.now()
    claimed = world.store.chunks.claim(run, lane, planned, pool, now, max_jobs=99)
    assert claimed is not None
    return claimed


def lose(world: World, chunk: Chunk) -> Chunk:
    """A chunk in hand is sent now, and no clear answer comes."""
    now, chunks = world.clock.now(), world.store.chunks
    sent = chunks.begin_sending(chunk, f"token-{chunk.number}", "digest", now)
    assert sent is not None
    assert chunks.note_lost(sent, now)
    return sent


def taken_by_others(world: World, slots: int) -> None:
    """Other runs have so many jobs in flight."""
    item = world.store.limits.get(CONNECTION)
    world.store.limits.set_in_flight(CONNECTION, item.in_flight, item.in_flight + slots)


def make_again(world: World, run: Run, not_before: Sequence[float]) -> list[int]:
    """Chunks of retried rows from these moments on; returns their numbers."""
    numbers = []
    for moment in not_before:
        (chunk,) = claim(world, run, 1)
        job_end = JobEnd(chunk.number, verdict=(OutcomeStatus.FAILED, "busy", "Busy."))
        chunks, now = world.store.chunks, world.clock.now()
        chunks.finish(CONNECTION, [chunk], [job_end], now)
        (finished,) = chunks.get(run.run_id, [chunk.number])
        pool = chunks.pool(run.run_id)
        part = RetryChunk(chunk.spans, 1, False, moment, ("busy", "Busy."))
        assert chunks.split(run, [ChunkOutcome(finished, ())], [part], pool, now)
        numbers.append(run.plan.chunks + 1 + pool.made)
    return numbers


def sent(world: World) -> list[tuple[str, ...]]:
    return [submission.keys for submission in world.account.submissions]


def state_of(world: World, run: Run, number: int) -> ChunkState:
    return chunk_of(world, run, number).state


def chunk_of(world: World, run: Run, number: int) -> Chunk:
    (chunk,) = (chunk for chunk in world.chunks(run.run_id) if chunk.number == number)
    return chunk


def answers(world: World, *given: SubmitAnswer | Exception) -> None:
    """The next submissions get these answers from the adapter, whatever the account would say."""
    left = list(given)

    def submit(client: FakeClient, *args: Any) -> SubmitAnswer:
        if not left:
            return original(client, *args)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    original = FakeClient.submit
    world._cleanup.enter_context(mock.patch.object(FakeClient, "submit", submit))


@dataclass
class Estimated:
    """What is taken for ended, as a test says it."""

    jobs: int = 0
    due: float = NEVER
    asked: list[int] = field(default_factory=list)
    scarce_requests: bool = False

    max_jobs: int = 3
    correction: Correction = NO_CORRECTION
    others: OthersJobs = NO_OTHERS

    def after_acceptance(self, _at: float) -> Estimated:
        return self

    def after_refusal(self, _at: float, _held: int) -> Estimated:
        return self

    def at_least(self, _at: float, _proven: float) -> Estimated:
        return self

    def own(self, _moment: float) -> float:
        return float(self.jobs)

    def ended(self, _now: float, _patience: float) -> int:
        return self.jobs

    def when(self, wanted: int, _now: float, _patience: float) -> float:
        self.asked.append(wanted)
        return self.due

    def when_own(self, _wanted: float, now: float) -> float:
        return now


def estimate_complete(world: World, estimate: Estimated) -> None:
    patch = mock.patch.object(policy, "estimate_of", return_value=estimate)
    world._cleanup.enter_context(patch)


def gathered(work: LaneSession) -> list[tuple[int, int]]:
    """(chunks, senders) of each time that chunks are sent side by side."""
    seen: list[tuple[int, int]] = []
    plain = work.deps.parallel_map

    def parallel_map(each: Callable[[Any], Any], items: Sequence[Any], workers: int) -> list[Any]:
        seen.append((len(items), workers))
        return plain(each, items, 1)

    work.deps = replace(work.deps, parallel_map=parallel_map)
    return seen


class TestBlocked:
    """The vendor asked the connection to wait."""

    @pytest.mark.parametrize(
        ("claimed", "left", "troubled", "after_failure"),
        [
            (0, 0, False, False),
            (0, 0, True, True),
            (1, 0, False, True),
            (0, 2, False, True),
        ],
    )
    def test_it_keeps_a_run_that_has_something_to_send(
        self, world: World, *, claimed: int, left: int, troubled: bool, after_failure: bool
    ) -> None:
        run = world.planned(sample_csv(2 * (claimed + left or 1)))
        if not left and not claimed:
            lose(world, claim(world, run, 1)[0])
        claim(world, run, claimed)
        if troubled:
            world.store.runs.note_trouble(run, SUBMIT, "forbidden", "No.", world.clock.now())
        until = world.clock.now() + 100.0
        world.store.limits.block(CONNECTION, until)
        work = work_of(world, run)
        fill_slots(work)
        trouble = world.run(run.run_id).troubles.get(SUBMIT)
        assert (trouble is not None and trouble.code == VENDOR_THROTTLES) is after_failure
        assert work.next_submit_at == until
        assert sent(world) == []

    def test_a_paused_run_waits_for_nothing(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        claim(world, run, 1)
        world.store.runs.pause(run.run_id, Pause("ops", "Wait.", world.clock.now()))
        world.store.limits.block(CONNECTION, world.clock.now() + 100.0)
        work = work_of(world, run)
        fill_slots(work)
        assert world.run(run.run_id).troubles == {}
        assert (state_of(world, run, 1), work.left, held(work)) == (PLANNED, 0, {})


class TestPaused:
    def test_what_comes_back_is_not_for_this_lane(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        run = world.planned(sample_csv(4))
        lose(world, claim(world, run, 1)[0])
        world.clock.advance(300.0)
        world.store.runs.pause(run.run_id, Pause("ops", "Wait.", world.clock.now()))
        work = work_of(world, run)
        fill_slots(work)
        assert state_of(world, run, 1) is PLANNED
        assert (work.left, work.next_submit_at, sent(world)) == (0, NEVER, [])


class TestHeld:
    """The last submissions did not go well."""

    def test_nothing_is_sent_before_an_outage_is_tried(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        claim(world, run, 1)
        until = world.clock.now() + 40.0
        world.store.limits.hold_submissions(CONNECTION, until)
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.next_submit_at) == ([], until)
        assert (state_of(world, run, 1), held(work), work.left) == (PLANNED, {}, 3)

    def test_the_later_of_all_waits_counts(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        now = world.clock.now()
        world.store.limits.hold_submissions(CONNECTION, now + 40.0)
        world.store.limits.full(CONNECTION, now + 25.0)
        (lost,) = claim(world, run, 1)
        lose(world, lost)
        work = work_of(world, run)
        work.pace.search_not_before[lost.number] = now + 500.0
        fill_slots(work)
        assert work.next_submit_at == now + 40.0

    @pytest.mark.parametrize("where", [SUBMIT, SOURCE])
    def test_a_trouble_holds_until_its_next_try(self, world: World, where: str) -> None:
        run = world.planned(sample_csv(6))
        trouble = world.store.runs.note_trouble(run, where, "forbidden", "No.", world.clock.now())
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.next_submit_at) == ([], trouble.next_try)

    @pytest.mark.parametrize("code", [VENDOR_THROTTLES, VENDOR_UNAVAILABLE])
    def test_what_has_a_moment_of_its_own_holds_nothing(self, world: World, code: str) -> None:
        run = world.planned(sample_csv(6))
        world.store.runs.note_trouble(run, SUBMIT, code, "Later.", world.clock.now())
        fill_slots(work_of(world, run))
        assert len(sent(world)) == 3

    def test_full_slots_are_waited_for(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        until = world.clock.now() + 25.0
        world.store.limits.full(CONNECTION, until)
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.next_submit_at) == ([], until)

    def test_old_unread_jobs_come_first(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.account.latency = lambda _number: 100_000.0
        fill_slots(work_of(world, run))
        old = chunk_of(world, run, 1)
        world.clock.advance(world.vendor.capabilities.retention_seconds / 3)
        world.store.chunks.finish(
            CONNECTION, [chunk_of(world, run, 2)], [JobEnd(2, evidence="x")], world.clock.now()
        )
        work = work_of(world, run)
        work.ages.note_active(work.chunks[3], ACTIVE, world.clock.now())
        fill_slots(work)
        assert len(sent(world)) == 4, "a third of the time is just over, not more"
        world.clock.advance(1.0)
        world.store.chunks.finish(
            CONNECTION, [chunk_of(world, run, 4)], [JobEnd(4, evidence="x")], world.clock.now()
        )
        work = work_of(world, run)
        now = world.clock.now()
        assert old.number in work.chunks
        fill_slots(work)
        assert (len(sent(world)), work.next_submit_at) == (4, now + USUAL.stale_check_seconds)

    def test_one_old_job_beside_young_ones_is_enough(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        first, second = claim(world, run, 2)
        now = world.clock.now()
        for chunk, at in ((first, now - 50_000.0), (second, now)):
            begun = world.store.chunks.begin_sending(chunk, f"t{chunk.number}", "d", at)
            assert begun is not None
            world.store.chunks.note_submitted(CONNECTION, begun, f"job-{chunk.number}", at)
        world.clock.advance(5.0)
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.next_submit_at) == ([], now + 5.0 + USUAL.stale_check_seconds)


class TestCareful:
    """One goes alone where it is not sure that it goes well."""

    @pytest.mark.parametrize("cause", ["outage", SUBMIT, SOURCE])
    def test_in_doubt_only_one_is_sent(self, world: World, cause: str) -> None:
        run = world.planned(sample_csv(10))
        if cause == "outage":
            world.store.limits.note_unclear(CONNECTION, world.clock.now(), weight=OUTAGE_FROM)
        else:
            world.store.runs.note_trouble(run, cause, "forbidden", "No.", world.clock.now())
            world.clock.advance(25.0)
        work = work_of(world, run)
        seen = gathered(work)
        fill_slots(work)
        assert sent(world) == [("r1", "r2")]
        assert [items for items, _ in seen] == [0]

    @pytest.mark.parametrize(
        ("settled", "under_way", "side_by_side"),
        [(0, 0, 2), (1, 0, 3), (0, 1, 2), (1, 1, 2)],
    )
    def test_the_first_job_of_a_run_goes_alone(
        self, world: World, settled: int, under_way: int, side_by_side: int
    ) -> None:
        run = world.planned(sample_csv(12))
        if under_way:
            (chunk,) = claim(world, run, 1)
            now = world.clock.now()
            begun = world.store.chunks.begin_sending(chunk, "t", "d", now)
            assert begun is not None
            world.store.chunks.note_submitted(CONNECTION, begun, "job-x", now)
        work = work_of(world, run)
        work.run = replace(work.run, jobs_settled=settled)
        seen = gathered(work)
        fill_slots(work)
        assert [items for items, _ in seen] == [side_by_side]
        assert len(sent(world)) == 3 - under_way

    @pytest.mark.parametrize(("most", "senders"), [(10_000, 32), (150, 3), (40, 1)])
    def test_large_chunks_are_not_sent_side_by_side(
        self, world: World, most: int, senders: int
    ) -> None:
        body = sample_csv(4) + "a name that is far longer than the others of the file,r5\nx,r6\n"
        run = world.planned(body)
        work = work_of(world, run)
        seen = gathered(work)
        work.deps = replace(work.deps, scheduling=replace(USUAL, bytes_at_once=most))
        fill_slots(work)
        largest = max(chunk.source_bytes for chunk in held(work).values())
        assert 40 < largest <= 75
        assert seen == [(2, senders if senders != 3 else 150 // largest)]


class TestRoom:
    def test_at_the_deadline_nothing_is_claimed(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        work = work_of(world, run, seconds=0.0)
        before = world.store.chunks.pool(run.run_id)
        fill_slots(work)
        assert (sent(world), world.store.chunks.pool(run.run_id)) == ([], before)

    def test_slots_taken_for_free_are_tried(self, world: World) -> None:
        run = world.planned(sample_csv(20))
        fill_slots(work_of(world, run))
        estimate_complete(world, Estimated(2))
        fill_slots(work_of(world, run))
        assert len(sent(world)) == 5

    def test_no_more_requests_are_taken_than_are_sent(self, world: World) -> None:
        run = world.planned(sample_csv(20))
        taken_by_others(world, 2)
        work = work_of(world, run)
        fill_slots(work)
        assert (len(sent(world)), work.usage.uncounted) == (1, 1)
        fill_slots(work)
        assert (len(sent(world)), work.usage.uncounted) == (1, 1)

    def test_what_is_left_is_what_the_pool_says(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        work = work_of(world, run)
        fill_slots(work)
        assert work.left == 2
        work.left = 99
        fill_slots(work)
        assert work.left == 2

    @pytest.mark.parametrize("batch", [1, 2, 50])
    def test_claims_of_several_batches_fill_the_window_and_no_more(
        self, world: World, batch: int
    ) -> None:
        world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", 6))
        run = world.planned(sample_csv(20))
        world.store.limits.need(CONNECTION, Demand("other", "medium", 9), world.clock.now())
        world.schedule_with(claim_batch=batch)
        work = work_of(world, run)
        assert policy.window_of(work.snapshot(), world.clock.now()) == 3
        fill_slots(work)
        assert (len(sent(world)), work.left, work.usage.uncounted) == (3, 7, 3)

    def test_chunks_in_hand_count_for_the_window(self, world: World) -> None:
        world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", 6))
        run = world.planned(sample_csv(20))
        world.store.limits.need(CONNECTION, Demand("other", "medium", 9), world.clock.now())
        claim(world, run, 1)
        work = work_of(world, run)
        fill_slots(work)
        assert (len(sent(world)), work.usage.uncounted) == (3, 3)

    def test_a_slot_that_another_run_takes_meanwhile_is_done_without(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        original = Chunks.claim
        first = iter([1])

        def contended(chunks: Chunks, *args: Any, **options: Any) -> list[Chunk] | None:
            for slots in first:
                taken_by_others(world, slots)
            return original(chunks, *args, **options)

        with mock.patch.object(Chunks, "claim", contended):
            fill_slots(work_of(world, run))
        assert len(sent(world)) == 2

    def test_a_chunk_that_another_lane_takes_meanwhile_costs_no_slot(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        original = Chunks.claim
        first = iter([1])

        def contended(chunks: Chunks, *args: Any, **options: Any) -> list[Chunk] | None:
            for number in first:
                pool = chunks.pool(run.run_id)
                offered = world.store.runs.planned_chunks(run.run_id, number, 1)
                original(chunks, run, 1, offered, pool, world.clock.now(), max_jobs=None)
            return original(chunks, *args, **options)

        with mock.patch.object(Chunks, "claim", contended):
            fill_slots(work_of(world, run))
        assert sent(world) == [("r3", "r4"), ("r5", "r6"), ("r7", "r8")]

    def test_an_empty_pool_is_asked_for_nothing(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        original = Chunks.claim
        claims: list[int] = []

        def contended(chunks: Chunks, *args: Any, **options: Any) -> list[Chunk] | None:
            if not claims:
                pool = chunks.pool(run.run_id)
                offered = world.store.runs.planned_chunks(run.run_id, 1, 1)
                original(chunks, run, 1, offered, pool, world.clock.now(), max_jobs=None)
            claims.append(len(args[2]))
            return original(chunks, *args, **options)

        with mock.patch.object(Chunks, "claim", contended):
            fill_slots(work_of(world, run))
        assert (sent(world), claims) == ([("r3", "r4")], [2, 1])

    def test_nothing_is_left_where_another_lane_took_all(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        original = Chunks.claim

        def contended(chunks: Chunks, *args: Any, **options: Any) -> list[Chunk] | None:
            pool = chunks.pool(run.run_id)
            offered = world.store.runs.planned_chunks(run.run_id, 1, 2)
            original(chunks, run, 1, offered, pool, world.clock.now(), max_jobs=None)
            return original(chunks, *args, **options)

        work = work_of(world, run)
        with mock.patch.object(Chunks, "claim", contended):
            fill_slots(work)
        assert (sent(world), work.left) == ([], 0)

    def test_the_last_slots_are_filled_by_a_smaller_claim(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.schedule_with(claim_batch=2)
        fill_slots(work_of(world, run))
        assert len(sent(world)) == 3

    def test_a_trial_offers_no_chunk_beyond_it(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        work = work_of(world, run)
        pool = Pool(2, 2, frozenset(), frozenset({9}))
        assert offered(work, pool, 1) == []
        assert [c.number for c in offered(work, Pool(2, 4, frozenset()), 5)] == [2, 3]


class TestInHand:
    """Chunks that a lane holds and cannot send."""

    @pytest.mark.parametrize(
        ("others", "submitted", "lost", "jobs", "after"),
        [
            (1, 0, 0, 1, PLANNED),  # two lanes would wait for each other's slots
            (0, 0, 1, 1, CLAIMED),  # all slots are this lane's: one of them will be free
            (1, 1, 0, 2, CLAIMED),  # its own job ends, and then there is a slot
            (1, 0, 0, 2, SUBMITTED),  # there is room
        ],
    )
    def test_they_go_back_where_nothing_of_the_lane_frees_a_slot(
        self, world: World, others: int, submitted: int, lost: int, jobs: int, after: ChunkState
    ) -> None:
        run = world.planned(sample_csv(2 * (1 + submitted + lost)))
        now = world.clock.now()
        mine = claim(world, run, 1 + submitted + lost)
        for chunk in mine[1 : 1 + submitted]:
            begun = world.store.chunks.begin_sending(chunk, "t", "d", now)
            assert begun is not None
            world.store.chunks.note_submitted(CONNECTION, begun, "job-x", now)
        for chunk in mine[1 + submitted :]:
            lose(world, chunk)
        taken_by_others(world, others)
        world.store.limits.learn_jobs(CONNECTION, jobs, now)
        work = work_of(world, run)
        work.pace.search_not_before = dict.fromkeys(held(work), now + 900.0)
        fill_slots(work)
        assert state_of(world, run, 1) is after
        assert work.left == (after is PLANNED)
        if after is CLAIMED:
            assert work.next_submit_at == now + USUAL.others_slots_seconds


class TestRequests:
    def limited(self, world: World, per_minute: int) -> Run:
        world.store.config.put_connection(
            Connection(CONNECTION, VENDOR, "https://x", 30, per_minute)
        )
        return world.planned(sample_csv(100))

    def test_a_few_are_kept_for_looks(self, world: World) -> None:
        run = self.limited(world, 20)
        work = work_of(world, run)
        work.pace.answer_seconds = 0.0
        now = world.clock.now()
        fill_slots(work)
        assert len(sent(world)) == 19
        assert (work.pace.submit_not_before, work.next_submit_at) == (now + 61.0, now + 61.0)

    @pytest.mark.parametrize(("priority", "sent_now"), [("immediate", 20), ("high", 19)])
    def test_what_is_kept_is_for_the_most_urgent_run_too(
        self, world: World, priority: str, sent_now: int
    ) -> None:
        run = self.limited(world, 20)
        work = work_of(world, run)
        work.demands = [Demand(run.run_id, priority, 50), Demand("other", "high", 5)]
        with mock.patch.object(fair_share, "part", return_value=1.0):
            fill_slots(work)
        assert len(sent(world)) == sent_now

    def test_a_part_is_left_to_other_runs(self, world: World) -> None:
        run = self.limited(world, 20)
        world.store.limits.need(CONNECTION, Demand("other", "medium", 50), world.clock.now())
        work = work_of(world, run)
        now = world.clock.now()
        fill_slots(work)
        assert len(sent(world)) == 9
        assert (work.pace.submit_not_before, work.next_submit_at) == (
            now + USUAL.min_poll_interval,
            now + USUAL.min_poll_interval,
        )

    def test_they_count_when_the_last_one_leaves(self, world: World) -> None:
        run = self.limited(world, 20)
        work = work_of(world, run)
        work.pace.answer_seconds = 2.0
        now = world.clock.now()
        fill_slots(work)
        logs = world.store.limits.requests(CONNECTION).logs
        assert logs[ACCOUNT] == ((int(now + 38.0), 19),)


class TestNextTry:
    def test_the_first_search_of_all_lost_ones(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        now = world.clock.now()
        for chunk in claim(world, run, 2):
            lose(world, chunk)
        work = work_of(world, run)
        work.pace.search_not_before = {1: now + 40.0, 2: now + 90.0}
        fill_slots(work)
        assert work.next_submit_at == now + 40.0

    def test_a_refusal_is_tried_again_before_a_later_search(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        (lost,) = claim(world, run, 1)
        lose(world, lost)
        world.account.will_reply(Behaviour.REFUSE_RUN)
        work = work_of(world, run)
        work.pace.search_not_before = {lost.number: world.clock.now() + 500.0}
        fill_slots(work)
        assert work.next_submit_at == work.run.troubles[SUBMIT].next_try

    def test_after_a_wait_that_another_lane_was_told(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        now = world.clock.now()
        world.account.will_reply(Reply(Behaviour.THROTTLE, 60.0))
        world.account.during_submit = lambda _s: world.store.limits.block(CONNECTION, now + 500.0)
        work = work_of(world, run)
        fill_slots(work)
        assert work.next_submit_at == now + 500.0

    def test_full_without_a_wait_is_tried_again_a_moment_later(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        world.account.will_reply(Reply(Behaviour.TOO_MANY_JOBS, 0.0))
        work = work_of(world, run)
        fill_slots(work)
        assert work.next_submit_at == world.clock.now() + USUAL.min_poll_interval

    @pytest.mark.parametrize(("accepted", "wait"), [(0, USUAL.no_slot_wait), (1, NEVER)])
    def test_slots_that_were_refused_too_often(
        self, world: World, accepted: int, wait: float
    ) -> None:
        run = world.planned(sample_csv(20))
        taken_by_others(world, 3)
        estimate_complete(world, Estimated(1 + accepted))
        work = work_of(world, run)
        now = world.clock.now()
        work.pace.refused = 0 if accepted else USUAL.refusals_before_poll - 1
        answers(world, *[Accepted("job-1", RateReading(jobs_remaining=0))] * accepted)
        world.account.max_jobs = 0
        fill_slots(work)
        assert slots_refused(work)
        assert work.next_submit_at == now + wait

    def test_refused_slots_are_tried_again_where_no_job_tells_more(self, world: World) -> None:
        run = world.planned(sample_csv(10))
        work = work_of(world, run)
        work.pace.refused = USUAL.refusals_before_poll
        fill_slots(work)
        assert (len(sent(world)), slots_refused(work)) == (3, False)
        work.pace.refused = USUAL.refusals_before_poll
        world.store.limits.set_in_flight(CONNECTION, 3, 1)
        fill_slots(work)
        assert (len(sent(world)), slots_refused(work)) == (3, True)

    @pytest.mark.parametrize(
        ("others", "wanted", "due", "moment"),
        [
            (3, 1, 10.0, 10.0),
            (5, 3, 10.0, 10.0),
            (0, 1, 10.0, 10.0),
            (3, 1, 0.0, USUAL.min_poll_interval),
        ],
    )
    def test_when_a_slot_is_estimated_to_be_free(
        self, world: World, *, others: int, wanted: int, due: float, moment: float
    ) -> None:
        run = world.planned(sample_csv(20))
        taken_by_others(world, others)
        now = world.clock.now()
        estimate = Estimated(0, now + due)
        estimate_complete(world, estimate)
        work = work_of(world, run)
        if others == 0:
            fill_slots(work)
        fill_slots(work)
        assert estimate.asked[-1] == wanted
        expected = min(moment, USUAL.others_slots_seconds) if others else moment
        assert work.next_submit_at == now + expected

    def test_chunks_in_hand_hold_no_job(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        claim(world, run, 1)
        taken_by_others(world, 4)
        estimate = Estimated(0, NEVER)
        estimate_complete(world, estimate)
        work = work_of(world, run)
        work.chunks.keep(
            [
                replace(
                    work.chunks[1],
                    number=9,
                    state=SUBMITTED,
                    job_id="j",
                    submitted_at=world.clock.now(),
                )
            ]
        )
        fill_slots(work)
        assert set(estimate.asked) == {5 - 1 - 3 + 1}
        assert (work.left, work.next_submit_at) == (
            0,
            world.clock.now() + USUAL.others_slots_seconds,
        )

    @pytest.mark.parametrize(("need", "wait"), [(0, USUAL.others_slots_seconds), (99, NEVER)])
    def test_a_run_without_a_share_waits_for_others(
        self, world: World, need: int, wait: float
    ) -> None:
        run = world.planned(sample_csv(20))
        taken_by_others(world, 3)
        work = work_of(world, run)
        if need:
            others = [Demand(f"a{i}", "immediate", need) for i in range(3)]
            work.demands = [Demand(run.run_id, "low", 9), *others]
        now = world.clock.now()
        fill_slots(work)
        assert work.next_submit_at == now + wait

    def test_a_full_window_waits_for_its_own_jobs(self, world: World) -> None:
        run = world.planned(sample_csv(20))
        work = work_of(world, run)
        fill_slots(work)
        fill_slots(work)
        assert work.next_submit_at == NEVER

    def test_a_moment_that_is_known_is_not_tried_before(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        now = world.clock.now()
        make_again(world, run, [now + 30.0])
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.next_submit_at) == ([], now + 30.0)


class TestAgain:
    """Rows that are tried again, from a moment on."""

    def test_they_go_from_their_moment_on(self, world: World) -> None:
        run = world.planned(sample_csv(8))
        now = world.clock.now()
        first, _, _, _ = make_again(world, run, [now, now + 90.0, now + 30.0, now + 60.0])
        work = work_of(world, run)
        fill_slots(work)
        assert (sent(world), work.usage.uncounted, work.left) == ([("r1", "r2")], 1, 3)
        assert state_of(world, run, first) is SUBMITTED
        assert work.next_submit_at == now + 30.0
        world.clock.advance(30.0)
        fill_slots(work)
        assert sent(world) == [("r1", "r2"), ("r5", "r6")]

    def test_those_not_read_yet_are_no_moment_to_wait_for(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        now = world.clock.now()
        make_again(world, run, [now, now])
        world.schedule_with(claim_batch=1)
        work = work_of(world, run)
        fill_slots(work)
        assert sent(world)[:1] == [("r1", "r2")]
        fill_slots(work)
        assert sent(world) == [("r1", "r2"), ("r3", "r4")]

    def test_those_of_a_stopped_run_are_skipped_at_once(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        numbers = make_again(world, run, [world.clock.now() + 90.0] * 2)
        world.store.runs.stop(run.run_id, HALT)
        work = work_of(world, run)
        fill_slots(work)
        found = world.store.chunks.get(run.run_id, numbers)
        assert [(c.state, c.verdict) for c in found] == [
            (ChunkState.FINISHED, (OutcomeStatus.FAILED, "busy", "Busy."))
        ] * 2
        assert (work.left, work.next_submit_at) == (0, NEVER)


class TestStopped:
    def test_a_part_of_the_rows_is_skipped_at_a_time(self, world: World) -> None:
        run = world.planned(sample_csv(12))
        world.store.runs.stop(run.run_id, HALT)
        world.schedule_with(skipped_per_iteration=4, claim_batch=2)
        work = work_of(world, run)
        now = world.clock.now()
        fill_slots(work)
        assert (len(work.to_settle), work.left > 0, work.next_submit_at) == (4, True, now)

    def test_a_claim_that_another_lane_was_faster_with_is_made_again(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        world.store.runs.stop(run.run_id, HALT)
        original, refused = Chunks.claim, iter([None])
        with mock.patch.object(
            Chunks,
            "claim",
            lambda *args, **options: next(refused, 1) and original(*args, **options),
        ):
            work = work_of(world, run)
            fill_slots(work)
        assert [c.number for c in work.to_settle] == [1, 2]

    @pytest.mark.parametrize(
        ("maybe_applied", "last", "attempt", "verdict"),
        [
            (False, None, 0, (OutcomeStatus.SKIPPED, "aborted", "Stopped by ops.")),
            (False, None, 1, (OutcomeStatus.SKIPPED, "aborted", "Stopped by ops.")),
            (False, ("busy", "Busy."), 0, (OutcomeStatus.SKIPPED, "aborted", "Stopped by ops.")),
            (False, ("busy", "Busy."), 1, (OutcomeStatus.FAILED, "busy", "Busy.")),
            (
                True,
                ("busy", "Busy."),
                1,
                (
                    OutcomeStatus.UNKNOWN,
                    "aborted",
                    "Sent before without a clear answer, then the run was stopped: Stopped by ops.",
                ),
            ),
        ],
    )
    def test_what_a_chunk_is_that_is_sent_no_more(
        self,
        maybe_applied: bool,
        last: tuple[str, str] | None,
        attempt: int,
        verdict: tuple[OutcomeStatus, str, str],
    ) -> None:
        chunk = Chunk("run", 1, 0, CLAIMED, (Span(0, 9, 1, 1),), attempt=attempt, last=last)
        assert when_stopped(replace(chunk, maybe_applied=maybe_applied), HALT) == verdict


class TestSending:
    def test_a_chunk_counts_as_sent_while_its_request_is_under_way(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        work = work_of(world, run)
        seen: list[list[int]] = []

        def look(_submission: Submission) -> None:
            seen.append([c.number for c in work.chunks.lost])

        world.account.during_submit = look
        fill_slots(work)
        assert seen == [[1], [2], [3]]

    def test_a_file_that_cannot_be_read_ends_the_round(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        work = work_of(world, run, seconds=900.0)
        world.objects.denied[run.source.key] = world.clock.now() + 100.0
        fill_slots(work)
        assert sent(world) == []
        assert [state_of(world, run, n) for n in (1, 2, 3)] == [PLANNED] * 3
        assert (work.left, work.throttled.is_set()) == (3, True)
        trouble = world.run(run.run_id).troubles[SOURCE]
        assert trouble.times == 1
        world.clock.advance(200.0)
        fill_slots(work)
        assert len(sent(world)) == 1
        assert world.run(run.run_id).troubles == {}

    def test_the_round_ends_with_the_first_that_cannot_be_read(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        work = work_of(world, run)
        reads: list[int] = []
        plain = work.context.read

        def read(offset: int, length: int) -> bytes:
            reads.append(offset)
            return plain(offset, length)

        work.context = replace(work.context, read=read)
        world.objects.denied[run.source.key] = world.clock.now() + 100.0
        fill_slots(work)
        assert len(reads) == 1

    def test_a_chunk_that_somebody_else_has_is_theirs(self, list_world: World) -> None:
        run = list_world.planned(sample_csv(2))
        work = work_of(list_world, run)

        def taken(chunks: Chunks, chunk: Chunk, *_args: Any) -> None:
            chunks.release(CONNECTION, chunk)

        with mock.patch.object(Chunks, "begin_sending", taken):
            fill_slots(work)
        assert (sent(list_world), held(work)) == ([], {})

    @pytest.mark.parametrize("moved", [False, True])
    def test_an_intent_that_took_long_is_taken_back(self, list_world: World, moved: bool) -> None:
        run = list_world.planned(sample_csv(2))
        work = work_of(list_world, run)
        original = Chunks.begin_sending

        def slow(chunks: Chunks, chunk: Chunk, *args: Any) -> Chunk | None:
            begun = original(chunks, chunk, *args)
            list_world.clock.advance(USUAL.intent_seconds + 0.5)
            if moved and begun is not None:
                chunks.release(CONNECTION, begun)
            return begun

        with mock.patch.object(Chunks, "begin_sending", slow):
            fill_slots(work)
        assert sent(list_world) == []
        if moved:
            assert held(work) == {}
        else:
            assert [(c.number, c.attempt, c.sending_at) for c in work.chunks.ready] == [
                (1, 0, None)
            ]
            list_world.clock.advance(USUAL.min_poll_interval)
            fill_slots(work)
            assert len(sent(list_world)) == 1

    @pytest.mark.parametrize(("seconds", "before"), [(1.0, 0.5), (4.5, 2.0)])
    def test_a_job_began_while_its_answer_was_on_its_way(
        self, world: World, seconds: float, before: float
    ) -> None:
        run = world.planned(sample_csv(2))
        world.account.request_seconds = seconds
        work = work_of(world, run)
        fill_slots(work)
        assert work.chunks[1].submitted_at == world.clock.now() - before
        assert chunk_of(world, run, 1).submitted_at == world.clock.now() - before
        assert work.pace.answer_seconds == pytest.approx(0.3 + 0.2 * (seconds - 0.3))

    def test_an_acceptance_ends_what_was_in_the_way(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        world.store.runs.note_trouble(run, SUBMIT, VENDOR_THROTTLES, "Later.", world.clock.now())
        work = work_of(world, run)
        work.pace.refused = 2
        answers(world, Accepted("job-1", RateReading(requests_limit=77, jobs_remaining=1)))
        fill_slots(work)
        assert world.run(run.run_id).troubles == {}
        assert (work.pace.refused, slots_refused(work)) == (0, False)
        assert world.store.limits.requests(CONNECTION).advertised == 77

    @pytest.mark.parametrize(("remaining", "refused"), [(0, True), (1, False), (None, False)])
    def test_no_slot_left_is_applied(
        self, world: World, *, remaining: int | None, refused: bool
    ) -> None:
        run = world.planned(sample_csv(2))
        work = work_of(world, run)
        answers(world, Accepted("job-1", RateReading(jobs_remaining=remaining)))
        fill_slots(work)
        assert slots_refused(work) is refused

    def test_a_job_of_another_chunk_is_none(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        work = work_of(world, run)
        answers(world, Accepted("job-1"), Accepted("job-1"))
        fill_slots(work)
        assert [c.number for c in work.chunks.lost] == [2]
        assert [c.number for c in work.chunks.submitted.values()] == [1]

    def test_a_job_of_a_chunk_that_somebody_else_has_is_not_kept(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        work = work_of(world, run)

        def taken(_submission: Submission) -> None:
            world.store.chunks.release(CONNECTION, chunk_of(world, run, 1))

        world.account.during_submit = taken
        fill_slots(work)
        assert held(work) == {}

    @pytest.mark.parametrize("answer", [ValueError("?"), Accepted("")])
    def test_an_unusable_answer_is_none(
        self, world: World, answer: SubmitAnswer | Exception
    ) -> None:
        run = world.planned(sample_csv(2))
        work = work_of(world, run)
        answers(world, answer)
        fill_slots(work)
        chunk = chunk_of(world, run, 1)
        assert (chunk.lost_at, chunk.lost_times) == (world.clock.now(), 1)
        assert (work.chunks[1].lost_at, work.chunks[1].lost_times) == (world.clock.now(), 1)


class TestOutage:
    @pytest.mark.parametrize(
        ("answer", "over"),
        [
            (Accepted("job-1"), True),
            (Refused("bad", "No.", http_status=422), True),
            (Refused("forbidden", "No.", RefusalScope.RUN, 403), True),
            (Throttled(RATE, 30.0), True),
            (Throttled(SLOTS, 30.0), True),
            (Throttled(ThrottleReason.UNREACHABLE), False),
            (Ambiguous("reset"), False),
        ],
    )
    def test_a_clear_answer_ends_it(
        self, world: World, *, answer: SubmitAnswer, over: bool
    ) -> None:
        run = world.planned(sample_csv(2))
        limits, now = world.store.limits, world.clock.now()
        limits.note_unclear(CONNECTION, now - 50.0, weight=2)
        limits.hold_submissions(CONNECTION, now - 1.0)
        work = work_of(world, run)
        answers(world, answer)
        fill_slots(work)
        after = limits.get(CONNECTION)
        assert (after.unclear == 0) is over
        if over:
            assert (work.limits.unclear, after.outage_until) == (0, 0.0)

    def test_it_is_noted_where_it_ended(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        now = world.clock.now()
        world.store.limits.note_unclear(CONNECTION, now - 50.0, weight=OUTAGE_FROM)
        world.store.limits.hold_submissions(CONNECTION, now - 1.0)
        work = work_of(world, run)
        seen: list[tuple[int, float]] = []
        apply = feedback.apply_advertised_limits

        def look(session: LaneSession, read: RateReading) -> None:
            seen.append((session.limits.unclear, session.limits.outage_until))
            apply(session, read)

        answers(world, Accepted("job-1", RateReading(requests_limit=77)))
        with mock.patch.object(feedback, "apply_advertised_limits", look):
            fill_slots(work)
        assert seen == [(0, 0.0)]
        assert world.store.limits.get(CONNECTION).outages == ((now - 50.0, now),)

    @pytest.mark.parametrize(("retry_after", "requests"), [(None, OUTAGE_FROM), (90.0, 1)])
    def test_it_begins_after_several_or_when_the_vendor_says_so(
        self, world: World, retry_after: float | None, requests: int
    ) -> None:
        world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", 10))
        run = world.planned(sample_csv(20))
        now = world.clock.now()
        world.account.will_reply(*[Reply(Behaviour.NEVER_ARRIVED, retry_after)] * 10)
        work = work_of(world, run)
        fill_slots(work)
        limits = world.store.limits.get(CONNECTION)
        assert (len(sent(world)), limits.in_outage) == (requests, True)
        assert limits.outage_until == now + USUAL.outage_wait
        assert world.run(run.run_id).troubles[SUBMIT].code == VENDOR_UNAVAILABLE
        assert world.store.limits.lost(CONNECTION, run.operation) == {"2": requests}
        assert (work.left, len(work.chunks.lost)) == (10 - requests, requests)


class TestRefused:
    def test_an_account_keeps_its_chunk_for_the_next_try(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        world.account.will_reply(Behaviour.REFUSE_RUN)
        work = work_of(world, run)
        fill_slots(work)
        chunk = chunk_of(world, run, 1)
        assert (chunk.state, chunk.attempt) == (PLANNED, 0)
        assert (held(work), work.left) == ({}, 1)

    @pytest.mark.parametrize(
        ("answer", "rows", "bisect", "troubled"),
        [
            (Refused("bad", "No.", http_status=422), 2, True, False),
            (Refused("bad", "No.", http_status=422), 1, False, False),
            (Refused("bad", "No.", http_status=409), 2, True, False),
            (Refused("bad", "No."), 2, True, False),
            (Refused("bad", "No.", http_status=405), 2, False, False),
            (Refused("bad", "No.", RefusalScope.RUN, 422), 2, False, True),
        ],
    )
    def test_one_row_may_be_to_blame(
        self, world: World, *, answer: Refused, rows: int, bisect: bool, troubled: bool
    ) -> None:
        run = world.planned(sample_csv(rows))
        now = world.clock.now()
        work = work_of(world, run)
        trouble = Trouble(VENDOR_THROTTLES, "Later.", now - 100.0, now - 50.0, 5)
        if troubled:
            trouble = replace(trouble, code="bad")
        work.run = replace(work.run, troubles={SUBMIT: trouble})
        answers(world, answer)
        fill_slots(work)
        chunk = chunk_of(world, run, 1)
        assert (chunk.state, chunk.bisect) == (ChunkState.FINISHED, bisect)
        assert chunk.verdict == (OutcomeStatus.FAILED, "bad", "No.")
        assert (SUBMIT in work.run.troubles) is troubled
        assert (work.run.stop is not None) is troubled


class TestTooMany:
    """The vendor says that there are too many jobs, or requests."""

    @pytest.mark.parametrize(
        ("reason", "retry_after", "others", "kept", "learned", "costs"),
        [
            (SLOTS, None, 3, True, None, False),  # a moment too early
            (SLOTS, 60.0, 3, False, None, True),  # too early, and it costs
            (SLOTS, 60.0, 2, False, 2, False),  # there are fewer slots than we thought
            (SLOTS, None, 0, False, 1, False),
            (RATE, None, 3, False, None, False),
            (RATE, 60.0, 3, False, None, False),
            (RATE, 60.0, 0, False, None, False),
        ],
    )
    def test_what_it_teaches(
        self,
        list_world: World,
        *,
        reason: ThrottleReason,
        retry_after: float | None,
        others: int,
        kept: bool,
        learned: int | None,
        costs: bool,
    ) -> None:
        run = list_world.planned(sample_csv(2))
        taken_by_others(list_world, others)
        if others == 3:
            estimate_complete(list_world, Estimated(1))
        work = work_of(list_world, run)
        answers(list_world, Throttled(reason, retry_after))
        fill_slots(work)
        limits = list_world.store.limits.get(CONNECTION)
        assert (limits.learned_jobs and limits.learned_jobs.value) == learned
        assert (limits.over_limit_penalised, work.pace.refused) == (costs, int(kept))
        chunk = chunk_of(list_world, run, 1)
        assert (chunk.state, chunk.attempt) == (CLAIMED if kept else PLANNED, 0)
        assert (len(work.chunks.ready), work.left) == ((1, 0) if kept else (0, 1))

    def test_slots_that_are_not_there_are_counted_without_what_was_not_sent(
        self, world: World
    ) -> None:
        run = world.planned(sample_csv(6))
        world.account.will_reply(Behaviour.ACCEPT, Reply(Behaviour.TOO_MANY_JOBS, 60.0))
        fill_slots(work_of(world, run))
        learned = world.store.limits.get(CONNECTION).learned_jobs
        assert learned is not None
        assert learned.value == 1


class TestResolving:
    """Submissions whose answer was lost."""

    def lost(self, world: World, rows: int = 2) -> tuple[Run, LaneSession]:
        run = world.planned(sample_csv(rows))
        for chunk in claim(world, run, rows // 2):
            lose(world, chunk)
        return run, work_of(world, run)

    def test_a_search_that_the_vendor_refuses_ends_the_round(self, world: World) -> None:
        run, work = self.lost(world, 4)
        now = world.clock.now()
        world.account.will_find(Found(FoundState.PENDING, throttled=Throttled(RATE, 45.0)))
        fill_slots(work)
        assert len(world.account.searches) == 1
        assert work.next_submit_at == now + 45.0
        assert world.store.limits.get(CONNECTION).retry_after_until == now + 45.0
        assert world.run(run.run_id).troubles[POLL].code == VENDOR_THROTTLES
        assert chunk_of(world, run, 2).searched_at is None

    def test_after_the_deadline_none_is_searched(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        for chunk in claim(world, run, 2):
            lose(world, chunk)
        fill_slots(work_of(world, run, seconds=0.0))
        assert world.account.searches == []

    def test_the_next_search_waits_as_the_last_one_said(self, world: World) -> None:
        _, work = self.lost(world)
        now = world.clock.now()
        world.account.will_find(Found(FoundState.PENDING))
        fill_slots(work)
        assert work.pace.search_not_before[1] > now
        work.chunks.keep([replace(work.chunks[1], searched_at=None)])
        fill_slots(work)
        assert len(world.account.searches) == 1

    @pytest.mark.parametrize(
        ("found", "before", "after"),
        [
            (Found(FoundState.PENDING, readable=False), None, VENDOR_UNAVAILABLE),
            (Found(FoundState.PENDING, readable=True), "forbidden", None),
        ],
    )
    def test_whether_the_vendor_can_be_read_is_noted(
        self, world: World, found: Found, before: str | None, after: str | None
    ) -> None:
        run, work = self.lost(world)
        if before is not None:
            world.store.runs.note_trouble(run, POLL, before, "No.", world.clock.now())
            work = work_of(world, run)
        world.account.will_find(found)
        fill_slots(work)
        trouble = world.run(run.run_id).troubles.get(POLL)
        assert (trouble and trouble.code) == after

    def test_what_goes_again_is_sent_by_the_same_round(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        _, work = self.lost(world)
        world.clock.advance(60.0)
        fill_slots(work)
        assert (sent(world), work.left) == ([("r1", "r2")], 0)

    def test_what_comes_back_is_left_to_be_sent(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        run, work = self.lost(world)
        world.clock.advance(60.0)
        world.store.limits.full(CONNECTION, world.clock.now() + 25.0)
        fill_slots(work)
        assert (state_of(world, run, 1), work.left, held(work)) == (PLANNED, 1, {})

    @pytest.mark.parametrize(
        ("halted", "where", "times", "given_up"),
        [
            (True, POLL, 5, True),
            (True, SOURCE, 5, True),
            (True, SOURCE, 1, False),
            (False, SOURCE, 5, False),
            (False, POLL, 5, False),
            (True, None, 0, False),
        ],
    )
    def test_those_of_a_stopped_run_are_given_up_when_nobody_can_ask(
        self, world: World, *, halted: bool, where: str | None, times: int, given_up: bool
    ) -> None:
        run, work = self.lost(world)
        now = world.clock.now()
        if halted:
            world.store.runs.stop(run.run_id, HALT)
            work = work_of(world, run)
        if where is not None:
            code = SOURCE_MISSING if where == SOURCE else "forbidden"
            trouble = Trouble(code, "It is gone.", now - 2_000.0, now, times)
            work.run = replace(work.run, troubles={where: trouble})
        world.account.will_find(Found(FoundState.PENDING))
        fill_slots(work)
        chunk = chunk_of(world, run, 1)
        if given_up:
            assert chunk.verdict is not None
            status, error, text = chunk.verdict
            assert (status, error) == (OutcomeStatus.UNKNOWN, "submission_lost")
            assert text.endswith("It is gone.")
            assert [c.number for c in work.to_settle] == [1]
        assert (len(world.account.searches) == 0) is given_up
        assert (chunk.state is ChunkState.FINISHED) is given_up
