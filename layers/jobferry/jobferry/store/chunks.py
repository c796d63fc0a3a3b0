"""Chunks and slots: claimed from a shared pool, sent once, finished, settled.

A slot of the connection is taken in the transaction that claims a chunk and given back in the
transaction that finishes it (or returns it to the pool). So the number of slots in flight is
always the number of claimed and submitted chunks: a crash cannot leak one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobferry.domain.chunk import (
    Attempt,
    Chunk,
    ChunkOutcome,
    ChunkState,
    JobEnd,
    PlannedChunk,
    Pool,
    RetryChunk,
    Span,
)
from jobferry.domain.outcome import OutcomeStatus, Verdict
from jobferry.domain.run import Run, RunGoneError
from jobferry.store import keys
from jobferry.store.table import (
    TRANSACTION_ITEMS,
    ConditionFailedError,
    Delete,
    Item,
    Operation,
    Put,
    Table,
    Update,
)

CLAIM_BATCH = 50
"""Chunks claimed in one transaction."""

SETTLE_BATCH = 50
"""Chunks counted in one transaction."""


_OF_ONE_ATTEMPT = (
    "sending_at",
    "lost_at",
    "unseen_at",
    "readable_at",
    "searched_at",
    "token",
    "digest",
    "lane",
)
"""What a chunk that goes back to the pool forgets."""


class Chunks:
    """Chunks of runs, their pool, and the pointers `CONN#…/JOB#…` to those in flight."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open_pool(self, run: Run) -> None:
        """Offer the chunks of a planned run: those of its trial, if it has one, or all.

        Repeating it changes nothing.
        """
        end = (run.plan.trial_chunks or run.plan.chunks) + 1
        self._table.write(
            Update(
                keys.run(run.run_id),
                keys.POOL,
                # The pool of an open run does not expire; `Runs.close` gives it its end.
                assign_once={"cursor": 1, "end": end},
            )
        )

    def offer_rest(self, run: Run) -> None:
        """Offer the chunks after the trial, too. Repeating it changes nothing."""
        self._all_or_none(
            [
                Update(
                    keys.run(run.run_id),
                    keys.POOL,
                    assign={"end": run.plan.chunks + 1},
                    condition="attribute_exists(pk)",
                )
            ]
        )

    def pool(self, run_id: str) -> Pool:
        item = self._table.get(keys.run(run_id), keys.POOL)
        if item is None:
            return Pool(1, 1, frozenset())
        return Pool(
            item["cursor"],
            item["end"],
            frozenset(item.get("returned", ())),
            frozenset(item.get("again", ())),
            item.get("made", 0),
        )

    def get(self, run_id: str, numbers: Sequence[int]) -> list[Chunk]:
        """These chunks in order of number; those never claimed are missing."""
        items = self._table.get_many([(keys.run(run_id), keys.chunk(n)) for n in numbers])
        return sorted((_chunk(item) for item in items), key=lambda chunk: chunk.number)

    def holders(self, connection: str) -> int:
        """Chunks in flight on a connection that hold a slot, by their pointers."""
        found: dict[str, set[tuple[int, int]]] = {}
        for run_id, lane, number in self.pointers(connection):
            found.setdefault(run_id, set()).add((number, lane))
        held = (ChunkState.CLAIMED, ChunkState.SUBMITTED)
        return sum(
            chunk.holds_slot and chunk.state in held and (chunk.number, chunk.lane) in pointed
            for run_id, pointed in found.items()
            for chunk in self.get(run_id, sorted({number for number, _ in pointed}))
        )

    def all(self, run_id: str, first: int = 1) -> Iterator[Chunk]:
        """Chunks from number `first` that were claimed once, or made of rows that go again."""
        since, until = keys.chunk(first), keys.chunk(keys.LAST_CHUNK)
        for item in self._table.query(keys.run(run_id), since=since, until=until):
            yield _chunk(item)

    def in_flight(self, connection: str, run_id: str, lane: int | None = None) -> list[Chunk]:
        """Chunks of a run (of one lane of it) that are claimed and not settled."""
        prefix = keys.jobs_of_run(run_id) if lane is None else keys.jobs_of_lane(run_id, lane)
        pointers = list(self._table.query(keys.connection(connection), prefix=prefix))
        lanes = {(pointer["chunk"], pointer["lane"]) for pointer in pointers}
        return [
            chunk
            for chunk in self.get(run_id, sorted({number for number, _ in lanes}))
            if (chunk.number, chunk.lane) in lanes and chunk.in_flight
        ]

    def pointers(self, connection: str) -> Iterator[tuple[str, int, int]]:
        """(run, lane, chunk) of everything in flight on a connection."""
        for item in self._table.query(keys.connection(connection), prefix="JOB#"):
            yield item["run_id"], item["lane"], item["chunk"]

    def claim(
        self,
        run: Run,
        lane: int,
        planned: Sequence[PlannedChunk],
        pool: Pool,
        now: float,
        *,
        max_jobs: int | None,
    ) -> list[Chunk] | None:
        """Claim chunks of `pool`, all or none: pool, slots and chunks in one transaction.

        The pointers are written before it. One that is left without a chunk, by a crash or by
        another lane having been faster, points to nothing of this lane and is passed over.

        Args:
            planned: at most `CLAIM_BATCH`: returned ones, or the next ones from the cursor.
            max_jobs: take a slot for each and never exceed this many in flight; None: take no
                slots, for chunks that will never be sent.

        Returns:
            The claimed chunks; None when another lane was faster or the slots ran out.
        """
        known = [c.number for c in planned if c.number in pool.released | pool.again]
        before = {c.number: c for c in self.get(run.run_id, known)}
        if any(chunk.state is not ChunkState.PLANNED for chunk in before.values()):
            return None
        claimed = [
            replace(
                before.get(plan.number) or _unclaimed(run.run_id, plan),
                lane=lane,
                state=ChunkState.CLAIMED,
                claimed_at=now,
                holds_slot=max_jobs is not None,
                expires_at=run.expires_at,
            )
            for plan in planned
        ]
        writes: list[Operation] = [_pool_update(run.run_id, pool, [c.number for c in claimed])]
        if max_jobs is not None:
            writes.append(
                Update(
                    keys.connection(run.connection),
                    keys.LIMITS,
                    add={"in_flight": len(claimed)},
                    condition="in_flight <= :room",
                    values={":room": max_jobs - len(claimed)},
                )
            )
        writes += [_claimed(chunk, before.get(chunk.number)) for chunk in claimed]
        self._table.put_many(_pointer(run.connection, chunk) for chunk in claimed)
        try:
            self._table.transact(writes)
        except ConditionFailedError:
            return None
        return claimed

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
        )
        moved = self._all_or_none(
            [
                _move(
                    # One that was sent already is not sent over, whoever holds it.
                    replace(chunk, sending_at=None),
                    (ChunkState.CLAIMED,),
                    sending_at=now,
                    token=token,
                    digest=digest,
                    attempt=sent.attempt,
                    sendings=sent.sendings,
                )
            ]
        )
        return sent if moved else None

    def note_submitted(self, connection: str, chunk: Chunk, job_id: str, now: float) -> bool:
        """The vendor accepted the chunk as this job, which no other chunk has.

        Returns:
            False: somebody else owns the chunk, or the job is another chunk's: a gateway may answer
            one submission with what it has answered another.
        """
        try:
            self._table.write(_job_mark(connection, chunk, job_id))
        except ConditionFailedError:
            return False
        return self._all_or_none([_submitted(chunk, job_id, now)])

    def revert_send(self, sent: Chunk) -> Chunk | None:
        """The vendor did nothing with the chunk just sent: as it was before, still with its lane.

        Returns:
            The chunk, ready to be sent again; None when somebody else owns it by now.
        """
        ready = replace(
            sent, attempt=sent.attempt - 1, sendings=sent.sendings - 1, token="", sending_at=None
        )
        counts = {"attempt": ready.attempt, "sendings": ready.sendings}
        move = _move(sent, (ChunkState.CLAIMED,), **counts)
        moved = self._all_or_none([replace(move, remove=("sending_at", "token", "digest"))])
        return ready if moved else None

    def adopt(self, connection: str, chunk: Chunk, job_id: str, now: float) -> bool:
        """The lost submission of a chunk turned out to be this job, which no other chunk has.

        Two searches that run at once may find the same job; only one chunk can have it.
        """
        return self._all_or_none(
            [_submitted(chunk, job_id, now), _job_mark(connection, chunk, job_id)]
        )

    def note_lost(self, chunk: Chunk, now: float) -> bool:
        """The request is over and its answer was not clear: the vendor must be asked."""
        times = chunk.lost_times + 1
        return self._all_or_none(
            [_move(chunk, (ChunkState.CLAIMED,), lost_at=now, lost_times=times)]
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
        move = _move(chunk, (ChunkState.CLAIMED,), searched_at=now, **noted)
        gone = tuple(name for name, value in known.items() if value is None)
        return self._all_or_none([replace(move, remove=gone)])

    def note_asked(self, asked: Chunk) -> bool:
        """The vendor was asked to end a chunk's job, or told its priority, as the chunk says."""
        changes: dict[str, Any] = {"end_asked": asked.end_asked}
        if asked.priority_asked is not None:
            changes["priority_asked"] = asked.priority_asked
        return self._all_or_none([_move(asked, (ChunkState.SUBMITTED,), **changes)])

    def adopt_late(self, connection: str, chunk: Chunk, job_id: str) -> bool:
        """The lost submission of a settled chunk turned out to be this job, after all.

        Returns:
            False when another chunk has that job, or this one has another.
        """
        found = _move(chunk, (ChunkState.SETTLED,), job_id=job_id)
        return self._all_or_none(
            [
                replace(found, condition=f"{found.condition} AND attribute_not_exists(job_id)"),
                _job_mark(connection, chunk, job_id),
            ]
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
        move = _move(
            chunk,
            (ChunkState.CLAIMED,),
            state=ChunkState.PLANNED.value,
            attempt=chunk.attempt if attempt is None else attempt,
            in_doubt=chunk.maybe_applied or maybe_applied,
            **({"earlier": _attempts_text(earlier)} if earlier else {}),
        )
        writes: list[Operation] = [
            replace(move, remove=_OF_ONE_ATTEMPT),
            Delete(keys.connection(connection), keys.job(chunk.run_id, chunk.lane, chunk.number)),
            Update(keys.run(chunk.run_id), keys.POOL, add={"returned": {chunk.number}}),
        ]
        if chunk.holds_slot:
            writes.append(_release(connection, 1))
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
                    writes.append(_release(connection, holders))
                try:
                    self._table.transact(writes)
                except ConditionFailedError as error:
                    batch = [e for i, e in enumerate(batch) if i not in error.failed]
                else:
                    done += [e.number for e in batch]
                    break
        return done

    def settle(
        self,
        connection: str,
        run_id: str,
        chunk_outcomes: Sequence[ChunkOutcome],
        now: float,
        used: Mapping[str, float] | None = None,
    ) -> list[int]:
        """Count the outcomes of finished chunks, each once; then forget that they were in flight.

        Args:
            used: what settling took, added to the run's figures.

        Returns:
            The numbers of the chunks that this call settled; of those that were settled before
            nothing was counted.

        Raises:
            RunGoneError
        """
        settled: list[int] = []
        for start in range(0, len(chunk_outcomes), SETTLE_BATCH):
            batch = list(chunk_outcomes[start : start + SETTLE_BATCH])
            while batch:
                moves: list[Operation] = [_settled(tally, now) for tally in batch]
                added = _counted(batch) | dict(used or {})
                try:
                    self._table.transact([*moves, _added_to_run(run_id, added)])
                except ConditionFailedError as error:
                    if error.failed == (len(batch),):
                        raise RunGoneError(f"there is no run {run_id}") from None
                    batch = [t for i, t in enumerate(batch) if i not in error.failed]
                else:
                    settled += [tally.chunk.number for tally in batch]
                    used = None
                    break
        self.forget(connection, [t.chunk for t in chunk_outcomes if t.chunk.number in settled])
        return settled

    def split(
        self,
        run: Run,
        chunk_outcomes: Sequence[ChunkOutcome],
        parts: Sequence[RetryChunk],
        pool: Pool,
        now: float,
    ) -> bool:
        """Settle finished chunks of which only some rows are decided: the others go again.

        Args:
            tallies: what is decided of each, counted; with the parts at most 98.
            parts: the chunks that their other rows make; they are numbered on from the plan's.

        Returns:
            False when one was settled before, or others were split meanwhile; then nothing
            happened.

        Raises:
            RunGoneError
        """
        first = run.plan.chunks + 1 + pool.made
        numbers = range(first, first + len(parts))
        writes: list[Operation] = [
            *(_settled(tally, now, ChunkState.SPLIT) for tally in chunk_outcomes),
            Update(
                keys.run(run.run_id),
                keys.POOL,
                assign={"made": pool.made + len(parts)},
                add={"again": set(numbers)},
                condition="attribute_not_exists(made)" if not pool.made else "made = :made",
                values={":made": pool.made} if pool.made else {},
            ),
            *(
                Put(_item(_part(run, number, part)), condition="attribute_not_exists(pk)")
                for number, part in zip(numbers, parts, strict=True)
            ),
        ]
        added = _counted(chunk_outcomes)
        if added:
            writes.append(_added_to_run(run.run_id, added))
        try:
            self._table.transact(writes)
        except ConditionFailedError as error:
            if added and error.failed == (len(writes) - 1,):
                raise RunGoneError(f"there is no run {run.run_id}") from None
            return False
        self.forget(run.connection, [tally.chunk for tally in chunk_outcomes])
        return True

    def forget(self, connection: str, chunks: Sequence[Chunk]) -> None:
        """Remove the pointers to chunks that are in flight no more."""
        self._table.delete_many(
            (keys.connection(connection), keys.job(chunk.run_id, chunk.lane, chunk.number))
            for chunk in chunks
        )

    def forget_pointer(self, connection: str, run_id: str, lane: int, number: int) -> None:
        """Remove one pointer, as `pointers` tells it."""
        self._table.write(Delete(keys.connection(connection), keys.job(run_id, lane, number)))

    def forget_all(self, connection: str, run_id: str) -> None:
        """Remove what pointers crashes have left of a run of which nothing is in flight."""
        pointers = self._table.query(keys.connection(connection), prefix=keys.jobs_of_run(run_id))
        self._table.delete_many((item["pk"], item["sk"]) for item in list(pointers))

    def _all_or_none(self, writes: Sequence[Operation]) -> bool:
        try:
            if len(writes) == 1:
                self._table.write(writes[0])
            else:
                self._table.transact(writes)
        except ConditionFailedError:
            return False
        return True


def _move(chunk: Chunk, states: Sequence[ChunkState], **changes: Any) -> Update:
    """A change of a chunk, if it still is as it was read: claimed and sent by nobody else."""
    values: dict[str, Any] = {f":state{i}": state.value for i, state in enumerate(states)}
    sent = "attribute_not_exists(sending_at)"
    if chunk.sending_at is not None:
        sent = "sending_at = :sending_at"
        values[":sending_at"] = chunk.sending_at
    condition = f"#state IN ({', '.join(values.keys() - {':sending_at'})})"
    return Update(
        keys.run(chunk.run_id),
        keys.chunk(chunk.number),
        assign=changes,
        condition=f"{condition} AND claimed_at = :claimed_at AND {sent}",
        names={"#state": "state"},
        values={**values, ":claimed_at": chunk.claimed_at},
    )


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


def _submitted(chunk: Chunk, job_id: str, now: float) -> Update:
    return _move(
        chunk,
        (ChunkState.CLAIMED,),
        state=ChunkState.SUBMITTED.value,
        job_id=job_id,
        submitted_at=now,
    )


def _part(run: Run, number: int, part: RetryChunk) -> Chunk:
    return Chunk(
        run_id=run.run_id,
        number=number,
        lane=0,
        state=ChunkState.PLANNED,
        spans=part.spans,
        attempt=part.attempt,
        maybe_applied=part.maybe_applied,
        not_before=part.not_before,
        last=part.last,
        earlier=part.earlier,
        expires_at=run.expires_at,
    )


def _settled(tally: ChunkOutcome, now: float, state: ChunkState = ChunkState.SETTLED) -> Update:
    return _move(
        tally.chunk,
        (ChunkState.FINISHED,),
        state=state.value,
        settled_at=now,
        counts={status.value: n for status, n in tally.counts.items() if n},
    )


def _counted(chunk_outcomes: Sequence[ChunkOutcome]) -> dict[str, float]:
    """What settling these chunks adds to their run."""
    added: Counter[str] = Counter()
    for tally in chunk_outcomes:
        added.update({f"n_{status.value}": n for status, n in tally.counts.items()})
        added.update({f"{keys.FAILED}{kind}": n for kind, n in tally.failures.items()})
        added["jobs_settled"] += tally.chunk.job_id is not None
    return {name: n for name, n in added.items() if n}


def _added_to_run(run_id: str, added: Mapping[str, float]) -> Update:
    """Add to the counters of a run that is there."""
    return Update(keys.run(run_id), keys.META, add=added, condition="attribute_exists(pk)")


def _unclaimed(run_id: str, plan: PlannedChunk) -> Chunk:
    return Chunk(run_id, plan.number, 0, ChunkState.PLANNED, plan.spans)


def _claimed(chunk: Chunk, before: Chunk | None) -> Put:
    """The chunk as it is claimed, if it still is as it was read, or not there if it was not.

    One that was claimed and given back in between looks the same from the pool, but its pointer
    is gone, with the one that was written for this claim.
    """
    if before is None:
        return Put(_item(chunk), condition="attribute_not_exists(pk)")
    return Put(
        _item(chunk),
        condition="#state = :planned AND claimed_at = :claimed_at",
        names={"#state": "state"},
        values={":planned": ChunkState.PLANNED.value, ":claimed_at": before.claimed_at},
    )


def _pool_update(run_id: str, pool: Pool, claimed: Sequence[int]) -> Update:
    """Take these chunks out of the pool: the next ones by moving the cursor, others by name."""
    conditions = ["#cursor = :cursor"]
    values: dict[str, Any] = {":cursor": pool.cursor}
    take: dict[str, set[int]] = {}
    for name, offered in (("returned", pool.released), ("again", pool.again)):
        taken = sorted(offered.intersection(claimed))
        if taken:
            take[name] = set(taken)
        for i, number in enumerate(taken):
            conditions.append(f"contains({name}, :{name}{i})")
            values[f":{name}{i}"] = number
    fresh = len(claimed) - sum(map(len, take.values()))
    return Update(
        keys.run(run_id),
        keys.POOL,
        assign={"cursor": pool.cursor + fresh},
        take=take,
        condition=" AND ".join(conditions),
        names={"#cursor": "cursor"},
        values=values,
    )


def _release(connection: str, slots: int) -> Update:
    return Update(keys.connection(connection), keys.LIMITS, add={"in_flight": -slots})


def _job_end_update(chunk: Chunk, job_end: JobEnd, now: float) -> Operation:
    change: dict[str, Any] = {"state": ChunkState.FINISHED.value, "finished_at": now}
    if job_end.ended_at is not None:
        change["ended_at"] = job_end.ended_at
    if job_end.twice is not None:
        change["twice"] = job_end.twice
    if job_end.evidence is not None:
        change["evidence"] = job_end.evidence
    if job_end.bisect:
        change["halve"] = True
    if job_end.verdict is not None:
        status, code, text = job_end.verdict
        change["verdict"] = [status.value, code, text]
    # A chunk is ended in the state in which it was read: what is submitted is no longer skipped.
    return _move(chunk, (chunk.state,), **change)


def _pointer(connection: str, chunk: Chunk) -> Item:
    return {
        "pk": keys.connection(connection),
        "sk": keys.job(chunk.run_id, chunk.lane, chunk.number),
        "run_id": chunk.run_id,
        "lane": chunk.lane,
        "chunk": chunk.number,
    }


def _item(chunk: Chunk) -> Item:
    item: Item = {
        "pk": keys.run(chunk.run_id),
        "sk": keys.chunk(chunk.number),
        "run_id": chunk.run_id,
        "chunk": chunk.number,
        "lane": chunk.lane,
        "state": chunk.state.value,
        "spans": json.dumps(chunk.spans, separators=(",", ":")),
        "attempt": chunk.attempt,
        "claimed_at": chunk.claimed_at,
        "in_doubt": chunk.maybe_applied,
        "holds_slot": chunk.holds_slot,
        "expires_at": chunk.expires_at,
    }
    if chunk.not_before:
        item["not_before"] = chunk.not_before
    if chunk.last is not None:
        item["last"] = list(chunk.last)
    if chunk.lost_times:
        item["lost_times"] = chunk.lost_times
    if chunk.sendings:
        item["sendings"] = chunk.sendings
    if chunk.earlier:
        item["earlier"] = _attempts_text(chunk.earlier)
    return item


def _attempts_text(attempts: Sequence[Attempt]) -> str:
    return json.dumps(attempts, separators=(",", ":"))


def _attempts(text: str) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(token, sent_at, lost_at, tuple(Span(*span) for span in spans))
        for token, sent_at, lost_at, spans in json.loads(text)
    )


def _chunk(item: Item) -> Chunk:
    verdict = item.get("verdict")
    return Chunk(
        run_id=item["run_id"],
        number=item["chunk"],
        lane=item.get("lane", 0),
        state=ChunkState(item["state"]),
        spans=tuple(Span(*span) for span in json.loads(item["spans"])),
        attempt=item["attempt"],
        token=item.get("token", ""),
        claimed_at=item["claimed_at"],
        sending_at=item.get("sending_at"),
        lost_at=item.get("lost_at"),
        unseen_at=item.get("unseen_at"),
        readable_at=item.get("readable_at"),
        searched_at=item.get("searched_at"),
        submitted_at=item.get("submitted_at"),
        finished_at=item.get("finished_at"),
        ended_at=item.get("ended_at"),
        settled_at=item.get("settled_at"),
        job_id=item.get("job_id"),
        evidence=item.get("evidence"),
        verdict=Verdict(OutcomeStatus(verdict[0]), verdict[1], verdict[2]) if verdict else None,
        maybe_applied=item.get("in_doubt", False),
        bisect=item.get("halve", False),
        not_before=item.get("not_before", 0.0),
        last=(item["last"][0], item["last"][1]) if "last" in item else None,
        lost_times=item.get("lost_times", 0),
        sendings=item["sendings"] if "sendings" in item else item["attempt"],
        earlier=_attempts(item["earlier"]) if "earlier" in item else (),
        twice=item.get("twice"),
        settled_rows=sum(item["counts"].values()) if "counts" in item else None,
        holds_slot=item.get("holds_slot", True),
        expires_at=item.get("expires_at", 0),
        end_asked=item.get("end_asked", False),
        priority_asked=item.get("priority_asked"),
    )
