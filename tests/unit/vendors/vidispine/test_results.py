"""What a Vidispine job document says of its row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.vidispine.adapter import OPERATIONS
from jobferry.vendors.vidispine.results import read_results

OPERATION = OPERATIONS["jobs.create"]
SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


def result_of(status: str, **parts: Any) -> RecordResult:
    raw = {"jobId": "VX-29", "status": status} | parts
    (result,) = read_results(OPERATION, raw, 1, list)
    return result


@pytest.mark.parametrize(
    ("data", "vendor_id"),
    [
        ([{"key": "item", "value": "VX-93"}], "VX-93"),
        ([{"key": "itemId", "value": "VX-93"}], "VX-93"),
        ({"key": "item", "value": "VX-93"}, "VX-93"),
        ([{"key": "other", "value": "VX-93"}], "VX-29"),
        ([{"key": "item", "value": ""}], "VX-29"),
        ([{"key": "item"}, {}, None, "item"], "VX-29"),
        ([], "VX-29"),
        (None, "VX-29"),
    ],
)
def test_a_success_names_its_item_or_else_its_job(data: object, vendor_id: str) -> None:
    assert result_of("FINISHED", data=data) == RecordResult(SUCCEEDED, vendor_id=vendor_id)


def test_a_warning_is_a_success_with_its_reasons() -> None:
    log = {"task": [{"status": "FINISHED", "errorMessage": "No thumbnails"}]}

    assert result_of("FINISHED_WARNING", log=log) == RecordResult(
        SUCCEEDED, "VX-29", "FINISHED_WARNING", "No thumbnails"
    )
    assert "no reason" in str(result_of("FINISHED_WARNING").text)


def test_a_failure_gathers_all_reasons_once() -> None:
    sub_tasks = {"errorMessage": " Disk full ", "subTask": [{"errorMessage": "Deep"}]}
    log = {
        "task": [
            {"errorMessage": "No such file", "attempts": 3},
            {"errorMessage": "Disk full", "subTask": sub_tasks},
            {"errorMessage": None},
            {"description": "fine"},
        ]
    }
    data = [{"key": "errorMessage", "value": "Import failed"}, {"key": "item", "value": "VX-1"}]

    assert result_of("FAILED_TOTAL", data=data, log=log) == RecordResult(
        FAILED, "VX-1", "FAILED_TOTAL", "Import failed; No such file; Disk full; Deep"
    )


@pytest.mark.parametrize("status", ["FAILED_TOTAL", "ABORTED"])
def test_a_failure_without_a_reason_says_so(status: str) -> None:
    result = result_of(status)

    assert (result.status, result.code) == (FAILED, status)
    assert status in str(result.text)


def test_a_text_without_end_is_cut() -> None:
    log = {"task": [{"errorMessage": "x" * 100_000}]}

    assert len(str(result_of("FAILED_TOTAL", log=log).text)) == 500


@pytest.mark.parametrize("status", ["", "STARTED", "finished", "SOMETHING_NEW"])
def test_no_other_word_is_taken_for_success_or_failure(status: str) -> None:
    result = result_of(status)

    assert (result.status, result.code) == (UNKNOWN, "job_state_unknown")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "value", "task", "subTask", "errorMessage", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jobId": JSON,
            "status": JSON | st.just("FAILED_TOTAL"),
            "data": JSON,
            "log": JSON,
        },
    ),
    st.integers(0, 3),
)
def test_whatever_a_job_holds_every_record_gets_a_result(raw: JsonObject, count: int) -> None:
    results = read_results(OPERATION, raw, count, list)

    assert len(results) == count
    for result in results:
        assert result.status is not SUCCEEDED or raw["status"] in ("FINISHED", "FINISHED_WARNING")
        assert result.status is SUCCEEDED or (result.code and result.text)
