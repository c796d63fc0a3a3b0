"""Ask a vendor on behalf of an operator: each request is paid for, and waits are waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jobferry.deps import Deps
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import ADDRESS_NOT_ALLOWED, TEXTS
from jobferry.lane.request_meter import Denied, Meter, keep_throttle, paying
from jobferry.vendors.answers import Ambiguous, Refused, Throttled, ThrottleReason, throttle_of
from jobferry.vendors.connections import BoundConnection


class VendorUnavailableError(Exception):
    """The vendor did not answer, refused, or must not be asked now; the message says which.

    Args:
        until: epoch seconds from which asking again makes sense, where that is known
    """

    def __init__(self, message: str, until: float | None = None) -> None:
        super().__init__(message)
        self.until = until


@dataclass(frozen=True, slots=True)
class VendorSession:
    """A connection whose requests are paid for."""

    linked: BoundConnection
    meter: Meter
    deps: Deps

    def no(self, answer: Refused | Throttled | Ambiguous) -> VendorUnavailableError:
        """What a "no" means for a person; a wait that the vendor asks for is kept."""
        wait = throttle_of(answer)
        until = None if wait is None else keep_throttle(self.linked, wait, self.deps)
        denied = self.meter.denied
        if isinstance(answer, Throttled) and answer.reason is ThrottleReason.BUDGET and denied:
            return VendorUnavailableError(_denied_in_words(denied), denied.until)
        words = in_words(answer)
        if until is not None:
            words += f". It wants no request before {timestamp(until)}"
        return VendorUnavailableError(words + ".", until)


@contextmanager
def vendor_session(connection: str, deps: Deps) -> Iterator[VendorSession]:
    """A client whose requests are paid for, until the end of the block.

    Raises:
        VendorUnavailableError: the connection waits, as its vendor has asked.
        ConnectionMissingError: there is no such connection.
    """
    linked = deps.connections.link(connection)
    retry_after_until = deps.store.limits.get(connection).retry_after_until
    if retry_after_until > deps.now():
        denied = Denied(ThrottleReason.RATE, retry_after_until)
        raise VendorUnavailableError(_denied_in_words(denied), retry_after_until)
    with paying(linked, deps) as meter:
        yield VendorSession(linked, meter, deps)


def in_words(answer: Refused | Throttled | Ambiguous) -> str:
    """What kept a vendor from doing as asked, as a sentence without its full stop."""
    match answer:
        case Refused(message=words) | Ambiguous(reason=words):
            return words.rstrip(". ")
        case Throttled(reason=ThrottleReason.UNREACHABLE):
            return "It cannot be reached"
        case Throttled(reason=ThrottleReason.CREDENTIALS):
            return (
                "Its credentials cannot be used: they cannot be read from Secrets Manager (which "
                "takes the right secretsmanager:GetSecretValue), or were given for another "
                "address; put the connection again"
            )
        case Throttled(reason=ThrottleReason.ADDRESS):
            return TEXTS[ADDRESS_NOT_ALLOWED].rstrip(".")
        case Throttled(reason=ThrottleReason.BUDGET):
            return "No request of this minute is left"
        case Throttled():
            return "It has had too many requests, or cannot be reached"


def _denied_in_words(denied: Denied) -> str:
    until = timestamp(denied.until)
    if denied.reason is ThrottleReason.RATE:
        return f"It has asked for no request before {until}; nothing was sent."
    return f"All requests of this minute are taken; the next can be sent at {until}."
