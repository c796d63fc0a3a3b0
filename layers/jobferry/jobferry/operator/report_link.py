"""Addresses of reports that open without an AWS account, for as long as a deployment allows.

An address holds a token: the run, when it was made, for how long, and a signature over that
(HMAC-SHA256) with a key that only the stack's secret holds. Nothing is stored for it, so that a new
key ends all addresses at once, and so does a shorter time for those that are older than it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple

from jobferry.domain.names import is_run_id

KEY_SECONDS = 60.0
"""How long a key stays in a warm function: after this, addresses of the key before are refused."""

CLOCK_SECONDS = 300
"""By so much may the clock of whoever made an address be ahead of ours."""

MOST_TOKEN = 256
"""Characters that no token exceeds."""

_LEAST_KEY = 32
"""Characters of a key that nobody guesses."""

_FOR = b"jobferry report link 1\n"
"""What is signed besides, so that the key's signatures mean nothing anywhere else."""

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{43}")
_CLAIM = re.compile(r"([0-9]{1,12}) ([0-9]{1,9}) (\S+)")


class LinkKeyError(Exception):
    """The secret holds no key that addresses may be signed with."""


class Link(NamedTuple):
    """An address to hand out.

    Attributes:
        url: a secret: whoever has it can read the report
        until: when it ends (epoch seconds)
    """

    url: str
    until: float


def make_link(base: str, key: str, run_id: str, now: float, hours: int) -> Link:
    """The address of a run's report.

    Args:
        base: of the function that shows reports.
        now: epoch seconds.
    """
    issued, seconds = int(now), hours * 3_600
    token = make_token(key, run_id, issued, seconds)
    return Link(f"{base.rstrip('/')}/{token}", float(issued + seconds))


def make_token(key: str, run_id: str, issued: int, seconds: int) -> str:
    """A token for `seconds` from `issued` (epoch seconds) on."""
    return _signed(key, _encoded(f"{issued} {seconds} {run_id}".encode()))


def run_of(token: str, key: str, now: float, most_seconds: int) -> str | None:
    """The run whose report a token shows; None for any that is not ours, or not valid now.

    Nothing of a token is looked at before its signature.

    Args:
        now: epoch seconds.
        most_seconds: for so long after it was made a token holds, whatever it says itself.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= MOST_TOKEN and token.isascii() else None
    if found is None or not hmac.compare_digest(_signed(key, found[1]), token):
        return None
    claim = _CLAIM.fullmatch(_decoded(found[1]))
    if claim is None:
        return None
    issued, seconds, run_id = int(claim[1]), int(claim[2]), claim[3]
    holds = issued - CLOCK_SECONDS <= now < issued + min(seconds, most_seconds)
    return run_id if holds and is_run_id(run_id) else None


class LinkKey:
    """The key, read once in a while.

    Args:
        read: gives the secret's text.
        now: epoch seconds.
    """

    def __init__(self, read: Callable[[], str], now: Callable[[], float]) -> None:
        self._read, self._now = read, now
        self._key, self._read_at = "", float("-inf")

    def __call__(self) -> str:
        """The key.

        Raises:
            LinkKeyError: the secret holds none.
        """
        if self._now() >= self._read_at + KEY_SECONDS:
            key = self._read()
            if len(key) < _LEAST_KEY:
                raise LinkKeyError(f"the key of report links has less than {_LEAST_KEY} characters")
            self._key, self._read_at = key, self._now()
        return self._key


def _signed(key: str, claim: str) -> str:
    signature = hmac.new(key.encode(), _FOR + claim.encode(), hashlib.sha256).digest()
    return f"{claim}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> str:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
