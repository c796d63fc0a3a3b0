"""A plan stops when most rows are rejected: then it is not the file that the profile is for."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from jobferry.csvfile.reader import RowBlock
from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.outcome import OutcomeStatus, RejectedRow

FIRST_ROWS = 1_000
ROWS_JUDGED = 10_000
"""Rows of which too many may be rejected: the first ones, then any."""


class RejectedShare:
    """Stops a plan when most rows are rejected: of the first thousand, then of any ten thousand
    (rows 1 to 10,000, and so on). Where planning goes on in the middle of such a part, only whole
    ones are judged."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._from: int | None = None
        self._rejected: Counter[str] = Counter()

    def note(self, block: RowBlock, bad: Mapping[int, RejectedRow]) -> None:
        if self._most >= 1.0:
            return
        place, count = 0, len(block.cells)
        ordered = sorted(bad)
        while place < count:
            row = block.first + place
            part_end = FIRST_ROWS if row <= FIRST_ROWS else -(-row // ROWS_JUDGED) * ROWS_JUDGED
            begins = row in (1, FIRST_ROWS + 1) or row % ROWS_JUDGED == 1
            if begins:
                self._from, self._rejected = row, Counter()
            taken = min(count, part_end + 1 - block.first)
            self._rejected.update(
                bad[each].code
                for each in ordered[bisect_left(ordered, place) : bisect_left(ordered, taken)]
                if bad[each].status is OutcomeStatus.REJECTED
            )
            if block.first + taken - 1 == part_end and self._from is not None:
                self._judge(part_end + 1 - self._from, part_end)
            place = taken

    def _judge(self, rows: int, last: int) -> None:
        rejected = self._rejected.total()
        if rejected <= self._most * rows:
            return
        reasons = ", ".join(f"{code} ({n:,})" for code, n in self._rejected.most_common(3))
        where = f"the first {rows:,}" if last == FIRST_ROWS else f"the {rows:,} rows up to {last:,}"
        raise FileRefused(
            RefusalCode.TOO_MANY_REJECTED,
            f"{rejected:,} of {where} rows cannot be sent, so the file was not planned any "
            f"further: {reasons}. Check that it is the right file for this profile. If it is, set "
            "max_rejected: 1 in the profile.",
        )
