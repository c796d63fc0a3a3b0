"""Which run of a profile was the first with a file's content: the same bytes again ask first."""

from __future__ import annotations

from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.operations import Item, Put
from jobferry.store.run_access import RunAccess
from jobferry.store.table import ConditionFailedError


class ContentMarks(RunAccess):
    """Access to `PROFILE#<name>`, `CONTENT#<digest>`."""

    def first_with(self, run: Run, content: str, now: float, expires_at: int) -> tuple[str, float]:
        """The first run of a profile that has this content: this one, if there was none.

        Args:
            content: the same for files of the same bytes.
            expires_at: when it is forgotten (epoch seconds).

        Returns:
            Its id, and when that was noted (epoch seconds). It may be deleted or failed since.
        """
        mark = _content_mark(run, content, now, expires_at)
        try:
            self._table.write(Put(mark, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            found = self._table.get(mark["pk"], mark["sk"]) or mark
            return str(found["run_id"]), found["noted_at"]
        return run.run_id, now

    def sender_of(self, profile: str, content: str) -> tuple[str, float, int] | None:
        """The run of a profile that sent a content first: its id, when that was noted, and when it
        is forgotten (epoch seconds); None: none did. The run may be deleted or failed since."""
        found = self._table.get(keys.profile(profile), keys.content(content))
        if found is None:
            return None
        return str(found["run_id"]), float(found["noted_at"]), int(found["expires_at"])

    def carries_first(self, run: Run, content: str, now: float, expires_at: int) -> None:
        """From now on this run is the first one with this content."""
        self._table.write(Put(_content_mark(run, content, now, expires_at)))


def _content_mark(run: Run, content: str, now: float, expires_at: int) -> Item:
    return {
        "pk": keys.profile(run.profile),
        "sk": keys.content(content),
        "run_id": run.run_id,
        "noted_at": now,
        "expires_at": expires_at,
    }
