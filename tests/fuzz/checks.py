"""What must hold of everything that an adapter makes of an answer, whatever the answer was."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    JobProblem,
    JobReading,
    PollAnswer,
    Refused,
    Throttled,
)
from jobferry.vendors.credentials import is_header_text
from jobferry.vendors.http.client import Answer, NoAnswer
from jobferry.vendors.zendesk.errors import problem_of
from tests.fuzz.mutations import CANARY
from tests.fuzz.worlds import Adapter, Case

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_JOB_ID = re.compile(r"[A-Za-z0-9_*-]{1,100}")
_PRIVATE = CANARY.split(maxsplit=1)[0]
_DAY = 86_400.0

VendorSession = Sequence[Answer | NoAnswer]


class Broken(AssertionError):
    """An answer was made into something that it must not become."""


def must(holds: object, what: str, *seen: object) -> None:
    if not holds:
        raise Broken(f"{what}: {' '.join(map(repr, seen))}"[:2_000])


def is_clear(answers: VendorSession) -> bool:
    """Whether one of the answers was a refusal as HTTP has it."""
    return any(
        isinstance(each, Answer) and (300 <= each.status < 500 or each.status == 501)
        for each in answers
    ) or any(isinstance(each, Answer) and 500 <= each.status < 600 for each in answers)


def all_succeeded(answers: VendorSession) -> bool:
    return all(isinstance(each, Answer) and 200 <= each.status < 300 for each in answers)


def text_fits(text: object, longest: int, what: str) -> None:
    must(isinstance(text, str), f"{what} is no text", text)
    assert isinstance(text, str)
    must(len(text) <= longest, f"{what} is too long", text)
    must("\x00" not in text, f"{what} holds NUL", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        must(False, f"{what} cannot be encoded", text)


def logged(text: object, what: str) -> None:
    """A text that goes into the log holds no word of the vendor's."""
    text_fits(text, 2_000, what)
    must(_PRIVATE not in str(text), f"{what} holds the vendor's words", text)


def problem(seen: Any, answers: VendorSession, *, may_refuse: bool = False) -> None:
    """A problem as such."""
    if isinstance(seen, Refused):
        must(may_refuse or not all_succeeded(answers), "refused though all went well", seen)
        must(may_refuse or is_clear(answers), "refused without a refusal", seen)
        must(_CODE.fullmatch(seen.code), "this is no code", seen.code)
        text_fits(seen.message, 500, "the text of a refusal")
        must(seen.message.strip(), "a refusal without words", seen)
    elif isinstance(seen, Throttled | Ambiguous):
        wait = seen.retry_after
        must(wait is None or 0.0 <= wait <= 3_600.0, "no wait is so long", wait)
        if isinstance(seen, Ambiguous):
            logged(seen.reason, "the reason of doubt")
    else:
        must(seen is None, "this is no answer", seen)


def submitted(seen: Any, answers: VendorSession) -> None:
    if isinstance(seen, Accepted):
        must(_JOB_ID.fullmatch(seen.job_id), "this is no job id", seen)
        must(
            any(
                isinstance(each, Answer)
                and 200 <= each.status < 300
                and seen.job_id.encode() in each.body.replace(b"\x00", b"")
                for each in answers
            ),
            "accepted without an answer that says so",
            seen,
        )
    else:
        must(seen is not None, "a submission without an answer")
        problem(seen, answers)


def authorized(seen: Any, answers: VendorSession) -> None:
    """A header's value, or an answer to give in its stead that no request was sent for."""
    if isinstance(seen, str):
        must(all_succeeded(answers), "a token without an answer", seen)
        must(is_header_text(seen), "no text for a header", seen)
        return
    meant = problem_of(seen)
    must(meant is not None, "no token and no problem", seen)
    must(not isinstance(meant, Ambiguous), "in doubt though nothing was sent", seen)
    problem(meant, answers)


