"""Which chunk a job belongs to: asked for by the job's id, whatever runs there have been."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from jobferry.domain.chunk import Chunk
from jobferry.store import keys
from jobferry.store.chunk_items import chunk_of
from jobferry.store.chunk_writes import ChunkAccess

MOST_ID_BYTES = 900
"""No id that is noted is longer; a sort key of the table takes 1,024 bytes."""


class JobOwner(NamedTuple):
    """Whose a job is.

    Attributes:
        run_id, number: the chunk that it was noted for
        chunk: the chunk as it stands now, perhaps with another job; None where it is gone
    """

    run_id: str
    number: int
    chunk: Chunk | None


class JobOwners(ChunkAccess):
    """Access to `CONN#<name>`, `ADOPTED#<job id>`, and to the chunks that they name."""

    def owners(self, connection: str, job_ids: Collection[str]) -> dict[str, JobOwner]:
        """Those of these jobs that belong to a chunk. Costs two reads for each id at the most."""
        usable = filter(_is_usable, dict.fromkeys(job_ids))
        mark = keys.job_of_chunk("")
        noted = {
            item["sk"].removeprefix(mark): (item["run_id"], item["chunk"])
            for item in self._table.get_many(
                [(keys.connection(connection), keys.job_of_chunk(each)) for each in usable]
            )
        }
        places = [(keys.run(run_id), keys.chunk(n)) for run_id, n in dict.fromkeys(noted.values())]
        chunks = [chunk_of(item) for item in self._table.get_many(places)]
        # What is left of a chunk of a deleted run holds no rows, and says nothing of its job.
        there = {(chunk.run_id, chunk.number): chunk for chunk in chunks if chunk.spans}
        return {job_id: JobOwner(*place, there.get(place)) for job_id, place in noted.items()}

    def latest(self, run_id: str, limit: int) -> Iterator[Chunk]:
        """So many chunks of a run, those with the highest numbers first."""
        since, until = keys.chunk(0), keys.chunk(keys.LAST_CHUNK)
        for item in self._table.query(
            keys.run(run_id), since=since, until=until, newest_first=True, limit=limit
        ):
            yield chunk_of(item)


def _is_usable(job_id: str) -> bool:
    """Whether an id may have been noted: others are none, and no key of the table."""
    return job_id.isprintable() and 0 < len(job_id.encode()) <= MOST_ID_BYTES
