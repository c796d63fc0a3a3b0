"""The moves of a chunk from the pool to the end of its job.

A slot of the connection is taken in the transaction that claims a chunk and given back in the
transaction that finishes it (or returns it to the pool). So the number of slots in flight is
always the number of claimed and submitted chunks: a crash cannot leak one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jobferry.domain.chunk import (
    Attempt,
    Chunk,
    ChunkState,
    JobEnd,
    PlannedChunk,
    Pool,
    before_sending,
    lost_from,
)
from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.chunk_items import attempts_text, item_of, kept_until
from jobferry.store.chunk_reads import ChunkReads
from jobferry.store.chunk_writes import change, job_end_changes, move, slots, slots_taken
from jobferry.store.claims import as_sent, claim_put, not_sending, taken_out
from jobferry.store.operations import Operation, Put, Update
from jobferry.store.pool import pool_update
from jobferry.store.table import TRANSACTION_ITEMS, ConditionFailedError
from jobferry.store.transitions import TRANSITIONS, ChunkEvent, allows

CLAIM_BATCH = 50
"""Chunks claimed in one transaction."""

_OF_SEARCHES = ("lost_at", "unseen_at", "readable_at", "searched_at")
"""What belongs to one submission, as whoever takes it for lost notes it."""

_OF_ONE_ATTEMPT = (
    "sending_at",
    *_OF_SEARCHES,
    "token",
    "digest",
    "lane",
    "claim",
)
"""What a chunk that goes back to the pool forgets."""


class ChunkMoves(ChunkReads):
    """Chunks claimed, sent once, searched for, returned to the pool, finished."""

    def claim(
        self,
        run: Run,
        lane: int,
        planned: Sequence[PlannedChunk],
        pool: Pool,
        now: float,
        *,
        max_jobs: int | None,
        sending: bool = False,
    ) -> list[Chunk] | None:
        """Claim chunks of `pool`, all or none: pool, slots and the claim in one transaction.

        A chunk that nobody has claimed before gets no item of its own yet: the claim and the plan
        say all there is to say. Those that were put back, or are made of retried rows, are written.

        Args:
            planned: at most `CLAIM_BATCH`: returned ones, or the next ones from the cursor.
            max_jobs: take a slot for each and never exceed this many in flight; None: take no
                slots, for chunks that will never be sent.
            sending: the vendor can be searched by a token, and they are sent at once: the claim is
                the intent of those that it knows alone. Whoever gets them back may send each once,
                within the time that an intent holds; for all others they may have been sent.

        Returns:
            The claimed chunks; None when another lane was faster or the slots ran out.
        """
        known = [c.number for c in planned if c.number in pool.released | pool.again]
        fresh = [c.number for c in planned if c.number not in known]
        if not planned or fresh != list(range(pool.cursor, pool.end)[: len(fresh)]):
            return None
        before = {c.number: c for c in self.get(run.run_id, known)}
        if not all(allows(ChunkEvent.CLAIM, chunk.state) for chunk in before.values()):
            return None
        name = keys.claim_name(min(c.number for c in planned), self._unique())
        claimed = [
            replace(
                before.get(plan.number) or _unclaimed(run.run_id, plan),
                lane=lane,
                state=TRANSITIONS[ChunkEvent.CLAIM].after,
                claimed_at=now,
                holds_slot=max_jobs is not None,
                claim=name,
                expires_at=kept_until(run, now),
            )
            for plan in planned
        ]
        writes: list[Operation] = [pool_update(run.run_id, pool, [c.number for c in claimed])]
        if max_jobs is not None:
            writes.append(slots_taken(run.connection, len(claimed), max_jobs))
        writes.append(claim_put(run, claimed, sending=sending))
        writes += [_claimed(c, before[c.number]) for c in claimed if not c.unwritten]
        if not self._all_or_none(writes):
            return None
        return [as_sent(c, now) if sending and c.unwritten else c for c in claimed]

    def write_lost(self, connection: str, run_id: str, lane: int, now: float) -> list[Chunk]:
        """Write the items of chunks that only a claim says may have been sent, so that each of them
        is searched for; their claims say so no more. Those whose request may be in flight are left.

        Returns:
            What the lane has in flight after it.
        """
        claims: dict[str, list[Chunk]] = {}
        for chunk in self.in_flight(connection, run_id, lane):
            if chunk.unwritten and now >= lost_from(chunk):
                claims.setdefault(chunk.claim, []).append(chunk)
        for of_claim in claims.values():
            first_items = (change(ChunkEvent.BEGIN_SENDING, chunk) for chunk in of_claim)
            self._all_or_none([not_sending(connection, of_claim[0]), *first_items])
        return self.in_flight(connection, run_id, lane)

    def keep_claimed(self, connection: str, chunk: Chunk) -> bool:
        """What its claim knows alone was not sent; who has claimed it knows.

        Returns:
            False when somebody has taken it for lost.
        """
        return self._all_or_none([not_sending(connection, chunk)])

    def _unique(self) -> str:
        """Eight digits that tell a claim from all others."""
        return secrets.token_hex(4)

    def begin_sending(self, chunk: Chunk, token: str, digest: str, now: float) -> Chunk | None:
        """Write the intent, just before the request leaves. None: somebody else owns the chunk.

        Whoever gets the chunk back may send, once: nobody else comes through until it has gone
        back to the pool or was found by asking the vendor.
        """
        sent = replace(
            chunk,
            attempt=chunk.attempt + 1,
            sendings=chunk.sendings + 1,
            token=token,
            sending_at=now,
            unwritten=False,
        )
        begun = change(
            ChunkEvent.BEGIN_SENDING,
            # One that was sent already is not sent over, whoever holds it.
            replace(chunk, sending_at=None),
            sending_at=now,
            token=token,
            digest=digest,
            attempt=sent.attempt,
            sendings=sent.sendings,
        )
        return sent if self._all_or_none([begun]) else None

    def note_submitted(self, connection: str, chunk: Chunk, job_id: str, now: float) -> bool:
        """The vendor accepted the chunk as this job, which no other chunk has.

        Returns:
            False: somebody else owns the chunk, or the job is another chunk's: a gateway may answer
            one submission with what it has answered another.
        """
        submitted = _submitted(ChunkEvent.NOTE_SUBMITTED, chunk, job_id, now)
        try:
            self._table.write(_job_mark(connection, chunk, job_id))
        except ConditionFailedError:
            return False
        if self._all_or_none([submitted]):
            return True
        if not chunk.unwritten:
            return False
        # The answer took so long that somebody has written it as lost.
        written = replace(chunk, unwritten=False)
        return self._all_or_none([_submitted(ChunkEvent.NOTE_SUBMITTED, written, job_id, now)])

    def revert_send(self, sent: Chunk) -> Chunk | None:
        """The vendor did nothing with the chunk just sent: as it was before, still with its lane.

        Returns:
            The chunk, ready to be sent again; None when somebody else owns it by now.
        """
        ready = before_sending(sent)
        back = change(
            ChunkEvent.REVERT_SEND,
            sent,
            remove=("sending_at", "token", "digest", *_OF_SEARCHES),
            attempt=ready.attempt,
            sendings=ready.sendings,
        )
        return ready if self._all_or_none([back]) else None

    def adopt(self, connection: str, chunk: Chunk, job_id: str, now: float) -> bool:
        """The lost submission of a chunk turned out to be this job, which no other chunk has.

        Two searches that run at once may find the same job; only one chunk can have it.
        """
        return self._all_or_none(
            [
                _submitted(ChunkEvent.ADOPT, chunk, job_id, now),
                _job_mark(connection, chunk, job_id),
            ]
        )

    def note_lost(self, chunk: Chunk, now: float) -> bool:
        """The request is over and its answer was not clear: the vendor must be asked."""
        times = chunk.lost_times + 1
        return self._all_or_none(
            [change(ChunkEvent.NOTE_LOST, chunk, lost_at=now, lost_times=times)]
        )

    def note_search(
        self,
        chunk: Chunk,
        now: float,
        *,
        unseen_at: float | None = None,
        readable_at: float | None = None,
    ) -> bool:
        """Nothing is decided by the search for the chunk's job that began just now.

        Args:
            unseen_at, readable_at: see `Chunk`; what is None is forgotten.
        """
        known = {"unseen_at": unseen_at, "readable_at": readable_at}
        noted = {name: value for name, value in known.items() if value is not None}
        gone = tuple(name for name, value in known.items() if value is None)
        search = change(ChunkEvent.NOTE_SEARCH, chunk, remove=gone, searched_at=now, **noted)
        return self._all_or_none([search])

    def note_asked(self, asked: Chunk) -> bool:
        """The vendor was asked to end a chunk's job, or told its priority, as the chunk says."""
        changes: dict[str, Any] = {"end_asked": asked.end_asked}
        if asked.priority_asked is not None:
            changes["priority_asked"] = asked.priority_asked
        return self._all_or_none([change(ChunkEvent.NOTE_ASKED, asked, **changes)])

    def adopt_late(self, connection: str, chunk: Chunk, job_id: str) -> bool:
        """The lost submission of a settled chunk turned out to be this job, after all.

        Returns:
            False when another chunk has that job, or this one has another.
        """
        found = move(ChunkEvent.ADOPT_LATE, chunk, job_id=job_id)
        alone = f"{found.condition} AND attribute_not_exists(job_id)"
        return self._all_or_none(
            [replace(found, condition=alone), _job_mark(connection, chunk, job_id)]
        )

    def release(
        self,
        connection: str,
        chunk: Chunk,
        *,
        attempt: int | None = None,
        maybe_applied: bool = False,
        earlier: Sequence[Attempt] | None = None,
    ) -> bool:
        """Return a chunk to the pool, with its slot: nothing was done, or it may be repeated.

        Args:
            attempt: the attempts to remember, where the last one did not count.
            maybe_applied: the last one may have been applied.
            earlier: the submissions to remember, where one more was proven never to be taken.
        """
        released = change(
            ChunkEvent.RELEASE,
            chunk,
            remove=_OF_ONE_ATTEMPT,
            attempt=chunk.attempt if attempt is None else attempt,
            in_doubt=chunk.maybe_applied or maybe_applied,
            **({"earlier": attempts_text(earlier)} if earlier else {}),
        )
        writes: list[Operation] = [
            released,
            taken_out(connection, chunk),
            Update(keys.run(chunk.run_id), keys.POOL, add={"returned": {chunk.number}}),
        ]
        if chunk.holds_slot:
            writes.append(slots(ChunkEvent.RELEASE, connection, 1))
        return self._all_or_none(writes)

    def finish(
        self, connection: str, chunks: Sequence[Chunk], job_ends: Sequence[JobEnd], now: float
    ) -> list[int]:
        """Their jobs have ended: note how, and free their slots.

        Returns:
            The numbers that this call finished; those that were finished before are missing.
        """
        by_number = {chunk.number: chunk for chunk in chunks}
        done: list[int] = []
        step = TRANSACTION_ITEMS - 1
        for start in range(0, len(job_ends), step):
            batch = list(job_ends[start : start + step])
            while batch:
                holders = sum(by_number[e.number].holds_slot for e in batch)
                writes = [_job_end_update(by_number[e.number], e, now) for e in batch]
                if holders:
                    writes.append(slots(ChunkEvent.FINISH, connection, holders))
                try:
                    self._table.transact(writes)
                except ConditionFailedError as error:
                    batch = [e for i, e in enumerate(batch) if i not in error.failed]
                else:
                    done += [e.number for e in batch]
                    break
        return done


