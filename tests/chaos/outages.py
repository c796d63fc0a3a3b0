"""What fails for longer than a moment, for some time or permanently.

Beside the single faults of `scenario.Fault`, which strike one effect: here everything of a kind
fails while the outage lasts, as in a region that is down, a policy that was taken away, a secret
that was deleted, a vendor that answers 502 all afternoon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from jobferry.store.table import BusyTableError
from jobferry.vendors.answers import (
    Ambiguous,
    Found,
    FoundState,
    PollAnswer,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.client import Answer, NoAnswer

PERMANENT = 1e9
"""Seconds."""

WAIT = 45.0
"""The Retry-After of those that say one."""


class Way(StrEnum):
    """How a collaborator fails."""

    THROTTLED = "it is throttled"
    DENIED = "access is denied"
    MISSING = "it is not there"
    GARBLED = "it cannot be read"
    UNREACHABLE = "it cannot be reached"
    BAD_GATEWAY = "502, and nothing is done"
    BAD_GATEWAY_DONE = "502, and it is applied"
    RATE = "429"
    RATE_WITH_WAIT = "429 with Retry-After"
    FORBIDDEN = "403"
    REDIRECT = "a redirect"


TABLE, OBJECTS, SOURCE, SECRET = "table", "objects.put", "source.read", "secret.read"
SUBMIT, POLL, FIND, VENDOR = "vendor.submit", "vendor.poll", "vendor.find", "vendor"

_OF_AWS = (Way.THROTTLED, Way.DENIED, Way.UNREACHABLE)
_OF_A_VENDOR = (
    Way.UNREACHABLE,
    Way.BAD_GATEWAY,
    Way.RATE,
    Way.RATE_WITH_WAIT,
)
WAYS: dict[str, Sequence[Way]] = {
    TABLE: _OF_AWS,
    OBJECTS: _OF_AWS,
    SOURCE: (*_OF_AWS, Way.MISSING),
    SECRET: (*_OF_AWS, Way.MISSING, Way.GARBLED),
    SUBMIT: (*_OF_A_VENDOR, Way.BAD_GATEWAY_DONE),
    POLL: _OF_A_VENDOR,
    FIND: _OF_A_VENDOR,
    VENDOR: _OF_A_VENDOR,
}
"""What can fail, and how it can."""

RECOVERS = (TABLE, OBJECTS)
"""What is never gone permanently: without it nothing can be noted, and so nothing ended."""

LASTING = (300.0, 3_600.0, 3 * 3_600.0)


@dataclass(frozen=True, slots=True)
class Outage:
    """From `at` seconds on, everything of a kind fails; only so often, where `times` is not 0."""

    what: str = SUBMIT
    way: Way = Way.BAD_GATEWAY
    at: float = 0.0
    seconds: float = 300.0
    times: int = 0

    @property
    def ends(self) -> float:
        return self.at + self.seconds

    @property
    def permanent(self) -> bool:
        return self.seconds >= PERMANENT and not self.times

    def matches(self, kind: str, seconds: float) -> bool:
        """Whether it strikes an effect of this kind, so many seconds after the scenario began."""
        here = kind == self.what or kind.startswith(f"{self.what}.")
        # A scenario that is made shorter may combine what cannot be.
        possible = self.way in WAYS[self.what]
        return here and possible and self.at <= seconds < self.ends


def draw_outage(rng: Random, of: Iterable[str] = tuple(WAYS), *, permanent: bool = False) -> Outage:
    """One of these collaborators, in any of its ways."""
    what = rng.choice([w for w in of if not (permanent and w in RECOVERS)])
    seconds = PERMANENT if permanent else rng.choice(LASTING)
    return Outage(what, rng.choice(WAYS[what]), rng.choice((0.0, 1.0, 10.0, 25.0)), seconds)


def draw_single(rng: Random) -> Outage:
    """One 403 or one redirect, once, which stands for nothing."""
    way = rng.choice((Way.FORBIDDEN, Way.REDIRECT))
    return Outage(rng.choice((SUBMIT, POLL)), way, rng.choice((0.0, 10.0, 25.0)), PERMANENT, 1)


# what it looks like to whoever asks


def of_aws(kind: str, way: Way) -> Exception:
    """What the table, a bucket or the secret fails with."""
    if way is Way.UNREACHABLE:
        return EndpointConnectionError(endpoint_url="https://aws.example")
    if way is Way.THROTTLED and kind.startswith("table."):
        return BusyTableError("the table is throttled")
    code, status = {
        Way.THROTTLED: ("SlowDown", 503),
        Way.DENIED: ("AccessDenied", 403),
        Way.MISSING: ("NoSuchVersion" if kind == SOURCE else "ResourceNotFoundException", 404),
    }[way]
    answer: Any = {
        "Error": {"Code": code, "Message": way.value},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, kind)


def to_submission(way: Way) -> SubmitAnswer:
    """What the vendor in memory answers a submission with, as an adapter would say it."""
    match way:
        case Way.UNREACHABLE:
            return Throttled(ThrottleReason.UNREACHABLE)
        case Way.RATE:
            return Throttled(ThrottleReason.RATE)
        case Way.RATE_WITH_WAIT:
            return Throttled(ThrottleReason.RATE, WAIT)
        case Way.FORBIDDEN:
            return Refused("403", "No.", RefusalScope.RUN, 403)
        case Way.REDIRECT:
            return Refused("307", "Elsewhere.", RefusalScope.RUN, 307)
    return Ambiguous("502")


def to_poll(way: Way) -> PollAnswer:
    match way:
        case Way.RATE:
            return PollAnswer(throttled=Throttled(ThrottleReason.RATE))
        case Way.RATE_WITH_WAIT:
            return PollAnswer(throttled=Throttled(ThrottleReason.RATE, WAIT))
        case Way.FORBIDDEN:
            return PollAnswer(refused=Refused("403", "No.", RefusalScope.RUN, 403))
        case Way.REDIRECT:
            return PollAnswer(refused=Refused("307", "Elsewhere.", RefusalScope.RUN, 307))
    return PollAnswer(problem="502")


def to_search(way: Way) -> Found:
    throttled = None
    if way in (Way.RATE, Way.RATE_WITH_WAIT):
        throttled = Throttled(ThrottleReason.RATE, WAIT if way is Way.RATE_WITH_WAIT else None)
    # As every real adapter says of what it could not read.
    return Found(FoundState.PENDING, reason="502", requests=1, throttled=throttled, readable=False)


def to_request(way: Way) -> Answer | NoAnswer:
    """What one request of a real adapter meets."""
    json = {"content-type": "application/json"}
    match way:
        case Way.UNREACHABLE:
            return NoAnswer(sent=False, reason="the vendor could not be reached")
        case Way.RATE:
            return Answer(429, json, b'{"error": "Too many requests"}')
        case Way.RATE_WITH_WAIT:
            return Answer(429, {**json, "retry-after": f"{WAIT:g}"}, b'{"error": "Too many"}')
        case Way.FORBIDDEN:
            return Answer(403, json, b'{"error": "Forbidden", "description": "No."}')
        case Way.REDIRECT:
            return Answer(307, {"location": "https://elsewhere.example/"}, b"")
    return Answer(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>")
