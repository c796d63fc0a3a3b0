"""A profile bound to one file's header: its rows are checked for planning, and become records."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from jobferry.csvfile.blanks import ENDS, is_blank, stripped
from jobferry.csvfile.converters import LEFT_OUT, Parse, missing_value
from jobferry.csvfile.fieldpath import FieldPath, put
from jobferry.csvfile.formula_injection import undefuse
from jobferry.csvfile.header_names import fold_name
from jobferry.csvfile.mojibake import is_garbled
from jobferry.domain.error_codes import (
    CUT_MARK,
    CellError,
    FileRefused,
    Problem,
    RefusalCode,
    RejectCode,
)
from jobferry.domain.profile import Empty
from jobferry.domain.types import JsonObject

Judge = Callable[[JsonObject], tuple[str, str] | None]
"""A record → why the vendor cannot take it in any request: a code and a sentence."""

_GOOD_CELLS = 50_000
"""Cells of a column that are remembered as good."""


class RowRejected(Exception):
    """The row cannot become a record."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class MappedField:
    """One mapped column of this very file.

    Attributes:
        header: its name as the file writes it
        parse: None: the cell is sent as it stands
        nulls: cells that count as empty
        key: any text but a rounded number is good
        good: cells that were read without an objection
    """

    index: int
    name: str
    header: str
    path: FieldPath
    when_empty: Empty
    parse: Parse | None
    nulls: frozenset[str]
    key: bool
    good: set[str] = field(default_factory=set)

    def is_empty(self, cell: str) -> bool:
        text = cell.strip(ENDS)
        return not text or text in self.nulls

    def value(self, cell: str) -> object:
        """What is sent for a cell. Raises CellError."""
        if self.is_empty(cell):
            if self.when_empty is Empty.REJECT:
                raise missing_value()
            return None if self.when_empty is Empty.CLEAR else LEFT_OUT
        return self.parse(cell) if self.parse else cell

    def bad_cells(self, cells: Sequence[str]) -> set[str]:
        """The cells that cannot be read; all others can."""
        if self.key and not self.nulls and "+" not in "".join(cells):
            return set()  # no number of a spreadsheet is among them, and any other text is a key
        if self.good.issuperset(cells):
            return set()
        new = set(cells) - self.good
        bad = {cell for cell in new if not self._reads(cell)}
        if len(self.good) + len(new) > _GOOD_CELLS:
            self.good.clear()
        if len(new) <= _GOOD_CELLS:
            self.good.update(new - bad)
        return bad

    def _reads(self, cell: str) -> bool:
        try:
            self.value(cell)
        except CellError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class RowKey:
    index: int
    name: str
    folded: bool
    field: MappedField | None

    def is_empty(self, cell: str) -> bool:
        return is_blank(cell) if self.field is None else self.field.is_empty(cell)


