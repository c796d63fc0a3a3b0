"""A long run, simulated: the parts are true to what they stand for, and breaches are found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import ten_million
from benchmarks.ten_million import Report, simulate
from benchmarks.virtual import long_run
from benchmarks.virtual.bulk import NumberedFile
from benchmarks.virtual.history import LANE, MACHINE, events_of
from jobferry.domain.chunk import PlannedChunk, Span
from jobferry.scheduler import lanes
from jobferry.scheduler.settings import USUAL
from jobferry.store.plan_pages import CHUNKS_PER_PAGE, encode_chunks
from tests.thorough import at_most

JOBS = at_most(2_000, 1_200)
ROWS_A_JOB = 5
SETTINGS = replace(USUAL, max_events=40, iteration_seconds=60.0, rows_settled_at_once=40)
"""Many iterations and lanes, and something left for SettleJob."""
SETTLE_PARALLEL = 10
"""Concurrency of the map of SettleJob."""


@pytest.fixture(scope="module")
def report() -> Report:
    """A run in storms whose lanes are renewed and whose closing is put aside, again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_run, "SCHEDULING", SETTINGS)
        patch.setattr(long_run, "CLOSING_SECONDS", 0.1)
        return simulate(JOBS * ROWS_A_JOB, rows_a_job=ROWS_A_JOB)


def test_no_limit_is_exceeded_and_the_run_adds_up(report: Report) -> None:
    assert [bound for bound in report.bounds if not bound.kept] == []
    assert report.problems == []
    assert report.kept
    assert report.jobs > JOBS  # rows that were tried again made jobs of their own
    assert report.refused["storm"] > 0


def test_everything_with_a_limit_is_measured(report: Report) -> None:
    seen = {bound.name: bound.most for bound in report.bounds}
    assert {name for name, most in seen.items() if most <= 0} <= {"parts of a result file"}
    assert {f"item {kind}" for kind in ("META", "POOL", "PLAN", "CHUNK", "REQUESTS", "ROW")} <= {
        *seen
    }
    assert {f"payload of {state}" for state in ("PollJobs", "SettleJob", "CloseRun")} <= {*seen}
    assert {f"busiest partition {kind}" for kind in ("RUN", "CONN", "ROWS", "PERSON")} <= {*seen}


def test_lanes_are_renewed_before_their_histories_fill(report: Report) -> None:
    seen = {bound.name: bound.most for bound in report.bounds}
    assert report.launches > 2
    assert seen["history of a lane"] < 250 + lanes.events_of_iteration(SETTLE_PARALLEL + 1)


def test_a_breach_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ten_million, "PARTITION_UNITS", 5)
    monkeypatch.setattr("sys.argv", ["ten_million.py", "--rows", "300"])
    assert ten_million.main() == 1
    assert "EXCEEDED" in capsys.readouterr().err


@given(rows=st.integers(0, 40), offset=st.integers(0, 1_200), length=st.integers(0, 1_200))
def test_a_range_of_the_computed_file_is_a_part_of_the_whole(
    rows: int, offset: int, length: int
) -> None:
    file = NumberedFile(rows)
    whole = file.read(0, file.size)
    assert len(whole) == file.size
    assert whole.count(b"\n") == rows + 1
    assert file.read(offset, length) == whole[offset : offset + length]


@given(groups=st.integers(0, 20))
def test_the_lanes_own_count_of_its_history_is_no_less_than_what_the_definition_says(
    groups: int,
) -> None:
    exact = sum(events_of(LANE[name], groups) for name in ("LaneIteration", "IsLaneDone"))
    assert exact == 22 + 7 * groups
    assert lanes.events_of_iteration(groups) >= exact


def test_a_distributed_map_leaves_no_iterations_in_the_history() -> None:
    assert events_of(MACHINE["ProcessLanes"], 40) == events_of(MACHINE["ProcessLanes"], 0) == 6


def test_a_page_of_the_plan_fits_into_an_item_where_every_other_row_is_bad() -> None:
    last = 10**9
    spans = tuple(Span(100 * (last + 2 * i), 9_999, last + 2 * i, 1) for i in range(100))
    page = [PlannedChunk(10**7 + n, spans) for n in range(CHUNKS_PER_PAGE)]
    assert len(encode_chunks(page)) < ten_million.ITEM_BYTES
