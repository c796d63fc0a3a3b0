"""The page, section by section from the top."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from jobferry.domain.outcome import OutcomeStatus
from jobferry.reporting.formatting import counted, dollars, duration, number, share
from jobferry.reporting.html.markup import (
    Html,
    command_line,
    foreign,
    moment,
    prose,
    table,
    tag,
)
from jobferry.reporting.html.model import Cell, ErrorGroup, RunReport, Sample
from jobferry.reporting.html.plot import plot
from jobferry.reporting.html.style import framed
from jobferry.reporting.html.verdict import tally, verdict

MAX_GROUPS = 20
MAX_SAMPLES = 3
"""Of each group."""


def render_report(report: RunReport) -> str:
    """The whole page, ready to be encoded as UTF-8."""
    title = f"Jobferry run {report.run_id}"
    body = tag(
        "body",
        tag(
            "main",
            _header(report),
            _verdict_section(report),
            _contents(report),
            _waiting_section(report),
            _next_section(report),
            _outcome_section(report),
            _warning_section(report),
            _error_section(report),
            _timeline_section(report),
            tag(
                "div",
                _time_section(report),
                _work_section(report),
                _limits_section(report),
                _cost_section(report),
                class_="columns",
            ),
            _files_section(report),
            tag(
                "footer",
                "This page shows cells of the file: share it only with people who may see those.",
            ),
        ),
    )
    return framed(title, body)


def _header(report: RunReport) -> Html:
    facts = {
        "Status": report.status.value.replace("_", " "),
        "Profile": report.profile,
        "Operation": report.operation,
        "Connection": report.connection,
        "Priority": report.priority,
        "Sends again": report.origin or "",
        **{f"{action.title()} by": who for action, who in report.by.items()},
        "File": report.source,
    }
    pairs = (
        tag("div", tag("dt", name), tag("dd", foreign(value)))
        for name, value in facts.items()
        if value
    )
    as_of = tag("p", "As of ", moment(report.as_of), class_="quiet") if not report.closed else ""
    return tag(
        "header",
        tag("p", "Jobferry run report", class_="quiet"),
        tag("h1", "Run ", tag("bdi", report.run_id)),
        as_of,
        tag("dl", *pairs, class_="facts"),
    )


def _verdict_section(report: RunReport) -> Html:
    tone, sentence = verdict(report)
    reason = tag("p", "Reason: ", foreign(report.error)) if report.error else ""
    return tag("section", tag("p", sentence, class_="sentence"), reason, class_=f"verdict {tone}")


_CONTENTS = ("Next", "Outcomes", "Errors", "Timeline", "Figures", "Files")


def _contents(report: RunReport) -> Html:
    """Links to the sections that are there."""
    there = {
        "Next": report.steps,
        "Outcomes": report.rows,
        "Errors": report.error_groups,
        "Timeline": report.timeline,
        "Figures": True,
        "Files": report.files,
    }
    links = (
        tag("li", tag("a", name, href=f"#{name.lower()}")) for name in _CONTENTS if there[name]
    )
    return tag("nav", tag("ul", *links), aria_label="Contents", class_="contents")


def _waiting_section(report: RunReport) -> Html:
    if not report.waiting:
        return Html("")
    texts = (tag("li", foreign(text)) for text in dict.fromkeys(report.waiting))
    return tag("section", tag("h2", "What it waits for"), tag("ul", *texts))


def _warning_section(report: RunReport) -> Html:
    if not report.warnings:
        return Html("")
    texts = (tag("li", foreign(text)) for text in report.warnings)
    return tag("section", tag("h2", "Warnings"), tag("ul", *texts))


_MEANINGS = {
    OutcomeStatus.SUCCEEDED: "the vendor applied it",
    OutcomeStatus.FAILED: "the vendor refused it",
    OutcomeStatus.REJECTED: "not sent: the row cannot be used as it is",
    OutcomeStatus.SKIPPED: "not sent: a duplicate, or the run was stopped first",
    OutcomeStatus.UNKNOWN: "sent, but the vendor cannot say what became of it",
}


def _outcome_section(report: RunReport) -> Html:
    if report.rows == 0 and report.adds_up:
        return Html("")
    shares = [(status, report.count(status)) for status in OutcomeStatus]
    segments = (
        tag("span", class_=f"segment {status}", style=f"flex-grow:{count}")
        for status, count in shares
        if count
    )
    bar = tag("div", *segments, class_="bar", role="img", aria_label=tally(report))
    rows: list[tuple[str, str, str]] = [
        (
            tag(
                "div",
                tag("span", class_=f"key {status}"),
                tag("span", status, tag("small", _MEANINGS[status])),
                class_="named",
            ),
            number(count),
            share(count, report.rows),
        )
        for status, count in shares
    ]
    if not report.closed:
        left = report.rows - report.settled
        rows.append(("no outcome yet", number(left), share(left, report.rows)))
    counts = table(
        "What became of the rows",
        rows,
        heads=("Outcome", "Rows", "Share"),
        total=("all rows", number(report.rows), ""),
    )
    return tag("section", tag("h2", "Outcomes"), bar, counts, class_="outcomes", id="outcomes")


def _next_section(report: RunReport) -> Html:
    if not report.steps:
        return Html("")
    items = (
        tag("li", prose(step.text), *(command_line(each) for each in step.commands))
        for step in report.steps
    )
    return tag(
        "section", tag("h2", "What to do next"), tag("ol", *items, class_="steps"), id="next"
    )


def _error_section(report: RunReport) -> Html:
    if not report.error_groups:
        return Html("")
    groups = sorted(report.error_groups, key=lambda group: -group.count)
    hidden = groups[MAX_GROUPS:]
    more = ""
    if hidden:
        rows = counted(sum(group.count for group in hidden), "row")
        more = tag(
            "p", f"and {counted(len(hidden), 'more kind')} of error in {rows}: see the files."
        )
    return tag(
        "section",
        tag("h2", "Errors"),
        *(error_group(group) for group in groups[:MAX_GROUPS]),
        more,
        id="errors",
    )


def error_group(group: ErrorGroup, *more_of_it: str) -> Html:
    """Rows that ended alike, with a few of them.

    Args:
        more_of_it: what stands below, such as a link to all of them.
    """
    samples = group.samples[:MAX_SAMPLES]
    hidden = group.count - len(samples)
    more = tag("p", f"and {counted(hidden, 'more row')}", class_="quiet")
    return tag(
        "article",
        tag(
            "h3",
            tag("span", class_=f"key {group.status}"),
            f"{counted(group.count, 'row')} {group.status}: ",
            tag("code", foreign(group.code)),
        ),
        tag("p", "" if group.alike else "Such as: ", foreign(group.text)),
        tag("p", "What to do: ", prose(group.advice)) if group.advice else "",
        *(_sample(sample, group.text) for sample in samples),
        more if samples and hidden > 0 else "",
        *more_of_it,
    )


def _sample(sample: Sample, group_text: str) -> Html:
    own_text = sample.text if sample.text != group_text else ""
    hidden = sample.hidden
    more = tag("p", f"and {counted(hidden, 'more column')}", class_="quiet") if hidden else ""
    return tag(
        "div",
        tag("p", tag("strong", f"Row {number(sample.row)}"), " ", foreign(own_text)),
        tag("dl", *map(_cell, sample.cells), class_="cells"),
        more,
        class_="sample",
    )


def _cell(cell: Cell) -> Html:
    value = foreign(cell.text) if cell.text else tag("span", "(empty)", class_="quiet")
    cut = f" … and {counted(cell.cut, 'more character')}"
    more = tag("span", cut, class_="quiet") if cell.cut else ""
    if not cell.wrong:
        return tag("div", tag("dt", foreign(cell.header)), tag("dd", value, more))
    named = tag("dt", foreign(cell.header), tag("span", " this cell", class_="quiet"))
    return tag("div", named, tag("dd", tag("mark", value), more), class_="wrong")


def _timeline_section(report: RunReport) -> Html:
    if not report.timeline:
        return Html("")
    points = sorted(report.timeline, key=lambda point: point.seconds)
    rows = [(point.seconds, float(point.rows_settled)) for point in points]
    jobs = [(point.seconds, float(point.jobs_in_flight)) for point in points]
    peak = max(point.jobs_in_flight for point in points)
    settled = f"{counted(points[-1].rows_settled, 'row')} after {duration(points[-1].seconds)}"
    return tag(
        "section",
        tag("h2", "Timeline"),
        tag(
            "div",
            plot("Rows settled", settled, rows, stepped=True),
            plot("Jobs in flight", f"at most {counted(peak, 'job')}", jobs, stepped=True),
            class_="columns",
        ),
        id="timeline",
    )


def _time_section(report: RunReport) -> Html:
    seconds = report.seconds
    rows: list[tuple[str, str]] = [("Started", moment(report.started_at))]
    if report.closed_at is not None:
        rows.append(("Closed", moment(report.closed_at)))
    rows.append(("Took" if report.closed else "So far", duration(seconds)))
    if report.paused_seconds:
        rows.append(("Paused besides", duration(report.paused_seconds)))
    if seconds >= 1 and report.settled:
        rows.append(("Rows a minute", number(round(60 * report.settled / seconds))))
    return tag("section", table("Time", rows), id="figures")


_REQUESTS = {"submit": "requests to submit", "poll": "requests to poll", "other": "other requests"}


def _work_section(report: RunReport) -> Html:
    rows = [(f"jobs {name}", number(count)) for name, count in report.jobs.items()]
    rows += [(_REQUESTS.get(name, name), number(count)) for name, count in report.requests.items()]
    total = ("all requests", number(sum(report.requests.values())))
    return tag("section", table("Jobs and requests", rows, total=total))


def _limits_section(report: RunReport) -> Html:
    """How close the run came to what the vendor's limits allow, and to its forecast."""
    figures = report.figures
    if not figures:
        return Html("")
    rows = [
        ("Least time the vendor allows", duration(figures["bound_seconds"])),
        ("Requests that cannot be avoided", number(figures["bound_requests"])),
        ("Requests made", number(figures["requests"])),
        ("State transitions", number(figures["transitions"])),
        ("Lambda GB-seconds", f"{figures['gb_seconds']:,}"),
        ("Write units", number(figures["write_units"])),
    ]
    if figures["slot_use"] is not None:
        rows.insert(1, ("Slots in use while work was left", f"{100 * figures['slot_use']:.1f} %"))
    if figures["cost_per_million_rows"] is not None:
        rows.append(("Cost of a million such rows", dollars(figures["cost_per_million_rows"])))
    least = tag(
        "p",
        "The least time is that of the jobs alone, side by side in all slots and within the rate "
        "limit. Starting, planning and closing come on top, a few seconds for any run.",
        class_="quiet",
    )
    return tag("section", table("How close to the limits", rows), least, _forecast_table(figures))


def _forecast_table(figures: Mapping[str, Any]) -> Html:
    forecast = figures["forecast"]
    if not forecast:
        return Html("")
    rows = [
        ("time", duration(forecast["seconds"]), duration(figures["seconds"])),
        ("requests", number(forecast["requests"]), number(figures["requests"])),
        ("cost", dollars(forecast["cost"]), dollars(sum(figures.get("cost", {}).values()))),
    ]
    return table("Forecast and actual", rows, heads=("", "Forecast", "Actual"))


def _cost_section(report: RunReport) -> Html:
    if not report.cost:
        return Html("")
    rows = [(item, dollars(amount)) for item, amount in report.cost.items()]
    total = ("all", dollars(sum(report.cost.values())))
    return tag("section", table("Estimated cost", rows, total=total))


def _files_section(report: RunReport) -> Html:
    if not report.files:
        return Html("")
    names = [PurePosixPath(file).name for file in report.files]
    # They lie beside this page, in the bucket and where they are downloaded to.
    files = (
        tag("li", tag("a", foreign(name), href=quote(name, errors="replace"))) for name in names
    )
    where = tag("p", "Beside this page: ", class_="quiet")
    return tag("section", tag("h2", "Files"), where, tag("ul", *files), id="files")
