"""A claim: up to fifty chunks of a lane, known by one item instead of one each.

A chunk of a claim without an item of its own is claimed and was never sent. What is put back into
the pool leaves its claim in the same transaction; what is settled may stay in it, as its own item
says so, until nothing of the claim is in flight and the claim is removed.

Versions before wrote a pointer for each chunk. It is read as a claim of one chunk, without a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobferry.domain.chunk import Chunk, ChunkState, PlannedChunk, token_of
from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.operations import Delete, Item, Operation, Put, Update


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it was read.

    Attributes:
        key: (pk, sk) of its item
        name: tells it from the others of its lane; empty: a pointer of a version before
        numbers: its chunks that were not put back
        kept_until: when items of its chunks expire (epoch seconds)
        sending_at: from when on those without an item may have been sent; None: not without one
    """

    key: tuple[str, str]
    run_id: str
    lane: int
    name: str
    numbers: frozenset[int]
    claimed_at: float = 0.0
    holds_slot: bool = True
    kept_until: int = 0
    sending_at: float | None = None

    def has(self, chunk: Chunk) -> bool:
        """Whether a chunk that was read is in flight by this claim, not by another one."""
        return chunk.in_flight and chunk.lane == self.lane and chunk.claim == self.name

    def unwritten(self, plan: PlannedChunk) -> Chunk:
        """A chunk of it that has no item: claimed, and not sent, or nobody knows."""
        chunk = Chunk(
            run_id=self.run_id,
            number=plan.number,
            lane=self.lane,
            state=ChunkState.CLAIMED,
            spans=plan.spans,
            claimed_at=self.claimed_at,
            holds_slot=self.holds_slot,
            claim=self.name,
            unwritten=True,
            expires_at=self.kept_until,
        )
        return chunk if self.sending_at is None else as_sent(chunk, self.sending_at)


def as_sent(chunk: Chunk, now: float) -> Chunk:
    """A chunk whose claim is its intent, too: its token is known beforehand."""
    token = token_of(chunk.run_id, chunk.number, 1)
    return replace(chunk, attempt=1, sendings=1, token=token, sending_at=now)


def claim_put(run: Run, chunks: Sequence[Chunk], *, sending: bool) -> Put:
    """The claim of chunks that are claimed together, maybe in order to be sent at once."""
    first = chunks[0]
    item: Item = {
        "pk": keys.connection(run.connection),
        "sk": keys.claim(first.run_id, first.lane, first.claim),
        "run_id": first.run_id,
        "lane": first.lane,
        # A version before takes it for a pointer to a chunk that is not there, and passes it over.
        "chunk": min(chunk.number for chunk in chunks),
        "claim": first.claim,
        "numbers": {chunk.number for chunk in chunks},
        "claimed_at": first.claimed_at,
        "holds_slot": first.holds_slot,
        # Not `expires_at`: a claim is removed, and does not expire while its run is open.
        "kept_until": first.expires_at,
    }
    if sending:
        item["sending_at"] = first.claimed_at
    return Put(item, condition="attribute_not_exists(pk)")


def claim_of(item: Item) -> Claim:
    """A claim, or a pointer, as it was read."""
    key = (item["pk"], item["sk"])
    if "claim" not in item:
        return Claim(key, item["run_id"], item["lane"], "", frozenset({item["chunk"]}))
    return Claim(
        key,
        item["run_id"],
        item["lane"],
        item["claim"],
        frozenset(item.get("numbers", ())),
        item["claimed_at"],
        item["holds_slot"],
        item["kept_until"],
        item.get("sending_at"),
    )


def not_sending(connection: str, chunk: Chunk) -> Update:
    """The claim of a chunk without an item: what has none is not being sent, or not by it."""
    return Update(
        keys.connection(connection),
        keys.claim(chunk.run_id, chunk.lane, chunk.claim),
        remove=("sending_at",),
        condition="sending_at = :sending_at",
        values={":sending_at": chunk.sending_at},
    )


def taken_out(connection: str, chunk: Chunk) -> Operation:
    """The chunk leaves its claim, together with what becomes of it."""
    pk = keys.connection(connection)
    if not chunk.claim:
        return Delete(pk, keys.job(chunk.run_id, chunk.lane, chunk.number))
    return Update(
        pk,
        keys.claim(chunk.run_id, chunk.lane, chunk.claim),
        take={"numbers": {chunk.number}},
        condition="contains(numbers, :number)",
        values={":number": chunk.number},
    )
