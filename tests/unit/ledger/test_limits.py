"""Limits of a connection, shared by all its runs."""

from __future__ import annotations

from jobferry.ledger import Ledger
from jobferry.ledger.limits import Limits
from tests.unit.ledger.samples import CONNECTION, claim, opened


class TestLimits:
    def test_a_connection_nobody_has_used_allows_one_job(self, ledger: Ledger) -> None:
        assert ledger.limits.get(CONNECTION) == Limits(in_flight=0, max_jobs=1)

    def test_the_ceiling_can_be_changed_while_slots_are_taken(self, ledger: Ledger) -> None:
        opened(ledger, 5, max_jobs=4)
        claim(ledger, [1, 2, 3], max_jobs=4)
        ledger.limits.ensure(CONNECTION, 2)
        limits = ledger.limits.get(CONNECTION)
        assert (limits.in_flight, limits.max_jobs, limits.free) == (3, 2, 0)

    def test_the_longest_wait_counts(self, ledger: Ledger) -> None:
        ledger.limits.ensure(CONNECTION, 5)
        for until in (100.0, 300.5, 200.0):
            ledger.limits.block(CONNECTION, until)
            ledger.limits.full(CONNECTION, until + 1)
        limits = ledger.limits.get(CONNECTION)
        assert (limits.blocked_until, limits.full_until) == (300.5, 301.5)

    def test_connections_do_not_know_of_each_other(self, ledger: Ledger) -> None:
        ledger.limits.ensure("one", 5)
        ledger.limits.block("one", 100.0)
        assert ledger.limits.get("two").blocked_until == 0
