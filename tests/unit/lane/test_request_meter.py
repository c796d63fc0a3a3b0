"""Every request is paid for, whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobferry.domain.connection import Connection
from jobferry.lane.connection_requests import take_requests
from jobferry.lane.request_meter import Denied, Meter, account_limit, keep_throttle, paying
from jobferry.scheduler.rate_limit import ACCOUNT, ENDPOINT
from jobferry.vendors.answers import RateReading, Throttled, ThrottleReason
from virtual.clock import START
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, World


def a_meter(world: World, limits: Mapping[str, int]) -> Meter:
    return Meter(world.store.limits, CONNECTION, lambda: limits, world.clock.now)


def used(world: World) -> int:
    return sum(n for _, n in world.store.limits.requests(CONNECTION).logs.get(ACCOUNT, ()))


class TestMeter:
    def test_it_takes_what_a_minute_has(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 3})
        assert [meter.take() for _ in range(5)] == [True, True, True, False, False]
        assert (meter.taken, used(world)) == (3, 3)
        assert meter.denied == Denied(ThrottleReason.BUDGET, START + 61)

    def test_a_minute_later_there_are_more(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 1})
        assert [meter.take(), meter.take()] == [True, False]
        world.clock.advance(61)
        assert meter.take()
        assert meter.denied is None

    def test_what_needs_more_than_a_minute_has_waits_for_the_next(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 2})
        with meter.waiting(world.clock.advance, START + 150):
            assert [meter.take() for _ in range(6)] == [True] * 6
        assert 120.0 < world.clock.now() - START < 150.0

    def test_it_does_not_wait_for_what_comes_too_late(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 2})
        with meter.waiting(world.clock.advance, START + 60):
            assert [meter.take() for _ in range(3)] == [True, True, False]
        assert world.clock.now() == START
        assert not meter.take()

    def test_it_does_not_wait_for_a_vendor_that_wants_to_be_left_alone(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 2})
        world.store.limits.block(CONNECTION, START + 10)
        with meter.waiting(world.clock.advance, START + 600):
            assert not meter.take()
        assert world.clock.now() == START

    def test_what_others_took_counts(self, world: World) -> None:
        take_requests(world.store.limits, CONNECTION, 2, {ACCOUNT: 3}, START)
        meter = a_meter(world, {ACCOUNT: 3})
        assert [meter.take(), meter.take()] == [True, False]

    def test_every_limit_must_let_it_through(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 10, ENDPOINT + "imports": 1})
        assert [meter.take(), meter.take()] == [True, False]

    def test_without_a_known_limit_requests_are_counted(self, world: World) -> None:
        meter = a_meter(world, {})
        assert all(meter.take() for _ in range(20))
        assert used(world) == 20

    @pytest.mark.parametrize("limits", [{}, {ACCOUNT: 100}])
    def test_nothing_is_sent_while_the_vendor_wants_to_be_left_alone(
        self, world: World, limits: Mapping[str, int]
    ) -> None:
        meter = a_meter(world, limits)
        world.store.limits.block(CONNECTION, START + 600)
        assert not meter.take()
        assert meter.denied == Denied(ThrottleReason.RATE, START + 600)
        assert used(world) == 0
        world.clock.advance(600)
        assert meter.take()

    def test_what_is_prepaid_is_used_first_and_not_paid_twice(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 1})
        with meter.prepaid(2):
            assert [meter.take() for _ in range(4)] == [True, True, True, False]
        assert (meter.taken, used(world)) == (3, 1)

    def test_what_is_prepaid_and_not_used_lapses(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 1})
        with meter.prepaid(3):
            assert meter.take()
        assert [meter.take() for _ in range(2)] == [True, False]
        assert used(world) == 1

    def test_what_two_have_prepaid_lapses_apart(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 1})
        with meter.prepaid(1):
            with meter.prepaid(2):
                assert [meter.take() for _ in range(2)] == [True, True]
            assert [meter.take() for _ in range(3)] == [True, True, False]
        assert (meter.taken, used(world)) == (4, 1)

    def test_threads_share_it(self, world: World) -> None:
        meter = a_meter(world, {ACCOUNT: 7})
        with meter.prepaid(5), ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _: meter.take(), range(40)))
        assert sum(taken) == 12
        assert (meter.taken, used(world)) == (12, 7)


class TestPaying:
    def test_requests_of_the_client_are_paid_for_meanwhile(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        with paying(linked, world.deps) as meter:
            assert linked.client.meter is meter
        assert linked.client.meter is None

    def test_the_limit_is_that_of_the_connection(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        assert account_limit(linked, world.deps) == {}
        world.store.config.put_connection(
            Connection(
                CONNECTION, VENDOR, "https://acme.example", requests_per_minute=20, share=0.5
            )
        )
        world.clock.advance(120)
        limited = world.deps.connections.link(CONNECTION)
        assert account_limit(limited, world.deps) == {ACCOUNT: 10}

    def test_a_limit_that_the_vendor_names_counts_at_once(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        with paying(linked, world.deps) as meter:
            assert meter.take()
            world.store.limits.advertised_rate(CONNECTION, 2)
            assert [meter.take(), meter.take()] == [True, False]


class TestThrottles:
    def test_everybody_waits_as_the_vendor_asked(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        until = keep_throttle(linked, Throttled(ThrottleReason.RATE, 90.0), world.deps)
        assert until == START + 90
        assert world.store.limits.get(CONNECTION).retry_after_until == START + 90

    def test_a_wait_without_a_number_is_a_wait(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        until = keep_throttle(linked, Throttled(ThrottleReason.RATE), world.deps)
        assert until == world.store.limits.get(CONNECTION).retry_after_until > START

    def test_no_slot_keeps_submissions_back_and_nothing_else(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        keep_throttle(linked, Throttled(ThrottleReason.SLOTS, 30.0), world.deps)
        limits = world.store.limits.get(CONNECTION)
        assert (limits.retry_after_until, limits.no_slot_until) == (0.0, START + 30)

    @pytest.mark.parametrize(
        "reason", [ThrottleReason.UNREACHABLE, ThrottleReason.CREDENTIALS, ThrottleReason.BUDGET]
    )
    def test_a_request_that_never_left_asks_nobody_to_wait(
        self, world: World, reason: ThrottleReason
    ) -> None:
        linked = world.deps.connections.link(CONNECTION)
        assert keep_throttle(linked, Throttled(reason, 30.0), world.deps) is None
        assert world.store.limits.get(CONNECTION).retry_after_until == 0.0

    def test_the_rate_that_the_answer_names_is_kept(self, world: World) -> None:
        linked = world.deps.connections.link(CONNECTION)
        told = Throttled(ThrottleReason.RATE, 2.0, RateReading(requests_limit=40))
        keep_throttle(linked, told, world.deps)
        assert world.store.limits.requests(CONNECTION).advertised == 40
