"""A server that speaks bytes: for answers that no well-behaved server would give."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@dataclass
class RawServer:
    """Where it listens, and the requests that came, as they came."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def serving(
    *answers: bytes,
    drip_seconds: float = 0.0,
    hold_seconds: float = 0.0,
    without_end: bytes = b"",
) -> Iterator[RawServer]:
    """Answer one connection after the other with the given bytes, the last one for ever.

    drip_seconds  pause after every byte; 0 = all at once
    hold_seconds  silence before the connection is closed
    without_end   sent again and again after the answer, until the other side has gone
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
                    while without_end and not stopped.is_set():
                        if not _answer(connection, without_end, drip_seconds, stopped):
                            break
                    stopped.wait(hold_seconds)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            stopped.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join(2)


@contextmanager
def serving_tls(folder: Path) -> Iterator[RawServer]:
    """Answer over TLS, with a certificate that nobody has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(f"https://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    secure = context.wrap_socket(connection, server_side=True)
                except OSError:
                    return
                with secure:
                    try:
                        server.requests.append(_request(secure))
                    except OSError:
                        return
                    _answer(secure, OK, 0.0, threading.Event())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        thread.join(2)


def _certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def _request(connection: socket.socket) -> bytes:
    """Head and body of one request."""
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(65_536)
        if not block:
            return received
        received += block
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def _answer(
    connection: socket.socket, answer: bytes, drip_seconds: float, stopped: threading.Event
) -> bool:
    """Send an answer; False when the other side has gone."""
    try:
        if not drip_seconds:
            connection.sendall(answer)
            return True
        for byte in answer:
            if stopped.is_set():
                return False
            connection.sendall(bytes([byte]))
            time.sleep(drip_seconds)
    except OSError:
        return False
    return True
