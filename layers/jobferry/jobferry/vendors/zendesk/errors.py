"""What an answer of Zendesk's web servers means, whichever of its APIs gave it.

The APIs share the servers in front of them: credentials, limits and gateways speak the same way.
Facts from https://developer.zendesk.com/api-reference/introduction/ (requests, rate-limits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import plain
from jobferry.vendors.answers import Problem, ThrottleReason
from jobferry.vendors.http.refusals import (
    is_unclear,
    refused,
    refused_to_the_account,
    throttled,
    unclear,
    without_answer,
)
from jobferry.vendors.zendesk.rate_headers import limits_of

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, NoAnswer

JOB_ID = re.compile(r"[A-Za-z0-9-]{1,80}")
"""A job id that is safe in a path; anything else is not one."""

# Nothing was done and the same request may go again: the transaction was rolled back.
_CONFLICTS = frozenset({"DatabaseConflict", "DatabaseDeadlock", "UpdateConflict"})


def json_object(answer: Answer | NoAnswer) -> JsonObject:
    """The JSON object of an answer; empty where it holds none."""
    from jobferry.vendors.http.client import Answer

    document = answer.json() if isinstance(answer, Answer) else None
    return document if isinstance(document, dict) else {}


def is_json_object(answer: Answer | NoAnswer) -> bool:
    """Whether an answer is one that a Zendesk API may have given, and not a page or a list."""
    from jobferry.vendors.http.client import Answer

    return isinstance(answer, Answer) and isinstance(answer.json(), dict)


def problem_of(answer: Answer | NoAnswer) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http.client import NoAnswer

    if isinstance(answer, NoAnswer):
        return without_answer(answer)
    status = answer.status
    if 200 <= status < 300:
        return None
    if not 300 <= status < 600:
        return unclear(answer)
    document = json_object(answer)
    code, message = error_of(document)
    if code == "TooManyJobs":
        # Zendesk documents the body, not the status code: 429 by experience.
        return throttled(ThrottleReason.SLOTS, answer, limits_of(answer.headers))
    if status == 429 or code in _CONFLICTS:
        return throttled(ThrottleReason.RATE, answer, limits_of(answer.headers))
    if is_unclear(status):
        return unclear(answer)
    return refused_to_the_account(
        status, message, who="Zendesk", is_document=bool(document)
    ) or refused(code, message, status=status, who="Zendesk")


def error_of(document: JsonObject) -> tuple[str, str]:
    """(code, message) of an error body.

    Support says `error`, a word or an object; Sunshine says `errors`, a list of objects.
    """
    errors = document.get("errors")
    if isinstance(errors, list):
        return errors_of(errors)
    error = document.get("error")
    if isinstance(error, dict):
        return plain(error.get("title")), plain(error.get("message"))
    message = plain(document.get("description") or document.get("message"))
    details = document.get("details")
    if isinstance(details, Mapping):
        parts = [
            f"{name}: {plain(entry.get('description'))}"
            for name, entries in details.items()
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and entry.get("description")
        ]
        message = _joined((message, "; ".join(parts)))
    return (error if isinstance(error, str) else ""), message


def errors_of(errors: Iterable[Any]) -> tuple[str, str]:
    """(code of the first, texts of all) of Sunshine's `errors`, for a request or for a row."""
    entries = [entry for entry in errors if isinstance(entry, dict)]
    codes = [plain(entry.get("code") or entry.get("title")) for entry in entries]
    texts = [
        plain(entry.get("detail") or entry.get("message") or entry.get("title"))
        for entry in entries
    ]
    return (codes[0] if codes else ""), _joined(texts, "; ")


def _joined(texts: Iterable[str], separator: str = " ") -> str:
    return separator.join(text for text in texts if text)
