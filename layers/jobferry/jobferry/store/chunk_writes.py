"""What all that write chunks share: one move, as `transitions` has it, and all or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jobferry.domain.chunk import Chunk, JobEnd
from jobferry.store import keys
from jobferry.store.chunk_items import item_of
from jobferry.store.operations import Operation, Put, Update
from jobferry.store.table import ConditionFailedError, Table
from jobferry.store.transitions import TRANSITIONS, ChunkEvent, check


class ChunkAccess:
    """Access to the table for those who change chunks, their pool and their claims."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def _all_or_none(self, writes: Sequence[Operation]) -> bool:
        try:
            if len(writes) == 1:
                self._table.write(writes[0])
            else:
                self._table.transact(writes)
        except ConditionFailedError:
            return False
        return True


def change(
    event: ChunkEvent, chunk: Chunk, *, remove: Sequence[str] = (), **changes: Any
) -> Operation:
    """A change of a chunk, as `move`; of one without an item of its own, its first write.

    Raises:
        ForbiddenMoveError: the table of transitions has no such move.
    """
    if not chunk.unwritten:
        return move(event, chunk, remove=remove, **changes)
    item = item_of(replace(chunk, state=check(event, chunk.state).after))
    if chunk.sending_at is not None:
        item |= {"sending_at": chunk.sending_at, "token": chunk.token}
    item |= changes
    kept = {name: value for name, value in item.items() if name not in remove}
    return Put(kept, condition="attribute_not_exists(pk)")


def move(event: ChunkEvent, chunk: Chunk, *, remove: Sequence[str] = (), **changes: Any) -> Update:
    """A change of a chunk, if it still is as it was read: in its state, sent by nobody else.

    Args:
        chunk: as it was read.
        remove: attributes to remove.
        changes: attributes to set beside the state.

    Raises:
        ForbiddenMoveError: the table of transitions has no such move.
    """
    transition = check(event, chunk.state)
    if transition.after is not chunk.state:
        changes = {"state": transition.after.value, **changes}
    values: dict[str, Any] = {":state": chunk.state.value, ":claimed_at": chunk.claimed_at}
    sent = "attribute_not_exists(sending_at)"
    if chunk.sending_at is not None:
        sent = "sending_at = :sending_at"
        values[":sending_at"] = chunk.sending_at
    return Update(
        keys.run(chunk.run_id),
        keys.chunk(chunk.number),
        assign=changes,
        remove=remove,
        condition=f"#state = :state AND claimed_at = :claimed_at AND {sent}",
        names={"#state": "state"},
        values=values,
    )


def slots(event: ChunkEvent, connection: str, chunks: int) -> Update:
    """Take or free the slots of so many chunks that hold one, as the event does.

    A slot whose job has ended was taken all the same; one that is given back unused was not.
    """
    added = TRANSITIONS[event].slots * chunks
    change = {"in_flight": added}
    if event in (ChunkEvent.CLAIM, ChunkEvent.RELEASE):
        change["taken"] = added
    return Update(keys.connection(connection), keys.LIMITS, add=change)


def job_end_changes(job_end: JobEnd, now: float) -> dict[str, Any]:
    """The attributes that say how a job ended."""
    change: dict[str, Any] = {"finished_at": now}
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
    return change


def slots_taken(connection: str, chunks: int, max_jobs: int) -> Update:
    """Take a slot for each of so many chunks, if no more than `max_jobs` are taken then."""
    return replace(
        slots(ChunkEvent.CLAIM, connection, chunks),
        condition="in_flight <= :room",
        values={":room": max_jobs - chunks},
    )
