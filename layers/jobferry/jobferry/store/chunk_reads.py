"""Chunks as they stand: by number, of a run, in flight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jobferry.domain.chunk import Chunk, PlannedChunk
from jobferry.store import keys
from jobferry.store.chunk_items import chunk_of
from jobferry.store.claims import Claim
from jobferry.store.plan_pages import decode_chunks, page_start
from jobferry.store.pointers import Pointers
from jobferry.store.transitions import ChunkEvent, allows


class Held(NamedTuple):
    """What a lane, or a whole run, has in flight.

    Attributes:
        chunks: claimed and not settled, in order of number
        spent: claims of which some chunks are in flight no more, with the numbers of these
    """

    chunks: list[Chunk]
    spent: list[tuple[Claim, frozenset[int]]]


class ChunkReads(Pointers):
    """Access to `RUN#<run>`, `CHUNK#<n>`, for those who read."""

    def get(self, run_id: str, numbers: Sequence[int]) -> list[Chunk]:
        """These chunks in order of number; those that have no item of their own are missing."""
        items = self._table.get_many([(keys.run(run_id), keys.chunk(n)) for n in numbers])
        return sorted((chunk_of(item) for item in items), key=lambda chunk: chunk.number)

    def all(self, run_id: str, first: int = 1) -> Iterator[Chunk]:
        """Chunks from number `first` that were sent once, put back, or made of retried rows."""
        since, until = keys.chunk(first), keys.chunk(keys.LAST_CHUNK)
        for item in self._table.query(keys.run(run_id), since=since, until=until):
            yield chunk_of(item)

    def in_flight(self, connection: str, run_id: str, lane: int | None = None) -> list[Chunk]:
        """Chunks of a run (of one lane of it) that are claimed and not settled."""
        return self.held(connection, run_id, lane).chunks

    def held(self, connection: str, run_id: str, lane: int | None = None) -> Held:
        """As `in_flight`, with what is left over of claims."""
        prefix = keys.jobs_of_run(run_id) if lane is None else keys.jobs_of_lane(run_id, lane)
        claims = list(self.claims(connection, prefix))
        # After the claims: who writes the first item of a chunk, or takes it out of its claim,
        # does so before it moves on.
        written = self._written(run_id, claims)
        plan = self._planned(
            run_id, {n for claim in claims if claim.name for n in claim.numbers - written.keys()}
        )
        chunks: dict[int, Chunk] = {}
        spent = []
        for claim in claims:
            held = {n: written[n] for n in claim.numbers & written.keys() if claim.has(written[n])}
            if claim.name:
                held |= {n: claim.unwritten(plan[n]) for n in claim.numbers & plan.keys()}
            chunks |= held
            over = (claim.numbers & written.keys()) - held.keys()
            if over or not claim.numbers:
                spent.append((claim, over))
        return Held([chunks[n] for n in sorted(chunks)], spent)

    def holders(self, connection: str) -> int:
        """Chunks in flight on a connection that hold a slot, by their claims."""
        claims: dict[str, list[Claim]] = {}
        for claim in self.claims(connection):
            claims.setdefault(claim.run_id, []).append(claim)
        return sum(
            _holds_slot(claim, written.get(number))
            for run_id, of_run in claims.items()
            for written in (self._written(run_id, of_run),)
            for claim in of_run
            for number in claim.numbers
        )

    def _written(self, run_id: str, claims: Sequence[Claim]) -> dict[int, Chunk]:
        """The chunks of claims that have an item of their own, by number."""
        numbers = sorted({number for claim in claims for number in claim.numbers})
        return {chunk.number: chunk for chunk in self.get(run_id, numbers)}

    def _planned(self, run_id: str, numbers: set[int]) -> Mapping[int, PlannedChunk]:
        """These chunks as planned; each page that has some of them is read once."""
        found: dict[int, PlannedChunk] = {}
        for start in sorted({page_start(number) for number in numbers}):
            last = max(number for number in numbers if page_start(number) == start)
            pages = self._table.query(
                keys.run(run_id), since=keys.page(start), until=keys.page(last)
            )
            for page in pages:
                found |= {c.number: c for c in decode_chunks(page["chunks"]) if c.number in numbers}
        return found


def _holds_slot(claim: Claim, chunk: Chunk | None) -> bool:
    if chunk is None:
        return bool(claim.name) and claim.holds_slot
    return claim.has(chunk) and chunk.holds_slot and allows(ChunkEvent.FINISH, chunk.state)
