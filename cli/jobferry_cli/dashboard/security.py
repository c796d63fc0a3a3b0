"""Who may use the page: this user's browser, from this page, and nobody else. Pure decisions.

Other pages in the same browser, names that lead to this machine (DNS rebinding), other programs and
other users of it are kept out (docs/decisions/0038-the-page.md).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

ADDRESS = "127.0.0.1"
"""The only one that is listened to."""

TOKEN_HEADER = "x-jobferry-token"  # noqa: S105 - a name
TOKEN_FIELD = "token"  # noqa: S105

READING = frozenset({"GET", "HEAD"})

_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_REPORT = (
    "sandbox allow-same-origin allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def headers(*, report: bool = False) -> dict[str, str]:
    """What every answer says to the browser.

    Args:
        report: it is a run's report, which has its style inline and no script.
    """
    return {**_ALWAYS, "content-security-policy": _REPORT if report else _PAGE}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it matters who sent it.

    Attributes:
        hosts: every Host header
        path: decoded
        token: that a changing request carries, in a header or a field
        origin, site: what the browser says of the page that sent it (`Origin`, `Sec-Fetch-Site`)
    """

    method: str
    hosts: tuple[str, ...]
    path: str
    cookie: str = ""
    token: str = ""
    origin: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    text: str


@dataclass(frozen=True)
class Guard:
    """The secrets of one `jobferry dashboard`.

    Attributes:
        area: the first part of every path. Nobody can guess it, so that the browser sends the
            cookie, which it keeps for all ports of a host alike, to no other server of this machine
        session: the cookie
        token: that a request carries which changes something
    """

    port: int
    area: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset({f"{ADDRESS}:{self.port}", f"localhost:{self.port}"})

    @property
    def origins(self) -> frozenset[str]:
        return frozenset(f"http://{host}" for host in self.hosts)

    @property
    def cookie_name(self) -> str:
        return f"jobferry-{self.port}"

    @property
    def root(self) -> str:
        """What every path begins with."""
        return f"/{self.area}/"

    def set_cookie(self) -> str:
        """The header that gives the browser its session, until it is closed."""
        return f"{self.cookie_name}={self.session}; Path={self.root}; HttpOnly; SameSite=Strict"

    def refusal(self, asked: Asked) -> Refusal | None:
        """Why a request for a page is refused; None when it is ours."""
        if (refused := self.wrong_host(asked)) is not None:
            return refused
        if not asked.path.startswith(self.root):
            return Refusal(404, "There is nothing here.")
        if not any(_same(value, self.session) for value in self._cookies(asked.cookie)):
            return Refusal(
                403,
                "This browser has not been let in. Open the address that the terminal shows where "
                "`jobferry dashboard` runs.",
            )
        if asked.site not in (None, "same-origin", "none"):
            return Refusal(403, "Another page has sent this request.")
        if asked.method in READING:
            return None
        if asked.method != "POST":
            return Refusal(405, "There is no such request.")
        return self._wrong_sender(asked)

    def wrong_host(self, asked: Asked) -> Refusal | None:
        """A name that leads here is not ours: a page elsewhere may own it."""
        if len(asked.hosts) == 1 and asked.hosts[0].lower() in self.hosts:
            return None
        return Refusal(403, f"This page is at http://{ADDRESS}:{self.port} only.")

    def _wrong_sender(self, asked: Asked) -> Refusal | None:
        # Browsers send `Origin: null` with a form of a page that sends no referrer.
        known = asked.origin in self.origins or (
            asked.site == "same-origin" and asked.origin in (None, "null")
        )
        if not known:
            return Refusal(403, "Another page has sent this request.")
        if not _same(asked.token, self.token):
            return Refusal(403, "This page is from before. Load it anew, and try again.")
        return None

    def _cookies(self, header: str) -> Iterator[str]:
        """What stands under our name. Cookies of other servers of this machine stand beside it, and
        need not be of any form."""
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.cookie_name:
                yield value


class Entry:
    """The token in the address that is printed. It lets one browser in, once.

    It stands in the list of this machine's processes when a browser is opened with it, and in the
    browser's history.
    """

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(32)
        self._used = False
        self._lock = Lock()

    @property
    def token(self) -> str:
        """The one to print now; a used one is replaced."""
        with self._lock:
            if self._used:
                self._token, self._used = secrets.token_urlsafe(32), False
            return self._token

    def take(self, token: str) -> bool:
        """Whether this is the token, and the first to show it."""
        with self._lock:
            if self._used or not _same(token, self._token):
                return False
            self._used = True
            return True

    def was_used(self, token: str) -> bool:
        """Whether this is the token, and somebody has shown it before."""
        with self._lock:
            return self._used and _same(token, self._token)


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), kept.encode())
