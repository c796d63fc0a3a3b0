"""Parts of a run's page that take many reads: its errors by kind, and its course over time.

Both are kept for a while, so that a page that is open all day does not read a table all day.
"""

from __future__ import annotations

import re
from dataclasses import replace

from jobferry.domain.chunk import Chunk
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.report import error_groups
from jobferry.reporting.formatting import counted, duration, number
from jobferry.reporting.html import ErrorGroup
from jobferry.reporting.html.markup import Html, join, tag
from jobferry.reporting.html.page import error_group
from jobferry.reporting.html.plot import plot
from jobferry.reporting.timeline import Timeline
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import OVER, STILL, link_button, live

MOST_ROWS = 5_000
"""Rows that are read to tell kinds of errors apart, again and again while a run goes on; the report
reads more."""

MOST_CHUNKS = 3_000
"""Chunks that are read for a plot without being asked to."""

MOST_GROUPS = 12


def errors_part(desk: Desk, run: Run) -> Html:
    """Rows that need a person, by what was said of them."""
    counts = tuple(run.outcomes.get(status, 0) for status in OutcomeStatus)
    content = desk.kept(("errors", run.run_id), counts, lambda: _errors(desk, run))
    return live(
        "errors",
        content,
        url=desk.url("runs", run.run_id, part="errors"),
        pace=STILL if run.closed_at is None else OVER,
    )


def _errors(desk: Desk, run: Run) -> Html:
    groups = error_groups(run, desk.stack.deps, MOST_ROWS)
    if not groups:
        return Html("")
    content = [_group(desk, run, each) for each in groups[:MOST_GROUPS]]
    if left := groups[MOST_GROUPS:]:
        rows = counted(sum(group.count for group in left), "row")
        content.append(tag("p", f"and {counted(len(left), 'more kind')} of error in {rows}."))
    if sum(group.count for group in groups) >= MOST_ROWS:
        text = f"Of the first {number(MOST_ROWS)} of these rows."
        content.append(tag("p", text, class_="quiet"))
    return join(tag("h2", "Errors"), *content)


def _group(desk: Desk, run: Run, group: ErrorGroup) -> Html:
    behind = desk.url(
        *("runs", run.run_id, "rows"),
        status=group.status.value,
        code=group.code,
        find=fragment_of(group.text),
    )
    rows = tag("a", f"Show {counted(group.count, 'such row')}", href=behind)
    return error_group(replace(group, samples=group.samples[:1]), tag("p", rows))


_VARIES = re.compile(r"[^\s]*[\d@\"'“”‘’«»<>:/][^\s]*")


def fragment_of(text: str) -> str:
    """The longest part of an error's text that its like have as well: without numbers, quoted
    parts, addresses."""
    parts = (part.strip() for part in _VARIES.split(text))
    return max(parts, key=len, default="")[:200]


def course_part(desk: Desk, run: Run, *, asked: bool = False) -> Html:
    """Rows settled and jobs in flight over time.

    Args:
        asked: somebody wants it, however many chunks there are.
    """
    url = desk.url("runs", run.run_id, part="course")
    pace = STILL if run.closed_at is None else OVER
    if not run.plan.chunks:
        return live("course", url=url, pace=pace)
    if run.plan.chunks > MOST_CHUNKS and not asked:
        link = desk.url("runs", run.run_id, course="yes")
        text = f"A plot of {counted(run.plan.chunks, 'job')} takes a while to read."
        return tag(
            "section",
            tag("h2", "Timeline"),
            tag("p", text, " ", link_button("Show it", link)),
            id="course",
        )
    timeline = Timeline.of(run, _chunks(desk, run))
    points = timeline.timeline()
    if len(points) < 2:
        return live("course", url=url, pace=pace)
    rows = [(point.seconds, float(point.rows_settled)) for point in points]
    jobs = [(point.seconds, float(point.jobs_in_flight)) for point in points]
    peak = max(point.jobs_in_flight for point in points)
    slots = desk.stack.deps.store.limits.get(run.connection).ceiling if run.connection else 0
    settled = f"{counted(points[-1].rows_settled, 'row')} after {duration(points[-1].seconds)}"
    use = timeline.slot_use(slots) if slots else None
    used = f"at most {number(peak)} of {counted(slots, 'slot')}" if slots else counted(peak, "job")
    if use is not None:
        used += f", {use:.0%} in use while work was left"
    return live(
        "course",
        tag("h2", "Timeline"),
        tag(
            "div",
            plot("Rows settled", settled, rows, stepped=True),
            plot("Jobs in flight", used, jobs, stepped=True),
            class_="columns",
        ),
        url=url,
        pace=pace,
    )


def _chunks(desk: Desk, run: Run) -> list[Chunk]:
    chunks = desk.stack.deps.store.chunks
    found = {each.number: each for each in chunks.all(run.run_id)}
    if run.closed_at is None:
        found |= {each.number: each for each in chunks.in_flight(run.connection, run.run_id)}
    return [found[n] for n in sorted(found)]
