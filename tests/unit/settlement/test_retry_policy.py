"""Which rows go again: never one that may have been done, unless it may be repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import Policy
from jobferry.settlement.retry_policy import (
    BISECTIONS,
    again_at,
    bisected_rows,
    may_bisect,
    policy_for,
    sort_out,
)

CONFLICT = RecordResult(OutcomeStatus.FAILED, code="DatabaseConflict", text="Database collision")
BAD_ROW = RecordResult(OutcomeStatus.FAILED, code="RecordInvalid", text="Name: is too short")
DONE = RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="1")
UNSAID = RecordResult(OutcomeStatus.UNKNOWN, code="result_missing")

RESULTS = st.lists(st.sampled_from([CONFLICT, BAD_ROW, DONE, UNSAID]), min_size=1, max_size=30)
POLICIES = st.dictionaries(st.sampled_from(list(ErrorClass)), st.sampled_from(list(Policy)))


@given(RESULTS, st.integers(1, 5), st.booleans(), POLICIES)
def test_every_row_is_decided_or_goes_again(
    results: list[RecordResult], attempt: int, repeatable: bool, policies: dict[str, str]
) -> None:
    found = sort_out(
        results, attempt=attempt, max_attempts=3, repeatable=repeatable, policies=policies
    )
    assert sorted([at for at, _ in found.decided] + list(found.again)) == list(range(len(results)))
    assert all(result is results[at] for at, result in found.decided)
    for at in found.again:
        assert attempt < 3
        assert results[at].status is not OutcomeStatus.SUCCEEDED
        # What may have been done goes again only where that does no harm.
        assert repeatable or results[at].status is OutcomeStatus.FAILED


def test_conflicts_go_again_and_bad_rows_do_not() -> None:
    found = sort_out(
        [DONE, CONFLICT, BAD_ROW, UNSAID], attempt=1, max_attempts=3, repeatable=False, policies={}
    )
    assert list(found.again) == [1]
    assert found.stop is None


@pytest.mark.parametrize("code", ["InternalServerError", "ServiceUnavailable", "http_500"])
def test_a_row_over_which_the_vendor_failed_may_have_been_done(code: str) -> None:
    failed = RecordResult(OutcomeStatus.FAILED, code=code, text="Something went wrong")

    once, often = (
        sort_out([failed], attempt=1, max_attempts=3, repeatable=each, policies={"lost": "retry"})
        for each in (False, True)
    )

    assert [result.status for _, result in once.decided] == [OutcomeStatus.UNKNOWN]
    assert list(often.again) == [0]


def test_a_job_that_was_called_off_before_it_began_did_nothing() -> None:
    aborted = RecordResult(OutcomeStatus.FAILED, code="job_aborted", text="It was aborted.")
    found = sort_out([aborted], attempt=1, max_attempts=3, repeatable=False, policies={})
    assert list(found.again) == [0]


def test_the_profile_decides_otherwise() -> None:
    policies = {"conflict": "fail", "row": "stop"}
    found = sort_out(
        [CONFLICT, BAD_ROW], attempt=1, max_attempts=3, repeatable=True, policies=policies
    )
    assert not found.again
    assert found.stop == ("RecordInvalid", "Name: is too short")
    assert policy_for(UNSAID, repeatable=False, policies={"lost": "retry"}) is Policy.FAIL


@given(st.lists(st.integers(), max_size=120))
def test_halves_are_the_whole(rows: list[int]) -> None:
    parts = bisected_rows(rows)
    assert [row for part in parts for row in part] == rows
    assert all(len(part) <= (len(rows) + 1) // 2 for part in parts)


@pytest.mark.parametrize(("bisected", "settled", "may"), [(0, 0, True), (BISECTIONS, 0, False)])
def test_halving_is_for_rows_to_blame_and_not_for_profiles(
    bisected: int, settled: int, may: bool
) -> None:
    assert may_bisect(bisected, settled) is may
    assert may_bisect(BISECTIONS, 1)


@given(st.integers(1, 60))
def test_later_and_later(attempt: int) -> None:
    assert 0 < again_at(100.0, attempt) - 100.0 <= again_at(100.0, attempt + 1) - 100.0 <= 300.0


def test_waits_double_from_five_seconds_up_to_five_minutes() -> None:
    waits = [again_at(1_000.0, attempt) - 1_000.0 for attempt in range(9)]
    assert waits == [5.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_the_first_reason_to_stop_is_told_even_if_it_has_no_words() -> None:
    bare = RecordResult(OutcomeStatus.FAILED)
    kind = ErrorClass(error_class(bare.code, bare.text))
    policies = {kind.value: "stop", ErrorClass.CONFLICT.value: "stop"}
    for results, stop in (
        ([bare, CONFLICT], ("", "")),
        ([CONFLICT, bare], ("DatabaseConflict", "Database collision")),
        ([DONE], None),
    ):
        found = sort_out(results, attempt=1, max_attempts=3, repeatable=False, policies=policies)
        assert found.stop == stop
        assert [result for _, result in found.decided] == results


@pytest.mark.parametrize("repeatable", [False, True])
def test_a_success_stays_one_whatever_else_is_said_of_it(repeatable: bool) -> None:
    told = RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="1", code="InternalServerError")
    found = sort_out([told], attempt=1, max_attempts=3, repeatable=repeatable, policies={})
    assert found.decided == [(0, told)]
    assert policy_for(told, repeatable=repeatable, policies={}) is Policy.FAIL


def test_a_run_may_be_stopped_for_what_is_not_known() -> None:
    policies = {ErrorClass.LOST.value: "stop"}
    assert policy_for(UNSAID, repeatable=False, policies=policies) is Policy.STOP
    assert policy_for(UNSAID, repeatable=False, policies={}) is Policy.FAIL
    assert policy_for(UNSAID, repeatable=True, policies={}) is Policy.RETRY
