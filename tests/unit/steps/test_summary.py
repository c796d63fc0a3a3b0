"""Summary: errors grouped, and a timeline made of chunks."""

from __future__ import annotations

import json

from jobferry.ledger.chunks import Chunk
from jobferry.model import ChunkState, Outcome, OutcomeStatus, Span
from jobferry.steps.summary import GROUPS, SAMPLES, ErrorTally, job_counts, timeline
from tests.unit.ledger.samples import RUN, a_run

FAILED = OutcomeStatus.FAILED
HEADER = ("a", "b")


def failed(row: int, text: str) -> Outcome:
    return Outcome(row, FAILED, error_code="E", error=text)


class TestErrorTally:
    def test_errors_are_grouped_the_largest_first(self) -> None:
        tally = ErrorTally()
        for row in range(1, 8):
            tally.add(failed(row, "common" if row != 3 else "rare"), HEADER, [str(row), "x"])
        tally.add(Outcome(8, OutcomeStatus.SUCCEEDED), HEADER, ["8", "x"])
        common, rare = tally.groups()
        assert (common.text, common.count, common.code) == ("common", 6, "E")
        assert (rare.text, rare.count) == ("rare", 1)
        assert [sample.row for sample in common.samples] == [1, 2, 4]
        assert common.samples[0].cells == {"a": "1", "b": "x"}

    def test_too_many_kinds_become_one_group(self) -> None:
        tally = ErrorTally()
        for row in range(GROUPS + 50):
            tally.add(failed(row, f"kind {row}"), HEADER, ["", ""])
        groups = tally.groups()
        assert (groups[0].code, groups[0].count) == ("other", 50)
        assert sum(group.count for group in groups) == GROUPS + 50

    def test_it_goes_on_where_it_was_saved(self) -> None:
        at_once, in_steps = ErrorTally(), ErrorTally()
        for row in range(10):
            outcome = failed(row, f"kind {row % 3}")
            at_once.add(outcome, HEADER, ["x" * 200, "y"])
            in_steps.add(outcome, HEADER, ["x" * 200, "y"])
            in_steps = ErrorTally.from_json(json.loads(json.dumps(in_steps.to_json())))
        assert in_steps.groups() == at_once.groups()
        assert all(len(group.samples) == SAMPLES for group in at_once.groups())


def chunk(number: int, **moments: object) -> Chunk:
    spans = (Span(0, 1, number, 10),)
    return Chunk(RUN, number, 0, ChunkState.SETTLED, spans, **moments)  # type: ignore[arg-type]


def test_a_timeline_has_a_point_per_change() -> None:
    start = a_run().started_at
    chunks = [
        chunk(1, submitted_at=start + 2, finished_at=start + 5, settled_at=start + 6),
        chunk(2, submitted_at=start + 3, finished_at=start + 4, settled_at=start + 7),
        chunk(3, finished_at=start + 1, settled_at=start + 8),
    ]
    points = timeline(a_run(planned_at=start + 1), chunks, unsent=4)
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
    assert job_counts(a_run(), chunks) == {"planned": 0, "submitted": 2, "finished": 1}
