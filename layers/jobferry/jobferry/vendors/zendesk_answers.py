"""What an answer of Zendesk's web servers means, whichever of its APIs gave it.

The APIs share the servers in front of them: credentials, limits and gateways speak the same way.
Facts from https://developer.zendesk.com/api-reference/introduction/ (requests, rate-limits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jobferry.model import JsonObject
from jobferry.vendors.base import Ambiguous, RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.zendesk_limits import limits_of

if TYPE_CHECKING:
    from jobferry.vendors.http import Answer, NoAnswer

Problem = Refused | Throttled | Ambiguous

JOB_ID = re.compile(r"[A-Za-z0-9-]{1,80}")
"""A job id that is safe in a path; anything else is not one."""

# Nothing was done and the same request may go again: the transaction was rolled back.
_CONFLICTS = frozenset({"DatabaseConflict", "DatabaseDeadlock", "UpdateConflict"})


def json_object(answer: Answer | NoAnswer) -> JsonObject:
    """The JSON object of an answer; empty where it holds none."""
    from jobferry.vendors.http import Answer

    document = answer.json() if isinstance(answer, Answer) else None
    return document if isinstance(document, dict) else {}


def is_json_object(answer: Answer | NoAnswer) -> bool:
    """Whether an answer is one that a Zendesk API may have given, and not a page or a list."""
    from jobferry.vendors.http import Answer

    return isinstance(answer, Answer) and isinstance(answer.json(), dict)


def problem_of(answer: Answer | NoAnswer) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http import NoAnswer

    if isinstance(answer, NoAnswer):
        if not answer.sent:
            return Throttled(ThrottleReason.RATE)
        return Ambiguous(answer.reason)
    if 200 <= answer.status < 300:
        return None
    code, message = error_of(json_object(answer))
    if code == "TooManyJobs":
        # Zendesk documents the body, not the status code: 429 by experience.
        return Throttled(ThrottleReason.SLOTS, answer.retry_after, limits_of(answer.headers))
    if answer.status == 429 or code in _CONFLICTS:
        return Throttled(ThrottleReason.RATE, answer.retry_after, limits_of(answer.headers))
    if answer.status >= 500 or answer.status == 408:
        return Ambiguous(f"the vendor answered with HTTP {answer.status}", answer.retry_after)
    named = {
        401: ("vendor_unauthorized", "Zendesk does not accept the credentials (HTTP 401)."),
        403: ("vendor_forbidden", "Zendesk does not allow this to the account (HTTP 403)."),
    }
    if answer.status in named:
        fixed_code, text = named[answer.status]
        return Refused(fixed_code, _joined((text, message)), RefusalScope.RUN, answer.status)
    if 300 <= answer.status < 400:
        return Refused(
            "vendor_redirects",
            "Zendesk sends us to another address; check the base URL of the connection.",
            RefusalScope.RUN,
            answer.status,
        )
    return Refused(
        code or f"http_{answer.status}",
        message or f"Zendesk refused the request with HTTP {answer.status}.",
        RefusalScope.CHUNK,
        answer.status,
    )


def error_of(document: JsonObject) -> tuple[str, str]:
    """(code, message) of an error body.

    Support says `error`, a word or an object; Sunshine says `errors`, a list of objects.
    """
    errors = document.get("errors")
    if isinstance(errors, list):
        return errors_of(errors)
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("title", "")), str(error.get("message", ""))
    message = document.get("description") or document.get("message") or ""
    details = document.get("details")
    if isinstance(details, Mapping):
        parts = [
            f"{name}: {entry.get('description')}"
            for name, entries in details.items()
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and entry.get("description")
        ]
        message = _joined((str(message), "; ".join(parts)))
    return (error if isinstance(error, str) else ""), str(message)


def errors_of(errors: Iterable[Any]) -> tuple[str, str]:
    """(code of the first, texts of all) of Sunshine's `errors`, for a request or for a row."""
    entries = [entry for entry in errors if isinstance(entry, dict)]
    codes = [str(code) for entry in entries if (code := entry.get("code") or entry.get("title"))]
    texts = [
        str(text)
        for entry in entries
        if (text := entry.get("detail") or entry.get("message") or entry.get("title"))
    ]
    return (codes[0] if codes else ""), _joined(texts, "; ")


def _joined(texts: Iterable[str], separator: str = " ") -> str:
    return separator.join(text for text in texts if text)
