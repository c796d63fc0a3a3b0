"""One deadline and one size for a whole HTTP exchange, enforced at the socket.

The time-outs of the HTTP library are for each read: a server that sends a byte now and then, or
interim answers (`100 Continue`) without end, holds its caller for as long as it likes. Here every
single read and write gets only what is left of the request's time.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from jobferry.vendors.http.addresses import LOOPBACK, Reach, allowed, resolve

_SENT_AT_ONCE = 16 * 1024
_HEAD_BYTES = 512 * 1024
"""What heads and the frames of chunks may add to an answer's size."""


class AnswerTooLargeError(OSError):
    """More bytes came than an answer may have."""


class AddressNotAllowedError(NewConnectionError):
    """The host has no address that may be connected to."""


class Bounds:
    """What is left of a request's time and of its answer's size, and where it may go.

    until      moment of the monotonic clock
    silence    seconds that one read may wait
    bytes_left  of what comes over the wire
    reach      addresses that may be connected to
    """

    def __init__(self, until: float, silence: float, max_bytes: int, reach: Reach) -> None:
        self.reach = reach
        self._until = until
        self._silence = silence
        self._bytes_left = max_bytes + _HEAD_BYTES
        self.too_large = False

    def allow(self, sock: socket.socket) -> None:
        """Give the next read or write of a socket the time that is left.

        Raises:
            TimeoutError: none is left.
        """
        left = self._until - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the request has taken too long")
        sock.settimeout(min(left, self._silence))

    def count(self, received: int) -> None:
        """Note bytes that came.

        Raises:
            AnswerTooLargeError: too many by now.
        """
        self._bytes_left -= received
        if self._bytes_left < 0:
            self.too_large = True
            raise AnswerTooLargeError("the answer is too large")


_UNBOUNDED = Bounds(float("inf"), 60.0, 2**40, LOOPBACK)
_BOUNDS: ContextVar[Bounds] = ContextVar("bounds", default=_UNBOUNDED)


@contextmanager
def bounded(bounds: Bounds) -> Iterator[None]:
    """Hold requests of this thread to these bounds."""
    token = _BOUNDS.set(bounds)
    try:
        yield
    finally:
        _BOUNDS.reset(token)


class _Source(io.RawIOBase):
    """What comes out of a socket, each read within the bounds."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, bounds: Bounds) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._bounds.allow(self._sock)
        received = self._raw.readinto(buffer)
        self._bounds.count(received or 0)
        return received

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose head and body are read within the bounds."""

    def __init__(self, sock: socket.socket, *args: Any, bounds: Bounds, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_Source(raw, sock, bounds))


class _BoundedExchange:
    """A connection that sends and receives within the bounds of the request in flight."""

    sock: Any
    response_class: Any
    _dns_host: str
    port: int

    def _new_conn(self) -> socket.socket:
        """Connect to an address that was checked: a name could lead elsewhere the next time."""
        name = self._dns_host
        try:
            found = resolve(name, self.port)
        except OSError as error:
            raise NameResolutionError(name, self, error) from None  # type: ignore[arg-type]
        addresses = allowed(found, _BOUNDS.get().reach)
        if not addresses:
            raise AddressNotAllowedError(self, "no address of the host is allowed")  # type: ignore[arg-type]
        for i, address in enumerate(addresses):
            self._dns_host = address
            try:
                return super()._new_conn()  # type: ignore[misc, no-any-return]
            except NewConnectionError:
                if i == len(addresses) - 1:
                    raise
            finally:
                # TLS asks for the certificate of the name.
                self._dns_host = name
        raise AssertionError("the last address has raised")

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        bounds = _BOUNDS.get()
        block = memoryview(data)
        for start in range(0, len(block), _SENT_AT_ONCE):
            bounds.allow(self.sock)
            super().send(block[start : start + _SENT_AT_ONCE])  # type: ignore[misc]

    def getresponse(self) -> Any:
        self.response_class = partial(_Response, bounds=_BOUNDS.get())
        return super().getresponse()  # type: ignore[misc]


class _Plain(_BoundedExchange, HTTPConnection):
    pass


class _Secure(_BoundedExchange, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
"""Connection pools by scheme, for urllib3's `PoolManager`."""
