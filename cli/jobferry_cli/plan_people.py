"""Whom the vendor may notify because of a file: rows, and people whom they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.formula_injection import undefuse
from jobferry.csvfile.header_names import RESULT_COLUMNS, places_of
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.reader import RowBlock
from jobferry.csvfile.row_mapping import RowRejected
from jobferry.domain.profile import Column, Profile
from jobferry.vendors.operation import Operation

PersonOf = Callable[[Sequence[str]], str | None]
"""The cells of a row → who may be notified because of it; None: nobody."""

_REMEMBERED = 50_000
"""Rows of other cells that are remembered: many rows name the same person."""


@dataclass(frozen=True, slots=True)
class Notified:
    """Whom the vendor may notify: rows, and people whom they name."""

    rows: int
    people: int


def people_reader(profile: Profile, operation: Operation, header: Sequence[str]) -> PersonOf | None:
    """What says of a row whom it may notify.

    It reads those columns alone that decide, which takes a fraction of the time.

    Returns:
        None: no row of the file can notify anybody.
    """
    notifies = operation.notifies
    if notifies is None:
        return None
    narrow = _narrowed(profile, header, notifies.fields)
    if not narrow.columns and not narrow.constants:
        return None
    mapping = compile_mapping(narrow, header, types=operation.types)
    defused = any(name in RESULT_COLUMNS for name in header)
    names = [undefuse(name) for name in header] if defused else list(header)
    places = sorted(places_of(names, narrow.columns or {}).values())
    cells_that_decide = itemgetter(*places) if places else lambda _cells: ()
    known: dict[object, str | None] = {}

    def person_of(cells: Sequence[str]) -> str | None:
        deciding = cells_that_decide(cells)
        if deciding in known:
            return known[deciding]
        try:
            person = notifies.person(mapping.record(cells))
        except RowRejected:
            person = None
        if len(known) >= _REMEMBERED:
            known.clear()
        known[deciding] = person
        return person

    return person_of


def _narrowed(profile: Profile, header: Sequence[str], fields: frozenset[str]) -> Profile:
    """The profile as far as some fields go."""
    entries = (
        [(name, Column(field=name, optional=True)) for name in header]
        if profile.columns is None
        else list(profile.entries())
    )
    columns: dict[str, tuple[Column, ...]] = {}
    for name, column in entries:
        if column.field in fields:
            columns[name] = (*columns.get(name, ()), column)
    constants = {
        path: value
        for path, value in profile.constants.items()
        if any(each == path or each.startswith(f"{path}.") for each in fields)
    }
    return replace(profile, columns=columns, constants=constants, row_key=None)


def count_people(
    blocks: Iterable[RowBlock], person_of: PersonOf, seen: SeenKeys, without: frozenset[int]
) -> Notified | None:
    """How many rows may notify somebody, and how many people they name; None: none.

    Args:
        blocks: of the whole file.
        seen: empty.
        without: numbers of rows that are not sent.
    """
    count = repeats = 0
    for block in blocks:
        first_of: dict[str, int] = {}
        found = 0
        for place, cells in enumerate(block.cells):
            row = block.first + place
            if row in without or place in block.problems:
                continue
            person = person_of(cells)
            if person is not None:
                found += 1
                first_of.setdefault(person, row)
        count += found
        again = seen.add(list(first_of.values()), list(first_of), [0] * len(first_of))
        repeats += found - len(first_of) + len(again)
    return Notified(count, count - repeats) if count else None
