"""What an answer means whichever vendor gave it: not sent, unclear, refused.

One question decides: can the request have been carried out? Only HTTP's own refusals (3xx, 4xx
but 408) say clearly that it was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobferry.vendors.answer_gate import error_said
from jobferry.vendors.answers import (
    Ambiguous,
    RateReading,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, NoAnswer


def not_sent(answer: NoAnswer) -> Throttled:
    """Nothing has left, so nothing was done; it says for want of what."""
    return Throttled(answer.cause)


def without_answer(answer: NoAnswer) -> Throttled | Ambiguous:
    """What it means that no complete answer came."""
    return Ambiguous(answer.reason) if answer.sent else not_sent(answer)


def is_unclear(status: int) -> bool:
    """Whether a status leaves open if the request was applied."""
    return status < 200 or status == 408 or status >= 500


def unclear(answer: Answer) -> Ambiguous:
    """An answer that leaves it open, with the wait that it asks for all the same."""
    wait = answer.wait
    text = f"the vendor answered with HTTP {answer.status}"
    return Ambiguous(text, wait.seconds, absurd_hint=wait.absurd)


def throttled(
    reason: ThrottleReason, answer: Answer, limits: RateReading | None = None
) -> Throttled:
    """Nothing was done, and the answer says how long to wait, perhaps."""
    wait = answer.wait
    return Throttled(reason, wait.seconds, limits, absurd_hint=wait.absurd)


def refused(
    code: object,
    message: str,
    *,
    status: int,
    who: str,
    scope: RefusalScope = RefusalScope.CHUNK,
) -> Refused:
    """A clear no in the vendor's words, bounded and fit for a log where it is a code."""
    otherwise = f"{who} refused the request with HTTP {status}."
    said, text = error_said(code, message, without=f"http_{status}", otherwise=otherwise)
    return Refused(said, text, scope, status)


def refused_to_the_account(
    status: int, message: str, *, who: str, is_document: bool
) -> Refused | None:
    """A no that every request of the account would meet; None for any other.

    Args:
        who: the vendor, as people call it.
        is_document: the answer is one of the API's own, and no page of a server before it. Only
            then does a 404 speak of the thing that was asked for.
    """
    fixed = _FOR_ALL.get(status)
    if status == 404 and not is_document:
        fixed = _NOT_FOUND
    elif 300 <= status < 400:
        fixed = _REDIRECTS
    if fixed is None:
        return None
    code, text = fixed
    words = f"{text.format(who=who)} {message}" if is_document and message else text.format(who=who)
    return refused(code, words, status=status, who=who, scope=RefusalScope.RUN)


_NOT_FOUND = (
    "vendor_not_found",
    "There is no {who} at this address; check the base URL of the connection.",
)
_REDIRECTS = (
    "vendor_redirects",
    "{who} sends us to another address; check the base URL of the connection.",
)
_FOR_ALL = {
    401: ("vendor_unauthorized", "{who} does not accept the credentials (HTTP 401)."),
    402: ("vendor_payment_required", "{who} asks for a payment first (HTTP 402)."),
    403: ("vendor_forbidden", "{who} does not allow this to the account (HTTP 403)."),
    410: ("vendor_gone", "The account is no longer at {who} (HTTP 410)."),
    423: ("vendor_locked", "{who} has locked the account (HTTP 423)."),
}


def is_missing(problem: object) -> bool:
    """Whether the vendor itself said that it does not know the thing asked for."""
    return (
        isinstance(problem, Refused)
        and problem.http_status == 404
        and problem.scope is RefusalScope.CHUNK
    )
