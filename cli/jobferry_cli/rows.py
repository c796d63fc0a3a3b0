"""`jobferry rows`: find rows and see what became of them, beside what stood in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from jobferry.domain.commands import Command, command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.find_rows import (
    BadCursorError,
    FoundRow,
    RowPage,
    RowQuery,
    find_rows,
    key_place,
    profile_of,
)
from jobferry.operator.row_cells import Cells, cells_of, named_cells
from jobferry.operator.status import row_document
from jobferry.reporting.formatting import counted, number
from jobferry.reporting.sample_cells import ColumnNames, wrong_column
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.following import found_run
from jobferry_cli.output import note, put_json, put_table, put_text
from jobferry_cli.stack import Stack

ROWS_FOR_PEOPLE = 100
"""Outcomes printed when nobody said how many; scripts are given all of them."""

ROWS_OF_A_PAGE = 1_000
"""Of those for scripts."""

ERROR_CHARACTERS = 200
CELL_CHARACTERS = 60
"""Of a text in a table; `--row N` and `--json` show all of it."""

NOT_READ = (
    "The cells are not shown: the file of the run is gone, or you have no right to read it "
    "(s3:GetObjectVersion on the inbox)."
)
KEYS_NOT_READ = (
    "Row keys were not searched: the file of the run is gone, or you have no right to read it "
    "(s3:GetObjectVersion on the inbox). Vendor ids and error texts were."
)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--status", "wanted", type=click.Choice([s.value for s in OutcomeStatus]))
@click.option("--row", type=click.IntRange(min=1), help="One row, numbered from 1.")
@click.option("--error-code", metavar="C", help="Rows with just this code.")
@click.option(
    "--find",
    metavar="TEXT",
    help="Rows with this in the vendor's id, the row's key or the error's text, in any case.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"At most so many; all with --json, else {ROWS_FOR_PEOPLE}.",
)
@click.option(
    "--after", metavar="CURSOR", help="Go on after this row, as an earlier list named it."
)
@click.option("--cells", is_flag=True, help="With --json: the cells of each row, too.")
@global_options
@pass_app
def rows(
    app: App,
    run_id: str,
    wanted: str | None,
    row: int | None,
    error_code: str | None,
    find: str | None,
    limit: int | None,
    after: str | None,
    cells: bool,
) -> None:
    """Find rows and list their outcomes, in the order of the file."""
    run = found_run(app, run_id)
    status = None if wanted is None else OutcomeStatus(wanted)
    query = RowQuery(status=status, row=row, error_code=error_code, find=find or None)
    if row is not None and app.stack.deps.store.rows.get(run_id, row) is None:
        raise _no_such_row(run, row)
    if app.as_json:
        _put_documents(app.stack, run, query, limit, after, with_cells=cells)
        return
    limit = limit or ROWS_FOR_PEOPLE
    page = _page(app.stack, run, query, limit, after)
    if row is not None and page.rows:
        _put_one(app.stack, run, page.rows[0])
        return
    _put_page(app.stack, run, page)
    if page.keys_unread is not None:
        note(KEYS_NOT_READ)
    if not page.rows and page.cursor is None:
        put_text(f"Run {run_id} has no such rows.", f"Next:  {command('status', run_id)}")
    if page.cursor is not None:
        note(*_what_is_left(run, page, limit), f"Next:  {_more(run, query, limit, page.cursor)}")


def _page(stack: Stack, run: Run, query: RowQuery, limit: int, after: str | None) -> RowPage:
    try:
        return find_rows(run, query, stack.deps, limit=limit, after=after)
    except BadCursorError:
        raise CommandError(
            f"{after!r} is no cursor. It is the number of a row, or what the line Next has named.",
            next_command=_command(run, query),
        ) from None


def _put_documents(
    stack: Stack,
    run: Run,
    query: RowQuery,
    limit: int | None,
    after: str | None,
    *,
    with_cells: bool,
) -> None:
    """Every row that is found, page after page, as a line each."""
    left = limit
    while True:
        size = ROWS_OF_A_PAGE if left is None else min(left, ROWS_OF_A_PAGE)
        page = _page(stack, run, query, size, after)
        cells = _cells(stack, run, page.rows) if with_cells else {}
        place = key_place(run, profile_of(run, stack.deps)) if with_cells else None
        for found in page.rows:
            document = row_document(found.outcome)
            if query.find is not None or with_cells:
                document["key"] = found.key or _key_in(cells.get(found.outcome.row), place)
            if with_cells:
                header, own = cells.get(found.outcome.row, ((), None))
                document["cells"] = None if own is None else named_cells(header, own)
            put_json(document)
        left = None if left is None else left - len(page.rows)
        after = page.cursor
        if after is None or left == 0:
            break
    if page.keys_unread is not None:
        note(KEYS_NOT_READ)


def _put_page(stack: Stack, run: Run, page: RowPage) -> None:
    """The rows as a table, with the key and the cell that is wrong beside each."""
    if not page.rows:
        return
    cells, profile = _cells(stack, run, page.rows), profile_of(run, stack.deps)
    names, place = ColumnNames.of(profile), key_place(run, profile)
    lines = [
        _cells_of_line(found, cells.get(found.outcome.row), place, names) for found in page.rows
    ]
    shown = [i for i in range(len(_COLUMNS)) if i < 2 or any(line[i] for line in lines)]
    put_table([_COLUMNS[i] for i in shown], ([line[i] for i in shown] for line in lines))


_COLUMNS = ("ROW", "STATUS", "KEY", "VENDOR ID", "ERROR", "CELL")


def _cells_of_line(
    found: FoundRow, cells: Cells | None, place: int | None, names: ColumnNames
) -> list[str]:
    outcome = found.outcome
    said = ": ".join(filter(None, (outcome.error_code, outcome.error)))
    wrong = _wrong(found, cells, names)
    cell = ""
    if cells is not None and wrong is not None:
        at = cells[0].index(wrong)
        text = cells[1][at] if at < len(cells[1]) else ""
        cell = f"{wrong}: {_cut(text, CELL_CHARACTERS) or '(empty)'}"
    return [
        number(outcome.row),
        outcome.status.value,
        _cut(found.key or _key_in(cells, place) or "", CELL_CHARACTERS),
        outcome.vendor_id or "",
        _cut(said, ERROR_CHARACTERS),
        cell,
    ]


def _put_one(stack: Stack, run: Run, found: FoundRow) -> None:
    """All that is known of one row, its cells among them."""
    outcome, cells = found.outcome, _cells(stack, run, [found]).get(found.outcome.row)
    error = ": ".join(filter(None, (outcome.error_code, outcome.error)))
    known = {
        "Row": f"{number(outcome.row)} of run {run.run_id}",
        "Status": outcome.status.value,
        "Id": outcome.vendor_id,
        "Error": error,
        "Job": outcome.job_id,
        "Sent": counted(outcome.attempts, "time") if outcome.attempts else None,
    }
    put_text(*(f"{name:<9} {value}" for name, value in known.items() if value))
    if cells is None:
        return
    wrong = _wrong(found, cells, ColumnNames.of(profile_of(run, stack.deps)))
    put_table(
        ("", "COLUMN", "CELL"),
        (("→" if name == wrong else "", name, cell) for name, cell in named_cells(*cells).items()),
    )


def _wrong(found: FoundRow, cells: Cells | None, names: ColumnNames) -> str | None:
    """The column that the row's error speaks of."""
    return None if cells is None else wrong_column(found.outcome.error or "", cells[0], names)


