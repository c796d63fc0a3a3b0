"""What a run says of itself: errors by kind with sample rows, and its HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from jobferry.domain.commands import Step
from jobferry.domain.error_advice import advice
from jobferry.domain.error_forms import form_of
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.reporting.html import Cell, ErrorGroup, RunReport, Sample, render_report
from jobferry.reporting.sample_cells import ColumnNames, shown_cells
from jobferry.reporting.timeline import Timeline

GROUPS = 200
"""Kinds of errors that are counted by themselves; in a run with more, the rest is one group."""

SAMPLES = 3

_OTHER = ("other", "Many different errors; see the result files.")


@dataclass
class _Group:
    text: str
    count: int = 0
    alike: bool = True
    samples: list[Sample] = field(default_factory=list)


class ErrorTally:
    """Outcomes that are not successes, grouped by status, code and the form of their text.

    Args:
        names: which column is meant when an error names one.
    """

    def __init__(self, names: ColumnNames | None = None) -> None:
        self._names = names or ColumnNames()
        self._groups: dict[tuple[str, str, str], _Group] = {}

    def add(self, outcome: Outcome, header: Sequence[str], cells: Sequence[str]) -> None:
        if outcome.status is OutcomeStatus.SUCCEEDED:
            return
        text = outcome.error or ""
        key = (outcome.status.value, outcome.error_code or "", form_of(text))
        if key not in self._groups and len(self._groups) >= GROUPS:
            key, text = (outcome.status.value, *_OTHER), _OTHER[1]
        group = self._groups.setdefault(key, _Group(text))
        group.count += 1
        group.alike = group.alike and group.text == text
        if len(group.samples) < SAMPLES:
            shown, hidden = shown_cells(header, cells, outcome.error or "", self._names)
            group.samples.append(Sample(outcome.row, shown, outcome.error or "", hidden))

    def groups(self, run_id: str = "", connection: str = "") -> list[ErrorGroup]:
        """The largest first, with what to do about them.

        Args:
            run_id: named in commands, like `connection`.
        """
        found = sorted(self._groups.items(), key=lambda entry: -entry[1].count)
        return [
            ErrorGroup(
                status=OutcomeStatus(status),
                code=code,
                text=group.text,
                count=group.count,
                samples=group.samples,
                advice="" if code == _OTHER[0] else advice(code, group.text, run_id, connection),
                alike=group.alike,
            )
            for (status, code, _), group in found
        ]

    def to_json(self) -> list[Any]:
        return [
            [*key, group.text, group.count, group.alike, [_saved(each) for each in group.samples]]
            for key, group in self._groups.items()
        ]

    @classmethod
    def from_json(cls, saved: Iterable[Any], names: ColumnNames | None = None) -> ErrorTally:
        tally = cls(names)
        for status, code, form, text, count, alike, samples in saved:
            tally._groups[status, code, form] = _Group(
                text, count, alike, [_sample(each) for each in samples]
            )
        return tally


def _saved(sample: Sample) -> list[Any]:
    cells = [[cell.header, cell.text, cell.wrong, cell.cut] for cell in sample.cells]
    return [sample.row, cells, sample.text, sample.hidden]


def _sample(saved: Sequence[Any]) -> Sample:
    row, cells, text, hidden = saved
    return Sample(row, [Cell(*cell) for cell in cells], text, hidden)


def build_report(
    run: Run,
    now: float,
    *,
    timeline: Timeline,
    groups: Sequence[ErrorGroup],
    steps: Sequence[Step],
    requests: Mapping[str, int],
    files: Sequence[str] = (),
    waiting: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The HTML page of a run: open, paused, closed, or about to be closed.

    Args:
        run: as it is shown: with its status, outcomes, error and figures.
        now: epoch seconds.
        steps: what a person does next.
        files: keys of the result files.
        waiting: what it waits for (`operator.waiting`).
    """
    return render_report(
        run_report(
            run,
            now,
            timeline=timeline,
            groups=groups,
            steps=steps,
            requests=requests,
            files=files,
            waiting=waiting,
        )
    )


def run_report(
    run: Run,
    now: float,
    *,
    timeline: Timeline,
    groups: Sequence[ErrorGroup] = (),
    steps: Sequence[Step] = (),
    requests: Mapping[str, int] = MappingProxyType({}),
    files: Sequence[str] = (),
    waiting: Sequence[Mapping[str, Any]] = (),
) -> RunReport:
    """What the page of a run shows, and what others say of it in the same words."""
    until = now if run.closed_at is None else run.closed_at
    figures = run.figures or {}
    return RunReport(
        run_id=run.run_id,
        profile=run.profile,
        operation=run.operation,
        connection=run.connection,
        priority=run.priority,
        origin=run.origin,
        by=run.by,
        status=run.phase,
        error=run.error or (run.stop.reason if run.stop else None),
        source=f"s3://{run.source.bucket}/{run.source.key}",
        started_at=datetime.fromtimestamp(run.started_at, UTC),
        closed_at=None if run.closed_at is None else datetime.fromtimestamp(until, UTC),
        as_of=datetime.fromtimestamp(until, UTC),
        seconds=run.worked(until),
        paused_seconds=sum(end - start for start, end in run.idle_until(until)),
        rows=run.rows,
        outcomes={s.value: run.outcomes.get(s, 0) for s in OutcomeStatus},
        jobs=timeline.job_counts,
        requests=requests,
        error_groups=groups,
        timeline=timeline.timeline(),
        cost=figures.get("cost", {}),
        figures=figures,
        files=files,
        warnings=run.warnings,
        waiting=[entry["text"] for entry in waiting],
        steps=steps,
    )
