"""Chunks and slots: claimed from a shared pool, sent once, finished, settled.

A slot of the connection is taken in the transaction that claims a chunk and given back in the
transaction that finishes it (or returns it to the pool). So the number of slots in flight is
always the number of claimed and submitted chunks: a crash cannot leak one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobferry.ledger import keys
from jobferry.ledger.runs import PlannedChunk, Run
from jobferry.ledger.table import (
    TRANSACTION_ITEMS,
    ConditionFailedError,
    Delete,
    Item,
    Operation,
    Put,
    Table,
    Update,
)
from jobferry.model import ChunkState, OutcomeStatus, Span

CLAIM_BATCH = (TRANSACTION_ITEMS - 2) // 2
"""Chunks claimed in one transaction: each takes two items, pool and limits one each."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows carried as one vendor job.

    attempt      how often its rows have been sent, this time included
    token        goes with the submission, to find the job again
    sending_at   when the request left; absent: nothing was ever sent
    lost_at      when it was clear that no clear answer would come
    evidence     archive key of the vendor's raw answer that ended the job
    verdict      (status, code, text) for all rows, when no results decide them one by one
    in_doubt     an earlier attempt may have been carried out (and may be repeated)
    holds_slot   a slot of the connection is taken for it
    """

    run_id: str
    number: int
    lane: int
    state: ChunkState
    spans: tuple[Span, ...]
    attempt: int = 0
    token: str = ""
    claimed_at: float = 0.0
    sending_at: float | None = None
    lost_at: float | None = None
    submitted_at: float | None = None
    finished_at: float | None = None
    settled_at: float | None = None
    job_id: str | None = None
    evidence: str | None = None
    verdict: tuple[OutcomeStatus, str, str] | None = None
    in_doubt: bool = False
    holds_slot: bool = True
    expires_at: int = 0

    @property
    def rows(self) -> int:
        return sum(span.rows for span in self.spans)

    def row_numbers(self) -> list[int]:
        """The numbers of its rows, in the order sent."""
        return [span.first_row + i for span in self.spans for i in range(span.rows)]


@dataclass(frozen=True, slots=True)
class Pool:
    """What is left to claim: numbers from `cursor` to `end` (not included), and `returned` ones."""

    cursor: int
    end: int
    returned: frozenset[int]

    @property
    def left(self) -> int:
        return self.end - self.cursor + len(self.returned)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: with evidence to read, or with one verdict for all its rows."""

    number: int
    evidence: str | None = None
    verdict: tuple[OutcomeStatus, str, str] | None = None


