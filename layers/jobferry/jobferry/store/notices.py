"""Of which changes of a run people were notified, so that it happens once for each.

Whoever sends a message claims the change first, and notes afterwards that it is sent. One who dies
in between has sent it, or not: it is sent again, as twice is better than never.
"""

from __future__ import annotations

from jobferry.store import keys
from jobferry.store.operations import Put, Update
from jobferry.store.table import ConditionFailedError, Table

CLAIM_SECONDS = 900.0
"""After so long, whoever claimed a change and sent nothing is dead."""


class Notices:
    """Access to `RUN#<run>`, `NOTICE#<change>`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, run_id: str, change: str, owner: str, now: float, expires_at: int) -> bool:
        """Whether this change is the caller's to send a message of.

        Args:
            change: which one, and of when.
            owner: who asks; the same one may ask again, when it has failed to send.
            now: epoch seconds.
            expires_at: when it is forgotten (epoch seconds).

        Returns:
            False when it is sent, or another one is just sending it.
        """
        item = {
            "pk": keys.run(run_id),
            "sk": keys.NOTICE + change,
            "owner": owner,
            "claimed_at": now,
            "expires_at": expires_at,
        }
        free = "attribute_not_exists(pk) OR (attribute_not_exists(notified_at) AND "
        claim = Put(
            item,
            condition=f"{free}(#owner = :owner OR claimed_at < :dead))",
            names={"#owner": "owner"},
            values={":owner": owner, ":dead": now - CLAIM_SECONDS},
        )
        try:
            self._table.write(claim)
        except ConditionFailedError:
            return False
        return True

    def note_sent(self, run_id: str, change: str, now: float) -> None:
        """Note that the message of a change is sent."""
        update = Update(
            keys.run(run_id),
            keys.NOTICE + change,
            assign={"notified_at": now},
            condition="attribute_exists(pk)",
        )
        try:
            self._table.write(update)
        except ConditionFailedError:
            return  # the run was deleted meanwhile
