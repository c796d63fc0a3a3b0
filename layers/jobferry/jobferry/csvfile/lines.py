"""Bytes → physical lines, a block at a time, each with its exact size in the file.

A physical line ends where the dialect's newline stands, inside quotes or not; what makes a
record is decided in `reader`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from jobferry.csvfile.encoding import UTF_8, Kind, is_like_ascii, is_utf_8, kind_of

BLOCK_BYTES = 256 * 1024
LINE_LIMIT = 1024 * 1024
"""Bytes of a physical line that are held in memory; of a longer one only the start is kept."""
KEPT_OF_LONG_LINE = 8 * 1024
"""Characters kept of a line that is too long, to show which one it was."""
CTRL_Z = "\x1a"
"""What ends a file of DOS."""
_BLANKS = " \t\xa0"


class ByteStream(Protocol):
    """Anything that can be read in pieces: a file, an S3 body, bytes in memory."""

    def read(self, size: int, /) -> bytes: ...


class LineBlock(NamedTuple):
    """Some consecutive physical lines.

    Attributes:
        texts: the lines with their newline; only the very last of the file may lack it
        sizes: bytes of each in the file, also of a line whose text was cut
        plain: nothing in them needs a closer look: no NUL, no Ctrl-Z, no blank before a quotation
            mark
        quoted: there are quotation marks in them
        ascii: nothing in them but ASCII
        last: the file ends after these lines
    """

    texts: list[str]
    sizes: list[int]
    plain: bool
    quoted: bool
    ascii: bool
    last: bool


class WrongBytes(Exception):
    """Bytes that are not of the encoding. All lines before them have been handed out.

    Args:
        two_encodings: they are UTF-8, in a file that is read as something else
    """

    def __init__(self, *, two_encodings: bool = False) -> None:
        super().__init__()
        self.two_encodings = two_encodings


def split_lines(text: str, newline: str) -> tuple[list[str], str]:
    """The complete lines of `text`, each with its newline, and what is left after the last one."""
    parts = text.split(newline)
    rest = parts.pop()
    return [part + newline for part in parts], rest


def read_lines(stream: ByteStream, encoding: str, newline: str) -> Iterator[LineBlock]:
    """Read `stream` to its end, in memory bounded by LINE_LIMIT and BLOCK_BYTES.

    Raises WrongBytes after the last line that could be read.
    """
    kind = kind_of(encoding)
    if kind is Kind.MULTI:
        yield from _read_by_bytes(stream, encoding, newline)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    may_be_mixed = kind is Kind.SINGLE and is_like_ascii(encoding)
    rest = ""
    dropped = 0
    failure: WrongBytes | None = None
    ended = False
    while not ended:
        data = stream.read(BLOCK_BYTES)
        ended = not data
        try:
            text = decoder.decode(data, final=ended)
        except UnicodeDecodeError as error:
            failure = WrongBytes()
            text = error.object[: error.start].decode(encoding)
        text = rest + text
        texts, rest = split_lines(text, newline)
        if ended and rest and failure is None:
            texts.append(rest)
        is_ascii = text.isascii()
        if may_be_mixed and not is_ascii:
            readable = _before_utf_8(texts, encoding)
            if readable < len(texts):
                failure = WrongBytes(two_encodings=True)
                del texts[readable:]
        sizes = _sizes(texts, encoding, ascii_only=is_ascii)
        if dropped and texts:
            sizes[0] += dropped
            dropped = 0
        last = ended and failure is None
        yield LineBlock(texts, sizes, _is_plain(text), '"' in text, is_ascii, last)
        if failure is not None:
            raise failure
        if len(rest) > LINE_LIMIT:
            dropped += _size(rest[KEPT_OF_LONG_LINE:], encoding)
            rest = rest[:KEPT_OF_LONG_LINE]


def _read_by_bytes(stream: ByteStream, encoding: str, newline: str) -> Iterator[LineBlock]:
    """The same for encodings whose text does not say how many bytes it had."""
    end = newline.encode("ascii")
    rest = b""
    dropped = 0
    ended = False
    while not ended:
        data = stream.read(BLOCK_BYTES)
        ended = not data
        parts = (rest + data).split(end)
        rest = parts.pop()
        lines = [part + end for part in parts]
        if ended and rest:
            lines.append(rest)
        texts, failure = _decoded(lines, encoding)
        sizes = [len(line) for line in lines[: len(texts)]]
        if dropped and texts:
            sizes[0] += dropped
            dropped = 0
        text = "".join(texts)
        last = ended and failure is None
        yield LineBlock(texts, sizes, _is_plain(text), '"' in text, text.isascii(), last)
        if failure is not None:
            raise failure
        if len(rest) > LINE_LIMIT:
            kept = rest[:KEPT_OF_LONG_LINE].decode(encoding, "ignore").encode(encoding)
            dropped += len(rest) - len(kept)
            rest = kept


def _decoded(lines: list[bytes], encoding: str) -> tuple[list[str], WrongBytes | None]:
    """The texts of lines up to the first that cannot be read."""
    texts: list[str] = []
    for line in lines:
        try:
            texts.append(line.decode(encoding))
        except UnicodeDecodeError:
            return texts, WrongBytes()
    return texts, None


def _is_plain(text: str) -> bool:
    if "\0" in text or CTRL_Z in text:
        return False
    # To look for one character is so much faster that few texts are searched for two.
    return '"' not in text or not any(blank in text and f'{blank}"' in text for blank in _BLANKS)


def _before_utf_8(texts: list[str], encoding: str) -> int:
    """How many lines stand before the first whose bytes, read as something else, are UTF-8."""
    for place, text in enumerate(texts):
        if not text.isascii() and is_utf_8(text.encode(encoding)):
            return place
    return len(texts)


def _size(line: str, encoding: str) -> int:
    return len(line) if kind_of(encoding) is Kind.SINGLE else len(line.encode(encoding))


def _sizes(lines: list[str], encoding: str, *, ascii_only: bool) -> list[int]:
    if (encoding == UTF_8 and ascii_only) or kind_of(encoding) is Kind.SINGLE:
        return list(map(len, lines))
    return [len(line.encode(encoding)) for line in lines]