class Chunks:
    """Chunks of runs, their pool, and the pointers `CONN#…/JOB#…` to those in flight."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open_pool(self, run: Run) -> None:
        """Offer all chunks of a planned run. Repeating it changes nothing."""
        end = run.plan.chunks + 1
        self._table.write(
            Update(
                keys.run(run.run_id),
                keys.POOL,
                assign_once={"cursor": 1, "end": end, "expires_at": run.expires_at},
            )
        )

    def pool(self, run_id: str) -> Pool:
        item = self._table.get(keys.run(run_id), keys.POOL)
        if item is None:
            return Pool(1, 1, frozenset())
        return Pool(item["cursor"], item["end"], frozenset(item.get("returned", ())))

    def get(self, run_id: str, numbers: Sequence[int]) -> list[Chunk]:
        """These chunks in order of number; those never claimed are missing."""
        items = self._table.get_many([(keys.run(run_id), keys.chunk(n)) for n in numbers])
        return sorted((_chunk(item) for item in items), key=lambda chunk: chunk.number)

    def all(self, run_id: str) -> Iterator[Chunk]:
        for item in self._table.query(keys.run(run_id), prefix="CHUNK#"):
            yield _chunk(item)

    def in_flight(self, connection: str, run_id: str, lane: int | None = None) -> list[Chunk]:
        """Chunks of a run (of one lane of it) that are claimed and not settled."""
        prefix = keys.jobs_of_run(run_id) if lane is None else keys.jobs_of_lane(run_id, lane)
        pointers = self._table.query(keys.connection(connection), prefix=prefix)
        return self.get(run_id, [pointer["chunk"] for pointer in pointers])

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
        """Claim chunks of `pool`, all or none: pool, slots, chunks and pointers in one transaction.

        Args:
            planned: at most `CLAIM_BATCH`: returned ones, or the next ones from the cursor.
            max_jobs: take a slot for each and never exceed this many in flight; None: take no
                slots, for chunks that will never be sent.

        Returns:
            The claimed chunks; None when another lane was faster or the slots ran out.
        """
        again = {c.number for c in planned if c.number < pool.cursor}
        before = {c.number: c for c in self.get(run.run_id, sorted(again))}
        claimed = [
            Chunk(
                run_id=run.run_id,
                number=plan.number,
                lane=lane,
                state=ChunkState.CLAIMED,
                spans=plan.spans,
                attempt=before[plan.number].attempt if plan.number in before else 0,
                in_doubt=plan.number in before and before[plan.number].in_doubt,
                claimed_at=now,
                holds_slot=max_jobs is not None,
                expires_at=run.expires_at,
            )
            for plan in planned
        ]
        writes: list[Operation] = [_pool_update(run.run_id, pool, len(planned) - len(again), again)]
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
        for chunk in claimed:
            writes.append(
                Put(
                    _item(chunk),
                    condition="attribute_not_exists(pk) OR #state = :planned",
                    names={"#state": "state"},
                    values={":planned": ChunkState.PLANNED.value},
                )
            )
            writes.append(Put(_pointer(run.connection, chunk)))
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
        sent = replace(chunk, attempt=chunk.attempt + 1, token=token, sending_at=now)
        moved = self._all_or_none(
            [
                _move(
                    chunk,
                    (ChunkState.CLAIMED,),
                    sending_at=now,
                    token=token,
                    digest=digest,
                    attempt=sent.attempt,
                )
            ]
        )
        return sent if moved else None

    def note_submitted(self, chunk: Chunk, job_id: str, now: float) -> bool:
        """The vendor accepted the chunk as this job."""
        return self._all_or_none([_submitted(chunk, job_id, now)])

    def adopt(self, connection: str, chunk: Chunk, job_id: str, now: float) -> bool:
        """The lost submission of a chunk turned out to be this job, which no other chunk has.

        Two searches that run at once may find the same job; only one chunk can have it.
        """
        mark = {
            "pk": keys.connection(connection),
            "sk": keys.adopted(job_id),
            "run_id": chunk.run_id,
            "chunk": chunk.number,
            "expires_at": chunk.expires_at,
        }
        return self._all_or_none(
            [
                _submitted(chunk, job_id, now),
                Put(mark, condition="attribute_not_exists(pk)"),
            ]
        )

    def note_lost(self, chunk: Chunk, now: float) -> bool:
        """The request is over and its answer was not clear: the vendor must be asked."""
        return self._all_or_none([_move(chunk, (ChunkState.CLAIMED,), lost_at=now)])

    def give_back(
        self, connection: str, chunk: Chunk, *, attempt: int | None = None, in_doubt: bool = False
    ) -> bool:
        """Return a chunk to the pool, with its slot: nothing was done, or it may be repeated.

        Args:
            attempt: the attempts to remember, where the last one did not count.
            in_doubt: the last one may have been carried out.
        """
        move = _move(
            chunk,
            (ChunkState.CLAIMED,),
            state=ChunkState.PLANNED.value,
            attempt=chunk.attempt if attempt is None else attempt,
            in_doubt=chunk.in_doubt or in_doubt,
        )
        writes: list[Operation] = [
            replace(move, remove=("sending_at", "lost_at", "token", "digest", "lane")),
            Delete(keys.connection(connection), keys.job(chunk.run_id, chunk.lane, chunk.number)),
            Update(keys.run(chunk.run_id), keys.POOL, add={"returned": {chunk.number}}),
        ]
        if chunk.holds_slot:
            writes.append(_release(connection, 1))
        return self._all_or_none(writes)

    def finish(
        self, connection: str, chunks: Sequence[Chunk], endings: Sequence[Ending], now: float
    ) -> list[int]:
        """Their jobs have ended: note how, and free their slots.

        Returns:
            The numbers that this call finished; those that were finished before are missing.
        """
        by_number = {chunk.number: chunk for chunk in chunks}
        done: list[int] = []
        step = TRANSACTION_ITEMS - 1
        for start in range(0, len(endings), step):
            batch = list(endings[start : start + step])
            while batch:
                holders = sum(by_number[e.number].holds_slot for e in batch)
                writes = [_ending_update(by_number[e.number], e, now) for e in batch]
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
        chunk: Chunk,
        counts: Mapping[OutcomeStatus, int],
        now: float,
        *,
        was_job: bool,
    ) -> bool:
        """Count the outcomes of a finished chunk, once.

        Args:
            was_job: the chunk was carried by a vendor job, which counts as finished.

        Returns:
            False when it was settled before; then nothing was counted.
        """
        added: dict[str, float | set[int]] = {
            f"n_{status.value}": n for status, n in counts.items() if n
        }
        if was_job:
            added["jobs_settled"] = 1
        writes: list[Operation] = [
            _move(
                chunk,
                (ChunkState.FINISHED,),
                state=ChunkState.SETTLED.value,
                settled_at=now,
                counts={status.value: n for status, n in counts.items() if n},
            ),
            Update(keys.run(chunk.run_id), keys.META, add=added),
            Delete(keys.connection(connection), keys.job(chunk.run_id, chunk.lane, chunk.number)),
        ]
        return self._all_or_none(writes)

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


def _submitted(chunk: Chunk, job_id: str, now: float) -> Update:
    return _move(
        chunk,
        (ChunkState.CLAIMED,),
        state=ChunkState.SUBMITTED.value,
        job_id=job_id,
        submitted_at=now,
    )


def _pool_update(run_id: str, pool: Pool, fresh: int, again: set[int]) -> Update:
    """Move the cursor over `fresh` chunks and take `again` out of the returned ones."""
    conditions = ["#cursor = :cursor"]
    values: dict[str, Any] = {":cursor": pool.cursor}
    for i, number in enumerate(sorted(again)):
        conditions.append(f"contains(returned, :again{i})")
        values[f":again{i}"] = number
    return Update(
        keys.run(run_id),
        keys.POOL,
        assign={"cursor": pool.cursor + fresh},
        take={"returned": again} if again else {},
        condition=" AND ".join(conditions),
        names={"#cursor": "cursor"},
        values=values,
    )


def _release(connection: str, slots: int) -> Update:
    return Update(keys.connection(connection), keys.LIMITS, add={"in_flight": -slots})


def _ending_update(chunk: Chunk, ending: Ending, now: float) -> Operation:
    change: dict[str, Any] = {"state": ChunkState.FINISHED.value, "finished_at": now}
    if ending.evidence is not None:
        change["evidence"] = ending.evidence
    if ending.verdict is not None:
        status, code, text = ending.verdict
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
    return {
        "pk": keys.run(chunk.run_id),
        "sk": keys.chunk(chunk.number),
        "run_id": chunk.run_id,
        "chunk": chunk.number,
        "lane": chunk.lane,
        "state": chunk.state.value,
        "spans": json.dumps(chunk.spans, separators=(",", ":")),
        "attempt": chunk.attempt,
        "claimed_at": chunk.claimed_at,
        "in_doubt": chunk.in_doubt,
        "holds_slot": chunk.holds_slot,
        "expires_at": chunk.expires_at,
    }


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
        submitted_at=item.get("submitted_at"),
        finished_at=item.get("finished_at"),
        settled_at=item.get("settled_at"),
        job_id=item.get("job_id"),
        evidence=item.get("evidence"),
        verdict=(OutcomeStatus(verdict[0]), verdict[1], verdict[2]) if verdict else None,
        in_doubt=item.get("in_doubt", False),
        holds_slot=item.get("holds_slot", True),
        expires_at=item.get("expires_at", 0),
    )
