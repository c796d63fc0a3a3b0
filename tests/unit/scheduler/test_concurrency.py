"""Waits that a vendor asks for: exactly as asked, within reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.connection import Connection
from jobferry.scheduler import concurrency, rate_limit
from jobferry.scheduler.settings import USUAL

NOW = 1_767_225_600.0


class TestWaits:
    @given(st.floats(0, USUAL.max_retry_after, allow_subnormal=False))
    def test_retry_after_is_kept_exactly(self, retry_after: float) -> None:
        assert rate_limit.retry_after_until(NOW, retry_after) == NOW + retry_after
        assert concurrency.no_slot_until(NOW, retry_after) == NOW + retry_after

    @pytest.mark.parametrize("retry_after", [None, math.nan])
    def test_without_one_there_is_a_wait_all_the_same(self, retry_after: float | None) -> None:
        assert rate_limit.retry_after_until(NOW, retry_after) == NOW + USUAL.default_retry_after
        assert concurrency.no_slot_until(NOW, retry_after) == NOW + USUAL.no_slot_wait
        assert concurrency.no_slot_until(NOW, retry_after, quiet=60.0) == NOW + 12
        assert (
            concurrency.no_slot_until(NOW, retry_after, quiet=3_600.0)
            == NOW + USUAL.max_no_slot_wait
        )

    @given(st.floats(), st.floats())
    def test_no_wait_is_longer_than_an_hour(self, retry_after: float, quiet: float) -> None:
        latest = NOW + USUAL.max_retry_after
        assert NOW <= rate_limit.retry_after_until(NOW, retry_after) <= latest
        assert NOW <= concurrency.no_slot_until(NOW, retry_after, quiet) <= latest


class TestRequests:
    @given(st.integers(1, 5_000), st.floats(0.01, 1.0))
    def test_people_keep_their_share(self, per_minute: int, share: float) -> None:
        budget = Connection(
            "acme", "v", "https://acme.example", requests_per_minute=per_minute, share=share
        ).request_budget
        assert budget is not None
        assert 2 <= budget <= max(2, per_minute * share)

    def test_no_limit_is_no_budget(self) -> None:
        assert Connection("acme", "v", "https://acme.example", share=0.5).request_budget is None

    @given(st.integers(1, 5_000))
    def test_polls_keep_some_and_submissions_most(self, per_minute: int) -> None:
        kept = rate_limit.reserve(per_minute)
        assert 0 <= kept < per_minute
        assert (kept > 0) == (per_minute > 1)
        assert kept <= max(1, 0.05 * per_minute)
