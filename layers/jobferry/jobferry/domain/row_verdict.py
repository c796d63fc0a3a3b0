"""What becomes of rows, where that is not simply what the vendor said. Pure.

This is the one place where doubt turns a failure into `unknown`. A refusal is a clear answer: the
request did nothing. But where an earlier attempt of the same rows may have been applied, it says
nothing of that attempt, so the row is `unknown` and never guessed to be failed. docs/errors.md has
the rule as a table, and a test holds each line of it.
"""

from __future__ import annotations

from dataclasses import replace

from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.error_codes import is_not_found, may_have_been_done
from jobferry.domain.outcome import OutcomeStatus, RecordResult, Verdict
from jobferry.domain.run import StopReason

FAILED, SUCCEEDED = OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED
SKIPPED, UNKNOWN = OutcomeStatus.SKIPPED, OutcomeStatus.UNKNOWN

SUBMISSION_LOST = "submission_lost"
CONNECTION_GONE = "connection_gone"
ABORTED_BY_FORCE = "aborted_by_force"
CARRIED_OUT_TWICE = "carried_out_twice"

ANSWER_UNUSABLE = Verdict(
    UNKNOWN,
    "answer_unusable",
    "The vendor's answer about the job of this row cannot be used; look the record up there.",
)
"""All rows of a job whose answer cannot be read, stored or settled."""

NOBODY_CAN_ASK = Verdict(
    UNKNOWN,
    CONNECTION_GONE,
    "The row was sent, and then the run's connection was deleted, so that the vendor cannot be "
    "asked; look the record up there.",
)

ENDED_BY_FORCE = Verdict(
    UNKNOWN,
    ABORTED_BY_FORCE,
    "The row was sent, and then the run was ended by force, before its result was read; `jobferry "
    "resolve` asks the vendor for it.",
)

_TWICE = (
    "Also carried out by job {job_id}, which the vendor made late of an earlier submission. "
    "Look up what both made and take one away."
)


def after_doubt(result: RecordResult, chunk: Chunk, *, deletes: bool = False) -> RecordResult:
    """The word on a row of a job, weighed by what happened to the row before.

    Args:
        result: what the vendor said of the row.
        chunk: the chunk that carried it.
        deletes: the operation takes records away. That a record is not there any more, after an
            attempt that may have been applied, is what was wanted.
    """
    if chunk.maybe_applied and result.status is FAILED:
        if deletes and is_not_found(result.code, result.text):
            return replace(result, status=SUCCEEDED, code=None, text=None)
        text = f"Sent before without a clear answer, then refused: {result.text}"
        return replace(result, status=UNKNOWN, text=text)
    if chunk.twice is not None and result.status is SUCCEEDED:
        return replace(result, code=CARRIED_OUT_TWICE, text=_TWICE.format(job_id=chunk.twice))
    return result


def by_vendor_error(result: RecordResult, *, repeatable: bool) -> RecordResult:
    """A failure over which the vendor may have applied the row all the same is not certain.

    Args:
        repeatable: sending the row again leaves the same state, so that it need not be known.
    """
    if repeatable or result.status is not FAILED:
        return result
    if may_have_been_done(result.code, result.text):
        return replace(result, status=UNKNOWN)
    return result


def when_refused(chunk: Chunk, code: str, message: str) -> Verdict:
    """All rows of a chunk whose submission was refused."""
    result = after_doubt(RecordResult(FAILED, code=code, text=message), replace(chunk, twice=None))
    return Verdict(result.status, code, result.text or "")


def when_stopped(chunk: Chunk, stop: StopReason) -> Verdict:
    """All rows of a chunk that a stopped run does not send (again)."""
    if chunk.maybe_applied:
        text = f"Sent before without a clear answer, then the run was stopped: {stop.reason}"
        return Verdict(UNKNOWN, stop.code, text)
    if chunk.last is not None and chunk.attempt:
        return Verdict(FAILED, *chunk.last)
    return Verdict(SKIPPED, stop.code, stop.reason)


def when_abandoned(chunk: Chunk, stop: StopReason | None, *, forced: bool) -> Verdict:
    """All rows of a chunk of a run that nobody goes on with.

    Args:
        forced: an operator has ended it by force; else its connection is gone.
    """
    sent = chunk.sending_at is not None or chunk.state is ChunkState.SUBMITTED
    if sent or stop is None:
        return ENDED_BY_FORCE if forced else NOBODY_CAN_ASK
    return when_stopped(chunk, stop)


def when_never_answered(code: str, reason: str, attempts: int, *, repeatable: bool) -> Verdict:
    """All rows of a chunk after its last attempt, each proven never taken or without an answer.

    Args:
        repeatable: it was sent again without a proof, so that an attempt may have been applied.
    """
    status = UNKNOWN if repeatable else FAILED
    often = "once" if attempts == 1 else f"{attempts} times"
    return Verdict(status, code, f"Sent {often}; {reason}.")


def when_lost(code: str, reason: str) -> Verdict:
    """All rows of a chunk of whose submission or job nothing more can be learned."""
    return Verdict(UNKNOWN, code, reason)
