"""Limits of a connection, shared by all its runs."""

from __future__ import annotations

from unittest import mock

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

    def test_requests_of_a_minute_are_shared_out_once(self, ledger: Ledger) -> None:
        ledger.limits.ensure(CONNECTION, 5)
        taken = [ledger.limits.take_requests(CONNECTION, 4, 10, minute=7) for _ in range(4)]
        assert taken == [4, 4, 2, 0]
        assert ledger.limits.take_requests(CONNECTION, 4, 10, minute=8) == 4

    def test_lanes_that_take_at_once_share_what_is_left(self, ledger: Ledger) -> None:
        ledger.limits.ensure(CONNECTION, 5)
        ledger.limits.take_requests(CONNECTION, 3, 10, minute=7)
        now = ledger.limits.get
        looks = iter([now(CONNECTION)])
        ledger.limits.take_requests(CONNECTION, 3, 10, minute=7)
        with mock.patch.object(ledger.limits, "get", lambda name: next(looks, None) or now(name)):
            assert ledger.limits.take_requests(CONNECTION, 9, 10, minute=7) == 4

    def test_more_than_the_budget_is_never_granted(self, ledger: Ledger) -> None:
        assert ledger.limits.take_requests(CONNECTION, 99, 10, minute=7) == 10
        assert ledger.limits.take_requests(CONNECTION, 0, 10, minute=8) == 0
