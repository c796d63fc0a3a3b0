"""HTTP towards vendors: bounded in time and size, no foreign hosts, and never a secret in an error.

Answers are data. An exception of the HTTP library ends here, sorted by the one question that
matters for a write: can the request have been carried out?
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from jobferry.vendors.answer_gate import json_document, safe_headers, warnings_said
from jobferry.vendors.answers import ThrottleReason
from jobferry.vendors.credentials import AddressMismatchError, is_header_text
from jobferry.vendors.http.addresses import PUBLIC, Reach
from jobferry.vendors.http.bounds import POOLS, AddressNotAllowedError, Bounds, bounded
from jobferry.vendors.http.limits import (
    AUTHORIZE_SECONDS,
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MAX_ANSWER_BYTES,
    POOL_SIZE,
    READ_SECONDS,
)
from jobferry.vendors.http.retry_after import Wait, read_retry_after
from jobferry.vendors.protocol import Meter

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""A host whose last label is a number is an address, in some way of writing one
(https://url.spec.whatwg.org/#ends-in-a-number-checker)."""

_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body, made safe by `answer_gate`; None when it is not JSON."""
        return json_document(self.body)

    @property
    def wait(self) -> Wait:
        """How long the vendor asks us to wait, from `Retry-After` in any form."""
        headers = self.headers
        return read_retry_after(headers.get("retry-after"), headers.get("date"), time.time())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the vendor warns of, though it took the request."""
        return warnings_said(self.headers)

    @property
    def retry_after(self) -> float | None:
        """The seconds of it, an hour at the most; None where it says none of use."""
        return self.wait.seconds


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No complete answer came.

    Attributes:
        sent: the request may have reached the vendor
        reason: in words, without address or credentials
        cause: why it never left, where it was not sent
        too_large: an answer came, and was larger than it may be
    """

    sent: bool
    reason: str
    cause: ThrottleReason = ThrottleReason.UNREACHABLE
    too_large: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()


class BaseUrlError(ValueError):
    """The address of a connection cannot be used."""


def check_base_url(url: str, reach: Reach) -> str:
    """The site's root without a trailing slash.

    Raises:
        BaseUrlError: not https (http is for a simulator on this machine only), not a root, or an
            address that requests may not go to. Where a name leads is checked at each connect.
    """
    root = BaseUrlError("The base URL must be the site's root, as in https://acme.zendesk.com")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise root from None
    if parts.scheme == "http":
        if not (host in _LOOPBACK and reach.loopback):
            raise BaseUrlError(
                "The base URL must begin with https://. "
                "http:// is accepted only for a simulator on the loopback address of a local stack."
            )
    elif parts.scheme != "https":
        raise BaseUrlError("The base URL must begin with https://, as in https://acme.zendesk.com")
    plain = url.isascii() and url.isprintable() and not set(url) & set("?#@ ")
    if not host or port == 0 or parts.path.strip("/") or not plain:
        raise root
    if ":" not in host and not _HOST.fullmatch(host):
        raise root
    if (":" in host or _NUMBER.search(host)) and not reach.allows(host):
        raise BaseUrlError(
            "The address in the base URL is not allowed: a private one must lie in the parameter "
            "VendorCidrs of the stack, and this machine's or a metadata service's never is."
        )
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")


class _Session(requests.Session):
    """A session that does not even read where a redirect leads: the far side wrote it."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class _Adapter(HTTPAdapter):
    """Connections that keep one deadline for an exchange as a whole."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = POOLS


class HttpClient:
    """One session to one host.

    Args:
        base_url: the site's root, checked by `check_base_url`.
        authorize: called with `refresh`; returns the value of the `Authorization` header, or the
            headers that carry the credentials instead, or, where there are none to be had, the
            answer to give in their stead. After a 401 it is
            called once more with refresh, and the request is repeated once: a request without
            accepted credentials has done nothing. What it raises ends here, and nothing is sent.
        reach: addresses that may be connected to.
        max_answer_bytes: size of an answer, unpacked, beyond which it is read no further.
    """

    def __init__(
        self,
        base_url: str,
        authorize: Callable[[bool], str | Mapping[str, str] | Answer | NoAnswer],
        *,
        reach: Reach = PUBLIC,
        max_answer_bytes: int | None = None,
    ) -> None:
        self._reach = reach
        self._base_url = base_url
        self._authorize = authorize
        self._max_answer_bytes = max_answer_bytes or MAX_ANSWER_BYTES
        self._session = _Session()
        adapter = _Adapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.trust_env = False
        self._counting = threading.Lock()
        self._used_at = time.monotonic()
        self.requests_made = 0
        self.meter: Meter | None = None

    @property
    def base_url(self) -> str:
        """The site's root, without a trailing slash."""
        return self._base_url

    def drop_idle_connections(self) -> None:
        """Drop connections that have been idle: the far side may have closed them unseen."""
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        """Send one request (twice after a 401). Redirects are answers, never followed."""
        answer = self._authorized(method, path, params, body, refresh=False)
        if isinstance(answer, Answer) and answer.status == 401:
            answer = self._authorized(method, path, params, body, refresh=True)
        return answer

    def post_unauthorized(self, path: str, body: bytes) -> Answer | NoAnswer:
        """Send one request without `Authorization`: one whose body holds the credentials."""
        return self._unpaid() or self._send("POST", path, None, body, {})

    def _authorized(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        *,
        refresh: bool,
    ) -> Answer | NoAnswer:
        asked_at = time.monotonic()
        try:
            authorization = self._authorize(refresh)
        except AddressMismatchError:
            return _without_credentials("the credentials were given for another address")
        except Exception:  # noqa: BLE001 - gone, malformed, not allowed: nothing has left
            return _without_credentials("the credentials cannot be read")
        if isinstance(authorization, Answer | NoAnswer):
            return authorization
        headers = (
            {"Authorization": authorization} if isinstance(authorization, str) else authorization
        )
        if not all(map(is_header_text, headers.values())):
            return _without_credentials("the credentials cannot be part of a request")
        if time.monotonic() - asked_at > AUTHORIZE_SECONDS:
            # Whoever noted that a request is about to leave counts on its leaving at once.
            return _without_credentials("the credentials took too long to read")
        return self._unpaid() or self._send(method, path, params, body, headers)

    def _unpaid(self) -> NoAnswer | None:
        """Why the next request must not be sent; None when it is paid for."""
        if self.meter is None or self.meter.take():
            return None
        reason = "no request of this minute is left"
        return NoAnswer(sent=False, reason=reason, cause=ThrottleReason.BUDGET)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        more_headers: Mapping[str, str],
    ) -> Answer | NoAnswer:
        headers = {"Accept": "application/json", **more_headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self._counting:
            self.requests_made += 1
            self._used_at = began = time.monotonic()
        bounds = Bounds(
            began + CONNECT_SECONDS + READ_SECONDS,
            READ_SECONDS,
            self._max_answer_bytes,
            self._reach,
        )
        try:
            with (
                bounded(bounds),
                self._session.request(
                    method,
                    self._base_url + path,
                    params=params,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                content = _read(response, self._max_answer_bytes)
                if content is None:
                    return _TOO_LARGE
                return Answer(response.status_code, safe_headers(response.headers), content)
        except Exception as error:  # noqa: BLE001 - the request had been handed over
            return _TOO_LARGE if bounds.too_large else _no_answer(error)


_TOO_LARGE = NoAnswer(sent=True, reason="the answer was too large", too_large=True)

# Its warnings about broken heads quote them, and the address besides.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


def _without_credentials(reason: str) -> NoAnswer:
    return NoAnswer(sent=False, reason=reason, cause=ThrottleReason.CREDENTIALS)


def _read(response: requests.Response, max_bytes: int) -> bytes | None:
    """The body; None when it is larger than an answer may be."""
    content = bytearray()
    # read1 returns with what has come, so that a dripping answer cannot hold us.
    while block := response.raw.read1(_BLOCK_BYTES, decode_content=True):
        content += block
        if len(content) > max_bytes:
            return None
    return bytes(content)


def _no_answer(error: Exception) -> NoAnswer:
    """What an exception of a request that was handed over means.

    Only for the causes that are named here is it certain that nothing has left. Everything else,
    whatever its name, may have been applied.
    """
    cause: object = error.args[0] if error.args else None
    cause = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(error, requests.ConnectionError):
        if isinstance(cause, AddressNotAllowedError):
            reason = "the address of the vendor's host is not allowed"
            return NoAnswer(sent=False, reason=reason, cause=ThrottleReason.ADDRESS)
        if isinstance(cause, NewConnectionError):  # no such host, no route, a closed port
            return NoAnswer(sent=False, reason="the vendor could not be reached")
        if isinstance(cause, ConnectTimeoutError):
            return NoAnswer(sent=False, reason="the vendor could not be reached in time")
        if _is_bad_certificate(cause):
            return NoAnswer(sent=False, reason="the vendor's certificate is not valid")
    if isinstance(error, requests.Timeout | ReadTimeoutError | TimeoutError):
        return NoAnswer(sent=True, reason="no answer came in time")
    if isinstance(error, requests.ConnectionError):
        return NoAnswer(sent=True, reason="the connection broke")
    return NoAnswer(sent=True, reason=f"the answer was broken off ({type(error).__name__})")


def _is_bad_certificate(cause: object) -> bool:
    """Whether we refused the vendor's certificate, which comes before the request."""
    inner = cause.args[0] if isinstance(cause, SSLError) and cause.args else None
    return isinstance(inner, ssl.SSLCertVerificationError)
