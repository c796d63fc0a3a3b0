"""What is in flight on a connection, by the claims of its lanes.

A claim is made in the transaction that takes its chunks out of the pool, and removed when none of
them is in flight any more (`Held.spent`), or when its run is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from jobferry.domain.chunk import Chunk
from jobferry.store import keys
from jobferry.store.chunk_writes import ChunkAccess
from jobferry.store.claims import Claim, claim_of
from jobferry.store.operations import Update
from jobferry.store.table import ConditionFailedError

SPENT_CHUNKS = 10
"""Chunks of a claim that are in flight no more, and more than are: then it is made smaller. Whoever
takes up a lane reads every chunk of its claims."""


class Pointers(ChunkAccess):
    """Access to `CONN#<name>`, `JOB#<run>#<lane>#<claim>`."""

    def claims(self, connection: str, prefix: str = keys.JOBS) -> Iterator[Claim]:
        """The claims of a connection, or those whose keys begin so."""
        for item in self._table.query(keys.connection(connection), prefix=prefix):
            yield claim_of(item)

    def runs_in_flight(self, connection: str) -> list[str]:
        """Runs that have claimed something on a connection, and not all of it is known settled."""
        return list(dict.fromkeys(claim.run_id for claim in self.claims(connection)))

    def forget(self, connection: str, chunks: Sequence[Chunk]) -> None:
        """Remove the pointers, of a version before, to chunks that are in flight no more."""
        self._table.delete_many(
            (keys.connection(connection), keys.job(chunk.run_id, chunk.lane, chunk.number))
            for chunk in chunks
            if not chunk.claim
        )

    def forget_spent(self, spent: Sequence[tuple[Claim, frozenset[int]]]) -> None:
        """Remove claims of which nothing is in flight; make those smaller that hold little else.

        Args:
            spent: claims, each with its chunks that are in flight no more.
        """
        self._table.delete_many(claim.key for claim, over in spent if over == claim.numbers)
        for claim, over in spent:
            if SPENT_CHUNKS <= len(over) < len(claim.numbers) < 2 * len(over):
                smaller = Update(
                    *claim.key, take={"numbers": set(over)}, condition="attribute_exists(pk)"
                )
                try:
                    self._table.write(smaller)
                except ConditionFailedError:
                    continue  # its run is closed

    def forget_claims(self, connection: str, run_id: str, lane: int, names: Iterable[str]) -> None:
        """Remove claims of a lane, by their names, of which nothing is in flight."""
        pk = keys.connection(connection)
        self._table.delete_many((pk, keys.claim(run_id, lane, name)) for name in names if name)

    def forget_all(self, connection: str, run_id: str) -> None:
        """Remove the claims that are left of a run of which nothing is in flight."""
        claims = list(self.claims(connection, keys.jobs_of_run(run_id)))
        self._table.delete_many(claim.key for claim in claims)
