"""Packed files: gzip unpacked as a stream, within bounds, damage told from size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from jobferry.csvfile.bounds import unpacked_too_large
from jobferry.csvfile.lines import ByteStream
from jobferry.domain.error_codes import FileRefused, RefusalCode

BLOCK_BYTES = 1024 * 1024
"""The most that is unpacked in one go."""

MOST_TIMES = 200
"""How many times larger than packed a file may become: tables grow 3 to 30 times."""

FREE_BYTES = 64 * 1024 * 1024
"""Bytes up to which nobody asks how often a file has grown: so little does no harm."""

MOST_MEMBERS = 1_000_000
"""Pieces, each packed by itself, that a file may be made of. Each costs time even if it is empty;
programs that pack in pieces make them of 64 KB and more."""

_READ_BYTES = 64 * 1024
_MAGIC = b"\x1f\x8b"
_GZIP = 31
"""zlib's word for: a window of 32 KB, and gzip's header and checksum."""


def unpack(stream: ByteStream, most: int) -> Iterator[bytes]:
    """What a gzip file holds, in blocks of up to BLOCK_BYTES; some are empty, so that whoever
    takes them sees time pass.

    Args:
        most: bytes that it may hold.

    Raises:
        FileRefused: it is no gzip file, is damaged or cut off, or holds too much.
    """
    packed = _Packed(stream)
    given = 0
    while packed.begin_member():
        if packed.machine is None:
            yield b""
            continue
        block = packed.unpack_some(packed.machine)
        given += len(block)
        if given > most:
            raise unpacked_too_large(most)
        if given > FREE_BYTES and given > MOST_TIMES * packed.taken:
            raise _unpacks_too_far(f"it grows more than {MOST_TIMES} times")
        yield block
    if not packed.members:
        raise FileRefused(RefusalCode.EMPTY_FILE, "The file is empty: it has not a single byte.")


class _Packed:
    """The bytes of a gzip file, and the member of it that is being unpacked.

    taken    bytes read so far
    members  how many have begun
    machine  unpacks the member that has begun; None between two
    """

    def __init__(self, stream: ByteStream) -> None:
        self.taken = self.members = 0
        self.machine: zlib._Decompress | None = None
        self._stream = stream
        self._data = b""
        self._ended = False

    def begin_member(self) -> bool:
        """Read on where nothing is left, and begin the next member where one has ended.

        Returns:
            False at the end of the file. No machine after True: only zeros were read.
        """
        if not self._data:
            self._read()
        if self.machine is not None:
            return True
        # Some programs fill up with zeros after the end.
        self._data = self._data.lstrip(b"\0")
        if self._data:
            self.members += 1
            if self.members > MOST_MEMBERS:
                raise _unpacks_too_far(f"it is made of more than {MOST_MEMBERS:,} pieces")
            self.machine = zlib.decompressobj(_GZIP)
        return not self._ended

    def unpack_some(self, machine: zlib._Decompress) -> bytes:
        """The next bytes of the member, at most BLOCK_BYTES."""
        try:
            block = machine.decompress(self._data, BLOCK_BYTES)
        except zlib.error:
            raise _damaged("its bytes do not fit its checksums") from None
        if self._ended and not block and not machine.eof:
            raise _damaged("its end is missing")
        self._data = machine.unconsumed_tail
        if machine.eof:
            self._data, self.machine = machine.unused_data, None
        return block

    def _read(self) -> None:
        self._data = self._stream.read(_READ_BYTES)
        self._ended = not self._data
        if not self.taken and not _MAGIC.startswith(self._data[: len(_MAGIC)]):
            raise _not_gzip()
        self.taken += len(self._data)


def _not_gzip() -> FileRefused:
    return FileRefused(
        RefusalCode.NOT_GZIP,
        "The file's name ends in .gz, but it is not packed with gzip. If it is a plain CSV, name "
        "it FILE.csv; otherwise pack it with gzip.",
    )


def _damaged(how: str) -> FileRefused:
    return FileRefused(
        RefusalCode.DAMAGED_GZIP,
        f"The packed file cannot be unpacked: {how}. Pack and upload it again; `gzip -t FILE` "
        "tells whether the file is whole.",
    )


def _unpacks_too_far(how: str) -> FileRefused:
    return FileRefused(
        RefusalCode.UNPACKS_TOO_FAR,
        f"The packed file is not unpacked, because {how}, as no ordinary table does. Upload it "
        "as a plain CSV.",
    )
