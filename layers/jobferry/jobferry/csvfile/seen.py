"""Which row keys have been met: exact, in flat memory, and able to survive a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

_KEPT_AS_IS = 16
"""Bytes of a key up to which it is stored itself; of a longer one, its digest of this size. Among
ten million keys, two digests of 128 bits are alike once in 10^24 files."""
_CACHE_KIB = 144 * 1024
"""Holds what ten million keys in file order touch, and half of them when they come at random."""
_FORMAT = 1


class SeenKeysStale(Exception):
    """The file does not know all rows up to where planning is to go on."""

    def __init__(self, path: Path, row: int) -> None:
        super().__init__(f"{path.name} was not saved, whole, at row {row} or later")


class SeenKeys:
    """The keys of the rows planned so far, in an SQLite file.

    The file can be copied after `save`, and brought back to go on from there:
    `SeenKeys(path, complete_to=row)` forgets the keys of later rows, so that rows that are read
    again are not taken for repeats of themselves. A process that dies between two saves leaves a
    file that must not be used; go back to the copy.

    path         made when it is not there
    complete_to  number of the row after which planning goes on; 0 starts anew

    Raises SeenKeysStale when the file was saved before that row, or is damaged.
    """

    def __init__(self, path: Path, *, complete_to: int = 0) -> None:
        if complete_to == 0:
            path.unlink(missing_ok=True)
        elif not path.exists():
            raise SeenKeysStale(path, complete_to)
        # No journal: a torn file is thrown away, and speed is what the file is for.
        self._database = sqlite3.connect(path, isolation_level=None)
        try:
            usable = self._open(complete_to)
        except sqlite3.DatabaseError:
            usable = False
        if not usable:
            self._database.close()
            raise SeenKeysStale(path, complete_to)

    def _open(self, complete_to: int) -> bool:
        execute = self._database.execute
        for setting in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            f"cache_size = -{_CACHE_KIB}",
        ):
            execute(f"PRAGMA {setting}")
        if complete_to == 0:
            execute("CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID")
            execute("CREATE TABLE saved (format INTEGER, row INTEGER)")
        else:
            saved = execute("SELECT row FROM saved WHERE format = ?", (_FORMAT,)).fetchone()
            if saved is None or saved[0] < complete_to:
                return False
            execute("DELETE FROM saved")
            execute("DELETE FROM seen WHERE row > ?", (complete_to,))
        execute("BEGIN")
        self._saved = False
        return True

    def add(self, rows: Sequence[tuple[int, str]]) -> dict[int, int]:
        """Take the keys of the next rows; they must come in file order.

        rows  row number and key of each

        Returns, for each row that repeats a key, the number of the first row that had it.
        """
        self._begin()
        entries = [(_digest(key), row) for row, key in rows]
        before = self._database.total_changes
        self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", entries)
        if self._database.total_changes - before == len(entries):
            return {}
        firsts = ((row, self._first(key)) for key, row in entries)
        return {row: first for row, first in firsts if first is not None and first != row}

    def first_row(self, key: str) -> int | None:
        """The number of the first row that had the key."""
        return self._first(_digest(key))

    def save(self, row: int) -> None:
        """Make the file complete up to `row`, so that it can be copied now."""
        self._begin()
        self._database.execute("INSERT INTO saved VALUES (?, ?)", (_FORMAT, row))
        self._database.execute("COMMIT")
        self._saved = True

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        if self._saved:
            # On disk before anything else is, so that a torn file never passes for a saved one.
            self._database.execute("DELETE FROM saved")
            self._database.execute("BEGIN")
            self._saved = False

    def _first(self, key: bytes) -> int | None:
        found = self._database.execute("SELECT row FROM seen WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])


def _digest(key: str) -> bytes:
    data = key.encode()
    return data if len(data) <= _KEPT_AS_IS else blake2b(data, digest_size=_KEPT_AS_IS).digest()
