"""Course: what a run's chunks tell of it, however many there are."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.domain.chunk import Chunk, ChunkState, Span
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import PlanState, Run
from jobferry.lane.state import LaneState
from jobferry.reporting.html import TimelinePoint
from jobferry.reporting.timeline import MOST_MOMENTS, Timeline
from tests.unit.store.samples import RUN, a_run
from virtual.world import World, sample_csv

START = a_run().started_at


def chunk(number: int, **moments: object) -> Chunk:
    spans = (Span(0, 1, number, 10),)
    return Chunk(RUN, number, 0, ChunkState.SETTLED, spans, settled_rows=10, **moments)  # type: ignore[arg-type]


def planned(chunks: int, rows: int) -> Run:
    """A run of which every row has its outcome."""
    return replace(
        a_run(planned_at=START + 1),
        plan=PlanState(chunks=chunks, row=rows),
        outcomes={OutcomeStatus.SUCCEEDED: rows},
    )


def test_a_timeline_has_a_point_per_change() -> None:
    chunks = [
        chunk(1, submitted_at=START + 2, finished_at=START + 5, settled_at=START + 6),
        chunk(2, submitted_at=START + 3, finished_at=START + 4, settled_at=START + 7),
        chunk(3, finished_at=START + 1, settled_at=START + 8),
    ]
    points = Timeline.of(planned(3, 34), chunks).timeline()
    assert [(p.seconds, p.rows_settled, p.jobs_in_flight) for p in points] == [
        (0, 0, 0),
        (1, 4, 0),
        (2, 4, 1),
        (3, 4, 2),
        (4, 4, 1),
        (5, 4, 0),
        (6, 14, 0),
        (7, 24, 0),
        (8, 34, 0),
    ]


def test_jobs_are_counted_by_what_became_of_them() -> None:
    chunks = [chunk(1, job_id="a", finished_at=1.0), chunk(2, job_id="b"), chunk(3)]
    run = planned(3, 30)
    counts = {"planned": 3, "submitted": 2, "finished": 1}
    assert Timeline.of(run, chunks).job_counts == counts
    again = [*chunks, chunk(4, job_id="c")]
    assert Timeline.of(run, again).job_counts == {"planned": 4, "submitted": 3, "finished": 1}
    assert Timeline.of(run, again).sent == 30


def jobs(starts: float, seconds: float, count: int) -> list[Chunk]:
    """Jobs one after another, one beginning every `starts` seconds."""
    return [
        chunk(
            n + 1,
            job_id=str(n),
            submitted_at=START + n * starts,
            finished_at=START + n * starts + seconds,
            settled_at=START + n * starts + seconds,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize(("starts", "use"), [(10.0, 1.0), (20.0, 0.5), (5.0, 1.0)])
def test_slots_in_use_while_work_was_left(starts: float, use: float) -> None:
    timeline = Timeline.of(planned(50, 500), jobs(starts, 10.0, 50))
    assert timeline.slot_use(1) == pytest.approx(use)
    assert timeline.slot_use(50) is None


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 3), st.integers(2_500, 6_000))
def test_many_chunks_make_a_short_curve_that_says_the_same(every: int, count: int) -> None:
    chunks = jobs(float(every), 7.0, count)
    timeline = Timeline.of(planned(count, 10 * count), chunks)
    points = timeline.timeline()
    assert len(points) <= MOST_MOMENTS + 2
    assert points[-1].rows_settled == 10 * count
    assert points[-1].jobs_in_flight == 0
    assert all(a.seconds <= b.seconds for a, b in pairwise(points))
    assert timeline.slot_use(10) == pytest.approx(0.7 / every, rel=0.02)


@given(st.integers(0, 60), st.integers(1, 60))
def test_it_may_be_put_aside_at_any_chunk(at: int, count: int) -> None:
    every = jobs(2.0, 5.0, count)
    run = planned(count, 10 * count)
    first = Timeline.of(run, every[:at])
    kept = json.loads(json.dumps(first.to_json()))
    later = Timeline.from_json(run, kept)
    assert later.last_chunk == (every[:at][-1].number if every[:at] else 0)
    for each in every[at:]:
        later.add(each)
    whole = Timeline.of(run, every)
    assert later.timeline() == whole.timeline()
    assert later.job_counts == whole.job_counts
    assert later.slot_use(1) == whole.slot_use(1)


def test_rows_of_an_open_run_that_are_not_sent_yet_are_not_settled(world: World) -> None:
    run = world.planned("Name,Ref\n,r0\n" + sample_csv(6).partition("\n")[2])
    state = world.submit(LaneState(run.run_id, 0))
    run = world.run(run.run_id)
    assert timeline_of(world, run)[-1].rows_settled == run.settled_rows == 1
    world.clock.sleep(30)
    world.poll(state)
    run = world.run(run.run_id)
    assert timeline_of(world, run)[-1].rows_settled == run.settled_rows == 7


def timeline_of(world: World, run: Run) -> list[TimelinePoint]:
    return Timeline.of(run, world.chunks(run.run_id)).timeline()
