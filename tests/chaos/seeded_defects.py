"""Builds of the engine that are wrong on purpose: the harness must find out every one of them.

Each is a context manager that changes one thing in the real code, the way a hasty hand might.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from greenlet import getcurrent, greenlet

from jobferry.binding.run_binding import RunContext
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, JobEnd, lost_from
from jobferry.domain.outcome import OutcomeStatus, Verdict
from jobferry.lane import recovery
from jobferry.store import chunk_moves, chunk_settling
from jobferry.store.chunks import Chunks
from jobferry.store.operations import Delete, Operation, Update
from jobferry.vendors.connections import BoundConnection
from tests.chaos.account_promises import account_is_clean, jobs_are_bounded
from tests.chaos.run_promises import ends, nothing_twice, sum_holds, unknown_is_unknowable
from virtual.objects import FakeObjects

SeededDefect = Callable[[], AbstractContextManager[None]]


@contextmanager
def intent_written_after_the_call() -> Iterator[None]:
    """Send first, and note it then."""
    begin, note, claim = Chunks.begin_sending, Chunks.note_submitted, Chunks.claim

    def no_intent(*args: Any, **options: Any) -> list[Chunk] | None:
        return claim(*args, **{**options, "sending": False})

    def only_pretend(_chunks: Chunks, chunk: Chunk, token: str, _digest: str, now: float) -> Chunk:
        return replace(chunk, attempt=chunk.attempt + 1, token=token, sending_at=now)

    def note_both(chunks: Chunks, connection: str, sent: Chunk, job_id: str, now: float) -> bool:
        claimed = replace(sent, attempt=sent.attempt - 1, token="", sending_at=None)
        begun = begin(chunks, claimed, sent.token, "", sent.sending_at or now)
        return begun is not None and note(chunks, connection, begun, job_id, now)

    with (
        mock.patch.object(Chunks, "claim", no_intent),
        mock.patch.object(Chunks, "begin_sending", only_pretend),
        mock.patch.object(Chunks, "note_submitted", note_both),
    ):
        yield


@contextmanager
def settled_whatever_its_state() -> Iterator[None]:
    """Count a chunk without asking whether that was done before."""
    settled = chunk_settling._settled

    def unconditional(*args: Any) -> Update:
        return replace(settled(*args), condition=None, names={}, values={})

    with mock.patch.object(chunk_settling, "_settled", unconditional):
        yield


@contextmanager
def slot_released_twice() -> Iterator[None]:
    """Give the slot back when a job has ended, whether it had ended before or not."""
    ending_update = chunk_moves._job_end_update

    def unconditional(*args: Any) -> Operation:
        update = ending_update(*args)
        assert not isinstance(update, Delete)
        return replace(update, condition=None, names={}, values={})

    with mock.patch.object(chunk_moves, "_job_end_update", unconditional):
        yield


@contextmanager
def sent_again_blindly() -> Iterator[None]:
    """Send again what got no clear answer, without asking the vendor."""

    def again(
        chunk: Chunk, context: RunContext, _linked: BoundConnection, deps: Deps, *_args: Any
    ) -> int:
        if chunk.sending_at is None or deps.now() < lost_from(chunk):
            return 0
        if chunk.attempt < context.profile.max_attempts:
            deps.store.chunks.release(context.run.connection, chunk)
        else:
            verdict = Verdict(OutcomeStatus.FAILED, "vendor_unavailable", "Sent too often.")
            job_end = JobEnd(chunk.number, verdict=verdict)
            deps.store.chunks.finish(context.run.connection, [chunk], [job_end], deps.now())
        return 0

    with mock.patch.object(recovery, "resolve_lost", again):
        yield


@contextmanager
def ended_before_its_evidence() -> Iterator[None]:
    """Note that jobs have ended, and keep what the vendor answered about them afterwards."""
    put_json, finish = FakeObjects.put_json, Chunks.finish
    held: dict[greenlet, tuple[FakeObjects, str, Any]] = {}

    def put_later(objects: FakeObjects, key: str, value: Any) -> None:
        if key.startswith("evidence/"):
            held[getcurrent()] = (objects, key, value)
        else:
            put_json(objects, key, value)

    def finish_first(chunks: Chunks, *args: Any, **kwargs: Any) -> list[int]:
        done = finish(chunks, *args, **kwargs)
        late = held.pop(getcurrent(), None)
        if late is not None:
            put_json(*late)
        return done

    with (
        mock.patch.object(FakeObjects, "put_json", put_later),
        mock.patch.object(Chunks, "finish", finish_first),
    ):
        yield


SEEDED_DEFECTS: Mapping[str, tuple[SeededDefect, frozenset[str]]] = {
    defect.__name__: (defect, frozenset(promise.__name__ for promise in promises))
    for defect, promises in (
        (intent_written_after_the_call, (nothing_twice,)),
        (settled_whatever_its_state, (sum_holds, ends)),
        (slot_released_twice, (account_is_clean, jobs_are_bounded)),
        (sent_again_blindly, (nothing_twice,)),
        (ended_before_its_evidence, (unknown_is_unknowable,)),
    )
}
"""Seeded defect, and the promises one of which it must be found to break."""
