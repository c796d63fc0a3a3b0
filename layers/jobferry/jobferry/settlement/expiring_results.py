"""Jobs whose results nobody has read for so long that the vendor may soon forget them."""

from __future__ import annotations

from jobferry.deps import Deps
from jobferry.domain.chunk import ChunkState

RISKY_PART = 1 / 2
"""Part of the time for which a vendor keeps results (`Capabilities.retention_seconds`) after which
a job counts as at risk. Lanes give a job up at this age, so none gets there while they work."""


def results_at_risk(connection: str, deps: Deps) -> int:
    """How many jobs of a connection, of whatever run, are older and have not been read."""
    config, chunks = deps.store.config.connection(connection), deps.store.chunks
    if config is None:
        return 0
    retention = deps.vendors.named(config.vendor).capabilities.retention_seconds
    latest = deps.now() - RISKY_PART * retention
    return sum(
        chunk.state is ChunkState.SUBMITTED
        and chunk.submitted_at is not None
        and chunk.submitted_at < latest
        for run_id in chunks.runs_in_flight(connection)
        for chunk in chunks.in_flight(connection, run_id)
    )