def _cells(stack: Stack, run: Run, found: Sequence[FoundRow]) -> Mapping[int, Cells]:
    """Cells of these rows; says so where they cannot be read."""
    wanted = [each.outcome.row for each in found]
    cells = cells_of(run, wanted, stack.deps)
    if wanted and not cells:
        note(NOT_READ)
    return cells


def _key_in(cells: Cells | None, place: int | None) -> str | None:
    if cells is None or place is None or place >= len(cells[1]):
        return None
    return cells[1][place].strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _what_is_left(run: Run, page: RowPage, limit: int) -> Iterator[str]:
    if len(page.rows) == limit:
        yield "There may be more."
    else:
        yield (
            f"Rows up to {number(page.searched_to)} of {number(run.rows)} were searched; "
            "the search can go on from there."
        )


def _no_such_row(run: Run, row: int) -> CommandError:
    beyond = run.plan.done and row > run.rows
    return CommandError(
        f"Run {run.run_id} has {number(run.rows)} rows; there is no row {number(row)}."
        if beyond
        else f"Row {number(row)} of run {run.run_id} has no outcome yet.",
        next_command=command("status", run.run_id),
    )


def _more(run: Run, query: RowQuery, limit: int, cursor: str) -> Command:
    return _command(run, query, "--limit", limit, "--after", cursor)


def _command(run: Run, query: RowQuery, *words: object) -> Command:
    asked: dict[str, Any] = {
        "--status": query.status,
        "--error-code": query.error_code,
        "--find": query.find,
    }
    filters = [word for name, value in asked.items() if value for word in (name, value)]
    return command("rows", run.run_id, *filters, *words)
