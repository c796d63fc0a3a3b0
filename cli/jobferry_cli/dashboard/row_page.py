"""The page of a run's rows: search them, page by page."""

from __future__ import annotations

from collections.abc import Mapping

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.find_rows import BadCursorError, RowPage, RowQuery, find_rows
from jobferry.reporting.formatting import counted, number
from jobferry.reporting.html.markup import Html, foreign, tag, void
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import field, link_button, page, scrolled, select

PER_PAGE = 50

KEYS_NOT_READ = (
    "Row keys were not searched: the file of the run is gone, or you have no right to read it."
)


def rows_page(desk: Desk, run: Run, query: Mapping[str, str]) -> str:
    wanted = _wanted(query)
    deps, after = desk.stack.deps, query.get("after") or None
    try:
        found = find_rows(run, wanted, deps, limit=PER_PAGE, after=after)
    except BadCursorError:
        # An address that somebody has typed: the rows from the first on.
        found = find_rows(run, wanted, deps, limit=PER_PAGE)
    return page(
        desk,
        f"Rows of {run.run_id}",
        tag("p", tag("a", "Run ", run.run_id, href=desk.url("runs", run.run_id)), class_="back"),
        tag("h1", "Rows"),
        _search(desk, run, query),
        _table(found) if found.rows else _nothing(found),
        tag("p", KEYS_NOT_READ, class_="quiet") if found.keys_unread else "",
        _pages(desk, run, query, found),
        section="runs",
    )


def _wanted(query: Mapping[str, str]) -> RowQuery:
    status, row = query.get("status", ""), query.get("row", "")
    return RowQuery(
        status=OutcomeStatus(status) if status in set(OutcomeStatus) else None,
        row=int(row) if row.isascii() and row.isdigit() and len(row) < 13 else None,
        error_code=query.get("code") or None,
        find=query.get("find") or None,
    )


def _search(desk: Desk, run: Run, query: Mapping[str, str]) -> Html:
    def text(name: str, **more: str) -> Html:
        return void("input", type="text", name=name, id=name, value=query.get(name, ""), **more)

    statuses = [("", "any status"), *((s.value, s.value) for s in OutcomeStatus)]
    return tag(
        "form",
        field("Status", select("status", statuses, query.get("status", "")), name="status"),
        field("Row", text("row", inputmode="numeric", pattern="[0-9]*", size="8"), name="row"),
        field("Error code", text("code"), name="code"),
        field("Text", text("find", placeholder="vendor id, key or error"), name="find"),
        tag("button", "Search", type="submit", class_="button primary"),
        tag("a", "Clear", href=desk.url("runs", run.run_id, "rows"), class_="button"),
        method="get",
        action=desk.url("runs", run.run_id, "rows"),
        class_="filter",
        role="search",
        aria_label="Rows to show",
    )


def _table(found: RowPage) -> Html:
    heads = ("Row", "Status", "Error", "Vendor id", "Job", "Attempts")
    return scrolled(
        "Rows",
        tag(
            "table",
            tag("caption", "What became of the rows", class_="unseen"),
            tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads))),
            tag("tbody", *(_row(each.outcome) for each in found.rows)),
            class_="rows",
        ),
    )


def _row(outcome: Outcome) -> Html:
    error: list[str] = []
    if outcome.error_code:
        error.append(tag("code", foreign(outcome.error_code)))
    if outcome.error:
        error += [" ", foreign(outcome.error)]
    return tag(
        "tr",
        tag("th", number(outcome.row), scope="row", class_="number"),
        tag("td", tag("span", class_=f"key {outcome.status}"), " ", outcome.status.value),
        tag("td", *error, class_="said"),
        tag("td", foreign(outcome.vendor_id or "")),
        tag("td", foreign(outcome.job_id or "")),
        tag("td", number(outcome.attempts)),
    )


def _nothing(found: RowPage) -> Html:
    if found.cursor is None:
        return tag("p", "There are no such rows.", class_="empty")
    text = f"None among the rows up to {number(found.searched_to)}."
    return tag("p", text, class_="empty")


def _pages(desk: Desk, run: Run, query: Mapping[str, str], found: RowPage) -> Html:
    given = {name: query.get(name) for name in ("status", "row", "code", "find")}
    links = []
    if query.get("after"):
        links.append(link_button("First rows", desk.url("runs", run.run_id, "rows", **given)))
    if found.cursor is not None:
        more = desk.url("runs", run.run_id, "rows", **given, after=found.cursor)
        links.append(link_button("Next rows" if found.rows else "Search on", more, "primary"))
    shown = tag("span", counted(len(found.rows), "row"), " shown", class_="quiet")
    return tag("p", *links, shown if found.rows else "", class_="pages")
