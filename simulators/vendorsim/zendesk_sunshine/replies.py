"""The answers of Sunshine, in its envelopes `data` and `errors`.

Two errors are documented word for word: the external id in use and the full account. The texts
of the others are *assumed*; their codes and titles follow the HTTP status as those two do.
"""

from __future__ import annotations

from vendorsim.values import JsonObject, Reply, json_reply
from vendorsim.zendesk_support.replies import RequestRefused

_TITLES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


def data_reply(data: object, status: int = 200, **beside: object) -> Reply:
    """`data`, and what stands beside it."""
    return json_reply({"data": data, **beside}, status)


def error(status: int, text: str, *, said_in: str = "detail") -> JsonObject:
    """One entry of `errors`; its status is a text."""
    title = _TITLES[status]
    return {"code": title.replace(" ", ""), "status": str(status), "title": title, said_in: text}


def refusal(status: int, text: str, *, said_in: str = "detail") -> Reply:
    """A request that is refused as a whole."""
    return json_reply({"errors": [error(status, text, said_in=said_in)]}, status)


def refused(status: int, text: str) -> RequestRefused:
    """The same, to be raised."""
    return RequestRefused(refusal(status, text))


def not_found(what: str) -> Reply:
    return refusal(404, f"{what} not found")


def quota_error(plural: str) -> JsonObject:
    """The account is full: the code of a rate limit, but waiting does not help."""
    text = f"You have exceeded the maximum number of {plural} for this account"
    return error(429, text, said_in="message")


def quota_exceeded(plural: str) -> Reply:
    return json_reply({"errors": [quota_error(plural)]}, 429)


def too_many_jobs(status: int) -> Reply:
    text = "You have exceeded the maximum number of concurrent jobs for this account"
    return refusal(status, text, said_in="message")
