"""The page, section by section from the top."""

from __future__ import annotations

from jobferry.domain.outcome import OutcomeStatus
from jobferry.reporting.formatting import counted, dollars, duration, number, share
from jobferry.reporting.html.markup import Html, foreign, moment, table, tag, void
from jobferry.reporting.html.model import ErrorGroup, RunReport, Sample
from jobferry.reporting.html.next_steps import next_steps
from jobferry.reporting.html.plot import plot
from jobferry.reporting.html.style import POLICY, STYLE
from jobferry.reporting.html.verdict import tally, verdict

MAX_GROUPS = 20
MAX_SAMPLES = 3
"""Of each group."""
MAX_CELLS = 12
"""Of each sample."""


def render_report(report: RunReport) -> str:
    """The whole page, ready to be encoded as UTF-8."""
    title = f"Jobferry run {report.run_id}"
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=POLICY),
        void("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        tag(
            "main",
            _header(report),
            _verdict_section(report),
            _warning_section(report),
            _outcome_section(report),
            _next_section(report),
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
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(report: RunReport) -> Html:
    facts = {
        "Profile": report.profile,
        "Operation": report.operation,
        "Connection": report.connection,
        "File": report.source,
    }
    pairs = (
        tag("div", tag("dt", name), tag("dd", foreign(value))) for name, value in facts.items()
    )
    return tag(
        "header",
        tag("p", "Jobferry run report", class_="quiet"),
        tag("h1", "Run ", tag("bdi", report.run_id)),
        tag("dl", *pairs, class_="facts"),
    )


def _verdict_section(report: RunReport) -> Html:
    tone, sentence = verdict(report)
    reason = tag("p", "Reason: ", foreign(report.error)) if report.error else ""
    return tag("section", tag("p", sentence, class_="sentence"), reason, class_=f"verdict {tone}")


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
    rows = [
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
    counts = table(
        "What became of the rows",
        rows,
        heads=("Outcome", "Rows", "Share"),
        total=("all rows", number(report.rows), ""),
    )
    return tag("section", tag("h2", "Outcomes"), bar, counts, class_="outcomes")


def _next_section(report: RunReport) -> Html:
    steps = next_steps(report)
    if not steps:
        return Html("")
    return tag(
        "section",
        tag("h2", "What to do next"),
        tag("ol", *(tag("li", *step) for step in steps), class_="steps"),
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
        *(_error_group(group) for group in groups[:MAX_GROUPS]),
        more,
    )


def _error_group(group: ErrorGroup) -> Html:
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
        tag("p", foreign(group.text)),
        *(_sample(sample, group.text) for sample in samples),
        more if samples and hidden > 0 else "",
    )


def _sample(sample: Sample, group_text: str) -> Html:
    own_text = sample.text if sample.text != group_text else ""
    shown = list(sample.cells.items())[:MAX_CELLS]
    hidden = len(sample.cells) - len(shown)
    more = tag("p", f"and {counted(hidden, 'more column')}", class_="quiet") if hidden else ""
    return tag(
        "div",
        tag("p", tag("strong", f"Row {number(sample.row)}"), " ", foreign(own_text)),
        tag("dl", *(_cell(header, text) for header, text in shown), class_="cells"),
        more,
        class_="sample",
    )


def _cell(header: str, text: str) -> Html:
    value = foreign(text) if text else tag("span", "(empty)", class_="quiet")
    return tag("div", tag("dt", foreign(header)), tag("dd", value))


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
            plot("Rows settled", settled, rows, stepped=False),
            plot("Jobs in flight", f"at most {counted(peak, 'job')}", jobs, stepped=True),
            class_="columns",
        ),
    )


def _time_section(report: RunReport) -> Html:
    seconds = (report.closed_at - report.started_at).total_seconds()
    rows = [
        ("Started", moment(report.started_at)),
        ("Closed", moment(report.closed_at)),
        ("Took", duration(seconds)),
    ]
    if seconds >= 1 and report.rows:
        rows.append(("Rows a minute", number(round(60 * report.rows / seconds))))
    return tag("section", table("Time", rows))


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
        ("Least time the vendor's limits allow", duration(figures["bound_seconds"])),
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
    forecast = figures["forecast"]
    if forecast:
        rows += [
            ("Forecast time", duration(forecast["seconds"])),
            ("Forecast requests", number(forecast["requests"])),
            ("Forecast cost", dollars(forecast["cost"])),
        ]
    return tag("section", table("How close to the limits", rows))


def _cost_section(report: RunReport) -> Html:
    if not report.cost:
        return Html("")
    rows = [(item, dollars(amount)) for item, amount in report.cost.items()]
    total = ("all", dollars(sum(report.cost.values())))
    return tag("section", table("Estimated cost", rows, total=total))


def _files_section(report: RunReport) -> Html:
    if not report.files:
        return Html("")
    files = (tag("li", tag("code", foreign(name))) for name in report.files)
    return tag("section", tag("h2", "Files"), tag("ul", *files))
