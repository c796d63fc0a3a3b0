"""What a closed run says of itself: errors grouped, its course, requests and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.reporting.html import ErrorGroup, RunReport, Sample, render_report
from jobferry.reporting.timeline import Timeline

GROUPS = 200
"""Kinds of errors that are told apart; in a run with more, the rest is one group."""

SAMPLES = 3
SAMPLE_CELLS = 6
SAMPLE_CHARACTERS = 80

_OTHER = ("other", "Many different errors; see the result files.")


@dataclass
class _Group:
    count: int = 0
    samples: list[list[Any]] = field(default_factory=list)


class ErrorTally:
    """Outcomes that are not successes, grouped by status, code and text, with sample rows."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], _Group] = {}

    def add(self, outcome: Outcome, header: Sequence[str], cells: Sequence[str]) -> None:
        if outcome.status is OutcomeStatus.SUCCEEDED:
            return
        key = (outcome.status.value, outcome.error_code or "", outcome.error or "")
        if key not in self._groups and len(self._groups) >= GROUPS:
            key = (outcome.status.value, *_OTHER)
        group = self._groups.setdefault(key, _Group())
        group.count += 1
        if len(group.samples) < SAMPLES:
            shown = {
                name: cell[:SAMPLE_CHARACTERS]
                for name, cell in zip(header[:SAMPLE_CELLS], cells, strict=False)
            }
            group.samples.append([outcome.row, shown, outcome.error or ""])

    def groups(self) -> list[ErrorGroup]:
        """The largest first."""
        found = sorted(self._groups.items(), key=lambda entry: -entry[1].count)
        return [
            ErrorGroup(
                status=OutcomeStatus(status),
                code=code,
                text=text,
                count=group.count,
                samples=[Sample(row, cells, said) for row, cells, said in group.samples],
            )
            for (status, code, text), group in found
        ]

    def to_json(self) -> list[Any]:
        return [[*key, group.count, group.samples] for key, group in self._groups.items()]

    @classmethod
    def from_json(cls, saved: Iterable[Any]) -> ErrorTally:
        tally = cls()
        for status, code, text, count, samples in saved:
            tally._groups[status, code, text] = _Group(count, samples)
        return tally


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ends, and what was written of it.

    Attributes:
        error: why it failed or was stopped.
        closed_at: epoch seconds.
        requests: how many of each kind.
        files: keys of the result files.
        figures: how close the run came to its bounds (`run_metrics.figures`).
    """

    status: RunStatus
    error: str | None
    closed_at: float
    outcomes: Mapping[OutcomeStatus, int]
    requests: Mapping[str, int]
    files: Sequence[str]
    figures: Mapping[str, Any]


def build_report(run: Run, end: RunEnd, timeline: Timeline, tally: ErrorTally) -> str:
    """The HTML page of a run that is about to close."""
    return render_report(
        RunReport(
            run_id=run.run_id,
            profile=run.profile,
            operation=run.operation,
            connection=run.connection,
            status=end.status,
            error=end.error,
            source=f"s3://{run.source.bucket}/{run.source.key}",
            started_at=datetime.fromtimestamp(run.started_at, UTC),
            closed_at=datetime.fromtimestamp(end.closed_at, UTC),
            rows=run.rows,
            outcomes={s.value: end.outcomes.get(s, 0) for s in OutcomeStatus},
            jobs=timeline.job_counts,
            requests=end.requests,
            error_groups=tally.groups(),
            timeline=timeline.timeline(),
            cost=end.figures.get("cost", {}),
            figures=end.figures,
            files=end.files,
            warnings=run.warnings,
        )
    )
