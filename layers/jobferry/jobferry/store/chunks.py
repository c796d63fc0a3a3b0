"""Chunks and slots: claimed from a shared pool, sent once, finished, settled.

`Chunks` is all that can be done with the chunks of runs, put together from the modules that do it.
Which move is allowed stands in `transitions`.
"""

from __future__ import annotations

from jobferry.store.chunk_moves import ChunkMoves
from jobferry.store.chunk_settling import ChunkSettling
from jobferry.store.job_owners import JobOwners
from jobferry.store.pool import Pools


class Chunks(ChunkMoves, ChunkSettling, JobOwners, Pools):
    """Chunks of runs, their pool, and the pointers `CONN#…/JOB#…` to those in flight."""
