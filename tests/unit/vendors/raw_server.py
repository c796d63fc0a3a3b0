"""A server that speaks bytes: for answers that no well-behaved server would give."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@dataclass
class RawServer:
    """Where it listens, and the requests that came, as they came."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def serving(
    *answers: bytes, drip_seconds: float = 0.0, hold_seconds: float = 0.0
) -> Iterator[RawServer]:
    """Answer one connection after the other with the given bytes, the last one for ever.

    drip_seconds  pause after every byte; 0 = all at once
    hold_seconds  silence before the connection is closed
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                connection, _ = listener.accept()
                with connection:
                    if stopped.is_set():
                        return
                    answer = answers[min(len(server.requests), len(answers) - 1)]
                    server.requests.append(_request(connection))
                    _answer(connection, answer, drip_seconds, stopped)
                    stopped.wait(hold_seconds)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopped.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join(2)


def _request(connection: socket.socket) -> bytes:
    """Head and body of one request."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def _answer(
    connection: socket.socket, answer: bytes, drip_seconds: float, stopped: threading.Event
) -> None:
    try:
        if not drip_seconds:
            connection.sendall(answer)
            return
        for byte in answer:
            if stopped.is_set():
                return
            connection.sendall(bytes([byte]))
            time.sleep(drip_seconds)
    except OSError:
        return
