"""The pool of a run: which chunks may be claimed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobferry.domain.chunk import Pool
from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.chunk_writes import ChunkAccess
from jobferry.store.operations import Update


class Pools(ChunkAccess):
    """Access to `RUN#<run>`, `POOL`."""

    def open_pool(self, run: Run) -> None:
        """Offer the chunks of a planned run: those of its trial, if it has one, or all.

        Repeating it changes nothing.
        """
        end = (run.plan.trial_chunks or run.plan.chunks) + 1
        self._table.write(
            Update(
                keys.run(run.run_id),
                keys.POOL,
                # The pool of an open run does not expire; `Runs.close` gives it its end.
                assign_once={"cursor": 1, "end": end},
            )
        )

    def offer_rest(self, run: Run) -> None:
        """Offer the chunks after the trial, too. Repeating it changes nothing."""
        self._all_or_none(
            [
                Update(
                    keys.run(run.run_id),
                    keys.POOL,
                    assign={"end": run.plan.chunks + 1},
                    condition="attribute_exists(pk)",
                )
            ]
        )

    def pool(self, run_id: str) -> Pool:
        item = self._table.get(keys.run(run_id), keys.POOL)
        if item is None:
            return Pool(1, 1, frozenset())
        return Pool(
            item["cursor"],
            item["end"],
            frozenset(item.get("returned", ())),
            frozenset(item.get("again", ())),
            item.get("made", 0),
        )


def pool_update(run_id: str, pool: Pool, claimed: Sequence[int]) -> Update:
    """Take these chunks out of the pool: the next ones by moving the cursor, others by name."""
    conditions = ["#cursor = :cursor"]
    values: dict[str, Any] = {":cursor": pool.cursor}
    take: dict[str, set[int]] = {}
    for name, offered in (("returned", pool.released), ("again", pool.again)):
        taken = sorted(offered.intersection(claimed))
        if taken:
            take[name] = set(taken)
        for i, number in enumerate(taken):
            conditions.append(f"contains({name}, :{name}{i})")
            values[f":{name}{i}"] = number
    fresh = len(claimed) - sum(map(len, take.values()))
    return Update(
        keys.run(run_id),
        keys.POOL,
        assign={"cursor": pool.cursor + fresh},
        take=take,
        condition=" AND ".join(conditions),
        names={"#cursor": "cursor"},
        values=values,
    )


def pool_with_parts(run_id: str, pool: Pool, numbers: Sequence[int]) -> Update:
    """Offer new chunks of rows that are sent again, if no others were made since it was read."""
    return Update(
        keys.run(run_id),
        keys.POOL,
        assign={"made": pool.made + len(numbers)},
        add={"again": set(numbers)},
        condition="attribute_not_exists(made)" if not pool.made else "made = :made",
        values={":made": pool.made} if pool.made else {},
    )
