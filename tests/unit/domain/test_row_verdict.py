"""The rule that turns a failure into `unknown`, each line of the table in docs/errors.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.domain import row_verdict
from jobferry.domain.chunk import SEND_WINDOW, Chunk, ChunkState, Span
from jobferry.domain.outcome import OutcomeStatus, RecordResult, Verdict
from jobferry.domain.run import StopReason
from jobferry.vendors.http.limits import REQUEST_SECONDS

FAILED, SUCCEEDED = OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED
SKIPPED, UNKNOWN = OutcomeStatus.SKIPPED, OutcomeStatus.UNKNOWN

CHUNK = Chunk("run", 1, 0, ChunkState.CLAIMED, (Span(0, 10, 1, 2),), attempt=1)
SENT = replace(CHUNK, sending_at=5.0)
DOUBTFUL = replace(CHUNK, maybe_applied=True)
TWICE = replace(CHUNK, twice="job-1")
HALT = StopReason("aborted", "Ann has stopped it.")


def result(status: OutcomeStatus, code: str | None = None, text: str | None = None) -> RecordResult:
    return RecordResult(status, "17" if status is SUCCEEDED else None, code, text)


@pytest.mark.parametrize(
    ("chunk", "deletes", "said", "status", "code"),
    [
        (CHUNK, False, result(SUCCEEDED), SUCCEEDED, None),
        (CHUNK, False, result(FAILED, "RecordInvalid", "no"), FAILED, "RecordInvalid"),
        (CHUNK, True, result(FAILED, "RecordNotFound", "no"), FAILED, "RecordNotFound"),
        (CHUNK, False, result(UNKNOWN, "result_missing", "?"), UNKNOWN, "result_missing"),
        (DOUBTFUL, False, result(SUCCEEDED), SUCCEEDED, None),
        (DOUBTFUL, False, result(FAILED, "RecordInvalid", "no"), UNKNOWN, "RecordInvalid"),
        (DOUBTFUL, True, result(FAILED, "RecordInvalid", "no"), UNKNOWN, "RecordInvalid"),
        (DOUBTFUL, True, result(FAILED, "RecordNotFound", "no"), SUCCEEDED, None),
        (DOUBTFUL, False, result(FAILED, "RecordNotFound", "no"), UNKNOWN, "RecordNotFound"),
        (DOUBTFUL, False, result(UNKNOWN, "result_missing", "?"), UNKNOWN, "result_missing"),
        (TWICE, False, result(SUCCEEDED), SUCCEEDED, "carried_out_twice"),
        (TWICE, False, result(FAILED, "RecordInvalid", "no"), FAILED, "RecordInvalid"),
        (replace(DOUBTFUL, twice="job-1"), False, result(FAILED, "x", "no"), UNKNOWN, "x"),
    ],
)
def test_what_a_row_comes_to(
    chunk: Chunk, deletes: bool, said: RecordResult, status: OutcomeStatus, code: str | None
) -> None:
    word = row_verdict.after_doubt(said, chunk, deletes=deletes)
    assert (word.status, word.code, word.vendor_id) == (status, code, said.vendor_id)


def test_the_text_says_that_it_was_sent_before() -> None:
    word = row_verdict.after_doubt(result(FAILED, "x", "Subject is blank"), DOUBTFUL)
    assert word.text == "Sent before without a clear answer, then refused: Subject is blank"


def test_a_row_that_was_applied_twice_names_the_other_job() -> None:
    word = row_verdict.after_doubt(result(SUCCEEDED), TWICE)
    assert "job-1" in (word.text or "")


@pytest.mark.parametrize(
    ("said", "repeatable", "status"),
    [
        (result(FAILED, "http_500", "try later"), False, UNKNOWN),
        (result(FAILED, "http_500", "try later"), True, FAILED),
        (result(FAILED, "RecordInvalid", "no"), False, FAILED),
        (result(SUCCEEDED), False, SUCCEEDED),
        (result(UNKNOWN, "result_missing"), False, UNKNOWN),
    ],
)
def test_a_vendor_that_failed_over_a_row_may_have_applied_it(
    said: RecordResult, repeatable: bool, status: OutcomeStatus
) -> None:
    assert row_verdict.by_vendor_error(said, repeatable=repeatable).status is status


@pytest.mark.parametrize(
    ("chunk", "status", "begins"),
    [
        (CHUNK, FAILED, "Not allowed"),
        (TWICE, FAILED, "Not allowed"),
        (DOUBTFUL, UNKNOWN, "Sent before without a clear answer"),
    ],
)
def test_a_refused_chunk(chunk: Chunk, status: OutcomeStatus, begins: str) -> None:
    word = row_verdict.when_refused(chunk, "http_403", "Not allowed")
    assert (word.status, word.code) == (status, "http_403")
    assert word.text.startswith(begins)


@pytest.mark.parametrize(
    ("chunk", "status", "code"),
    [
        (replace(CHUNK, attempt=0), SKIPPED, "aborted"),
        (CHUNK, SKIPPED, "aborted"),
        (replace(CHUNK, last=("Conflict", "busy")), FAILED, "Conflict"),
        (replace(CHUNK, last=("Conflict", "busy"), attempt=0), SKIPPED, "aborted"),
        (DOUBTFUL, UNKNOWN, "aborted"),
        (replace(DOUBTFUL, last=("Conflict", "busy")), UNKNOWN, "aborted"),
    ],
)
def test_a_chunk_of_a_stopped_run(chunk: Chunk, status: OutcomeStatus, code: str) -> None:
    word = row_verdict.when_stopped(chunk, HALT)
    assert (word.status, word.code) == (status, code)


@pytest.mark.parametrize(
    ("chunk", "stop", "forced", "word"),
    [
        (CHUNK, HALT, False, Verdict(SKIPPED, HALT.code, HALT.reason)),
        (CHUNK, None, False, row_verdict.NOBODY_CAN_ASK),
        (CHUNK, None, True, row_verdict.ENDED_BY_FORCE),
        (SENT, HALT, False, row_verdict.NOBODY_CAN_ASK),
        (SENT, HALT, True, row_verdict.ENDED_BY_FORCE),
        (replace(CHUNK, state=ChunkState.SUBMITTED), HALT, True, row_verdict.ENDED_BY_FORCE),
    ],
)
def test_a_chunk_that_nobody_goes_on_with(
    chunk: Chunk, stop: StopReason | None, forced: bool, word: Verdict
) -> None:
    assert row_verdict.when_abandoned(chunk, stop, forced=forced) == word


@pytest.mark.parametrize(("repeatable", "status"), [(False, FAILED), (True, UNKNOWN)])
def test_a_chunk_without_an_answer_after_its_last_attempt(
    repeatable: bool, status: OutcomeStatus
) -> None:
    word = row_verdict.when_never_answered(
        "vendor_unavailable", "proven never taken", 3, repeatable=repeatable
    )
    assert word == Verdict(status, "vendor_unavailable", "Sent 3 times; proven never taken.")
    once = row_verdict.when_never_answered("x", "proven never taken", 1, repeatable=repeatable)
    assert once.text == "Sent once; proven never taken."


def test_what_is_lost_is_unknown() -> None:
    assert row_verdict.when_lost("job_forgotten", "Gone.").status is UNKNOWN


def test_a_request_is_over_before_its_submission_counts_as_lost() -> None:
    assert SEND_WINDOW == REQUEST_SECONDS + 15.0
