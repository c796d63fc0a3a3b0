"""Packed files: whole ones unpack whatever packed them; others are refused with a reason."""

from __future__ import annotations

import gzip
import random
import zlib
from io import BytesIO
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile import gzipped
from jobferry.csvfile.gzipped import BLOCK_BYTES, unpack
from jobferry.domain.error_codes import FileRefused, RefusalCode

MOST = 10 * 1024 * 1024
NOISE = random.Random(1).randbytes(300_000)


class Trickle(BytesIO):
    """A stream that gives a few bytes at a time, as a slow network may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


def unpacked(packed: bytes, most: int = MOST) -> bytes:
    return b"".join(unpack(BytesIO(packed), most))


def refusal(packed: bytes, most: int = MOST) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        unpacked(packed, most)
    return refused.value


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(0, 9))
def test_what_was_packed_comes_out_however_many_pieces_it_has(
    pieces: list[bytes], zeros: int
) -> None:
    packed = b"".join(map(gzip.compress, pieces)) + bytes(zeros)
    assert unpacked(packed) == b"".join(pieces)
    assert b"".join(unpack(Trickle(packed), MOST)) == b"".join(pieces)


def test_blocks_are_never_larger_than_promised() -> None:
    body = NOISE + bytes(5_000_000) + NOISE
    blocks = list(unpack(BytesIO(gzip.compress(body)), MOST))
    assert b"".join(blocks) == body
    assert max(map(len, blocks)) <= BLOCK_BYTES


@pytest.mark.parametrize("left", [1, 5, 9, 12, 1_000, 299_000])
def test_a_file_that_was_cut_off_is_damaged(left: int) -> None:
    refused = refusal(gzip.compress(NOISE)[:left])
    assert refused.code is RefusalCode.DAMAGED_GZIP
    assert "its end is missing" in refused.message


@pytest.mark.parametrize("at", [3, 1_000, -6, -2])
def test_a_file_with_other_bytes_is_damaged(at: int) -> None:
    packed = bytearray(gzip.compress(NOISE))
    packed[at] ^= 0xFF
    assert refusal(bytes(packed)).code is RefusalCode.DAMAGED_GZIP


def test_what_stands_behind_the_end_is_damage() -> None:
    assert refusal(gzip.compress(b"a,b\n") + b"more").code is RefusalCode.DAMAGED_GZIP


@pytest.mark.parametrize("body", [b"Name,Ref\n", b"\x1fx", zlib.compress(b"a"), b"PK\x03\x04"])
def test_a_file_that_is_no_gzip_is_told_so(body: bytes) -> None:
    refused = refusal(body)
    assert refused.code is RefusalCode.NOT_GZIP
    assert "FILE.csv" in refused.message


@pytest.mark.parametrize("body", [b"", b"\0" * 0])
def test_no_bytes_at_all(body: bytes) -> None:
    assert refusal(body).code is RefusalCode.EMPTY_FILE


def test_a_file_may_hold_as_much_as_allowed_and_no_more() -> None:
    packed = gzip.compress(NOISE)
    assert unpacked(packed, len(NOISE)) == NOISE
    refused = refusal(packed, len(NOISE) - 1)
    assert refused.code is RefusalCode.FILE_TOO_LARGE
    assert "MaxFileBytes" in refused.message


def test_a_file_that_grows_beyond_measure_is_refused_early() -> None:
    bomb = BytesIO(gzip.compress(bytes(MOST)))
    with mock.patch.object(gzipped, "FREE_BYTES", BLOCK_BYTES):
        blocks: list[bytes] = []
        with pytest.raises(FileRefused) as refused:
            blocks.extend(unpack(bomb, MOST))
    assert refused.value.code is RefusalCode.UNPACKS_TOO_FAR
    assert len(blocks) <= 2


def test_a_small_file_may_grow_as_it_likes() -> None:
    body = b",,,,,\n" * 1_000_000
    assert len(body) > gzipped.MOST_TIMES * len(gzip.compress(body))
    assert unpacked(gzip.compress(body)) == body


def test_a_file_of_countless_empty_pieces_is_refused() -> None:
    with mock.patch.object(gzipped, "MOST_MEMBERS", 100):
        assert unpacked(gzip.compress(b"") * 100) == b""
        refused = refusal(gzip.compress(b"") * 101)
    assert refused.code is RefusalCode.UNPACKS_TOO_FAR
