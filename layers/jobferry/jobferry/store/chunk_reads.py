"""Chunks as they stand: by number, of a run, in flight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobferry.domain.chunk import Chunk
from jobferry.store import keys
from jobferry.store.chunk_items import chunk_of
from jobferry.store.pointers import Pointers
from jobferry.store.transitions import ChunkEvent, allows


class ChunkReads(Pointers):
    """Access to `RUN#<run>`, `CHUNK#<n>`, for those who read."""

    def get(self, run_id: str, numbers: Sequence[int]) -> list[Chunk]:
        """These chunks in order of number; those never claimed are missing."""
        items = self._table.get_many([(keys.run(run_id), keys.chunk(n)) for n in numbers])
        return sorted((chunk_of(item) for item in items), key=lambda chunk: chunk.number)

    def all(self, run_id: str, first: int = 1) -> Iterator[Chunk]:
        """Chunks from number `first` that were claimed once, or made of retried rows."""
        since, until = keys.chunk(first), keys.chunk(keys.LAST_CHUNK)
        for item in self._table.query(keys.run(run_id), since=since, until=until):
            yield chunk_of(item)

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

    def holders(self, connection: str) -> int:
        """Chunks in flight on a connection that hold a slot, by their pointers."""
        found: dict[str, set[tuple[int, int]]] = {}
        for run_id, lane, number in self.pointers(connection):
            found.setdefault(run_id, set()).add((number, lane))
        return sum(
            chunk.holds_slot
            and allows(ChunkEvent.FINISH, chunk.state)
            and (chunk.number, chunk.lane) in pointed
            for run_id, pointed in found.items()
            for chunk in self.get(run_id, sorted({number for number, _ in pointed}))
        )
