"""Jobs that are known: whose they are, when they ended, and what is read for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from jobferry.domain.chunk import Chunk, JobEnd
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.lane.claimed_jobs import LISTED, NOT_SEEN, ClaimedJobs, known_jobs, remember
from jobferry.lane.state import LaneState
from jobferry.store import keys
from jobferry.store.operations import Delete, Item, Update
from jobferry.vendors.lost_submission import JobsUnreadError
from virtual.table import FakeTable
from virtual.world import World, sample_csv


def searched(world: World) -> tuple[Run, Chunk]:
    """A run of one chunk that is sent, and what became of it is not known."""
    run = world.planned(sample_csv(1, start=900))
    state = LaneState(run.run_id, 0)
    pool = world.store.chunks.pool(run.run_id)
    planned = world.store.runs.planned_chunks(run.run_id, 1, 1)
    (chunk,) = world.store.chunks.claim(
        run, state.lane, list(planned), pool, world.clock.now(), max_jobs=30
    ) or [None]
    assert chunk is not None
    sent = world.store.chunks.begin_sending(chunk, "token", "digest", world.clock.now())
    assert sent is not None
    return run, sent


def seen_ended(
    world: World, run: Run, chunk: Chunk, *job_ids: str, deadline: float = NOT_SEEN
) -> dict[str, float]:
    return ClaimedJobs(run, world.deps).seen_ended(job_ids, chunk, deadline)


def set_chunk(world: World, chunk: Chunk, **fields: object) -> None:
    world.table.write(Update(keys.run(chunk.run_id), keys.chunk(chunk.number), assign=fields))


class TestWhoseAJobIs:
    def test_those_of_this_run_and_of_others_but_nobodys(self, world: World) -> None:
        other = world.processed(sample_csv(2, start=50))
        (ended,) = world.store.chunks.all(other.run_id)
        sent = world.planned(sample_csv(6))
        world.submit(LaneState(sent.run_id, 0))
        run, chunk = searched(world)
        mine = {str(c.job_id) for c in world.store.chunks.all(sent.run_id)}
        listed = [*mine, str(ended.job_id), "nobody's", "", "\ud800", "x" * 2_000]

        found = seen_ended(world, run, chunk, *listed)

        assert found == {str(ended.job_id): ended.finished_at, **dict.fromkeys(mine, NOT_SEEN)}

    def test_not_one_that_was_noted_for_the_very_chunk(self, world: World) -> None:
        run, chunk = searched(world)
        assert world.store.chunks.note_submitted(run.connection, chunk, "j", world.clock.now())
        (submitted,) = world.store.chunks.all(run.run_id)
        assert seen_ended(world, run, submitted, "j") == {"j": NOT_SEEN}
        # As if the function had died between the mark and the chunk.
        world.table.write(
            Update(
                keys.run(run.run_id),
                keys.chunk(1),
                assign={"state": "claimed"},
                remove=("job_id", "submitted_at"),
            )
        )
        assert seen_ended(world, run, chunk, "j") == {}

    def test_one_that_is_just_being_noted_is_another_chunks(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.planned(sample_csv(1))
        world.submit(LaneState(other.run_id, 0))
        (submitted,) = world.store.chunks.all(other.run_id)
        world.table.write(
            Update(
                keys.run(other.run_id),
                keys.chunk(1),
                assign={"state": "claimed"},
                remove=("job_id", "submitted_at"),
            )
        )
        assert seen_ended(world, run, chunk, str(submitted.job_id)) == {
            str(submitted.job_id): NOT_SEEN
        }

    def test_one_that_its_chunk_has_given_up_may_be_anybodys(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.processed(sample_csv(1))
        (settled,) = world.store.chunks.all(other.run_id)
        set_chunk(world, settled, job_id="a later one")
        assert seen_ended(world, run, chunk, str(settled.job_id)) == {}

    def test_one_of_a_run_that_is_deleted_is_another_chunks(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.processed(sample_csv(1))
        (settled,) = world.store.chunks.all(other.run_id)
        world.store.runs.delete(other, world.clock.now())
        found = seen_ended(world, run, chunk, str(settled.job_id))
        assert found == {str(settled.job_id): NOT_SEEN}

    def test_one_that_was_given_up_was_not_seen_ended(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.planned(sample_csv(2))
        world.submit(LaneState(other.run_id, 0))
        (sent,) = world.store.chunks.all(other.run_id)
        given_up = JobEnd(
            sent.number, verdict=(OutcomeStatus.UNKNOWN, "job_never_ended", "It runs.")
        )
        world.store.chunks.finish(other.connection, [sent], [given_up], world.clock.now())
        found = seen_ended(world, run, chunk, str(sent.job_id))
        assert found == {str(sent.job_id): NOT_SEEN}


class TestWhatItCosts:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        """Items that are asked for by key, and queries."""
        asked: list[object] = []
        get_many, query = FakeTable.get_many, FakeTable.query

        def counted(table: FakeTable, keys: Sequence[tuple[str, str]]) -> list[Item]:
            asked.extend(keys)
            return get_many(table, keys)

        def queried(table: FakeTable, pk: str, **kwargs: Any) -> Iterator[Item]:
            asked.append(pk)
            return query(table, pk, **kwargs)

        monkeypatch.setattr(FakeTable, "get_many", counted)
        monkeypatch.setattr(FakeTable, "query", queried)
        return asked

    def test_as_much_as_the_list_has_however_many_jobs_there_have_been(
        self, world: World, asked: list[object]
    ) -> None:
        run, chunk = searched(world)
        first = world.processed(sample_csv(2, start=50))
        (ended,) = world.store.chunks.all(first.run_id)

        def cost() -> int:
            asked.clear()
            assert len(seen_ended(world, run, chunk, str(ended.job_id), "nobody's")) == 1
            return len(asked)

        few = cost()
        world.processed(sample_csv(120, start=100))
        assert cost() == few == 3

    def test_what_is_settled_is_read_once(self, world: World, asked: list[object]) -> None:
        run, chunk = searched(world)
        other = world.processed(sample_csv(8))
        jobs = [str(c.job_id) for c in world.store.chunks.all(other.run_id)]
        known = ClaimedJobs(run, world.deps)
        first = known.seen_ended(jobs, chunk, NOT_SEEN)
        assert len(first) == 4
        asked.clear()
        assert known.seen_ended(jobs, chunk, NOT_SEEN) == first
        assert asked == []

    def test_what_may_still_change_is_read_again(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.planned(sample_csv(8))
        state = world.submit(LaneState(other.run_id, 0))
        jobs = [str(c.job_id) for c in world.store.chunks.all(other.run_id)]
        known = ClaimedJobs(run, world.deps)
        assert set(known.seen_ended(jobs, chunk, NOT_SEEN).values()) == {NOT_SEEN}
        world.clock.advance(60)
        world.settle(world.poll(state))
        again = known.seen_ended(jobs, chunk, NOT_SEEN)
        ended = {str(c.job_id): c.finished_at for c in world.store.chunks.get(other.run_id, [1, 2])}
        assert len(ended) == 2
        assert {job_id: again[job_id] for job_id in ended} == ended

    def test_so_many_are_kept_and_no_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobferry.lane.claimed_jobs.MOST_JOBS", 3)
        run, chunk = searched(world)
        other = world.processed(sample_csv(20))
        jobs = [str(c.job_id) for c in world.store.chunks.all(other.run_id)]
        known = ClaimedJobs(run, world.deps)
        assert len(known.seen_ended(jobs, chunk, NOT_SEEN)) == 10
        assert len(known._final) <= 3
        assert len(known.seen_ended(jobs, chunk, NOT_SEEN)) == 10

    def test_when_the_time_is_up_nothing_is_concluded(self, world: World) -> None:
        run, chunk = searched(world)
        jobs = ClaimedJobs(run, world.deps).beside(chunk, world.clock.now())
        with pytest.raises(JobsUnreadError):
            jobs.known(["j"])

    def test_a_warm_function_knows_what_it_has_read(self, world: World) -> None:
        run, chunk = searched(world)
        other = world.processed(sample_csv(4))
        jobs = [str(c.job_id) for c in world.store.chunks.all(other.run_id)]
        first = known_jobs(run, 0, world.deps)
        found = first.seen_ended(jobs, chunk, NOT_SEEN)
        remember(first, 0)
        again = known_jobs(run, 0, world.deps)
        assert again.seen_ended(jobs, chunk, world.clock.now()) == found
        # Nobody else has it meanwhile.
        with pytest.raises(JobsUnreadError):
            known_jobs(run, 0, world.deps).seen_ended(jobs, chunk, world.clock.now())


class TestWhetherAnyEnded:
    """A list that shows none of those that ended lately has forgotten some."""

    @staticmethod
    def any_ended(world: World, run: Run, chunk: Chunk, after: float = 1.0) -> bool:
        later = replace(chunk, sending_at=world.clock.now() + after)
        return ClaimedJobs(run, world.deps).beside(later).any_ended_before()

    def test_none_has_where_none_was_made(self, world: World) -> None:
        assert not self.any_ended(world, *searched(world))

    def test_one_of_another_run_of_the_hour_has(self, world: World) -> None:
        world.processed(sample_csv(2))
        run, chunk = searched(world)
        assert self.any_ended(world, run, chunk)
        assert not self.any_ended(world, run, chunk, LISTED + 1)

    def test_not_one_that_ended_after_the_submission(self, world: World) -> None:
        run, chunk = searched(world)
        world.clock.advance(5)
        world.processed(sample_csv(2))
        jobs = ClaimedJobs(run, world.deps).beside(chunk)
        assert not jobs.any_ended_before()

    def test_one_that_is_not_settled_yet_has(self, world: World) -> None:
        world.schedule_with(rows_settled_at_once=0)
        run, chunk = searched(world)
        other = world.planned(sample_csv(4))
        state = world.submit(LaneState(other.run_id, 0))
        assert not self.any_ended(world, run, chunk)
        world.clock.advance(60)
        world.poll(state)
        assert world.run(other.run_id).jobs_settled == 0
        assert self.any_ended(world, run, chunk)

    def test_of_a_run_with_too_many_jobs_to_look_at_it_is_taken_for_granted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = world.processed(sample_csv(8))
        run, chunk = searched(world)
        for settled in world.store.chunks.all(other.run_id):
            set_chunk(world, settled, finished_at=1.0)
        assert not self.any_ended(world, run, chunk)
        monkeypatch.setattr("jobferry.lane.claimed_jobs.WITNESSES", 4)
        assert self.any_ended(world, run, chunk)

    def test_a_run_that_the_index_does_not_show_yet_counts(self, world: World) -> None:
        world.table.hold_indexes()
        run, chunk = searched(world)
        world.table.write(Delete(keys.run("nobody"), keys.META))
        world.table.write(Update(keys.run(run.run_id), keys.META, assign={"jobs_settled": 1}))
        before = replace(chunk, number=2)
        set_chunk(world, chunk, evidence="e", finished_at=world.clock.now())
        assert self.any_ended(world, run, before)
