"""The plan of a file as a page: self-contained, without scripts, as the report of a run is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobferry.domain.commands import command
from jobferry.reporting.formatting import counted, number
from jobferry.reporting.html.markup import Html, command_line, foreign, join, prose, tag
from jobferry.reporting.html.style import framed
from jobferry_cli.moments import both_times
from jobferry_cli.plan_document import NOT_SENT, side_by_side
from jobferry_cli.plan_text import facts, shown_value, warnings

MOST_BAD_ROWS = 200
"""Rows that the page lists; the CSV has all of them."""

_FOREIGN = frozenset({"File"})
"""Facts that hold nothing but somebody else's text."""


def plan_page(document: Mapping[str, Any], csv_name: str | None = None) -> str:
    """The whole page, ready to be encoded as UTF-8.

    Args:
        document: of `plan_document.planned_document`.
        csv_name: the file beside the page that has every row that would not be sent.
    """
    body = tag(
        "body",
        tag(
            "main",
            _header(document),
            plan_in_short(document),
            plan_rows(document, csv_name),
            _next(document, csv_name),
            tag(
                "footer",
                "This page shows cells of the file: share it only with people who may see those.",
            ),
        ),
    )
    return framed(f"Jobferry plan of {document['file']}", body)


def plan_in_short(document: Mapping[str, Any]) -> Html:
    """How much would be sent, what is doubtful, and what the run would do; on any page."""
    return join(_verdict(document), _warnings(document), _facts(document))


def plan_rows(document: Mapping[str, Any], csv_name: str | None = None) -> Html:
    """The first records beside their rows, and the rows that would not be sent; on any page."""
    return join(_first_records(document), _bad_rows(document, csv_name))


def _header(document: Mapping[str, Any]) -> Html:
    said = {
        "Profile": foreign(document["profile"]),
        "Operation": foreign(document["operation"]),
        "Connection": foreign(document["connection"]),
        "Planned": both_times(document["planned_at"]),
        "File": foreign(document["file"]),
    }
    pairs = (tag("div", tag("dt", name), tag("dd", value)) for name, value in said.items())
    return tag(
        "header",
        tag("p", "Jobferry plan: nothing was sent", class_="quiet"),
        tag("h1", "What would become of ", foreign(document["file"].rpartition("/")[2])),
        tag("dl", *pairs, class_="facts"),
    )


def _verdict(document: Mapping[str, Any]) -> Html:
    rows, sent = document["rows"], document["to_send"]
    unsent = rows - sent
    if not rows:
        tone, sentence = "fair", "The file has no rows: nothing would be sent."
    elif not sent:
        tone, sentence = "bad", f"None of {counted(rows, 'row')} would be sent."
    elif unsent:
        tone = "fair"
        sentence = f"{number(sent)} of {counted(rows, 'row')} would be sent, {number(unsent)} not."
    else:
        tone, sentence = "good", f"All of {counted(rows, 'row')} would be sent."
    return tag("section", tag("p", sentence, class_="sentence"), class_=f"verdict {tone}")


def _warnings(document: Mapping[str, Any]) -> Html:
    found = warnings(document)
    if not found:
        return Html("")
    texts = (tag("li", foreign(text)) for text in found)
    return tag("section", tag("h2", "Warnings"), tag("ul", *texts), class_="warnings")


def _facts(document: Mapping[str, Any]) -> Html:
    pairs = (
        tag("div", tag("dt", name), tag("dd", prose(text)))
        for name, text in facts(document)
        if name not in _FOREIGN
    )
    return tag("section", tag("h2", "What the run would do"), tag("dl", *pairs, class_="cells"))


def _first_records(document: Mapping[str, Any]) -> Html:
    records = document["first_records"]
    if not records:
        return Html("")
    return tag(
        "section",
        tag("h2", "The first rows, and what is sent for them"),
        *(_record(first, document) for first in records),
    )


def _record(first: Mapping[str, Any], document: Mapping[str, Any]) -> Html:
    pairs = (
        tag("div", tag("dt", _origin(header)), tag("dd", _cell(header, cell), _goes(field, value)))
        for header, cell, field, value in side_by_side(first, document["columns"])
    )
    return tag(
        "article",
        tag("h3", f"Row {number(first['row'])}"),
        tag("dl", *pairs, class_="cells"),
    )


def _origin(header: str | None) -> Html:
    return foreign(header) if header is not None else tag("span", "the profile", class_="quiet")


def _cell(header: str | None, cell: str) -> Html:
    if header is None:
        return Html("")
    return foreign(cell) if cell else tag("span", "(empty)", class_="quiet")


def _goes(field: str | None, value: Any) -> Html:
    """Where a cell goes, below it."""
    if field is None or value is NOT_SENT:
        return tag("div", "→ not sent", class_="quiet")
    return tag("div", "→ ", tag("code", foreign(field)), ": ", tag("code", _shown(value)))


def _shown(value: Any) -> Html:
    return foreign(shown_value(value))


def _bad_rows(document: Mapping[str, Any], csv_name: str | None) -> Html:
    bad_rows = document["bad_rows"]
    if not bad_rows:
        return Html("")
    hidden = len(bad_rows) - MOST_BAD_ROWS
    where = f"; {csv_name} has all of them" if csv_name else ""
    more = tag("p", f"and {counted(hidden, 'more row')}{where}.") if hidden > 0 else Html("")
    rows = (
        tag(
            "div",
            tag(
                "dt",
                tag("span", class_=f"key {bad['status']}"),
                f" Row {number(bad['row'])}",
            ),
            tag(
                "dd",
                f"{bad['status']}, ",
                tag("code", foreign(bad["error_code"])),
                ": ",
                foreign(bad["error"]),
            ),
        )
        for bad in bad_rows[:MOST_BAD_ROWS]
    )
    return tag(
        "section",
        tag("h2", f"{counted(len(bad_rows), 'row')} would not be sent"),
        tag("dl", *rows, class_="cells"),
        more,
    )


def _next(document: Mapping[str, Any], csv_name: str | None) -> Html:
    file, profile = document["file"], document["profile"]
    steps = []
    if csv_name is not None and document["bad_rows"]:
        steps.append(
            tag(
                "li",
                "Mend the rows in ",
                tag("code", foreign(csv_name)),
                ", and look at the plan of that file:",
                command_line(command("plan", csv_name, "--profile", profile)),
            )
        )
    if document["to_send"]:
        steps += [
            tag(
                "li",
                "Send a few rows first, and look at them at the vendor:",
                command_line(command("run", file, "--profile", profile, "--trial", 10)),
            ),
            tag(
                "li",
                "Send the file:",
                command_line(command("run", file, "--profile", profile, "--wait")),
            ),
        ]
    else:
        steps.append(
            tag(
                "li",
                "Look at what the profile makes of the columns:",
                command_line(command("profile", "show", profile)),
            )
        )
    return tag("section", tag("h2", "What to do next"), tag("ol", *steps, class_="steps"))
