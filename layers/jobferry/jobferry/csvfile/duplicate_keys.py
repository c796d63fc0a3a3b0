"""Which row keys have been met: exact, in flat memory, and able to survive a restart."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from jobferry.csvfile.digest_table import (
    DIGEST_BYTES,
    FIRST_SLOTS,
    KEY_BYTES,
    ROWS_AT_ONCE,
    SLOTS,
    DigestIndex,
)

_MAGIC = b"seenkey3"
_HEADER = struct.Struct("<8sQ")
"""Magic and the row that was saved, where the digest of a row 0 would be."""
_WORD = "I"
"""Type of the elements of an array that a checksum is one of."""


class Repeat(NamedTuple):
    """An earlier row with the same key.

    Attributes:
        same: its other cells are the same, too
    """

    row: int
    same: bool


class SeenKeysStale(Exception):
    """The file does not know all rows up to where planning is to go on."""

    def __init__(self, path: Path, row: int) -> None:
        super().__init__(f"{path.name} was not saved, whole, at row {row} or later")


class SeenKeys:
    """The keys of the rows planned so far: their digests in a file, an index of it in memory.

    The file holds 128 bits per row, in order of rows: a digest of 96 bits of its key, and a
    checksum of its other cells; zeros where a row has none, as it is bad or repeats an earlier one.
    Among ten million keys, two digests are alike once in 10^15 files.

    The file can be copied after `save`, and brought back to go on from there:
    `SeenKeys(path, complete_to=row)` forgets the keys of later rows, so that rows that are read
    again are not taken for repeats of themselves. A process that dies between two saves leaves a
    file that must not be used; go back to the copy.

    Args:
        path: made when it is not there
        complete_to: number of the row after which planning goes on; 0 starts anew
        slots, first_slots: of the index in memory; see DigestIndex

    Raises SeenKeysStale when the file was saved before that row, or is damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        complete_to: int = 0,
        slots: int = SLOTS,
        first_slots: int = FIRST_SLOTS,
    ) -> None:
        if complete_to == 0:
            path.unlink(missing_ok=True)
        elif not path.exists():
            raise SeenKeysStale(path, complete_to)
        with ExitStack() as stack:
            self._end = stack.enter_context(path.open("r+b" if complete_to else "x+b"))
            self._file = self._end.fileno()
            self._index = DigestIndex(self._file, path.parent, slots, first_slots)
            stack.callback(self._index.close)
            if complete_to and not self._restored(complete_to):
                raise SeenKeysStale(path, complete_to)
            self._forget_save()
            self._cleanup = stack.pop_all()

    def _restored(self, complete_to: int) -> bool:
        """Read the file up to a row, and cut off what comes after it; false if it is no use."""
        end = (complete_to + 1) * DIGEST_BYTES
        header = os.pread(self._file, _HEADER.size, 0)
        if len(header) < _HEADER.size or os.fstat(self._file).st_size < end:
            return False
        magic, saved = _HEADER.unpack(header)
        if magic != _MAGIC or saved < complete_to:
            return False
        os.truncate(self._file, end)
        for row in range(1, complete_to + 1, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, complete_to + 1 - row)
            digests = os.pread(self._file, count * DIGEST_BYTES, row * DIGEST_BYTES)
            self._index.add(row, digests)
        return True

    def add(
        self, rows: Sequence[int], keys: Sequence[str], contents: Sequence[int]
    ) -> dict[int, Repeat]:
        """Take the keys of the next rows; they must come in file order.

        Args:
            rows: numbers of the rows.
            keys: of each row.
            contents: a checksum of each row's other cells, of 32 bits.

        Returns:
            For each row that repeats a key, the first row that had it.
        """
        if not rows:
            return {}
        if self._saved:
            self._forget_save()
        first, count = rows[0], rows[-1] + 1 - rows[0]
        each = _digests(keys, contents)
        digests = each
        if count != len(rows):
            digests = bytearray(count * DIGEST_BYTES)
            for place, row in enumerate(rows):
                at, of = (row - first) * DIGEST_BYTES, place * DIGEST_BYTES
                digests[at : at + DIGEST_BYTES] = each[of : of + DIGEST_BYTES]
        # Beyond the end of the file, the gap reads as zeros. The index reads what is written here.
        self._end.seek(first * DIGEST_BYTES)
        self._end.write(digests)
        self._end.flush()
        repeats = self._index.add(first, digests)
        found: dict[int, Repeat] = {}
        for row, earlier in repeats.items():
            at = (row - first) * DIGEST_BYTES + KEY_BYTES
            content = bytes(digests[at : at + DIGEST_BYTES - KEY_BYTES])
            found[row] = Repeat(earlier, self._content(earlier) == content)
        for row in repeats:
            os.pwrite(self._file, bytes(DIGEST_BYTES), row * DIGEST_BYTES)
        return found

    def _content(self, row: int) -> bytes:
        return os.pread(self._file, DIGEST_BYTES - KEY_BYTES, row * DIGEST_BYTES + KEY_BYTES)

    def first_row(self, key: str) -> int | None:
        """The number of the first row that had the key."""
        digest = blake2b(key.encode(), digest_size=KEY_BYTES).digest()
        return self._index.find(digest + bytes(DIGEST_BYTES - KEY_BYTES))

    def save(self, row: int) -> None:
        """Make the file complete up to `row`, so that it can be copied now."""
        end = (row + 1) * DIGEST_BYTES
        if os.fstat(self._file).st_size < end:
            os.truncate(self._file, end)
        os.pwrite(self._file, _HEADER.pack(_MAGIC, row), 0)
        self._saved = True

    def close(self) -> None:
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _forget_save(self) -> None:
        """Before anything else is written, so that a torn file never passes for a saved one."""
        os.pwrite(self._file, bytes(_HEADER.size), 0)
        self._saved = False


def _digests(keys: Sequence[str], contents: Sequence[int]) -> bytearray:
    """The digests of keys, a checksum behind each, one after the other."""
    each = [blake2b(key.encode(), digest_size=KEY_BYTES).digest() for key in keys]
    words = array(_WORD, b"".join(each))
    joined = array(_WORD, bytes(len(keys) * DIGEST_BYTES))
    of_key = KEY_BYTES // joined.itemsize
    for place in range(of_key):
        joined[place :: of_key + 1] = words[place::of_key]
    joined[of_key :: of_key + 1] = array(_WORD, contents)
    return bytearray(joined)
