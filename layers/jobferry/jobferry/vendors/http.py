"""HTTP towards vendors: bounded in time and size, no foreign hosts, and never a secret in an error.

Answers are data. An exception of the HTTP library ends here, sorted by the one question that
matters for a write: can the request have been carried out?
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from jobferry.vendors.base import Meter, ThrottleReason
from jobferry.vendors.http_limits import (
    AUTHORIZE_SECONDS,
    CONNECT_SECONDS,
    IDLE_SECONDS,
    MAX_ANSWER_BYTES,
    POOL_SIZE,
    READ_SECONDS,
)

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body, or None when it is not JSON (plain text, HTML, cut off)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the vendor asks us to wait, from `Retry-After` in either form."""
        return parse_retry_after(self.headers.get("retry-after"), self.headers.get("date"))


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No complete answer came.

    sent    the request may have reached the vendor
    reason  in words, without address or credentials
    cause   why it never left, where it was not sent
    """

    sent: bool
    reason: str
    cause: ThrottleReason = ThrottleReason.UNREACHABLE


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds of a `Retry-After` header: a number, or an HTTP date relative to the answer's own."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    until = _http_date(value)
    now = _http_date(date)
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _http_date(value: str | None) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class BaseUrlError(ValueError):
    """The address of a connection cannot be used."""


def check_base_url(url: str, *, allow_loopback_http: bool) -> str:
    """The site's root without a trailing slash.

    Raises:
        BaseUrlError: not https (http is for a simulator on this machine only), or not a root.
    """
    root = BaseUrlError("The base URL must be the site's root, as in https://acme.zendesk.com")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise root from None
    if parts.scheme == "http":
        if not (host in _LOOPBACK and allow_loopback_http):
            raise BaseUrlError(
                "The base URL must begin with https://. "
                "http:// is accepted only for a simulator on the loopback address of a local stack."
            )
    elif parts.scheme != "https":
        raise BaseUrlError("The base URL must begin with https://, as in https://acme.zendesk.com")
    if not host or parts.path.strip("/") or set(url) & set("?#@") or not _HOST.fullmatch(host):
        raise root
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")


class _Session(requests.Session):
    """A session that does not even look where a redirect leads: the far side wrote it."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class HttpClient:
    """One session to one host.

    Args:
        base_url: the site's root, checked by `check_base_url`.
        authorize: called with `refresh`; returns the value of the `Authorization` header, or,
            where there is none to be had, the answer to give in its stead. After a 401 it is
            called once more with refresh, and the request is repeated once: a request without
            accepted credentials has done nothing.
    """

    def __init__(self, base_url: str, authorize: Callable[[bool], str | Answer | NoAnswer]) -> None:
        self._base_url = base_url
        self._authorize = authorize
        self._session = _Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.trust_env = False
        self._counting = threading.Lock()
        self._used_at = time.monotonic()
        self.requests_made = 0
        self.meter: Meter | None = None

    def wake(self) -> None:
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
        authorization = self._authorize(refresh)
        if not isinstance(authorization, str):
            return authorization
        if time.monotonic() - asked_at > AUTHORIZE_SECONDS:
            # Whoever noted that a request is about to leave counts on its leaving at once.
            return NoAnswer(
                sent=False,
                reason="the credentials took too long to read",
                cause=ThrottleReason.CREDENTIALS,
            )
        headers = {"Authorization": authorization}
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
        try:
            with self._session.request(
                method,
                self._base_url + path,
                params=params,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read(response, began + CONNECT_SECONDS + READ_SECONDS)
                if content is None:
                    return NoAnswer(sent=True, reason="the answer was too large or too slow")
                lower = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, lower, content)
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
            return NoAnswer(sent=False, reason="the credentials cannot be part of a request")
        except requests.ConnectTimeout:
            return NoAnswer(sent=False, reason="the vendor could not be reached in time")
        except requests.ConnectionError as error:
            sent = not _never_connected(error)
            reason = "the connection broke" if sent else "the vendor could not be reached"
            return NoAnswer(sent=sent, reason=reason)
        except requests.Timeout:
            return NoAnswer(sent=True, reason="no answer came in time")
        except (requests.RequestException, HTTPError) as error:
            return NoAnswer(sent=True, reason=f"the answer was broken off ({type(error).__name__})")


def _read(response: requests.Response, deadline: float) -> bytes | None:
    """The body; None when it is larger or slower than an answer may be."""
    content = bytearray()
    # read1 returns with what has come, so that a dripping answer cannot hold us.
    while block := response.raw.read1(_BLOCK_BYTES, decode_content=True):
        content += block
        if len(content) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            return None
    return bytes(content)


def _never_connected(error: requests.ConnectionError) -> bool:
    """True when no usable connection was made, so that nothing can have been sent."""
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(cause)
    return isinstance(cause, NewConnectionError | NameResolutionError)