def _claimed(chunk: Chunk, before: Chunk) -> Put:
    """The chunk as it is claimed, if it still is as it was read.

    One that was claimed and given back in between looks the same from the pool.
    """
    return Put(
        item_of(chunk),
        condition="#state = :state AND claimed_at = :claimed_at",
        names={"#state": "state"},
        values={":state": before.state.value, ":claimed_at": before.claimed_at},
    )


def _unclaimed(run_id: str, plan: PlannedChunk) -> Chunk:
    return Chunk(run_id, plan.number, 0, ChunkState.PLANNED, plan.spans, unwritten=True)


def _job_mark(connection: str, chunk: Chunk, job_id: str) -> Put:
    """The job is this chunk's, if it is no other's."""
    return Put(
        {
            "pk": keys.connection(connection),
            "sk": keys.job_of_chunk(job_id),
            "run_id": chunk.run_id,
            "chunk": chunk.number,
            "expires_at": chunk.expires_at,
        },
        condition="attribute_not_exists(pk) OR (run_id = :run AND #chunk = :chunk)",
        names={"#chunk": "chunk"},
        values={":run": chunk.run_id, ":chunk": chunk.number},
    )


def _submitted(event: ChunkEvent, chunk: Chunk, job_id: str, now: float) -> Operation:
    return change(event, chunk, job_id=job_id, submitted_at=now)


def _job_end_update(chunk: Chunk, job_end: JobEnd, now: float) -> Operation:
    # `change` asks for the state in which it was read: what is submitted is no longer skipped.
    return change(ChunkEvent.FINISH, chunk, **job_end_changes(job_end, now))
