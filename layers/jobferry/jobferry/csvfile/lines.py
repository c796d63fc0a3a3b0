"""Bytes → physical lines, a block at a time, each with its exact size in the file.

A physical line ends where the dialect's newline stands, inside quotes or not; what makes a
record is decided in `reader`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from jobferry.csvfile.encoding import CP1252, UTF_8

BLOCK_BYTES = 256 * 1024
LINE_LIMIT = 1024 * 1024
"""Bytes of a physical line that are held in memory; of a longer one only the start is kept."""
KEPT_OF_LONG_LINE = 8 * 1024
"""Characters kept of a line that is too long, to show which one it was."""


class ByteStream(Protocol):
    """Anything that can be read in pieces: a file, an S3 body, bytes in memory."""

    def read(self, size: int, /) -> bytes: ...


class LineBlock(NamedTuple):
    """Some consecutive physical lines.

    texts  the lines with their newline; only the very last of the file may lack it
    sizes  bytes of each in the file, also of a line whose text was cut
    nul    a NUL may be in one of them
    last   the file ends after these lines
    """

    texts: list[str]
    sizes: list[int]
    nul: bool
    last: bool


class WrongBytes(Exception):
    """Bytes that are not of the encoding. All lines before them have been handed out."""


def split_lines(text: str, newline: str) -> tuple[list[str], str]:
    """The complete lines of `text`, each with its newline, and what is left after the last one."""
    parts = text.split(newline)
    rest = parts.pop()
    return [part + newline for part in parts], rest


def read_lines(stream: ByteStream, encoding: str, newline: str) -> Iterator[LineBlock]:
    """Read `stream` to its end, in memory bounded by LINE_LIMIT and BLOCK_BYTES.

    Raises WrongBytes after the last line that could be read.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    rest = ""
    dropped = 0
    failure: UnicodeDecodeError | None = None
    ended = False
    while not ended:
        data = stream.read(BLOCK_BYTES)
        ended = not data
        try:
            text = decoder.decode(data, final=ended)
        except UnicodeDecodeError as error:
            failure = error
            text = error.object[: error.start].decode(encoding)
        text = rest + text
        texts, rest = split_lines(text, newline)
        if ended and rest and failure is None:
            texts.append(rest)
        sizes = _sizes(texts, encoding, ascii_only=text.isascii())
        if dropped and texts:
            sizes[0] += dropped
            dropped = 0
        yield LineBlock(texts, sizes, nul="\0" in text, last=ended and failure is None)
        if failure is not None:
            raise WrongBytes from failure
        if len(rest) > LINE_LIMIT:
            dropped += _size(rest[KEPT_OF_LONG_LINE:], encoding)
            rest = rest[:KEPT_OF_LONG_LINE]


def _size(line: str, encoding: str) -> int:
    return len(line) if encoding == CP1252 else len(line.encode(encoding))


def _sizes(lines: list[str], encoding: str, *, ascii_only: bool) -> list[int]:
    if encoding == CP1252 or (encoding == UTF_8 and ascii_only):
        return list(map(len, lines))
    return [len(line.encode(encoding)) for line in lines]
