"""What the demo says of its runs, from their status documents."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jobferry.reporting.formatting import counted, dollars, duration, number
from jobferry_cli.output import printable
from tools.demo_mending import Mended

COMMAND = ".venv/bin/jobferry"
"""How the command is typed from the project's folder, in a shell that knows nothing of it."""


def outcome_lines(document: Mapping[str, Any], *, adds_up: bool) -> list[str]:
    """What became of the rows, as a small table."""
    outcomes = document["outcomes"]
    return [
        f"{counted(document['rows'], 'row')} in {duration(document['seconds'])}:",
        *(f"  {status:<10} {count:>6}" for status, count in outcomes.items()),
        f"  {'sum':<10} {sum(outcomes.values()):>6}   "
        + ("adds up" if adds_up else "DOES NOT ADD UP"),
    ]


def mend_lines(mended: Mended) -> list[str]:
    """Which cells were changed, from what into what."""
    lines = [
        printable(f"  row {each.row:>4}  {each.column:<10} {each.before!r} → {each.after!r}")
        for each in mended.mends
    ]
    if mended.there:
        again = counted(mended.there, "row")
        lines.append(f"  {again} repeated another word for word: that record is there already.")
    return lines


def arrived(
    first: Mapping[str, Any],
    second: Mapping[str, Any] | None,
    repeated: int,
    records: int | None,
    kind: str,
) -> tuple[bool, str]:
    """Whether all rows are there, by their outcomes and by what the vendor holds, and a sentence.

    Args:
        repeated: rows that repeat another word for word.
        records: that the vendor holds, if somebody has counted them.
        kind: of the records.
    """
    runs = [first] if second is None else [first, second]
    there = sum(run["outcomes"]["succeeded"] for run in runs) + repeated
    missing = first["rows"] - there
    if missing:
        return False, f"{counted(missing, 'row')} of {number(first['rows'])} did not get there."
    words = f"All {counted(first['rows'], 'row')} are there."
    if records is None:
        return True, words
    held = f"The vendor holds {counted(records, kind)}"
    if records != there - repeated:
        return False, f"{held}, not {number(there - repeated)}."
    return True, f"{words} {held}, no more and no less."


def cost_lines(document: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """What a million rows would take and cost, by `jobferry cost`."""
    assumed, run = document["assumed"], document["run"]
    a_job = counted(assumed["rows"] // assumed["jobs"], "row")
    return [
        f"A million rows, with jobs of {a_job} that take {duration(assumed['job_seconds'])} and "
        f"{number(assumed['max_jobs'])} of them at a time, would take "
        f"{duration(round(run['seconds']))} and cost {dollars(run['together'])} of AWS, storage "
        "and logs included. By item:",
        f"  {shlex.join([COMMAND, *words])}",
    ]
