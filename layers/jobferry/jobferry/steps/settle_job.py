"""Settle: one outcome per row of finished jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobferry.deps import Deps
from jobferry.settlement.outcomes import settle_chunks


def settle_job(run_id: str, numbers: Sequence[int], deps: Deps) -> dict[str, Any]:
    """Settle these chunks.

    Returns:
        How many were settled now, and how many rows that decided.

    Raises:
        SourceError: the file cannot be read now, and is needed for one of them. All others are
            settled; the step is repeated until that was borne for long enough.
    """
    began_at, units_before = deps.now(), deps.store.write_units()
    reads_before = deps.store.read_units()

    def used() -> dict[str, int]:
        return {
            "settle_calls": 1,
            "settle_gb_ms": round(1000 * (deps.now() - began_at) * deps.settings.memory_gb),
            "settle_units": deps.store.write_units() - units_before,
            "settle_reads": deps.store.read_units() - reads_before,
        }

    settled = settle_chunks(deps.store.runs.must_get(run_id), numbers, deps, used)
    deps.log(
        "jobs settled",
        run_id=run_id,
        chunks=len(settled.chunks),
        split=settled.split,
        rows=settled.rows,
    )
    if settled.unreadable is not None:
        raise settled.unreadable
    return {"chunks": len(settled.chunks) + settled.split, "rows": settled.rows}
