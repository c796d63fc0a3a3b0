"""The plan of a file as prose: the same sentences for terminal and page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobferry.reporting.formatting import counted, dollars, duration, number
from jobferry_cli.moments import both_times
from jobferry_cli.plan_document import NOT_SENT, side_by_side

BAD_ROWS_FOR_PEOPLE = 50
"""Bad rows printed on a terminal, unless all are asked for."""

_LONGEST = 60
"""Characters of a cell or a value on a terminal."""


def lines(document: Mapping[str, Any], *, every_row: bool) -> list[str]:
    """What a terminal shows.

    Args:
        document: of `plan_document.planned_document`.
        every_row: all bad rows, however many.
    """
    return [
        *(f"{name:<9} {text}" for name, text in facts(document)),
        *(f"Warning   {text}" for text in warnings(document)),
        *_first_records(document),
        *_bad_rows(document, every_row=every_row),
        "",
        "Nothing was sent.",
    ]


def facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is expected of the run, by name."""
    expected = document["forecast"]
    basis = (
        f"going by {counted(expected['learned_from'], 'earlier job')}"
        if expected["learned_from"]
        else "if jobs take ten seconds; the first run will show"
    )
    found = [
        ("File", document["file"]),
        (
            "Sends",
            f"{number(document['to_send'])} of {counted(document['rows'], 'row')} to "
            f"{document['operation']} at {document['base_url']}",
        ),
        (
            "Jobs",
            f"{number(expected['jobs'])}, in about {counted(expected['requests'], 'request')}",
        ),
        ("Time", f"about {duration(expected['seconds'])}, {basis}"),
        ("Cost", f"about {dollars(expected['cost'])} of AWS at list prices"),
    ]
    return found + (_consequences(document) if document["to_send"] else [])


def _consequences(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What sending the rows does that somebody may regret."""
    found = [("At stake", _stake(document)), ("Undo", document["undo"]["text"])]
    notifies = document["notifies"]
    if notifies is not None:
        people = counted(notifies["people"], notifies["whom"])
        rows = counted(notifies["rows"], "row")
        found.append(("Notifies", f"up to {people}, by {rows}. {notifies['text']}"))
    repeats = _repeats(document)
    return [*found, ("Repeats", repeats)] if repeats else found


def _repeats(document: Mapping[str, Any]) -> str:
    """Rows whose row_key another row has."""
    parts = []
    if document["duplicates"]:
        parts.append(f"{counted(document['duplicates'], 'row')} as another one is")
    if document["conflicts"]:
        parts.append(
            f"{counted(document['conflicts'], 'row')} with the row_key of another one and other "
            "cells"
        )
    return ", ".join(parts)


def _stake(document: Mapping[str, Any]) -> str:
    """How many rows a wrong file or profile costs before the run stops by itself."""
    rows, stake = document["to_send"], document["at_stake"]
    if stake < rows:
        return f"about {counted(stake, 'row')}: then a run of which every row fails stops"
    return "all of them: rows that fail are seen too late; `run --trial N` sends N first"


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What somebody should look at first."""
    found = list(document["warnings"])
    before = document["same_content"]
    if before is not None:
        found.insert(
            0,
            f"The very same content was sent by the run {before['run_id']} with this profile, "
            f"{both_times(before['at'])}. A run of it sends nothing until you say so.",
        )
    return found


def shown_value(value: Any) -> str:
    """A value as the request holds it."""
    return "not sent" if value is NOT_SENT else json.dumps(value, ensure_ascii=False)


def _first_records(document: Mapping[str, Any]) -> list[str]:
    found = []
    for first in document["first_records"]:
        found += ["", f"Row {first['row']} is sent as"]
        for header, cell, field, value in side_by_side(first, document["columns"]):
            what = f"{field}: {_cut(shown_value(value))}" if field else "not sent"
            origin = "(the profile)" if header is None else f"{header}: {_cut(cell)}"
            found.append(f"  {origin}  ->  {what}")
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _bad_rows(document: Mapping[str, Any], *, every_row: bool) -> list[str]:
    bad_rows = document["bad_rows"]
    if not bad_rows:
        return []
    shown = bad_rows if every_row else bad_rows[:BAD_ROWS_FOR_PEOPLE]
    found = ["", f"{counted(len(bad_rows), 'row')} would not be sent:"]
    for bad in shown:
        found.append(f"  row {bad['row']:>8}  {bad['status']:<8}  {bad['error']}")
    if len(shown) < len(bad_rows):
        rest = number(len(bad_rows) - len(shown))
        found.append(f"  and {rest} more; --out FILE.csv writes all, --all prints them")
    return found
