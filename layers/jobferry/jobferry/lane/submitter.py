"""Submit what the scheduler has decided: pay for the requests, claim the chunks, send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobferry.domain import row_verdict
from jobferry.domain.chunk import Chunk, JobEnd, Pool
from jobferry.domain.run import StopReason
from jobferry.lane.connection_requests import give_back_requests, note_requests
from jobferry.lane.offer import offered, read_offer
from jobferry.lane.session import LaneSession
from jobferry.lane.submission import release, requests_each, send_once, take_back_intents
from jobferry.scheduler import fair_share, rate_limit
from jobferry.scheduler.policy import Submit


def submit(session: LaneSession, order: Submit) -> None:
    """Send chunks: those in hand, and as many claimed ones as it takes.

    What is not sent in the end waits for a while, so that nothing is tried in a tight loop.
    """
    before = session.usage.counts["submit"]
    session.throttled.clear()
    in_time = session.deps.now() < session.deadline
    granted_at = session.deps.now()
    granted = _take_requests(session, order.count) if in_time else 0
    chunks = session.chunks.ready[:granted]
    if len(chunks) < granted:
        chunks += _claim(session, granted - len(chunks), order.max_jobs)
        _give_back(session, granted - len(chunks), granted_at)
    _send_all(session, chunks, alone=order.alone)
    if session.throttled.is_set() or session.usage.counts["submit"] == before:
        soon = session.deps.now() + session.settings.min_poll_interval
        session.pace.submit_not_before = max(session.pace.submit_not_before, soon)


def skip_stopped(session: LaneSession, reason: StopReason) -> None:
    """Finish the rows of a stopped run as skipped, a part of them each iteration."""
    run, chunks, settings = session.run, session.deps.store.chunks, session.settings
    take_back_intents(session)
    stopped = session.chunks.ready
    while session.left and len(stopped) < settings.skipped_per_iteration:
        pool = chunks.pool(run.run_id)
        session.left = pool.left
        found = offered(session, pool, min(pool.left, settings.claim_batch))
        if not found:
            break
        now = session.deps.now()
        claimed = chunks.claim(run, session.state.lane, found, pool, now, max_jobs=None)
        session.note_claimed(claimed or ())
        stopped += claimed or ()
    if stopped:
        ends = [
            JobEnd(chunk.number, verdict=row_verdict.when_stopped(chunk, reason))
            for chunk in stopped
        ]
        session.chunks.finish(chunks.finish(run.connection, stopped, ends, session.deps.now()))


def release_ready(session: LaneSession) -> None:
    """Give back what is claimed and not sent: others wait for the slots, or the run is paused."""
    release(session, session.chunks.ready)


def _take_requests(session: LaneSession, wanted: int) -> int:
    """Submissions that the connection's requests allow now; notes when more will be."""
    limits, each = _limits(session), requests_each(session)
    if each == 1 or not limits:
        units, more_at = _take(session, wanted * each, limits)
        granted = units // each
    else:
        granted, more_at = _take_with_reads(session, wanted, limits, each)
    if granted < wanted:
        soon = session.deps.now() + session.settings.min_poll_interval
        session.pace.submit_not_before = max(more_at, soon)
    return granted


def _take(
    session: LaneSession, wanted: int, limits: Mapping[str, int], *, whole: bool = False
) -> tuple[int, float]:
    """Requests for submissions, some of the account's left to others.

    Args:
        whole: nothing is left to them: with less nothing can be done.
    """
    run_id, demands, settings = session.run.run_id, session.demands, session.settings
    kept = 0
    if not whole and rate_limit.ACCOUNT in limits and not fair_share.is_first(run_id, demands):
        # A small urgent file need not wait for the next minute that a big one has used.
        kept = rate_limit.reserve(limits[rate_limit.ACCOUNT], settings)
    shared = len(demands) > 1 and not whole
    return session.take_requests(
        wanted,
        limits,
        kept=kept,
        part=fair_share.part(run_id, demands) if shared else 1.0,
        seconds_each=session.pace.answer_seconds / settings.senders,
    )


