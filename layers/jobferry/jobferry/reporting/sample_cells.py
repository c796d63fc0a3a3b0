"""Which cells of a row are shown beside its error: the one that is wrong first, then the row's key,
then the others. Pure.

An error names its column as `<column>: …`; a vendor's error names its own field, which the profile
maps a column to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobferry.domain.profile import Profile
from jobferry.reporting.html.model import Cell

MOST_CELLS = 6
MOST_CHARACTERS = 200

_NAME_CHARACTERS = 200
"""Longer words before a colon are no column's name."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What a profile says of the columns of a file.

    Attributes:
        row_key: header of the column that is unique per row; None: not known
        headers: header by the path of the field that it is mapped to
    """

    row_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, profile: Profile | None) -> ColumnNames:
        if profile is None:
            return cls()
        headers = {column.field: header for header, column in profile.entries()}
        return cls(profile.row_key, headers)


def wrong_column(text: str, header: Sequence[str], names: ColumnNames) -> str | None:
    """The column that an error text speaks of; None where it names none of the file's.

    Args:
        text: `Due: must be a date …`, or a vendor's `Email: x is not properly formatted`.
    """
    # A header may hold a colon itself: the longest that the text begins with is meant.
    named = [name for name in header if name and text.startswith(f"{name}:")]
    if named:
        return max(named, key=len)
    word, colon, _ = text[:_NAME_CHARACTERS].partition(":")
    if not colon:
        return None
    wanted = _folded(word)
    known = {_folded(path): name for path, name in names.headers.items()}
    last = {_folded(path.rpartition(".")[2]): name for path, name in names.headers.items()}
    for candidates in ({_folded(name): name for name in header}, known, last):
        found = candidates.get(wanted)
        if wanted and found is not None and found in header:
            return found
    return None


def shown_cells(
    header: Sequence[str], cells: Sequence[str], text: str, names: ColumnNames
) -> tuple[list[Cell], int]:
    """Cells of a row that are shown beside its error, and how many columns are not.

    Args:
        text: what is said about the row.
    """
    wrong = wrong_column(text, header, names)
    places = list(dict.fromkeys(_places(header, (wrong, names.row_key))))
    places += [at for at in range(len(header)) if at not in set(places)]
    shown = [
        Cell(
            header[at],
            cell[:MOST_CHARACTERS],
            wrong=header[at] == wrong,
            cut=max(0, len(cell) - MOST_CHARACTERS),
        )
        for at in places[:MOST_CELLS]
        for cell in (cells[at] if at < len(cells) else "",)
    ]
    return shown, len(header) - len(shown)


def _places(header: Sequence[str], names: Iterable[str | None]) -> Iterable[int]:
    return (header.index(name) for name in names if name is not None and name in header)


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
