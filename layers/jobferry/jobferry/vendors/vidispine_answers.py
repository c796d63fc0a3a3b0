"""What an answer of Vidispine means, in whichever form it came.

JSON is asked for. XML and plain text are understood, because a proxy or an old server may send
them all the same; all three become the nested objects that JSON would hold. Facts from the
JobApi reference (https://apidoc.vidispine.com) and from recorded traffic: an error is a
document of nine keys of which exactly one is not null.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobferry.model import JsonObject
from jobferry.vendors.base import Ambiguous, RefusalScope, Refused, Throttled, ThrottleReason

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from jobferry.vendors.http import Answer, NoAnswer

Problem = Refused | Throttled | Ambiguous

JOB_ID = re.compile(r"[A-Za-z0-9_*-]{1,100}")
"""A job id that is safe in a path. The part before the number is the site's own."""

NOT_FOUND = "notFound"

_STATE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
_ERROR_KEYS = (
    NOT_FOUND,
    "internalServer",
    "forbidden",
    "notYetImplemented",
    "conflict",
    "invalidInput",
    "licenseFault",
    "fileAlreadyExists",
    "notAuthorized",
)


def document_of(answer: Answer | NoAnswer) -> JsonObject | None:
    """The object of an answer in JSON or XML; None where it holds neither."""
    from jobferry.vendors.http import Answer

    if not isinstance(answer, Answer):
        return None
    document = answer.json()
    if isinstance(document, dict):
        return document
    return _xml_document(answer.body)


def job_of(answer: Answer | NoAnswer, job_id: str) -> JsonObject | None:
    """The job of an answer about one job. Plain text holds its state and nothing else."""
    from jobferry.vendors.http import Answer

    document = document_of(answer)
    if document is not None:
        return document if document.get("jobId") == job_id else None
    if isinstance(answer, Answer):
        word = answer.body.strip().decode("ascii", "replace")
        if _STATE.fullmatch(word):
            return {"jobId": job_id, "status": word}
    return None


def objects(value: Any) -> list[JsonObject]:
    """A list of objects; JSON that was made from XML shows a list of one as the one object."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def pairs(value: Any) -> dict[str, str]:
    """Entries `{"key", "value"}` as a mapping."""
    return {
        str(entry["key"]): str(entry["value"])
        for entry in objects(value)
        if entry.get("key") is not None and entry.get("value") is not None
    }


def whole(value: Any) -> int | None:
    """A whole number; XML holds it as text."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def problem_of(answer: Answer | NoAnswer) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http import NoAnswer

    if isinstance(answer, NoAnswer):
        if not answer.sent:
            return Throttled(ThrottleReason.RATE)
        return Ambiguous(answer.reason)
    status = answer.status
    if 200 <= status < 300:
        return None
    key, told = _error_of(document_of(answer) or {})
    if status == 429:
        # Vidispine has no limit of its own; a proxy in front of it may have one.
        return Throttled(ThrottleReason.RATE, answer.retry_after)
    if (status >= 500 and key != "notYetImplemented") or status == 408:
        return Ambiguous(f"the vendor answered with HTTP {status}", answer.retry_after)
    code, text = _of_the_account(status, key)
    if code:
        return Refused(code, " ".join(filter(None, (text, told))), RefusalScope.RUN, status)
    return Refused(
        key or f"http_{status}",
        told or f"Vidispine refused the request with HTTP {status}.",
        RefusalScope.CHUNK,
        status,
    )


def _of_the_account(status: int, key: str) -> tuple[str, str]:
    """(code, text) of a refusal that every request would meet; empty for any other."""
    if key == "licenseFault":
        return key, "The licence of the Vidispine site does not allow this."
    if status == 401 or key == "notAuthorized":
        return "vendor_unauthorized", "Vidispine does not accept the credentials."
    if status == 403 or key == "forbidden":
        return "vendor_forbidden", "Vidispine does not allow this to the user."
    if key == "notYetImplemented":
        return key, "This Vidispine site cannot do this."
    if 300 <= status < 400:
        return (
            "vendor_redirects",
            "Vidispine sends us to another address; check the base URL of the connection.",
        )
    if status == 404 and not key:
        return (
            "vendor_not_found",
            "There is no Vidispine API at this address; check the base URL of the connection.",
        )
    return "", ""


def _error_of(document: JsonObject) -> tuple[str, str]:
    """(the key that says something, its words) of an error document."""
    for key in _ERROR_KEYS:
        details = document.get(key)
        if details is None:
            continue
        if not isinstance(details, dict):
            return key, str(details)
        told = details.get("explanation") or details.get("message")
        named = details.get("value") or " ".join(
            str(part) for part in (details.get("type"), details.get("id")) if part
        )
        if key == NOT_FOUND and not told:
            told = "There is no such thing"
        return key, ": ".join(str(part) for part in (told, named) if part)
    return "", ""


def _xml_document(body: bytes) -> JsonObject | None:
    if not body.lstrip().startswith(b"<"):
        return None
    from xml.etree import ElementTree as ET

    try:
        text = body.decode("utf-8-sig").strip()
        if "<!DOCTYPE" in text:
            # Vidispine's documents have none, and the entities of one could explode.
            return None
        value = _value_of(ET.fromstring(text))  # noqa: S314  no DOCTYPE, no entities
    except (UnicodeDecodeError, ET.ParseError, RecursionError):
        return None
    return value if isinstance(value, dict) else {}


def _value_of(element: Element) -> JsonObject | str:
    """An element without children is its text; a repeated child is a list."""
    if not len(element):
        return element.text or ""
    value: JsonObject = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        inner = _value_of(child)
        if name not in value:
            value[name] = inner
        elif isinstance(value[name], list):
            value[name].append(inner)
        else:
            value[name] = [value[name], inner]
    return value
