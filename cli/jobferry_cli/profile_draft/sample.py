"""The beginning of a file: its header and first rows, read as a run would read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from jobferry.csvfile.blanks import ENDS
from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.formula_injection import undefuse
from jobferry.csvfile.gzipped import unpack
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.csvfile.reader import read_rows
from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.inbox import delimiter_of, is_packed
from jobferry.runtime.settings import MAX_FILE_BYTES

SAMPLE_ROWS = 1_000
_MOST_BYTES = 16 * 1024 * 1024
"""Bytes of a sample: rows may be long."""

_OLD_ENCODING = "cp1252"
"""What spreadsheets of Western Europe and America write, if not UTF-8."""


@dataclass(frozen=True, slots=True)
class FileSample:
    """What a profile is drafted from.

    Attributes:
        header: names of the columns; those that Jobferry adds to result files are left out
        rows: as many cells each as the header has names, without blanks at their ends
        unreadable: rows of the sample that cannot be read at all
        encoding: what a profile must say of it; None: it is found by itself
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    unreadable: int = 0
    encoding: str | None = None

    def column(self, place: int) -> list[str]:
        """The cells of a column, empty ones included."""
        return [row[place] for row in self.rows]


def read_sample(file: Path, rows: int = SAMPLE_ROWS, encoding: str | None = None) -> FileSample:
    """Header and first rows of a file.

    Args:
        encoding: what somebody says of it; None: to be found.

    Raises:
        FileRefused: it is no CSV that can be used.
        OSError: it cannot be read.
    """
    start = _beginning(file, SAMPLE_BYTES)
    delimiter = delimiter_of(file.name)
    whole = len(start) < SAMPLE_BYTES
    said = encoding
    try:
        dialect = detect(start, whole=whole, encoding=encoding, delimiter=delimiter)
    except FileRefused as refusal:
        if refusal.code != RefusalCode.WRONG_ENCODING or not _reads_as(start, _OLD_ENCODING):
            raise
        said = _OLD_ENCODING
        dialect = detect(start, whole=whole, encoding=said, delimiter=delimiter)
    defused = any(name in RESULT_COLUMNS for name in dialect.header)
    kept = [i for i, name in enumerate(dialect.header) if name not in RESULT_COLUMNS]
    good, unreadable = _rows(file, dialect, rows)

    def plain(cells: tuple[str, ...] | list[str]) -> tuple[str, ...]:
        return tuple((undefuse(cells[i]) if defused else cells[i]).strip(ENDS) for i in kept)

    return FileSample(
        header=tuple(undefuse(dialect.header[i]) if defused else dialect.header[i] for i in kept),
        rows=tuple(map(plain, good)),
        unreadable=unreadable,
        encoding=said,
    )


def _reads_as(data: bytes, encoding: str) -> bool:
    """Whether bytes beyond ASCII are mostly letters in an encoding."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return False
    beyond = [c for c in text if not c.isascii()]
    letters = sum(unicodedata.category(c)[0] in "LPZS" for c in beyond)
    return letters == len(beyond) and sum(c.isalpha() for c in beyond) * 2 >= len(beyond)


def _rows(file: Path, dialect: Dialect, most: int) -> tuple[list[list[str]], int]:
    good: list[list[str]] = []
    unreadable = 0
    with file.open("rb") as stream:
        plain: BinaryIO | _Blocks = stream
        if is_packed(file.name):
            plain = _Blocks(unpack(stream, MAX_FILE_BYTES))
        plain.read(dialect.data_offset)
        rows = read_rows(plain, dialect, offset=dialect.data_offset, row=0)
        for row in islice(rows, most):
            if row.problem is None:
                good.append(row.cells)
            else:
                unreadable += 1
            if row.offset > _MOST_BYTES:
                break
    return good, unreadable


def _beginning(file: Path, most: int) -> bytes:
    with file.open("rb") as stream:
        if not is_packed(file.name):
            return stream.read(most)
        return _Blocks(unpack(stream, MAX_FILE_BYTES)).read(most)


class _Blocks:
    """Blocks of bytes as a stream that can be read forward."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._kept = b""

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._kept], len(self._kept)
        while size < 0 or have < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += len(block)
        data = b"".join(parts)
        end = len(data) if size < 0 else size
        self._kept = data[end:]
        return data[:end]
