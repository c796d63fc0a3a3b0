"""The page of one run: what it does, what it waits for, what a person can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.status import run_document
from jobferry.reporting.formatting import counted, duration, number
from jobferry.reporting.html import RunReport
from jobferry.reporting.html.markup import Html, foreign, join, prose, tag
from jobferry.reporting.html.verdict import verdict
from jobferry_cli.dashboard import run_parts
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import (
    MOVING,
    OVER,
    STILL,
    bar,
    command_line,
    facts,
    link_button,
    live,
    name_of_file,
    page,
    parsed,
    pill,
    said_of_rows,
    tally,
    warnings,
    when,
    when_both,
)
from jobferry_cli.dashboard.steps import REPORT, Action, actions_of, steps_of


def run_page(desk: Desk, run: Run, *, course: bool = False) -> str:
    document = run_document(run, desk.stack.deps)
    return page(
        desk,
        _title(document),
        tag(
            "p",
            tag("a", "Runs", href=desk.url("runs")),
            class_="back",
        ),
        tag("h1", foreign(name_of_file(document))),
        live_part(desk, run, document),
        run_parts.errors_part(desk, run),
        run_parts.course_part(desk, run, asked=course),
        about_part(desk, run, document),
        section="runs",
    )


def begun_page(desk: Desk, run_id: str) -> str:
    """Of a run that was started and is not there yet."""
    return page(
        desk,
        "A run begins",
        tag("h1", "The run begins"),
        begun_part(desk, run_id),
        section="runs",
    )


def begun_part(desk: Desk, run_id: str) -> Html:
    """What stands there until the run does; the script then takes the whole page."""
    return live(
        "begun",
        tag("p", "Run ", tag("code", run_id), " was started. It takes a few seconds to begin."),
        url=desk.url("runs", run_id, part="run"),
        pace=MOVING,
    )


def live_part(desk: Desk, run: Run, document: Mapping[str, Any] | None = None) -> Html:
    """All that changes while it goes on, but for errors and course, which cost more to read."""
    document = document or run_document(run, desk.stack.deps)
    status = document["status"]
    closed = document["closed_at"] is not None
    resting = status == "paused" and run.suspended
    return live(
        "run",
        _verdict(document),
        tag(
            "section",
            tag("h2", "Progress", class_="unseen"),
            bar(document["rows"], document["outcomes"]),
            tally(document["outcomes"], ("succeeded", "failed", "unknown")),
            class_="progressing",
        ),
        _buttons(actions_of(desk, run, document)),
        _waiting(document),
        warnings(document["warnings"]),
        _steps(desk, document),
        _figures(desk, document),
        _files(desk, document) if closed else "",
        url=desk.url("runs", run.run_id, part="run"),
        pace=STILL if closed or resting else MOVING,
        say=_said(document, status),
        title=_title(document),
    )


def _title(document: Mapping[str, Any]) -> str:
    """The file, and how far it is: it can be seen from another tab."""
    name, rows = name_of_file(document), document["rows"]
    if document["status"] == "running" and rows:
        return f"{100 * sum(document['outcomes'].values()) // rows} % {name}"
    return f"{name}: {document['status'].replace('_', ' ')}"


def _said(document: Mapping[str, Any], status: str) -> str:
    """What is read out: the status, and progress in tenths, so that it is not read out all day."""
    words = status.replace("_", " ")
    if document["closed_at"] is not None or status == "paused":
        return f"The run is {words}. {said_of_rows(document['rows'], document['outcomes'])}."
    rows = document["rows"]
    tenths = 10 * sum(document["outcomes"].values()) // rows if rows else 0
    return f"The run is {words}, {tenths * 10} % of its rows have ended."


def _verdict(document: Mapping[str, Any]) -> Html:
    """How the run stands: the sentence of the report."""
    tone, sentence = verdict(_as_report(document))
    stopped = document["error"] and document["closed_at"] is None and document["status"] != "failed"
    if stopped:
        sentence = f"Nothing more is sent, as was asked. {sentence}"
    reason = document["error"] or (document["paused"] or {}).get("reason")
    return tag(
        "section",
        tag("p", pill(document["status"])),
        tag("p", sentence, class_="sentence"),
        tag("p", foreign(reason)) if reason else "",
        class_=f"verdict {tone}",
        aria_label="Status",
    )


def _as_report(document: Mapping[str, Any]) -> RunReport:
    """As much of the report as its sentence takes."""
    started = parsed(document["started_at"]) or datetime.now(UTC)
    return RunReport(
        run_id=document["run_id"],
        profile=document["profile"],
        operation=document["operation"],
        connection=document["connection"],
        status=RunStatus(document["status"]),
        error=document["error"],
        source="",
        started_at=started,
        closed_at=parsed(document["closed_at"]),
        as_of=started,
        seconds=float(document["seconds"] or 0.0),
        rows=document["rows"],
        outcomes=document["outcomes"],
        jobs=document["jobs"],
        requests=document["requests"],
    )


def _buttons(actions: Sequence[Action]) -> Html:
    if not actions:
        return Html("")
    return tag(
        "ul",
        *(tag("li", link_button(each.text, each.href, each.kind)) for each in actions),
        class_="actions",
        aria_label="What can be done",
    )


def _waiting(document: Mapping[str, Any]) -> Html:
    reason = (document["paused"] or {}).get("reason")
    entries = [each for each in document["waiting"] if each["text"] != reason]
    if not entries:
        return Html("")
    items = []
    for each in entries:
        since = join(" Since ", when(each["since"]), ".") if each["since"] else ""
        until = join(" Until ", when(each["until"]), ".") if each["until"] else ""
        items.append(tag("li", foreign(each["text"]), since, until))
    return tag("section", tag("h2", "What it waits for"), tag("ul", *items), class_="waiting")


def _steps(desk: Desk, document: Mapping[str, Any]) -> Html:
    steps = steps_of(desk, document)
    if not steps:
        return Html("")
    items = []
    for step in steps:
        lines = [command_line(each) for each in step.commands]
        here = [link_button(each.text, each.href) for each in dict.fromkeys(step.actions)]
        if here:
            words = tag("summary", "In a terminal")
            lines = [tag("div", *here, class_="here"), tag("details", words, *lines)]
        items.append(tag("li", prose(step.text), *lines))
    return tag("section", tag("h2", "What to do next"), tag("ol", *items, class_="steps"))


def _figures(desk: Desk, document: Mapping[str, Any]) -> Html:
    pace = desk.paces.of(document)
    jobs, requests = document["jobs"], document["requests"]
    in_flight = max(0, jobs["submitted"] - jobs["finished"])
    rate = pace.rows_per_minute
    left = pace.seconds_left
    figures = [
        ("Rows a minute", "–" if rate is None else number(round(rate))),
        ("Time left, about", "–" if left is None else duration(round(left))),
        ("Time taken", duration(round(float(document["seconds"]), 1))),
        ("Jobs finished", f"{number(jobs['finished'])} of {number(jobs['planned'])}"),
        ("Jobs in flight", number(in_flight)),
        ("Requests", number(sum(requests.values()))),
    ]
    if document["closed_at"] is not None:
        figures = [
            each for each in figures if each[0] not in ("Time left, about", "Jobs in flight")
        ]
    return tag(
        "section",
        tag("h2", "Figures", class_="unseen"),
        tag("dl", *(tag("div", tag("dt", a), tag("dd", b)) for a, b in figures), class_="figures"),
    )


def about_part(desk: Desk, run: Run, document: Mapping[str, Any] | None = None) -> Html:
    """What the run is, who did what, and when."""
    document = document or run_document(run, desk.stack.deps)
    return live(
        "about",
        _facts(desk, document),
        url=desk.url("runs", run.run_id, part="about"),
        pace=STILL if run.closed_at is None else OVER,
    )


def _facts(desk: Desk, document: Mapping[str, Any]) -> Html:
    source = document["source"]
    paused = document.get("paused_seconds")
    by = document["by"]
    return tag(
        "section",
        tag("h2", "The run"),
        facts(
            [
                ("Run", tag("code", document["run_id"])),
                ("Profile", document["profile"]),
                ("Operation", document["operation"]),
                ("Connection", document["connection"]),
                ("Priority", document["priority"]),
                ("Started", when_both(document["started_at"])),
                ("Closed", when_both(document["closed_at"])),
                ("Paused for", duration(paused) if paused else ""),
                ("Rows of", _link(desk, document["origin"])),
                ("File", foreign(f"s3://{source['bucket']}/{source['key']}")),
                *((_BY.get(what, what), foreign(name)) for what, name in by.items() if name),
            ]
        ),
    )


def _link(desk: Desk, run_id: str | None) -> Html:
    return Html("") if run_id is None else tag("a", run_id, href=desk.url("runs", run_id))


_BY = {
    "started": "Started by",
    "aborted": "Stopped by",
    "resumed": "Resumed by",
    "priority": "Priority by",
    "resolved": "Resolved by",
}


def _files(desk: Desk, document: Mapping[str, Any]) -> Html:
    run_id, outcomes = document["run_id"], document["outcomes"]
    items = []
    if document["status"] != "failed":
        for status in OutcomeStatus:
            name, count = f"{status.value}.csv", outcomes[status.value]
            link = tag("a", name, href=desk.url("runs", run_id, "files", name), download=name)
            items.append(tag("li", link, " ", tag("span", counted(count, "row"), class_="quiet")))
    report = tag("a", "Report", href=desk.url("runs", run_id, "files", REPORT))
    items.append(tag("li", report, " ", tag("span", "one page to pass on", class_="quiet")))
    return tag("section", tag("h2", "Result files"), tag("ul", *items, class_="files"), id="files")
