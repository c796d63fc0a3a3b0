"""Jobs that are known: whose they are, when they ended, and what is read for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobferry.domain.chunk import Chunk, ChunkState, JobEnd
from jobferry.domain.outcome import OutcomeStatus
from jobferry.lane.claimed_jobs import NOT_SEEN, RECENT_SECONDS, ClaimedJobs, known_jobs, remember
from jobferry.lane.state import LaneState
from jobferry.store.chunks import Chunks
from virtual.world import World, sample_csv


def test_those_of_this_run_and_of_others(world: World) -> None:
    other = world.processed(sample_csv(2, start=50))
    run = world.planned(sample_csv(6))
    world.submit(LaneState(run.run_id, 0))

    known = ClaimedJobs(run, world.deps).read()

    mine = {c.job_id for c in world.store.chunks.all(run.run_id)}
    (ended,) = world.store.chunks.all(other.run_id)
    assert known == {str(ended.job_id): ended.finished_at, **dict.fromkeys(mine, NOT_SEEN)}


def test_not_those_of_runs_that_are_long_over(world: World) -> None:
    world.processed(sample_csv(2, start=50))
    world.clock.advance(RECENT_SECONDS + 1)
    run = world.planned(sample_csv(2))

    assert ClaimedJobs(run, world.deps).read() == {}


def test_what_is_settled_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = world.processed(sample_csv(8))
    known = ClaimedJobs(run, world.deps)
    first = dict(known.read() or {})
    read: list[Chunk] = []
    every = Chunks.all

    def watched(chunks: Chunks, run_id: str, first: int = 1) -> Iterator[Chunk]:
        for chunk in every(chunks, run_id, first):
            read.append(chunk)
            yield chunk

    monkeypatch.setattr(Chunks, "all", watched)

    assert known.read() == first
    assert len(first) == 4
    assert read == []


class TestSlowTable:
    """A table of which only so much can be read in time."""

    @pytest.fixture(autouse=True)
    def slow(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        every = Chunks.all

        def slowly(chunks: Chunks, run_id: str, first: int = 1) -> Iterator[Chunk]:
            for chunk in every(chunks, run_id, first):
                world.clock.advance(1)
                yield chunk

        monkeypatch.setattr(Chunks, "all", slowly)

    def test_what_is_not_read_in_time_is_read_on(self, world: World) -> None:
        run = world.processed(sample_csv(20))
        known = ClaimedJobs(run, world.deps)

        readings = [known.read(world.clock.now() + 4.5) for _ in range(3)]

        assert readings[:2] == [None, None]
        assert readings[2] == {
            str(c.job_id): c.finished_at for c in world.store.chunks.all(run.run_id)
        }

    def test_what_has_changed_meanwhile_is_not_missed(self, world: World) -> None:
        run = world.planned(sample_csv(6))
        planned = world.submit(LaneState(run.run_id, 0))
        first, *_ = world.store.chunks.all(run.run_id)
        known = ClaimedJobs(run, world.deps)
        assert known.read(world.clock.now() + 2.5) is None
        world.clock.advance(60)
        world.settle(world.poll(planned))

        jobs = known.read()

        assert jobs is not None
        assert jobs[str(first.job_id)] != NOT_SEEN


def test_a_warm_function_reads_on_where_it_stopped(world: World) -> None:
    run = world.processed(sample_csv(4))
    first = known_jobs(run, 0, world.deps)
    first.read()
    remember(first, 0)

    again = known_jobs(run, 0, world.deps)

    assert again.read(world.clock.now() + 1) == first.read()
    # Nobody else has it meanwhile.
    assert known_jobs(run, 0, world.deps).read(world.clock.now() - 1) is None


def test_too_many_to_remember_are_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = world.processed(sample_csv(8))
    monkeypatch.setattr("jobferry.lane.claimed_jobs.MOST_JOBS", 3)

    assert ClaimedJobs(run, world.deps).read() is None


def test_what_may_still_change_is_read_again(world: World) -> None:
    run = world.planned(sample_csv(8))
    known = ClaimedJobs(run, world.deps)
    state = world.submit(LaneState(run.run_id, 0))
    assert set((known.read() or {}).values()) == {NOT_SEEN}
    world.clock.advance(60)
    world.settle(world.poll(state))

    again = known.read()

    for chunk in world.store.chunks.all(run.run_id):
        expected = NOT_SEEN if chunk.state is ChunkState.SUBMITTED else chunk.finished_at
        assert again[str(chunk.job_id)] == expected


def test_a_job_that_was_given_up_was_not_seen_ended(world: World) -> None:
    run = world.planned(sample_csv(2))
    world.submit(LaneState(run.run_id, 0))
    (chunk,) = world.store.chunks.all(run.run_id)
    given_up = JobEnd(chunk.number, verdict=(OutcomeStatus.UNKNOWN, "job_never_ended", "It runs."))
    world.store.chunks.finish(run.connection, [chunk], [given_up], world.clock.now())

    assert ClaimedJobs(run, world.deps).read() == {str(chunk.job_id): NOT_SEEN}
