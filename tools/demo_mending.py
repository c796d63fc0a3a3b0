"""What the demo does at the place of a person with a spreadsheet: it mends the cells that the
result files name.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Row = Mapping[str, str]
Cells = Mapping[str, Callable[[Row], str]]
"""By header, what a person would write into the cell of a row."""

_COLUMNS = ("row", "status", "vendor_id", "error_code", "error")
_ADDED = frozenset(f"jobferry_{name}" for name in _COLUMNS)
_GERMAN_DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class Mend:
    """A cell that was changed, in a row of the source file."""

    row: int
    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mended:
    """Rows to send again, and what was done to them.

    Attributes:
        rows: with the columns of the source file alone
        there: rows that repeat another one word for word, whose record is there already
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    mends: list[Mend] = field(default_factory=list)
    there: int = 0


def mend(rows: Iterable[Row], cells: Cells, needed: Iterable[str]) -> Mended:
    """Mend the rows of `failed.csv`, `rejected.csv` and `skipped.csv`.

    A row whose error names a column gets another cell there; one that names none has cells
    missing, and gets those that are needed. Nothing else is changed.

    Args:
        needed: headers of columns that must not be empty.
    """
    needed, rows = list(needed), list(rows)
    repeats = [row for row in rows if row["jobferry_error_code"] == "duplicate_row_key"]
    found = Mended(there=len(repeats))
    for row in rows:
        if row in repeats:
            continue
        new = {name: cell for name, cell in row.items() if name not in _ADDED}
        named = wrong_column(row["jobferry_error"], list(new))
        columns = [named] if named else [name for name in needed if not new[name].strip()]
        for column in columns:
            if column in cells:
                after = cells[column](row)
                number = int(row["jobferry_row"])
                found.mends.append(Mend(number, column, new[column], after))
                new[column] = after
        found.rows.append(new)
    return found


def wrong_column(error: str, header: Sequence[str]) -> str | None:
    """The column that an error names at its beginning, if it does."""
    names = [name for name in header if error.startswith(f"{name}:")]
    return max(names, key=len, default=None)


def own_key(key: str, form: str) -> Callable[[Row], str]:
    """A key for a row that has the key of another one, of its number."""
    return lambda row: form.format(int(row["jobferry_row"])) if row[key].strip() else row[key]


def address(row: Row) -> str:
    """A requester's address as it was meant."""
    guess = row["Requester"].replace(" at ", "@").replace(".invalid", ".com")
    name, _, host = guess.partition("@")
    return guess if name and "." in host else f"{row['Name'].lower()}@example.com"


def moment(row: Row) -> str:
    """A day of whatever form, as a moment; the last of its month where it has no such day."""
    if german := _GERMAN_DATE.fullmatch(row["Due"]):
        day, month, year = german.groups()
        return f"{year}-{month}-{day}T09:00:00Z"

    def existing(found: re.Match[str]) -> str:
        year, month, day = map(int, found.groups())
        return f"{year}-{month:02}-{min(day, calendar.monthrange(year, month)[1]):02}"

    return _DAY.sub(existing, row["Due"])
