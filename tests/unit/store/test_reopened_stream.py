"""A stream that breaks goes on where it broke, and what has come is never doubled or left out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from random import Random

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from jobferry.store.reopened_stream import TRIES, ReopenedStream, read_fully

CONTENT = Random(7).randbytes(50_000)

BREAKS = [
    ReadTimeoutError(endpoint_url="s3"),
    ConnectionClosedError(endpoint_url="s3"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ResponseStreamingError(error="reset"),
    ProtocolError("broken"),
    ConnectionResetError("reset"),
    TimeoutError("silent"),
]


class Breaking(io.BytesIO):
    """A body that breaks once so many bytes of it have been read."""

    def __init__(self, content: bytes, after: int, error: Exception) -> None:
        super().__init__(content)
        self._left = after
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = len(self.getbuffer()) if size is None or size < 0 else size
        if wanted > self._left and self._left < len(self.getbuffer()) - self.tell():
            raise self._error  # what came of this block is lost with it
        block = super().read(wanted)
        self._left -= len(block)
        return block


def opening(
    points: Iterator[int], error: Exception
) -> tuple[Callable[[int], io.BytesIO], list[int]]:
    """Opens bodies that break after so many bytes each, and notes where it was asked to."""
    opened: list[int] = []

    def open_at(offset: int) -> io.BytesIO:
        opened.append(offset)
        return Breaking(CONTENT[offset:], next(points, 10**9), error)

    return open_at, opened


@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
def test_it_goes_on_where_it_broke(error: Exception) -> None:
    open_at, opened = opening(iter([10_000, 0, 25_000]), error)
    stream = ReopenedStream(open_at, 100, sleep=lambda _: None)

    blocks = list(iter(lambda: stream.read(1_000), b""))

    assert b"".join(blocks) == CONTENT[100:]
    assert opened == [100, 10_100, 10_100, 35_100]


@given(
    points=st.lists(st.integers(0, 30_000), max_size=4),
    size=st.integers(1, 20_000),
    offset=st.integers(0, len(CONTENT)),
)
def test_wherever_it_breaks_the_bytes_are_those_of_the_object(
    points: list[int], size: int, offset: int
) -> None:
    open_at, _ = opening(iter(points), BREAKS[0])
    stream = ReopenedStream(open_at, offset, sleep=lambda _: None)
    assert b"".join(iter(lambda: stream.read(size), b"")) == CONTENT[offset:]


def test_all_of_it_at_once() -> None:
    open_at, _ = opening(iter([7]), BREAKS[0])
    assert ReopenedStream(open_at, 5, sleep=lambda _: None).read() == CONTENT[5:]


def test_what_breaks_again_and_again_is_given_up() -> None:
    open_at, opened = opening(iter([0] * 99), BREAKS[0])
    waits: list[float] = []
    stream = ReopenedStream(open_at, 0, sleep=waits.append)

    with pytest.raises(ReadTimeoutError):
        stream.read(10)
    assert len(opened) == TRIES + 1
    assert waits == sorted(waits)


def test_a_byte_that_comes_makes_it_patient_again() -> None:
    open_at, _ = opening(iter([10] * 99), BREAKS[0])
    stream = ReopenedStream(open_at, 0, sleep=lambda _: None)
    assert b"".join(stream.read(10) for _ in range(50)) == CONTENT[:500]


@pytest.mark.parametrize("error", [KeyError("no"), ValueError("no")])
def test_other_errors_are_not_of_the_network(error: Exception) -> None:
    open_at, _ = opening(iter([0]), error)
    with pytest.raises(type(error)):
        ReopenedStream(open_at, 0, sleep=lambda _: None).read(10)


def test_what_cannot_be_opened_any_more_ends_it() -> None:
    class GoneError(Exception):
        pass

    def open_at(offset: int) -> io.BytesIO:
        if offset:
            raise GoneError
        return Breaking(CONTENT, 100, BREAKS[0])

    stream = ReopenedStream(open_at, 0, sleep=lambda _: None)
    assert len(stream.read(100)) == 100
    with pytest.raises(GoneError):
        stream.read(100)


def test_a_buffered_reader_reads_it() -> None:
    open_at, _ = opening(iter([3_000, 9_000]), BREAKS[0])
    with io.BufferedReader(ReopenedStream(open_at, 0, sleep=lambda _: None)) as reader:
        assert reader.read() == CONTENT


def test_reading_fully_takes_short_reads_together() -> None:
    class Short(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(7, size or 0))

    assert read_fully(Short(CONTENT), 100) == CONTENT[:100]
    assert read_fully(Short(CONTENT[:50]), 100) == CONTENT[:50]
