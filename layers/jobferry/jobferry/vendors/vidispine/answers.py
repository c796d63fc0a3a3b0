"""What an answer of Vidispine means, in whichever form it came.

JSON is asked for. XML and plain text are understood, because a proxy or an old server may send
them all the same; all three become the nested objects that JSON would hold. Facts from the
JobApi reference (https://apidoc.vidispine.com) and from recorded traffic: an error is a
document of nine keys of which exactly one is not null.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import made_safe, plain
from jobferry.vendors.answers import Problem, RefusalScope, ThrottleReason
from jobferry.vendors.http.refusals import (
    is_unclear,
    refused,
    refused_to_the_account,
    throttled,
    unclear,
    without_answer,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from jobferry.vendors.http.client import Answer, NoAnswer

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
    from jobferry.vendors.http.client import Answer

    if not isinstance(answer, Answer):
        return None
    document = answer.json()
    if isinstance(document, dict):
        return document
    return _xml_document(answer.body)


def job_of(answer: Answer | NoAnswer, job_id: str) -> JsonObject | None:
    """The job of an answer about one job. Plain text holds its state and nothing else."""
    from jobferry.vendors.http.client import Answer

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
        plain(entry["key"]): plain(entry["value"])
        for entry in objects(value)
        if _is_single(entry.get("key")) and _is_single(entry.get("value"))
    }


def _is_single(value: object) -> bool:
    return isinstance(value, str | int | float)


def problem_of(answer: Answer | NoAnswer) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http.client import NoAnswer

    if isinstance(answer, NoAnswer):
        return without_answer(answer)
    status = answer.status
    if 200 <= status < 300:
        return None
    key, said = _error_of(document_of(answer) or {})
    if status == 429:
        # Vidispine has no limit of its own; a proxy in front of it may have one.
        return throttled(ThrottleReason.RATE, answer)
    if is_unclear(status) and not (status >= 500 and key == "notYetImplemented"):
        return unclear(answer)
    if key in _OF_THE_SITE:
        code, text = _OF_THE_SITE[key]
        words = " ".join(filter(None, (text, said)))
        return refused(code, words, status=status, who=_WHO, scope=RefusalScope.RUN)
    return refused_to_the_account(status, said, who=_WHO, is_document=bool(key)) or refused(
        key, said, status=status, who=_WHO
    )


_WHO = "Vidispine"

_OF_THE_SITE = {
    "licenseFault": ("licenseFault", "The licence of the Vidispine site does not allow this."),
    "notAuthorized": ("vendor_unauthorized", "Vidispine does not accept the credentials."),
    "forbidden": ("vendor_forbidden", "Vidispine does not allow this to the user."),
    "notYetImplemented": ("notYetImplemented", "This Vidispine site cannot do this."),
}
"""Keys of an error document that every request would meet, whatever its status."""


def _error_of(document: JsonObject) -> tuple[str, str]:
    """(the key that says something, its words) of an error document."""
    for key in _ERROR_KEYS:
        details = document.get(key)
        if details is None:
            continue
        if not isinstance(details, dict):
            return key, plain(details)
        said = details.get("explanation") or details.get("message")
        named = details.get("value") or " ".join(
            filter(None, map(plain, (details.get("type"), details.get("id"))))
        )
        if key == NOT_FOUND and not said:
            said = "There is no such thing"
        return key, ": ".join(filter(None, map(plain, (said, named))))
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
    except (ValueError, ET.ParseError, RecursionError):
        return None
    return made_safe(value) if isinstance(value, dict) else {}


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
