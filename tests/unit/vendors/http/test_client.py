"""One session to one host: what counts as sent, what is bounded, and what is never shown."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from jobferry.vendors.answers import ThrottleReason
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from tests.unit.vendors.http.raw_server import OK, serving, serving_tls

SECRET = "Bearer tell-nobody"


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def client(url: str, authorization: str = SECRET) -> HttpClient:
    return HttpClient(url, lambda _refresh: authorization, reach=LOOPBACK)


def ask(*answers: bytes) -> Answer | NoAnswer:
    with serving(*answers) as server:
        return client(server.url).request("POST", "/x", body=b"{}")


# Answers


def test_an_answer_is_complete() -> None:
    answer = ask(head("Content-Length: 8", "X-Two: a", status="418 Teapot") + b'{"a": 1}')

    assert answer == Answer(418, {"content-length": "8", "x-two": "a"}, b'{"a": 1}')
    assert answer.json() == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"plain", b"<html>", b'{"a": ', b"\xff\xfe\xfd", b"\x00"])
def test_a_body_that_is_not_json_is_none(body: bytes) -> None:
    assert Answer(200, {}, body).json() is None


def test_a_body_that_is_too_deep_is_none() -> None:
    assert Answer(200, {}, b"[" * 100_000).json() is None


def test_a_packed_body_is_unpacked() -> None:
    packed = gzip.compress(b'{"a": 1}')

    answer = ask(head(f"Content-Length: {len(packed)}", "Content-Encoding: gzip") + packed)

    assert isinstance(answer, Answer)
    assert answer.json() == {"a": 1}


# What was sent


def test_the_request_as_it_goes_out() -> None:
    with serving(OK) as server:
        http = client(server.url)
        http.request("PUT", "/a", params={"ids": "1,2", "page[size]": "3"}, body="ü".encode())
        http.request("GET", "/b")

    first, second = server.requests
    assert first.startswith(b"PUT /a?ids=1%2C2&page%5Bsize%5D=3 HTTP/1.1\r\n")
    assert first.endswith(b"\r\n\r\n\xc3\xbc")
    assert b"\r\nContent-Type: application/json\r\n" in first
    assert b"\r\nAccept: application/json\r\n" in first
    assert f"\r\nAuthorization: {SECRET}\r\n".encode() in second
    assert b"Content-Type" not in second
    assert http.requests_made == 2


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_refused_connection_has_sent_nothing() -> None:
    assert client(closed_port()).request("POST", "/", body=b"{}") == NoAnswer(
        sent=False, reason="the vendor could not be reached"
    )


def test_an_unknown_host_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    answer = client("https://nowhere.invalid").request("POST", "/", body=b"{}")

    assert answer == NoAnswer(sent=False, reason="the vendor could not be reached")


def test_a_connection_that_takes_too_long_has_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_long(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", too_long)

    answer = client("http://127.0.0.1:1").request("POST", "/", body=b"{}")

    assert answer == NoAnswer(sent=False, reason="the vendor could not be reached in time")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        head("Content-Length: 9") + b"short",
        head("Transfer-Encoding: chunked") + b"zz\r\n",
        head("Transfer-Encoding: chunked") + b"5\r\nab",
        head("Content-Length: 3", "Content-Encoding: gzip") + b"abc",
        head(*(f"X-{n}: y" for n in range(200))),
        head("X: " + "y" * 70_000),
        head("Content-Length: 2", "Content-Length: 3") + b"{}",
        head("Content-Length: 48, 50") + b"{}",
        head("Content-Length: x", "Transfer-Encoding: chunked") + b"x\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\xff\xfe\x00",
    ],
    ids=[
        "nothing",
        "not HTTP",
        "cut off",
        "no chunk",
        "chunk cut off",
        "not packed",
        "too many headers",
        "header too long",
        "two lengths",
        "two lengths in one",
        "no length",
        "no status",
        "no version",
        "no text",
    ],
)
def test_a_broken_answer_may_have_been_sent(answer: bytes) -> None:
    broken = ask(answer)

    assert isinstance(broken, NoAnswer)
    assert broken.sent
    assert broken.reason


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobferry.vendors.http.client.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("jobferry.vendors.http.client.READ_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 2", head("Content-Length: 9") + b"shor"])
def test_silence_may_have_been_sent(start: bytes) -> None:
    with serving(start, hold_seconds=2) as server:
        answer = client(server.url).request("GET", "/")

    assert isinstance(answer, NoAnswer)
    assert answer.sent


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_drips_is_bounded_too() -> None:
    with serving(head("Content-Length: 900") + b"x" * 900, drip_seconds=0.01) as server:
        answer = client(server.url).request("GET", "/")

    assert answer == NoAnswer(sent=True, reason="no answer came in time")


DRIPPING_HEAD = head(*(f"X-{n}: {'y' * 60_000}" for n in range(90)))
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("start", "without_end", "drip_seconds"),
    [
        (DRIPPING_HEAD, b"", 0.02),
        (b"", CONTINUE, 0.0),
        (b"", CONTINUE, 0.005),
        (head("Transfer-Encoding: chunked"), b"1\r\nx\r\n", 0.005),
        (head("Transfer-Encoding: chunked") + b"0\r\n", b"X: y\r\n", 0.005),
        (head("Connection: close"), b"x", 0.01),
        (head("Transfer-Encoding: chunked"), b"0", 0.005),
    ],
    ids=["head", "100", "slow 100", "chunks", "trailer", "body", "chunk's size"],
)
def test_one_deadline_holds_for_head_and_body(
    start: bytes, without_end: bytes, drip_seconds: float
) -> None:
    """Allowed are 0.2 seconds in all."""
    with serving(start, drip_seconds=drip_seconds, without_end=without_end) as server:
        began = time.monotonic()
        answer = client(server.url).request("POST", "/", body=b"{}")
        took = time.monotonic() - began

    assert isinstance(answer, NoAnswer)
    assert answer.sent
    assert took < 10


@pytest.mark.usefixtures("impatient")
def test_a_vendor_that_does_not_take_the_body_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        answer = client(url).request("POST", "/", body=b"x" * 50_000_000)
        took = time.monotonic() - began

    assert isinstance(answer, NoAnswer)
    assert answer.sent
    assert took < 10


def test_a_connection_serves_one_request_after_the_other() -> None:
    """The deadline is that of each request and not of the connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        peers: ClassVar[list[Any]] = []

        def do_GET(self) -> None:
            self.peers.append(self.client_address)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        http = client(f"http://127.0.0.1:{server.server_port}")
        answers = [http.request("GET", "/") for _ in range(2)]
        server.shutdown()

    assert len(set(Handler.peers)) == 1
    assert [isinstance(answer, Answer) for answer in answers] == [True, True]


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(bytes(300_000_000)), gzip.compress(gzip.compress(bytes(300_000_000)))],
    ids=["once", "twice"],
)
def test_a_bomb_costs_little_memory(packed: bytes) -> None:
    bomb = head("Content-Encoding: gzip", f"Content-Length: {len(packed)}") + packed
    tracemalloc.start()
    try:
        answer = ask(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 24_000_000
    assert isinstance(answer, Answer) or answer.too_large


def test_a_large_answer_is_read_no_further_than_its_bound() -> None:
    with serving(head("Connection: close"), without_end=b"x" * 1_000_000) as server:
        answer = HttpClient(
            server.url, lambda _: SECRET, reach=LOOPBACK, max_answer_bytes=2_000_000
        ).request("GET", "/")

    assert answer == NoAnswer(sent=True, reason="the answer was too large", too_large=True)


@pytest.mark.parametrize(
    "answer",
    [
        head("Content-Length: 2000") + b"x" * 2_000,
        head("Connection: close") + b"x" * 2_000,
        head("Content-Encoding: gzip", "Connection: close") + gzip.compress(b"x" * 100_000),
    ],
    ids=["announced", "not announced", "packed"],
)
def test_the_size_is_bounded(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobferry.vendors.http.client.MAX_ANSWER_BYTES", 1_000)

    assert ask(answer) == NoAnswer(sent=True, reason="the answer was too large", too_large=True)


# Hosts and secrets


def test_a_redirect_is_an_answer() -> None:
    with serving(OK) as elsewhere:
        answer = ask(head(f"Location: {elsewhere.url}/", "Content-Length: 0", status="302 Found"))

    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert elsewhere.requests == []


def test_a_redirect_in_no_encoding_is_an_answer() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe\r\nContent-Length: 0\r\n\r\n"

    assert isinstance(ask(redirect), Answer)


def test_a_401_is_repeated_once_with_a_fresh_secret() -> None:
    asked: list[bool] = []

    def authorize(refresh: bool) -> str:
        asked.append(refresh)
        return f"Bearer {len(asked)}"

    refusal = head("Content-Length: 0", "Connection: close", status="401 Unauthorized")
    with serving(refusal, OK) as server:
        answer = HttpClient(server.url, authorize, reach=LOOPBACK).request("POST", "/", body=b"{}")
    with serving(refusal) as stubborn:
        refused = HttpClient(stubborn.url, authorize, reach=LOOPBACK).request(
            "POST", "/", body=b"{}"
        )

    assert isinstance(answer, Answer)
    assert isinstance(refused, Answer)
    assert (answer.status, refused.status) == (200, 401)
    assert asked == [False, True] * 2
    assert [b"Bearer 1" in server.requests[0], b"Bearer 2" in server.requests[1]] == [True, True]
    assert len(stubborn.requests) == 2


def test_settings_of_the_machine_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, closed_port())
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")

    with serving(OK) as server:
        answer = client(server.url).request("GET", "/")

    assert isinstance(answer, Answer)
    assert f"Authorization: {SECRET}".encode() in server.requests[0]


def test_no_answer_shows_address_or_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    answers = [
        ask(b""),
        ask(head("Content-Length: 9") + b"short"),
        client(closed_port()).request("GET", "/"),
        client("https://nowhere.invalid").request("GET", "/"),
    ]

    shown = repr(answers) + repr(client("https://nowhere.invalid"))
    assert "127.0.0.1" not in shown
    assert "nowhere" not in shown
    assert "tell-nobody" not in shown + caplog.text


@pytest.mark.parametrize("value", ["Bearer line\n", "Bearer tell-nobody-\u20ac"])
def test_a_secret_that_fits_no_header_was_not_sent(value: str) -> None:
    with serving(OK) as server:
        answer = client(server.url, value).request("POST", "/", body=b"{}")

    assert answer == NoAnswer(
        sent=False,
        reason="the credentials cannot be part of a request",
        cause=ThrottleReason.CREDENTIALS,
    )
    assert server.requests == []


@pytest.mark.parametrize(
    "error", [LookupError("gone"), ValueError("malformed"), PermissionError("denied"), KeyError()]
)
def test_credentials_that_cannot_be_read_send_nothing(error: Exception) -> None:
    def authorize(_refresh: bool) -> str:
        raise error

    with serving(OK) as server:
        answer = HttpClient(server.url, authorize, reach=LOOPBACK).request("POST", "/", body=b"{}")

    assert answer == NoAnswer(
        sent=False, reason="the credentials cannot be read", cause=ThrottleReason.CREDENTIALS
    )
    assert server.requests == []


def test_credentials_that_are_gone_when_they_are_asked_for_again() -> None:
    def authorize(refresh: bool) -> str:
        if refresh:
            raise LookupError("gone")
        return SECRET

    refusal = head("Content-Length: 0", "Connection: close", status="401 Unauthorized")
    with serving(refusal) as server:
        answer = HttpClient(server.url, authorize, reach=LOOPBACK).request("POST", "/", body=b"{}")

    assert isinstance(answer, NoAnswer)
    assert (answer.sent, answer.cause) == (False, ThrottleReason.CREDENTIALS)


def test_a_request_that_nobody_pays_for_is_not_sent() -> None:
    class Empty:
        def take(self) -> bool:
            return False

    with serving(OK) as server:
        http = client(server.url)
        http.meter = Empty()
        answer = http.request("POST", "/", body=b"{}")

    assert isinstance(answer, NoAnswer)
    assert (answer.sent, answer.cause) == (False, ThrottleReason.BUDGET)
    assert server.requests == []


def test_a_certificate_that_is_not_valid_was_sent_nothing(tmp_path: Path) -> None:
    with serving_tls(tmp_path) as server:
        answer = client(server.url).request("POST", "/", body=b"{}")

    assert answer == NoAnswer(sent=False, reason="the vendor's certificate is not valid")
    assert server.requests == []


@pytest.mark.usefixtures("impatient")
def test_a_server_that_speaks_no_tls_may_have_been_sent_something() -> None:
    """Not one of the causes that are known to come before the request."""
    with serving(OK) as server:
        answer = client(server.url.replace("http:", "https:")).request("POST", "/", body=b"{}")

    assert isinstance(answer, NoAnswer)
    assert answer.sent


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.InvalidHeader("of the answer"),
        requests.exceptions.InvalidURL(),
        requests.exceptions.ChunkedEncodingError(),
        requests.exceptions.ContentDecodingError(),
        requests.exceptions.ConnectionError(),
        requests.exceptions.ConnectionError(ConnectionResetError()),
        requests.exceptions.SSLError("bad record"),
        requests.exceptions.ReadTimeout(),
        UnicodeEncodeError("latin-1", "ü", 0, 1, "no"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
        OSError("closed"),
        TimeoutError(),
        MemoryError(),
        RecursionError(),
        ValueError("what nobody thought of"),
        AttributeError(),
    ],
    ids=repr,
)
def test_anything_else_may_have_been_sent(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object, **__: object) -> None:
        raise error

    http = client("http://127.0.0.1:1")
    monkeypatch.setattr(http._session, "request", break_off)
    answer = http.request("POST", "/", body=b"{}")

    assert isinstance(answer, NoAnswer)
    assert answer.sent
    assert "nobody thought of" not in answer.reason


# Connections


@pytest.mark.parametrize(("idle_seconds", "dropped"), [(60.0, False), (-1.0, True)])
def test_connections_that_idled_are_dropped_on_waking(
    idle_seconds: float, dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.http.client.IDLE_SECONDS", idle_seconds)
    closed: list[bool] = []
    http = client("https://nowhere.invalid")
    monkeypatch.setattr(http._session, "close", lambda: closed.append(True))

    http.drop_idle_connections()

    assert bool(closed) is dropped
