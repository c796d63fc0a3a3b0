"""What a person can do now: the steps that every surface advises, and buttons for them here."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobferry.domain.run import Run
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.run_actions import vendor_of

REPORT = "report.html"

NAMES = {
    "abort": "Abort",
    "resume": "Resume",
    "retry": "Retry failed rows",
    "rerun": "Run again",
    "resolve": "Ask about unknown rows",
    "priority": "Priority",
    "problems": "What jobs wait for",
}
"""Commands that the page does itself, and what it calls them."""


@dataclass(frozen=True, slots=True)
class Action:
    """A link to where something is confirmed, or shown."""

    text: str
    href: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, with the commands that do it elsewhere, and the buttons that do it here."""

    text: str
    commands: Sequence[str]
    actions: Sequence[Action] = ()


def actions_of(desk: Desk, run: Run, document: Mapping[str, Any]) -> list[Action]:
    """What this run's state allows, the most likely first."""
    run_id = run.run_id
    names = _while_open(desk, run, document) if run.closed_at is None else _when_over(document)
    found = [
        Action(NAMES[name], desk.url("runs", run_id, name), _KINDS.get(name, "")) for name in names
    ]
    if run.rows:
        found.append(Action("Report", desk.url("runs", run_id, "files", REPORT)))
    if sum(document["outcomes"].values()):
        found.append(Action("Rows", desk.url("runs", run_id, "rows")))
    return found


_KINDS = {"resume": "primary", "retry": "primary", "abort": "danger"}


def _while_open(desk: Desk, run: Run, document: Mapping[str, Any]) -> list[str]:
    if run.stop is not None:
        return []
    names = ["resume"] if document["status"] == "paused" else []
    vendor = vendor_of(desk.stack, run)
    tells = vendor is not None and vendor.capabilities.problems
    return [*names, "abort", "priority", *(["problems"] if tells else [])]


def _when_over(document: Mapping[str, Any]) -> list[str]:
    outcomes = document["outcomes"]
    wanted = {
        "resolve": outcomes["unknown"],
        "retry": outcomes["failed"],
        "rerun": document["rows"],
    }
    return [name for name, rows in wanted.items() if rows]


def steps_of(desk: Desk, document: Mapping[str, Any]) -> list[Step]:
    """The steps of the run's document. Those that only say how to see this page are left out."""
    found = []
    for step in document["steps"]:
        commands = [each for each in step["commands"] if not _is_shown_here(each)]
        if not commands and step["commands"]:
            continue
        actions = [action for each in commands if (action := _action(desk, each)) is not None]
        found.append(Step(step["text"], commands, actions))
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _is_shown_here(line: str) -> bool:
    return _words(line)[:2] in (["jobferry", "watch"], ["jobferry", "status"])


def _action(desk: Desk, line: str) -> Action | None:
    """What on this page does the same as a command."""
    match _words(line):
        case [
            "jobferry",
            ("abort" | "resume" | "retry" | "rerun" | "resolve" | "problems") as name,
            run_id,
            *_,
        ]:
            return Action(NAMES[name], desk.url("runs", run_id, name))
        case ["jobferry", "rows", run_id, "--status", status]:
            return Action(f"Rows {status}", desk.url("runs", run_id, "rows", status=status))
        case ["jobferry", "results", run_id, *_]:
            return Action("Result files", desk.url("runs", run_id) + "#files")
        case ["jobferry", "run", _, "--profile", profile]:
            return Action("Choose the mended file", desk.url("new", profile=profile))
        case ["jobferry", "report", run_id]:
            return Action("The report", desk.url("runs", run_id, "files", REPORT))
        case ["jobferry", "connection", ("show" | "test"), name]:
            return Action("The connection", desk.url("connections", name))
        case _:
            return None
