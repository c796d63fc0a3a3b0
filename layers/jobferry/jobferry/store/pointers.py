"""Pointers to what is in flight on a connection.

A pointer is written just before its chunk is claimed, and removed just after it is settled. One
without a chunk, or to a chunk of another lane, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobferry.domain.chunk import Chunk
from jobferry.store import keys
from jobferry.store.chunk_writes import ChunkAccess
from jobferry.store.operations import Delete, Item


class Pointers(ChunkAccess):
    """Access to `CONN#<name>`, `JOB#<run>#<lane>#<chunk>`."""

    def pointers(self, connection: str) -> Iterator[tuple[str, int, int]]:
        """(run, lane, chunk) of everything in flight on a connection."""
        for item in self._table.query(keys.connection(connection), prefix="JOB#"):
            yield item["run_id"], item["lane"], item["chunk"]

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


def pointer_to(connection: str, chunk: Chunk) -> Item:
    return {
        "pk": keys.connection(connection),
        "sk": keys.job(chunk.run_id, chunk.lane, chunk.number),
        "run_id": chunk.run_id,
        "lane": chunk.lane,
        "chunk": chunk.number,
    }
