"""What each lane of a run used, and until when it is alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields

from jobferry.domain.run import Figures, Run
from jobferry.store import keys
from jobferry.store.operations import Update
from jobferry.store.run_access import RunAccess

COUNTED = tuple(f.name for f in fields(Figures))


class LaneCounters(RunAccess):
    """Access to `RUN#<run>`, `LANE#<n>`."""

    def count(
        self, run: Run, lane: int, counts: Mapping[str, int], *, alive_until: float = 0.0
    ) -> None:
        """Add to the figures of one lane; lanes have items of their own so that none waits.

        Args:
            heard_until: epoch seconds by which the lane counts again, if it lives; 0: it has ended.
        """
        added = {kind: n for kind, n in counts.items() if n}
        self._table.write(
            Update(
                keys.run(run.run_id),
                keys.lane(lane),
                add=added,
                assign={"heard_until": alive_until},
                assign_once={"expires_at": run.expires_at},
            )
        )

    def alive_until(self, run_id: str) -> dict[int, float]:
        """Lane → when it should be heard of again (epoch seconds); 0 of one that has ended."""
        return {
            int(item["sk"].removeprefix(keys.LANE)): item.get("heard_until", 0.0)
            for item in self._table.query(keys.run(run_id), prefix=keys.LANE)
        }

    def figures(self, run_id: str) -> Figures:
        """What all lanes counted together."""
        total: Counter[str] = Counter()
        for item in self._table.query(keys.run(run_id), prefix=keys.LANE):
            total.update({name: item[name] for name in COUNTED if name in item})
        return Figures(**{name: total[name] for name in COUNTED})

    def requests(self, run_id: str) -> dict[str, int]:
        """Requests of all lanes by kind: submit, poll, other."""
        return self.figures(run_id).requests