def polled(seen: Any, case: Case, adapter: Adapter, answers: VendorSession) -> None:
    must(isinstance(seen, PollAnswer), "no answer to a poll", seen)
    must(set(seen.readings) <= set(case.job_ids), "a job that nobody asked for", seen.readings)
    problem(seen.refused, answers)
    problem(seen.throttled, answers)
    if seen.problem is not None:
        logged(seen.problem, "the problem of a poll")
    for job_id, reading in seen.readings.items():
        _reading(reading, job_id)
        if reading.phase is JobPhase.ENDED:
            results(case, adapter, reading.raw or {})


def _reading(reading: JobReading, job_id: str) -> None:
    must(reading.job_id == job_id, "a reading of another job", reading)
    text_fits(reading.status, 100, "the status of a job")
    for count in (reading.progress, reading.total):
        must(
            count is None or (type(count) is int and 0 <= count < 2**63), "this is no count", count
        )
    if reading.waiting_for is not None:
        text_fits(reading.waiting_for, 500, "what a job waits for")
    must((reading.raw is None) == (reading.phase is JobPhase.GONE) or reading.raw is None, "raw")
    try:
        json.dumps(reading.raw, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        must(False, "a job that cannot be stored", job_id)


def results(case: Case, adapter: Adapter, raw: JsonObject) -> None:
    """The results of a job: one per record, and no success that it does not state."""
    read: list[RecordResult] = adapter.vendor.read_results(
        case.operation, raw, len(case.records), lambda: case.records
    )
    must(len(read) == len(case.records), "not one result per record", read)
    for result in read:
        _result(result)
    succeeded = [result for result in read if result.status is OutcomeStatus.SUCCEEDED]
    stating = _stating(case, raw)
    must(len(succeeded) <= stating, "a success that nobody stated", succeeded, raw)


def _result(result: RecordResult) -> None:
    if result.vendor_id is not None:
        text_fits(result.vendor_id, 255, "a vendor id")
        must(result.vendor_id.strip() and result.vendor_id.isprintable(), "no id", result)
    if result.code is not None:
        must(_CODE.fullmatch(result.code), "this is no code", result.code)
    if result.text is not None:
        text_fits(result.text, 500, "an error text")
    size = len((result.vendor_id or "").encode()) + len((result.code or "").encode())
    must(size <= 1_024, "id and code are too large", size)
    if result.status is not OutcomeStatus.SUCCEEDED:
        must(result.code and result.text, "no success and no reason", result)


def _stating(case: Case, raw: JsonObject) -> int:
    """How many records may have succeeded by what a job says, read as simply as can be."""
    if "jobId" in raw or case.operation.name == "jobs.create":
        return 1 if raw.get("status") in ("FINISHED", "FINISHED_WARNING") else 0
    listed = raw.get("results")
    if isinstance(listed, dict):
        return len(case.records) if _states(case, listed) else 0
    items = listed if isinstance(listed, list) else []
    return sum(_states(case, item) for item in items if isinstance(item, dict))


def _states(case: Case, item: JsonObject) -> bool:
    if item.get("success") is True:
        return True
    if case.operation.name.startswith(("resources.", "relationships.")):
        return False
    identity = item.get("id")
    return (type(identity) is int and identity > 0) or (
        isinstance(identity, str) and identity.strip() != ""
    )


def found(seen: Any, answers: VendorSession) -> None:
    must(isinstance(seen, Found), "no answer to a search", seen)
    logged(seen.reason, "the reason of a search")
    problem(seen.throttled, answers)
    if seen.state is FoundState.FOUND:
        must(_JOB_ID.fullmatch(seen.job_id or ""), "this is no job id", seen)
    if seen.state is FoundState.ABSENT:
        must(any(isinstance(each, Answer) for each in answers), "absent, and nobody said so", seen)


def problems(seen: Any, answers: VendorSession) -> None:
    if not isinstance(seen, list):
        problem(seen, answers)
        return
    for each in seen:
        must(isinstance(each, JobProblem), "this is no problem", each)
        text_fits(each.kind, 100, "the kind of a problem")
        text_fits(each.problem_id, 255, "the id of a problem")
        for text in (*each.jobs, *each.details, *each.details.values()):
            text_fits(text, 500, "a word about a problem")
