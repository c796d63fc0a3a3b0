"""What the answers of a vendor mean that a document describes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import LONGEST_WORD, clipped, plain, usable_id
from jobferry.vendors.answers import Ambiguous, Problem, RefusalScope, Throttled, ThrottleReason
from jobferry.vendors.declarative.document import Errors, Extractor, Polling
from jobferry.vendors.http.refusals import (
    is_unclear,
    refused,
    refused_to_the_account,
    unclear,
    without_answer,
)
from jobferry.vendors.http.retry_after import read_retry_after

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, NoAnswer

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""A job id that is safe in a path; anything else is not one."""

LONGEST_SEARCHED = 2_000
"""Characters of a refusal that patterns are searched in: a slow pattern must not hang on a long
text."""

UNREADABLE = Ambiguous("the vendor's answer cannot be read")

_WHO = "The vendor"


def problem_of(answer: Answer | NoAnswer, errors: Errors) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http.client import NoAnswer

    if isinstance(answer, NoAnswer):
        return without_answer(answer)
    status = answer.status
    if 200 <= status < 300:
        return None
    if is_unclear(status):
        return unclear(answer)
    body = answer.json()
    code, message = text_at(errors.code, body), text_at(errors.message, body)

    searched = f"{code} {message}"[:LONGEST_SEARCHED]

    def says(pattern: re.Pattern[str] | None) -> bool:
        return pattern is not None and bool(pattern.search(searched))

    if says(errors.slots):
        return _throttled(ThrottleReason.SLOTS, answer, errors)
    if says(errors.run):
        return refused(code, message, status=status, who=_WHO, scope=RefusalScope.RUN)
    if status == 429 or says(errors.retry):
        return _throttled(ThrottleReason.RATE, answer, errors)
    of_the_account = refused_to_the_account(
        status, message, who=_WHO, is_document=bool(objects_in(body))
    )
    return of_the_account or refused(code, message, status=status, who=_WHO)


def _throttled(reason: ThrottleReason, answer: Answer, errors: Errors) -> Throttled:
    """Nothing was done. The wait is that of the header, or of the body where it has none."""
    wait = answer.wait
    if wait.seconds is None and not wait.absurd and errors.retry_after is not None:
        said = plain(errors.retry_after(answer.json()))
        wait = read_retry_after(said, answer.headers.get("date"), time.time())
    return Throttled(reason, wait.seconds, absurd_hint=wait.absurd)


def text_at(path: Extractor | None, value: Any) -> str:
    """What is found, as one line of text."""
    found = path(value) if path else None
    parts: Iterable[Any] = found if isinstance(found, list) else [found]
    return "; ".join(filter(None, map(plain, parts)))


def json_of(answer: Answer | NoAnswer) -> Any:
    from jobferry.vendors.http.client import Answer

    return answer.json() if isinstance(answer, Answer) else None


def objects_in(found: Any) -> list[JsonObject] | None:
    """The jobs that an answer shows; None where it shows neither one nor a list."""
    if isinstance(found, dict):
        return [found]
    if isinstance(found, list):
        return [each for each in found if isinstance(each, dict)]
    return None


def job_id_in(found: Any) -> str | None:
    """A job id as text; APIs write numbers, too."""
    text = usable_id(found)
    return text if text is not None and JOB_ID.fullmatch(text) else None


def status_of(polling: Polling, job: JsonObject) -> str:
    return clipped(plain(polling.status(job)), LONGEST_WORD)