def _take_with_reads(
    session: LaneSession, wanted: int, limits: Mapping[str, int], each: int
) -> tuple[int, float]:
    """Submissions for which the reads of their records can be paid, too.

    Both are taken together: submissions that use up a minute would leave none for their reads, and
    nothing would ever be sent. A limit of the endpoint is about submissions alone.
    """
    account = {name: n for name, n in limits.items() if name == rate_limit.ACCOUNT}
    endpoint = {name: n for name, n in limits.items() if name not in account}
    store, connection, at = session.deps.store.limits, session.run.connection, session.deps.now()
    granted, more_at = wanted, at
    if account:
        least = min(each, account[rate_limit.ACCOUNT])
        units, more_at = _take(session, wanted * each, account)
        if 0 < units < least:
            give_back_requests(store, connection, account.keys(), units, at)
            units, more_at = _take(session, least, account, whole=True)
        granted = units // least
        if units > granted * least:
            rest = units - granted * least
            give_back_requests(store, connection, account.keys(), rest, at)
    if endpoint and granted:
        allowed, more_at = _take(session, granted, endpoint)
        # They are counted for the account, too, which has paid already.
        unsent = allowed + (granted - allowed) * each if account else 0
        give_back_requests(store, connection, {rate_limit.ACCOUNT}, unsent, at)
        if not account:
            note_requests(store, connection, allowed * (each - 1), at)
        granted = allowed
    return granted, more_at


def _limits(session: LaneSession) -> dict[str, int]:
    """Requests a minute that submissions are held to: the account's, and an endpoint's own."""
    limits, operation = session.account_limit(), session.context.operation
    if operation.endpoint and operation.endpoint_per_minute:
        limits[rate_limit.ENDPOINT + operation.endpoint] = operation.endpoint_per_minute
    return limits


def _give_back(session: LaneSession, unsent: int, granted_at: float) -> None:
    """What was taken for chunks that another lane has claimed meanwhile is free for others."""
    limits, each = _limits(session), requests_each(session)
    if not limits:
        session.usage.uncounted -= unsent * each
    elif unsent > 0:
        store, connection = session.deps.store.limits, session.run.connection
        give_back_requests(store, connection, {rate_limit.ACCOUNT, *limits}, unsent, granted_at)
        if each > 1:
            reads = unsent * (each - 1)
            give_back_requests(store, connection, {rate_limit.ACCOUNT}, reads, granted_at)


def _claim(session: LaneSession, wanted: int, max_jobs: int) -> list[Chunk]:
    """Claim chunks of the pool while fewer than `max_jobs` are in flight on the connection."""
    run, store, settings = session.run, session.deps.store.chunks, session.settings
    pool: Pool = session.pace.pool or read_offer(session)
    claimed: list[Chunk] = []
    for _ in range(settings.claim_tries):
        count = min(wanted - len(claimed), pool.left, settings.claim_batch)
        found = offered(session, pool, count) if count > 0 else []
        if not found:
            break
        now = session.deps.now()
        by_token = session.linked.vendor.capabilities.token_search
        got = store.claim(
            run, session.state.lane, found, pool, now, max_jobs=max_jobs, sending=by_token
        )
        if got is None and session.read_limits().in_flight + count > max_jobs:
            wanted -= 1  # another lane took a slot meanwhile
        session.note_claimed(got or ())
        claimed += (session.chunks[chunk.number] for chunk in got or ())
        if len(claimed) < wanted:
            pool = read_offer(session)
    # Numbers that were claimed are not to be offered again.
    session.pace.pool = None
    return claimed


def _send_all(session: LaneSession, chunks: Sequence[Chunk], *, alone: bool) -> None:
    """Send chunks side by side, the first one alone where that is asked for."""
    first = chunks[: int(alone)]
    for chunk in first:
        send_once(session, chunk)
    settings = session.settings
    largest = max((chunk.source_bytes for chunk in chunks), default=0)
    senders = max(1, min(settings.senders, settings.bytes_at_once // max(1, largest)))
    others = chunks[len(first) :]
    session.deps.parallel_map(lambda chunk: send_once(session, chunk), others, senders)
