"""Where in a file of digests a digest lies: a hash table that never takes more memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

DIGEST_BYTES = 16
KEY_BYTES = 12
"""Bytes of a digest that distinguish keys; the rest says something of the row that has the key."""

SLOTS = 1 << 24
"""128 MB of memory at the most: ten million digests fill three fifths of them."""
FIRST_SLOTS = 1 << 17
"""Of the first table: most files need no more, and what is small stays in the processor's cache."""
_GROWTH = 16
_SLOT_BYTES = 8
_FULLEST = 0.75
"""Beyond it, neighbours make searches long."""
_ROW = (1 << 32) - 1
_TAG = _ROW << 32
_SLOTS_AT_ONCE = 32
ROWS_AT_ONCE = 65_536
"""Whose digests are read together."""


class DigestIndex:
    """An index of a file that holds the digest of row `n` at byte `n * DIGEST_BYTES`.

    A slot is 64 bits: one half of a digest's first word and the row. The other half of the word
    says in which slot it belongs; where that is taken, it goes into the next free one. Digests
    that look alike in their slots are compared in the file. A table that is full is made anew,
    larger, up to the most that it may be. From then on a full one moves to the disk and an empty
    one takes its place, so more rows cost time and disk, never memory.

    Args:
        file: descriptor of the file, which has the digests before the index gets them
        folder: for tables that moved to the disk
        slots: in one table at the most; a power of two
        first_slots: of the first table, likewise
    """

    def __init__(
        self, file: int, folder: Path, slots: int = SLOTS, first_slots: int = FIRST_SLOTS
    ) -> None:
        self._file = file
        self._folder = folder
        self._largest = slots
        self._size = min(first_slots, slots)
        self._on_disk: list[int] = []
        self._cleanup = ExitStack()
        self._empty_table()

    def _empty_table(self) -> None:
        # Pages that no digest has touched take no memory.
        self._memory = mmap.mmap(-1, self._size * _SLOT_BYTES, access=mmap.ACCESS_COPY)
        self._slots = memoryview(self._memory).cast("Q")
        self._most = int(self._size * _FULLEST)
        self._taken = 0

    def add(self, first_row: int, digests: bytes | bytearray) -> dict[int, int]:
        """Take the digests of consecutive rows; zeros stand for a row without one.

        Returns, for each row whose digest an earlier row has, the number of that row.
        """
        repeats: dict[int, int] = {}
        count = len(digests) // DIGEST_BYTES
        while self._size < self._largest and self._taken + count >= self._most:
            self._grow(first_row)
        slots, mask, free = self._slots, self._size - 1, self._most - self._taken
        # Of each digest the first of its two words.
        words = memoryview(digests).cast("Q").tolist()[::2]
        for row, word in enumerate(words, start=first_row):
            if not word or self._on_disk:
                digest = _at(digests, row - first_row)
                earlier = self._row_on_disk(digest)
                if earlier is not None:
                    repeats[row] = earlier
                    continue
                if not any(digest):
                    continue
            place, tag = word & mask, word & _TAG
            while found := slots[place]:
                if found & _TAG == tag and self._is_at(found & _ROW, _at(digests, row - first_row)):
                    repeats[row] = found & _ROW
                    break
                place = (place + 1) & mask
            else:
                slots[place] = tag | row
                free -= 1
                if not free:
                    self._move_to_disk()
                    slots, free = self._slots, self._most
        self._taken = self._most - free
        return repeats

    def _grow(self, before: int) -> None:
        """Make the table anew, larger, of the digests of the rows before this one."""
        self._release()
        self._size = min(self._size * _GROWTH, self._largest)
        self._empty_table()
        for row in range(1, before, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, before - row)
            self.add(row, os.pread(self._file, count * DIGEST_BYTES, row * DIGEST_BYTES))

    def find(self, digest: bytes) -> int | None:
        """The first row that has the digest."""
        earlier = self._row_on_disk(digest)
        if earlier is not None:
            return earlier
        word = memoryview(digest).cast("Q")[0]
        place = word & (self._size - 1)
        while found := self._slots[place]:
            if found & _TAG == word & _TAG and self._is_at(found & _ROW, digest):
                return found & _ROW
            place = (place + 1) & (self._size - 1)
        return None

    def close(self) -> None:
        self._release()
        self._cleanup.close()

    def _release(self) -> None:
        self._slots.release()
        self._memory.close()

    def _move_to_disk(self) -> None:
        # Has no name in the folder, and is gone once it is closed.
        table = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._cleanup.callback(table.close)
        table.write(self._memory)
        table.flush()
        self._on_disk.append(table.fileno())
        self._release()
        self._empty_table()

    def _row_on_disk(self, digest: bytes) -> int | None:
        for table in self._on_disk:
            row = self._row_in(table, digest)
            if row is not None:
                return row
        return None

    def _row_in(self, table: int, digest: bytes) -> int | None:
        word = memoryview(digest).cast("Q")[0]
        place = word & (self._size - 1)
        while True:
            # Shorter at the end of the table, where the search goes on at its beginning.
            some = os.pread(table, _SLOTS_AT_ONCE * _SLOT_BYTES, place * _SLOT_BYTES)
            for found in memoryview(some).cast("Q"):
                if not found:
                    return None
                if found & _TAG == word & _TAG and self._is_at(found & _ROW, digest):
                    return found & _ROW
            place = (place + len(some) // _SLOT_BYTES) & (self._size - 1)

    def _is_at(self, row: int, digest: bytes) -> bool:
        return os.pread(self._file, KEY_BYTES, row * DIGEST_BYTES) == digest[:KEY_BYTES]


def _at(digests: bytes | bytearray, number: int) -> bytes:
    return bytes(digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES])
