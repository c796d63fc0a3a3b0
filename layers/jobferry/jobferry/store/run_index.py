"""Runs by time: open ones in a partition of the index of their own, closed ones in the other.

The attribute that puts a run there is set in the write that opens it, closes it or opens it again,
so no crash leaves a run in the wrong place. Runs that an older version opened lie among the closed
ones until `file_open` moves them; the sweep asks for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.operations import Item
from jobferry.store.run_access import OPEN, RunAccess
from jobferry.store.run_items import run_of


class RunIndex(RunAccess):
    """Access to runs through `by_time`, which lags behind: what counts is what a run itself says.

    A cursor is what the index sorts by: when a run began, and its id.
    """

    def newest(
        self,
        *,
        before: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        only_open: bool = False,
    ) -> Iterator[tuple[str, Run]]:
        """(cursor, run), newest first.

        Args:
            before: the cursor of the last one already seen.
            since: a cursor, or its beginning; runs before it are left out.
            only_open: leave out those that are closed.
        """
        partitions = (keys.OPEN_RUNS,) if only_open else (keys.OPEN_RUNS, keys.CLOSED_RUNS)
        if since is not None and before is not None and since > before:
            return
        listed = merge(
            *(self._newest_of(partition, before, since, limit) for partition in partitions),
            key=_time_of,
            reverse=True,
        )
        last, left = before, limit
        for item in listed:
            if left == 0:
                return
            # The cursor's own run comes first; one that is just being closed may come twice.
            if item["time_sk"] != last:
                last = item["time_sk"]
                left = None if left is None else left - 1
                yield item["time_sk"], run_of(item)

    def oldest_open(
        self, *, after: str | None = None, until: str | None = None
    ) -> Iterator[tuple[str, Run]]:
        """(cursor, run) of open runs, oldest first.

        Args:
            after: the cursor of the last one already seen.
            until: the cursor of the last one that is wanted.
        """
        for item in self._table.query(
            keys.OPEN_RUNS, since=after, until=until, index=keys.RUNS_BY_TIME
        ):
            if item["time_sk"] != after:
                yield item["time_sk"], run_of(item)

    def filed_as_closed(self, since: float) -> Iterator[Run]:
        """Runs of the other partition that began at this moment (epoch seconds) or later, oldest
        first. Those without an end were opened by an older version."""
        for item in self._table.query(
            keys.CLOSED_RUNS, since=f"{since:017.3f}", index=keys.RUNS_BY_TIME
        ):
            yield run_of(item)

    def file_open(self, run_id: str) -> bool:
        """Put an open run among the open ones; false when it is closed or gone."""
        return self._change(run_id, assign={"time_pk": keys.OPEN_RUNS}, condition=OPEN)

    def file_closed(self, run_id: str) -> bool:
        """Put a run that an older version has closed among the closed ones; false when it is not
        closed, or there already."""
        return self._change(
            run_id,
            assign={"time_pk": keys.CLOSED_RUNS},
            condition="attribute_exists(closed_at) AND time_pk = :open",
            values={":open": keys.OPEN_RUNS},
        )

    def _newest_of(
        self, partition: str, before: str | None, since: str | None, limit: int | None
    ) -> Iterator[Item]:
        return self._table.query(
            partition,
            since=since,
            until=before,
            newest_first=True,
            # The cursor's own run comes first.
            limit=limit if limit is None or before is None else limit + 1,
            index=keys.RUNS_BY_TIME,
        )


def _time_of(item: Item) -> str:
    return str(item["time_sk"])
