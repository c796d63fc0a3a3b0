"""A block of rows, judged: which of them cannot be sent, and why.

Whole columns are asked first, which costs little; a row is asked by itself only where its column
says that it may be bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import sub
from zlib import crc32

from jobferry.csvfile.duplicate_keys import Repeat, SeenKeys
from jobferry.csvfile.plan_items import Superseded
from jobferry.csvfile.reader import RowBlock
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.csvfile.row_scale import RowScale
from jobferry.domain.error_codes import Problem, RejectCode
from jobferry.domain.outcome import OutcomeStatus, RejectedRow
from jobferry.domain.profile import OnDuplicate


class JudgedBlock:
    """A block of rows, of which those that cannot become records are known.

    Args:
        block: not empty.

    Attributes:
        bad: the rows that are not sent, by their place in the block.
    """

    def __init__(self, block: RowBlock, mapping: RowMapping, scale: RowScale) -> None:
        self.bad = {
            place: _reject(block.first + place, problem)
            for place, problem in block.problems.items()
        }
        self._block, self._mapping = block, mapping
        # Those that were read, by their places, and their cells, column by column.
        self._places: Sequence[int] = range(len(block.cells))
        cells = block.cells
        if self.bad:
            self._places = [place for place in self._places if place not in self.bad]
            cells = [cells[place] for place in self._places]
        self._columns: list[Sequence[str]] = list(zip(*cells, strict=True))
        if cells:
            self._check(cells, scale)

    def _check(self, cells: Sequence[list[str]], scale: RowScale) -> None:
        block, places = self._block, self._places
        for number in self._mapping.suspects(self._columns, ascii_only=block.ascii):
            problem = self._mapping.check(cells[number])
            if problem is not None:
                self.bad[places[number]] = _reject(block.first + places[number], problem)
        if max(map(sub, block.ends, block.starts)) > scale.surely_fits:
            for place in places:
                size = None if place in self.bad else scale.outweighs_all(block.row(place))
                if size is not None:
                    self.bad[place] = _too_large(block.first + place, size, scale.most_of_one)

    def repeats(self, seen: SeenKeys) -> dict[int, Repeat]:
        """Note the keys of the good rows.

        Returns:
            For each row, by its number, whose key an earlier good row has, that row.
        """
        mapping, columns, first = self._mapping, self._columns, self._block.first
        rows: Sequence[int] = range(first, first + len(self._block.cells))
        if self.bad:
            good = [place not in self.bad for place in self._places]
            rows = [first + place for place in compress(self._places, good)]
            if len(rows) < len(good):
                columns = [list(compress(column, good)) for column in columns]
        if not rows:
            return {}
        others = [columns[index] for index in mapping.compared]
        contents = (
            [crc32(text.encode()) for text in map("\x1f".join, zip(*others, strict=True))]
            if others
            else [0] * len(rows)
        )
        return seen.add(rows, mapping.keys(columns, ascii_only=self._block.ascii), contents)

    def leave_out_repeats(self, seen: SeenKeys, policy: OnDuplicate | None) -> None:
        """Leave out good rows whose key an earlier good row has, if rows have keys."""
        name = self._mapping.key_name
        if name is None:
            return
        for row, repeat in self.repeats(seen).items():
            self.bad[row - self._block.first] = _repeat(row, repeat, name, policy)

    def leave_out_superseded(self, superseded: Superseded) -> None:
        """Leave out good rows whose key a later one has."""
        first = self._block.first
        for row in superseded.among(first, len(self._block.cells)):
            if row - first not in self.bad:
                self.bad[row - first] = _superseded(row, self._mapping.key_name or "")


def _reject(row: int, problem: Problem) -> RejectedRow:
    return RejectedRow(row, OutcomeStatus.REJECTED, problem.shown_code, problem.reason)


def _too_large(row: int, size: int, most: int) -> RejectedRow:
    return RejectedRow(
        row,
        OutcomeStatus.REJECTED,
        RejectCode.ROW_TOO_LARGE,
        f"The row takes {size:,} bytes when it is sent, and the vendor takes at most {most:,} for "
        "a row. Shorten its cells.",
    )


def _repeat(row: int, repeat: Repeat, key_name: str, policy: OnDuplicate | None) -> RejectedRow:
    code = RejectCode.DUPLICATE_ROW_KEY if repeat.same else RejectCode.CONFLICTING_ROW_KEY
    what = "repeats" if repeat.same else "has the key of"
    other = "" if repeat.same else " Its other cells differ from that row's."
    return RejectedRow(
        row,
        OutcomeStatus.REJECTED if policy is OnDuplicate.REJECT else OutcomeStatus.SKIPPED,
        code,
        f"{key_name}: {what} row {repeat.row}, which is the one that counts.{other}",
        unclear=policy is None and not repeat.same,
    )


def _superseded(row: int, key_name: str) -> RejectedRow:
    return RejectedRow(
        row,
        OutcomeStatus.SKIPPED,
        RejectCode.DUPLICATE_ROW_KEY,
        f"{key_name}: a row further down has the same key, and the last one counts.",
    )
