"""A stream over the network that is opened again where it broke off."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import HTTPError

BROKEN = (HTTPClientError, IncompleteReadError, ResponseStreamingError, HTTPError, OSError)
"""What reading a body raises when its connection breaks, is silent, or ends too early."""

TRIES = 5
"""Times in a row that it is opened again without a byte having come."""

Open = Callable[[int], BinaryIO]
"""Opens the bytes from this offset on."""


class ReopenedStream(io.RawIOBase):
    """The bytes from `offset` on, whatever happens to the connection that they come by.

    Args:
        opened: opens what is left at an offset. What it raises ends the reading.
        offset: of the first byte.
        sleep: waits before another try, in seconds.
    """

    def __init__(
        self, opened: Open, offset: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__()
        self._opened = opened
        self._offset = offset
        self._sleep = sleep
        self._body: BinaryIO | None = opened(offset)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none only at the end."""
        tries = 0
        while True:
            try:
                if self._body is None:
                    self._body = self._opened(self._offset)
                block = self._body.read(None if size < 0 else size)  # type: ignore[arg-type]
            except BROKEN:
                self._drop()
                tries += 1
                if tries > TRIES:
                    raise
                self._sleep(min(8.0, 0.5 * 2**tries))
                continue
            self._offset += len(block)
            return block

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        block = self.read(len(view))
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


def read_fully(stream: BinaryIO, length: int) -> bytes:
    """`length` bytes of a stream, or fewer if it ends before."""
    blocks: list[bytes] = []
    left = length
    while left > 0 and (block := stream.read(left)):
        blocks.append(block)
        left -= len(block)
    return b"".join(blocks)
