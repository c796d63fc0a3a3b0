"""What one search for a lost submission decides, for each answer that it may bring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from jobferry.binding.run_binding import load_context
from jobferry.domain.chunk import (
    SEND_WINDOW,
    Attempt,
    Chunk,
    ChunkState,
    Span,
    attempts_of,
    lost_from,
)
from jobferry.domain.connection import OUTAGE_FROM
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.trouble import SOURCE_UNREADABLE
from jobferry.lane.absence import SEARCH_TIMEOUT
from jobferry.lane.recovery import LateJob, Search, resolve_lost, search_earlier
from jobferry.store.chunk_moves import _job_mark
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.lost_submission import (
    NO_JOBS,
    JobsUnreadError,
    KnownJobs,
    LostSubmission,
)
from virtual.vendor import UPSERT, FakeClient
from virtual.world import CONNECTION, World, sample_csv

PENDING, ABSENT, FOUND = FoundState.PENDING, FoundState.ABSENT, FoundState.FOUND
PLANNED, FINISHED, CLAIMED = ChunkState.PLANNED, ChunkState.FINISHED, ChunkState.CLAIMED
JOB_SECONDS = 20.0


def lost(world: World, *, rows: int = 2, operation: str = "", noted: bool = True) -> Chunk:
    """A chunk that was sent just now; its request is over without an answer."""
    if operation:
        world.put_profile({"operation": operation})
    run = world.planned(sample_csv(rows))
    now, chunks = world.clock.now(), world.store.chunks
    planned = world.store.runs.planned_chunks(run.run_id, 1, 1)
    claimed = chunks.claim(run, 0, planned, chunks.pool(run.run_id), now, max_jobs=9)
    assert claimed is not None
    sent = chunks.begin_sending(claimed[0], "token", "digest", now)
    assert sent is not None
    if noted:
        assert chunks.note_lost(sent, now)
    return kept(world, sent)


def kept(world: World, chunk: Chunk) -> Chunk:
    (found,) = world.store.chunks.get(chunk.run_id, [chunk.number])
    return found


def resolved(world: World, chunk: Chunk, jobs: KnownJobs = NO_JOBS) -> Search:
    run = world.run(chunk.run_id)
    linked = world.deps.connections.link(CONNECTION)
    context = load_context(run, world.deps)
    return resolve_lost(chunk, context, linked, world.deps, lambda _chunk: jobs, JOB_SECONDS)


def without_tokens(world: World) -> None:
    can = replace(world.vendor.capabilities, token_search=False)
    world.vendor = replace(world.vendor, capabilities=can)


def test_nothing_is_done_while_the_request_may_be_under_way(world: World) -> None:
    chunk = lost(world, noted=False)
    world.clock.advance(SEND_WINDOW - 0.5)
    assert resolved(world, chunk) == Search()
    assert world.account.searches == []
    world.clock.advance(0.5)
    resolved(world, chunk)
    assert len(world.account.searches) == 1


@pytest.mark.parametrize(("seconds", "state"), [(19.5, CLAIMED), (20.0, PLANNED), (21.0, PLANNED)])
def test_what_may_be_repeated_goes_again_unasked_when_its_job_would_be_over(
    world: World, seconds: float, state: ChunkState
) -> None:
    chunk = lost(world, operation=UPSERT)
    without_tokens(world)
    world.clock.advance(seconds)
    assert resolved(world, chunk) == Search()
    assert (kept(world, chunk).state, world.account.searches) == (state, [])


@pytest.mark.parametrize(
    ("seconds", "again", "wait"), [(19.0, False, 1.0), (0.0, False, 3.0), (20.0, True, 0.0)]
)
def test_what_may_be_repeated_is_looked_for_until_then(
    world: World, *, seconds: float, again: bool, wait: float
) -> None:
    chunk = lost(world, operation=UPSERT)
    world.clock.advance(seconds)
    now = world.clock.now()
    search = resolved(world, chunk)
    if again:
        assert search == Search(1)
        assert (kept(world, chunk).state, kept(world, chunk).maybe_applied) == (PLANNED, True)
    else:
        assert search == Search(1, None, now + wait, True)
        after = kept(world, chunk)
        assert (after.state, after.searched_at, after.unseen_at) == (CLAIMED, now, None)


@pytest.mark.parametrize("readable", [True, False])
def test_what_is_not_decided_is_searched_for_once_more(
    world: World,
    readable: bool,
) -> None:
    chunk, now = lost(world), world.clock.now()
    world.account.will_find(Found(PENDING, readable=readable, requests=2))
    assert resolved(world, chunk) == Search(2, None, now + 3.0, readable)
    assert kept(world, chunk).readable_at == (now if readable else None)


def unread(_lost: LostSubmission) -> None:
    raise JobsUnreadError


@pytest.mark.parametrize("reason", ["jobs", "file"])
def test_a_search_that_could_not_be_made_says_nothing_of_the_vendor(
    world: World, reason: str
) -> None:
    chunk, now = lost(world), world.clock.now()
    without_tokens(world)
    if reason == "file":
        world.objects.denied[world.run(chunk.run_id).source.key] = now + 100.0
    if reason == "jobs":
        world.account.during_find = unread
    search = resolved(world, chunk)
    source = SOURCE_UNREADABLE if reason == "file" else None
    assert search == Search(0, None, now + 3.0, None, source)
    # Which jobs are whose is read while the vendor lists them.
    assert len(world.account.searches) == (reason == "jobs")


def test_a_job_that_is_found_is_the_chunks(world: World) -> None:
    chunk = lost(world)
    world.account.will_find(Found(FOUND, "job-7", requests=1))
    assert resolved(world, chunk) == Search(1, None, 0.0, True)
    after = kept(world, chunk)
    assert (after.state, after.job_id) == (ChunkState.SUBMITTED, "job-7")


@pytest.mark.parametrize(("later", "state"), [(30.0, CLAIMED), (SEARCH_TIMEOUT, FINISHED)])
def test_a_job_of_another_chunk_is_doubtful(world: World, later: float, state: ChunkState) -> None:
    chunk = lost(world)
    other = replace(chunk, run_id="other")
    world.store.chunks._table.write(_job_mark(CONNECTION, other, "job-7"))
    world.store.chunks.note_search(chunk, world.clock.now(), readable_at=world.clock.now())
    chunk = kept(world, chunk)
    world.clock.advance(later)
    now = world.clock.now()
    world.account.will_find(Found(FOUND, "job-7", requests=1))
    search = resolved(world, chunk)
    after = kept(world, chunk)
    assert after.state is state
    if state is CLAIMED:
        assert search == Search(1, None, now + later / 2, True)
        assert (after.searched_at, after.readable_at) == (now, now - later)
    else:
        assert search == Search(1, None, 0.0, True)
        assert after.verdict is not None
        assert after.verdict[:2] == (OutcomeStatus.UNKNOWN, "submission_lost")


@pytest.mark.parametrize(
    ("reason", "said"),
    [("it keeps no list", "it keeps no list"), ("", "the vendor cannot say")],
)
def test_what_nobody_can_tell_is_unknown(world: World, reason: str, said: str) -> None:
    chunk = lost(world)
    world.account.will_find(Found(FoundState.UNDECIDABLE, reason=reason))
    resolved(world, chunk)
    verdict = kept(world, chunk).verdict
    assert verdict is not None
    assert f"the answer was lost, and {said}. Look" in verdict[2]


@pytest.mark.parametrize(
    ("reason", "said"),
    [("it keeps no list", "it keeps no list"), ("", "the vendor gave no clear answer")],
)
def test_what_may_be_repeated_is_unknown_only_in_the_end(
    world: World, reason: str, said: str
) -> None:
    chunk = lost(world, operation=UPSERT)
    undecidable = Found(FoundState.UNDECIDABLE, reason=reason)
    world.account.will_find(undecidable, undecidable)
    resolved(world, replace(chunk, attempt=3))
    verdict = kept(world, chunk).verdict
    assert verdict == (OutcomeStatus.UNKNOWN, "vendor_unavailable", f"Sent 3 times; {said}.")


def test_an_answer_that_the_adapter_cannot_digest_counts_as_none(world: World) -> None:
    chunk, now = lost(world), world.clock.now()
    with mock.patch.object(FakeClient, "find", side_effect=ValueError):
        assert resolved(world, chunk) == Search(0, None, now + 3.0, False)
        world.clock.advance(world.vendor.capabilities.retention_seconds)
        resolved(world, kept(world, chunk))
    verdict = kept(world, chunk).verdict
    assert verdict is not None
    assert "the search ended in ValueError" in verdict[2]


@pytest.mark.parametrize(
    ("operation", "outage", "attempt", "rows", "state", "attempts", "bisect"),
    [
        (UPSERT, False, 1, 2, PLANNED, 1, False),
        ("", False, 1, 2, PLANNED, 1, False),
        (UPSERT, True, 3, 2, PLANNED, 2, False),
        ("", True, 3, 2, PLANNED, 2, False),
        ("", False, 2, 2, FINISHED, 2, True),
        ("", False, 2, 1, PLANNED, 2, False),
        ("", False, 3, 2, FINISHED, 3, False),
        (UPSERT, False, 3, 2, FINISHED, 3, False),
    ],
)
def test_how_it_goes_again(
    world: World,
    *,
    operation: str,
    outage: bool,
    attempt: int,
    rows: int,
    state: ChunkState,
    attempts: int,
    bisect: bool,
) -> None:
    chunk = replace(lost(world, rows=rows, operation=operation), attempt=attempt)
    now = world.clock.now()
    if outage:
        world.store.limits.note_unclear(CONNECTION, now - 1.0, weight=OUTAGE_FROM)
    if not operation:
        world.store.chunks.note_search(chunk, now, unseen_at=now, readable_at=now)
        chunk = replace(chunk, searched_at=now, unseen_at=now, readable_at=now)
    world.clock.advance(3_000.0)
    resolved(world, chunk)
    after = kept(world, chunk)
    assert (after.state, after.bisect) == (state, bisect)
    if state is PLANNED:
        assert (after.attempt, after.maybe_applied) == (attempts, bool(operation))
        expected = () if operation else (Attempt("token", now, now, chunk.spans),)
        assert after.earlier == expected
    else:
        assert after.verdict is not None
        status = OutcomeStatus.UNKNOWN if operation else OutcomeStatus.FAILED
        assert after.verdict[:2] == (status, "vendor_unavailable")


def test_submissions_that_were_never_taken_are_remembered_as_they_were() -> None:
    spans = (Span(0, 9, 1, 1),)
    chunk = Chunk("r", 1, 0, CLAIMED, spans, token="t", sending_at=5.0, lost_at=7.0)
    assert attempts_of(chunk) == (Attempt("t", 5.0, 7.0, spans),)
    assert lost_from(replace(chunk, lost_at=None)) == 5.0 + SEND_WINDOW
    assert lost_from(replace(chunk, sending_at=None)) == float("inf")


class TestEarlier:
    def searched(self, world: World, *answers: Found, job_id: str = "own") -> LateJob:
        chunk = lost(world)
        attempts = tuple(
            Attempt(f"t{n}", float(n), 10.0 + n, chunk.spans) for n in range(len(answers))
        )
        world.account.will_find(*answers)
        run: Run = world.run(chunk.run_id)
        linked = world.deps.connections.link(CONNECTION)
        context = load_context(run, world.deps)
        ended: Any = replace(chunk, job_id=job_id, earlier=attempts)
        return search_earlier(ended, context, linked, world.deps, lambda _chunk: NO_JOBS)

    def test_each_is_searched_for_as_it_was_sent(self, world: World) -> None:
        absent = Found(ABSENT, requests=1)
        assert self.searched(world, absent, absent) == LateJob(None, 2)
        found = [(lost.token, lost.sent_at, lost.lost_at) for _, lost in world.account.searches]
        assert found == [("t0", 0.0, 10.0), ("t1", 1.0, 11.0)]

    @pytest.mark.parametrize(
        "first",
        [
            Found(FOUND, None, requests=1),
            Found(FOUND, "own", requests=1),
            Found(PENDING, "maybe", requests=1),
        ],
    )
    def test_only_another_job_is_a_late_one(self, world: World, first: Found) -> None:
        late = Found(FOUND, "late", requests=1)
        assert self.searched(world, first, late) == LateJob("late", 2)