class RowMapping:
    """A profile's columns bound to the header of one file. Made by `compile_mapping`.

    Attributes:
        key_name: header of the row_key column, None when the profile has none
        filled: the fields that a column or a constant fills, or something inside them
        fixed_bytes: at least as many as a record's compact JSON has beyond six times the bytes that
            its row has in the file
    """

    def __init__(
        self,
        fields: Sequence[MappedField],
        constants: JsonObject,
        row_key: RowKey | None,
        *,
        defused: bool,
        required: Sequence[Sequence[str]] = (),
        judge: Judge | None = None,
    ) -> None:
        self._fields = tuple(fields)
        self._constants = constants
        self._row_key = row_key
        self._defused = defused
        self._judge = judge
        needed = [f.index for f in fields if f.when_empty is Empty.REJECT]
        self._needed = tuple(dict.fromkeys([*needed, row_key.index] if row_key else needed))
        self._checked = tuple(f for f in fields if f.parse is not None or f.nulls)
        self._headers = tuple({f.index: fold_name(f.header) for f in fields}.items())
        self._groups = tuple(self._open_groups(required))
        self.key_name = row_key.name if row_key else None
        template = self._template()
        self.filled = frozenset(template)
        self.fixed_bytes = _json_bytes(template)

    def check(self, cells: Sequence[str]) -> Problem | None:
        """What keeps the row from becoming a record: all of it in one sentence each, or None.

        Args:
            cells: as many as the header has columns.

        Raises:
            FileRefused: the file has come back from a spreadsheet with its letters garbled.
        """
        plain = self._plain(cells)
        if plain[0].startswith(CUT_MARK):  # all of its cells have it
            return _cut()
        if self._defused:
            _refuse_garbled(plain)
        if self._repeats_header(plain):
            return Problem(
                RejectCode.REPEATED_HEADER,
                "The row repeats the header. Delete it, or leave it: it is not sent.",
            )
        return self._unreadable(plain) or self._lacks_one_of(plain) or self._vendor_objects(plain)

    def _unreadable(self, plain: Sequence[str]) -> Problem | None:
        """Cells that are empty and must not be, or cannot be read as what they are."""
        key = self._row_key
        try:
            if key is not None and key.is_empty(plain[key.index]):
                return self._complaint(plain)
            for index in self._needed:
                if is_blank(plain[index]):
                    return self._complaint(plain)
            for each in self._checked:
                if plain[each.index] not in each.good:
                    each.value(plain[each.index])
        except CellError:
            return self._complaint(plain)
        return None

    def _lacks_one_of(self, plain: Sequence[str]) -> Problem | None:
        """Fields of which the vendor needs one, and the row has none."""
        for group, names in self._groups:
            if all(each.is_empty(plain[each.index]) for each in group):
                return Problem(
                    RejectCode.MISSING_VALUE,
                    f"The vendor needs {' or '.join(names)}: fill the cell of "
                    f"{' or '.join(each.name for each in group)}.",
                )
        return None

    def _vendor_objects(self, plain: Sequence[str]) -> Problem | None:
        """What the vendor takes in no request."""
        found = None if self._judge is None else self._judge(self._record(plain))
        return None if found is None else Problem(RejectCode.VENDOR_RULE, found[1], found[0])

    def suspects(self, columns: Sequence[Sequence[str]], *, ascii_only: bool) -> set[int]:
        """The rows of a block, by place, that `check` may object to; it does not to the others.

        Args:
            columns: the cells of the block, column by column, as many as the header has.
            ascii_only: no cell holds anything but ASCII.
        """
        count = len(columns[0]) if columns else 0
        if self._defused or self._judge is not None:
            return set(range(count))
        found: set[int] = set()
        if CUT_MARK in "".join(columns[0]):
            found.update(i for i, cell in enumerate(columns[0]) if cell.startswith(CUT_MARK))
        for index in self._needed:
            column = columns[index]
            if not all(stripped(column, ascii_only=ascii_only)):
                found.update(i for i, cell in enumerate(column) if is_blank(cell))
        key = self._row_key
        if key is not None and key.field is not None and key.field.nulls:
            found.update(i for i, cell in enumerate(columns[key.index]) if key.is_empty(cell))
        for each in self._checked:
            column = columns[each.index]
            bad = each.bad_cells(column)
            if bad:
                found.update(i for i, cell in enumerate(column) if cell in bad)
        found |= self._may_lack_one_of(columns, ascii_only=ascii_only)
        found |= self._may_repeat_header(columns)
        return found

    def _may_lack_one_of(self, columns: Sequence[Sequence[str]], *, ascii_only: bool) -> set[int]:
        found: set[int] = set()
        for group, _ in self._groups:
            cells = zip(*(columns[each.index] for each in group), strict=True)
            found.update(i for i, row in enumerate(cells) if not any(map(str.strip, row)))
            if any(each.nulls for each in group) or not ascii_only:
                found.update(range(len(columns[0])))
        return found

    def _may_repeat_header(self, columns: Sequence[Sequence[str]]) -> set[int]:
        if not self._headers:
            return set()
        index, name = self._headers[-1]
        column = columns[index]
        # A cell that shows the name holds its longest word, whatever blanks stand around it.
        word = max(name.split(), key=len, default="")
        if word in "\n".join(column):
            return {i for i, cell in enumerate(column) if fold_name(cell) == name}
        return set()

    @property
    def compared(self) -> tuple[int, ...]:
        """The columns by which two rows of the same key are compared."""
        key = self._row_key
        return tuple(index for index, _ in self._headers if key is None or index != key.index)

    def keys(self, columns: Sequence[Sequence[str]], *, ascii_only: bool) -> list[str]:
        """The keys of all rows of a block, none of which `check` objects to; see `suspects`."""
        key = self._row_key
        if key is None:
            return [""] * (len(columns[0]) if columns else 0)
        column = columns[key.index]
        if self._defused:
            column = [undefuse(cell) for cell in column]
        if key.field is not None and key.field.parse is not None and not key.field.key:
            keys = [_text(key.field.value(cell)) for cell in column]
        else:
            keys = list(stripped(column, ascii_only=ascii_only))
        return [each.casefold() for each in keys] if key.folded else keys

    def key(self, cells: Sequence[str]) -> str:
        """The row's key as it is sent, folded if the vendor compares it so; empty when the profile
        has none."""
        (key,) = self.keys([[cell] for cell in cells], ascii_only=False)
        return key

    def record(self, cells: Sequence[str]) -> JsonObject:
        """The record to send. Raises RowRejected with what `check` says when there is something."""
        plain = self._plain(cells)
        try:
            return self._record(plain)
        except CellError as error:
            raise RowRejected(self._complaint(plain)) from error

    def sets(self, name: str) -> bool:
        """Whether a column or a constant fills the field of this name, or something inside it."""
        return name in self.filled

    def _record(self, plain: Sequence[str]) -> JsonObject:
        record: JsonObject = copy.deepcopy(self._constants)
        for each in self._fields:
            value = each.value(plain[each.index])
            if value is not LEFT_OUT:
                put(record, each.path, value, replace=True)
        return record

    def _plain(self, cells: Sequence[str]) -> Sequence[str]:
        return [undefuse(cell) for cell in cells] if self._defused else cells

    def _repeats_header(self, cells: Sequence[str]) -> bool:
        return bool(self._headers) and all(
            fold_name(cells[index]) == name for index, name in self._headers
        )

    def _open_groups(
        self, required: Sequence[Sequence[str]]
    ) -> Iterable[tuple[tuple[MappedField, ...], tuple[str, ...]]]:
        """What the vendor needs one of, where a row may leave all of it empty."""
        for names in required:
            group = tuple(each for each in self._fields if is_one_of(each.path, names))
            sure = any(holds(self._constants, name) for name in names) or any(
                each.when_empty is Empty.REJECT for each in group
            )
            if group and not sure:
                yield group, tuple(names)

    def _complaint(self, cells: Sequence[str]) -> Problem:
        problems: list[Problem] = []
        key = self._row_key
        if key is not None and key.is_empty(cells[key.index]):
            problems.append(
                Problem(
                    RejectCode.MISSING_ROW_KEY,
                    f"{key.name}: must not be empty, as it distinguishes the rows.",
                )
            )
        for each in self._fields:
            if problems and key is not None and each.index == key.index:
                continue
            if cells[each.index] in each.good:
                continue
            try:
                each.value(cells[each.index])
            except CellError as error:
                problems.append(Problem(error.code, f"{each.name}: {error.wants}."))
        return Problem(problems[0].code, " ".join(problem.reason for problem in problems))

    def _template(self) -> JsonObject:
        record = copy.deepcopy(self._constants)
        for each in self._fields:
            put(record, each.path, "", replace=True)
        return record


def _refuse_garbled(cells: Sequence[str]) -> None:
    for cell in cells:
        if not cell.isascii() and is_garbled(cell):
            raise FileRefused(
                RefusalCode.GARBLED,
                "This is a result file that was opened and saved as text of another encoding: its "
                "accented letters are garbled. Fetch the result file again, open it in the "
                "spreadsheet by a double click or with Data > From Text/CSV as UTF-8, mend it, and "
                'save it as "CSV UTF-8".',
            )


def _cut() -> Problem:
    return Problem(
        RejectCode.CUT_ROW,
        "This row was too large to be kept whole in a result file, so only its beginning stands "
        "here. Take the row from the file that was sent first.",
    )


def is_one_of(path: FieldPath, names: Sequence[str]) -> bool:
    """Whether a field, or something inside it, is one of these."""
    return any(".".join(path.keys[: count + 1]) in names for count in range(len(path.keys)))


def holds(record: JsonObject, name: str) -> bool:
    value: object = record
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_bytes(value: JsonObject) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
