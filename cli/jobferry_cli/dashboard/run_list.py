"""The page of all runs: newest first, as far as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jobferry.domain.run import Run, RunStatus
from jobferry.operator.status import run_summary
from jobferry.reporting.formatting import counted, duration, number
from jobferry.reporting.html.markup import Html, foreign, join, tag
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import (
    MOVING,
    STILL,
    bar,
    link_button,
    live,
    name_of_file,
    page,
    pill,
    select,
    tally,
    when,
)

PER_PAGE = 20
MOST_READ = 200
"""Runs that are read for one page, where few of them are wanted."""

STATUSES = tuple(status.value for status in RunStatus)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see.

    Attributes:
        after: the cursor of the last run seen; None: from the newest
    """

    status: str | None = None
    profile: str | None = None
    after: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        status = query.get("status") or None
        return cls(
            status if status in STATUSES else None,
            query.get("profile") or None,
            query.get("after") or None,
        )

    def has(self, document: Mapping[str, Any]) -> bool:
        return self.status in (None, document["status"]) and self.profile in (
            None,
            document["profile"],
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """Runs of one page, and the cursor to go on from; None: there are no more."""

    documents: list[dict[str, Any]]
    cursor: str | None


def runs_page(desk: Desk, query: Mapping[str, str]) -> str:
    wanted = Wanted.of(query)
    return page(
        desk,
        "Runs",
        tag(
            "div",
            tag("h1", "Runs"),
            link_button("New run", desk.url("new"), "primary"),
            class_="head",
        ),
        _filter(desk, wanted),
        runs_part(desk, query),
        section="runs",
    )


def runs_part(desk: Desk, query: Mapping[str, str]) -> Html:
    """The list alone."""
    wanted = Wanted.of(query)
    found = _listed(desk, wanted)
    given = {"status": wanted.status, "profile": wanted.profile}
    open_runs = [d for d in found.documents if d["closed_at"] is None]
    moving = any(d["status"] != "paused" for d in open_runs)
    older = Html("")
    if found.cursor is not None:
        older = link_button("Older runs", desk.url("runs", **given, after=found.cursor))
    newest = link_button("Newest runs", desk.url("runs", **given)) if wanted.after else ""
    return live(
        "runs",
        tag("ol", *(_entry(desk, each) for each in found.documents), class_="runs")
        if found.documents
        else _nothing(desk, wanted, more=found.cursor is not None),
        tag("p", newest, older, class_="pages") if older or newest else "",
        url=desk.url("runs", **given, after=wanted.after, part="list"),
        pace=MOVING if moving else STILL,
        say=_said(open_runs),
    )


def _said(open_runs: list[dict[str, Any]]) -> str:
    going = sum(d["status"] != "paused" for d in open_runs)
    paused = len(open_runs) - going
    return f"{counted(going, 'run')} in progress" + (f", {number(paused)} paused" if paused else "")


def _nothing(desk: Desk, wanted: Wanted, *, more: bool) -> Html:
    if more:
        return tag("p", "None of these runs is so. There are older ones.", class_="empty")
    if wanted.status or wanted.profile or wanted.after:
        return tag("p", "There are no such runs.", class_="empty")
    return tag(
        "p",
        "There are no runs yet. ",
        tag("a", "Start one with a file of yours", href=desk.url("new")),
        ".",
        class_="empty",
    )


def _filter(desk: Desk, wanted: Wanted) -> Html:
    profiles = desk.stack.deps.store.config.profile_names()
    if wanted.profile and wanted.profile not in profiles:
        profiles = [*profiles, wanted.profile]
    statuses = [("", "any status"), *((s, s.replace("_", " ")) for s in STATUSES)]
    return tag(
        "form",
        tag(
            "p",
            tag("label", "Status", for_="status"),
            select("status", statuses, wanted.status or ""),
        ),
        tag(
            "p",
            tag("label", "Profile", for_="profile"),
            select(
                "profile",
                [("", "any profile"), *((name, name) for name in profiles)],
                wanted.profile or "",
            ),
        ),
        tag("button", "Show", type="submit", class_="button"),
        method="get",
        action=desk.url("runs"),
        class_="filter",
        role="search",
        aria_label="Runs to show",
    )


def _listed(desk: Desk, wanted: Wanted) -> Listed:
    is_open = wanted.status is not None and not RunStatus(wanted.status).closed
    most = MOST_READ if wanted.status or wanted.profile else PER_PAGE
    newest = desk.stack.deps.store.runs.newest(
        before=wanted.after, limit=most + 1, only_open=is_open
    )
    found: list[dict[str, Any]] = []
    last = None
    for cursor, run in islice(newest, most):
        if len(found) == PER_PAGE:
            return Listed(found, last)
        last = cursor
        document = listed_document(desk, run)
        if wanted.has(document):
            found.append(document)
    more = next(newest, None) is not None
    return Listed(found, last if more else None)


def listed_document(desk: Desk, run: Run) -> dict[str, Any]:
    """What a run's own item says, with the time that an open one has taken so far."""
    document = run_summary(run)
    if document["seconds"] is None:
        document["seconds"] = round(run.worked(desk.stack.deps.now()), 1)
    return document


def _entry(desk: Desk, document: Mapping[str, Any]) -> Html:
    run_id, status = document["run_id"], document["status"]
    return tag(
        "li",
        tag(
            "div",
            tag(
                "h2",
                tag("a", foreign(name_of_file(document)), href=desk.url("runs", run_id), id=run_id),
            ),
            tag(
                "p",
                tag("span", document["profile"]),
                tag("span", tag("code", run_id)),
                class_="quiet",
            ),
            class_="which",
        ),
        tag("div", pill(status), class_="state"),
        tag(
            "div",
            bar(document["rows"], document["outcomes"]),
            tally(document["outcomes"], ("succeeded", "failed")),
            class_="how",
        ),
        tag("div", tag("p", _pace(desk, document)), class_="pace"),
        tag("div", tag("p", when(document["started_at"])), tag("p", _took(document)), class_="at"),
        class_="run",
    )


def _pace(desk: Desk, document: Mapping[str, Any]) -> Html:
    settled = sum(document["outcomes"].values())
    rows = (
        counted(document["rows"], "row")
        if settled == document["rows"]
        else f"{number(settled)} of {counted(document['rows'], 'row')}"
    )
    pace = desk.paces.of(document)
    parts = [rows]
    if pace.rows_per_minute is not None and document["closed_at"] is None:
        parts.append(f"{number(round(pace.rows_per_minute))} a minute")
    if pace.seconds_left is not None:
        parts.append(f"about {duration(round(pace.seconds_left))} left")
    return join(*(tag("span", part) for part in parts))


def _took(document: Mapping[str, Any]) -> str:
    seconds = float(document["seconds"])
    if document["closed_at"] is None:
        return f"for {duration(round(seconds))}"
    return f"took {duration(seconds)}"
