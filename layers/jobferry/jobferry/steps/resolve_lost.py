"""What to do with a submission whose answer was lost: ask the vendor, never guess.

The adapter looks for the job: found, it is adopted; proven absent, the chunk goes back to the pool;
neither, and its rows are `unknown`. Repeatable operations simply go again where the vendor cannot
tell by the token alone, which would cost more requests than it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jobferry import pacing
from jobferry.connections import Linked
from jobferry.ledger.chunks import Chunk, Ending
from jobferry.model import OutcomeStatus
from jobferry.steps.context import RunContext
from jobferry.steps.deps import Deps
from jobferry.vendors.base import FoundState, LostSubmission
from jobferry.vendors.http_limits import REQUEST_SECONDS

SEND_WINDOW = REQUEST_SECONDS + 15.0
"""Seconds after the intent during which its request may still be under way somewhere."""

PATIENCE = 3_600.0
"""Seconds after which a submission that the vendor still cannot decide becomes `unknown`."""

LOST_BEFORE_HALVING = 2
"""Attempts without a clear answer after which a chunk goes again in halves."""

VENDOR_UNAVAILABLE = "vendor_unavailable"

LISTED = 3_000.0
"""Seconds for which a vendor surely lists a job that has ended."""

_FIRST_WAIT = 3.0
_LONGEST_WAIT = 30.0


class Search(NamedTuple):
    """A search for a lost submission.

    requests    what it took
    wait_until  until when the vendor wants to be left alone (epoch seconds)
    again_at    when to search once more, where the vendor could not tell yet
    """

    requests: int = 0
    wait_until: float | None = None
    again_at: float = 0.0


def resolve_lost(
    chunk: Chunk,
    context: RunContext,
    linked: Linked,
    deps: Deps,
    known: Callable[[], Mapping[str, float]],
    job_seconds: float,
) -> Search:
    """Resolve one claimed chunk that was sent and has no job.

    Does nothing while the request may still be under way.

    Args:
        known: gives `KnownJobs.read`; asked only when the vendor must be searched.
        job_seconds: how long a job takes: what goes again unasked waits so long, since the job may
            be under way after all and hold its slot.
    """
    run, now = context.run, deps.now()
    if chunk.sending_at is None or now < lost_from(chunk):
        return Search()
    chunks = deps.ledger.chunks
    if context.operation.repeatable and not context.vendor.capabilities.token_search:
        if now >= lost_from(chunk) + job_seconds:
            _again(chunk, context, deps, "the vendor gave no clear answer")
        return Search()
    # A token tells the job by itself, and a file of one row a job has very many.
    jobs = {} if context.vendor.capabilities.token_search else known()
    sent_at = chunk.sending_at
    found = linked.client.find(
        context.operation,
        LostSubmission(
            token=chunk.token,
            sent_at=sent_at,
            records=context.records(chunk),
            known_jobs=frozenset(jobs),
            ended_before=frozenset(
                job_id for job_id, ended in jobs.items() if sent_at - LISTED < ended < sent_at
            ),
        ),
        now,
    )
    deps.warn(
        "lost submission",
        run_id=run.run_id,
        chunk=chunk.number,
        found=found.state.value,
        job_id=found.job_id,
        reason=found.reason,
    )
    wait_until = None
    if found.throttled is not None:
        wait_until = pacing.blocked_until(deps.now(), found.throttled.retry_after)
    match found.state:
        case FoundState.FOUND if found.job_id is not None:
            chunks.adopt(run.connection, chunk, found.job_id, now)
        case FoundState.ABSENT:
            _again(chunk, context, deps, "the vendor did not take it")
        case FoundState.PENDING if now < sent_at + PATIENCE:
            return Search(found.requests, wait_until, search_again_at(now, sent_at))
        case _ if context.operation.repeatable:
            _again(chunk, context, deps, found.reason or "the vendor gave no clear answer")
        case _:
            text = (
                "It is not known whether these rows were carried out: the answer was lost, and "
                f"{found.reason or 'the vendor cannot say'}. Look them up at the vendor."
            )
            verdict = (OutcomeStatus.UNKNOWN, "submission_lost", text)
            chunks.finish(run.connection, [chunk], [Ending(chunk.number, verdict=verdict)], now)
    return Search(found.requests, wait_until)


def search_again_at(now: float, sent_at: float) -> float:
    """When to ask once more about what the vendor could not tell yet: later and later."""
    return now + min(_LONGEST_WAIT, max(_FIRST_WAIT, (now - sent_at) / 2))


def lost_from(chunk: Chunk) -> float:
    """The moment from which a sent chunk without a job counts as lost."""
    if chunk.sending_at is None:
        return float("inf")
    return chunk.lost_at if chunk.lost_at is not None else chunk.sending_at + SEND_WINDOW


def _again(chunk: Chunk, context: RunContext, deps: Deps, reason: str) -> None:
    """Back to the pool, as often as the profile allows; smaller where it was lost more than once,
    as a request may time out for its size."""
    run = context.run
    doubtful = context.operation.repeatable
    left = chunk.attempt < context.profile.max_attempts
    halve = left and chunk.rows > 1 and chunk.attempt >= LOST_BEFORE_HALVING
    if left and not halve:
        deps.ledger.chunks.give_back(run.connection, chunk, in_doubt=doubtful)
        return
    status = OutcomeStatus.UNKNOWN if doubtful else OutcomeStatus.FAILED
    verdict = (status, VENDOR_UNAVAILABLE, f"Sent {chunk.attempt} times; {reason}.")
    ending = Ending(chunk.number, verdict=verdict, halve=halve)
    deps.ledger.chunks.finish(run.connection, [chunk], [ending], deps.now())
