"""Every form of `results` that a Sunshine job may have, as one verdict per record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk_sunshine.adapter import OPERATIONS
from jobferry.vendors.zendesk_sunshine.results import read_results

POST = OPERATIONS["resources.post"]
UPDATE = OPERATIONS["resources.update"]
DELETE = OPERATIONS["relationships.delete"]

SUCCEEDED, FAILED, UNKNOWN = "succeeded", "failed", "unknown"
IN_USE = {
    "code": "UnprocessableEntity",
    "status": "422",
    "title": "Unprocessable Entity",
    "detail": "External Id is already in use for the Resource Type key: product",
}


def good(record_id: object) -> JsonObject:
    return {"success": True, "data": {"id": record_id}}


def bad(*errors: Any) -> JsonObject:
    return {"success": False, "errors": list(errors)}


def read(
    operation: Operation, results: Any, records: Sequence[JsonObject], **job: Any
) -> list[RecordResult]:
    raw = {"id": "j", "job_status": "completed", "results": results, **job}
    return read_results(operation, raw, len(records), lambda: records)


@dataclass(frozen=True)
class Form:
    """A form of the results of one job.

    seen     each record as `status`, or `status:vendor id`
    records  what was sent; by default as many empty records as are `seen`
    """

    name: str
    results: Any
    seen: list[str]
    operation: Operation = POST
    records: list[JsonObject] = field(default_factory=list)
    status: str = "completed"

    def __str__(self) -> str:
        return self.name


def ids(*texts: str) -> list[JsonObject]:
    return [{"id": text} for text in texts]


FORMS = (
    Form("as documented", [good("a"), bad(IN_USE)], ["succeeded:a", FAILED]),
    Form("success without data", [{"success": True}], [SUCCEEDED]),
    Form("an id alone", [{"data": {"id": "a"}}], [UNKNOWN]),
    Form("success with errors", [{**good("a"), "errors": [IN_USE]}], ["failed:a"]),
    Form("success with an empty list of errors", [{**good("a"), "errors": []}], ["succeeded:a"]),
    Form("success as a text", [{"success": "true", "data": {"id": "a"}}], [UNKNOWN]),
    Form("errors alone", [{"errors": [IN_USE]}], [FAILED]),
    Form("failure without errors", [{"success": False}], [FAILED]),
    Form("an empty item", [good("a"), {}], ["succeeded:a", UNKNOWN]),
    Form("an item that is no object", [good("a"), "b"], ["succeeded:a", UNKNOWN]),
    Form("data that is no object", [{"success": True, "data": "a"}], [SUCCEEDED]),
    Form("no results yet", [], [UNKNOWN]),
    Form("null", None, [UNKNOWN, UNKNOWN]),
    Form("an object", {"success": True}, [UNKNOWN]),
    Form("short", [good("a")], [UNKNOWN, UNKNOWN]),
    Form("too long", [good("a"), good("b")], [UNKNOWN]),
    Form("failed half-way", [good("a")], ["succeeded:a", UNKNOWN], status="failed"),
    Form("failed at once", [], [UNKNOWN, UNKNOWN], status="failed"),
    Form("failed and too long", [good("a"), good("b")], [UNKNOWN], status="failed"),
    Form("aborted", [], [FAILED, FAILED], status="aborted"),
    Form("aborted, without the key", None, [FAILED], status="aborted"),
    Form("aborted with results", [good("a")], ["succeeded:a"], status="aborted"),
    Form(
        "ids in order",
        [good("a"), bad(IN_USE), good("c")],
        ["succeeded:a", FAILED, "succeeded:c"],
        UPDATE,
        ids("a", "b", "c"),
    ),
    Form(
        "ids out of order",
        [good("b"), good("a")],
        ["succeeded:a", "succeeded:b"],
        DELETE,
        ids("a", "b"),
    ),
    Form(
        "ids out of order, one refused",
        [good("c"), bad(IN_USE), good("a")],
        ["succeeded:a", UNKNOWN, "succeeded:c"],
        UPDATE,
        ids("a", "b", "c"),
    ),
    Form("ids of nobody", [good("x")], [UNKNOWN], UPDATE, ids("a")),
    Form("ids, short", [good("b")], [UNKNOWN, "succeeded:b"], UPDATE, ids("a", "b")),
    Form(
        "the same id twice, short",
        [good("a"), good("a")],
        ["succeeded:a", UNKNOWN, "succeeded:a"],
        UPDATE,
        ids("a", "b", "a"),
    ),
    Form(
        "ids, failed half-way, out of order",
        [good("b")],
        [UNKNOWN, "succeeded:b"],
        UPDATE,
        ids("a", "b"),
        status="failed",
    ),
    Form("numbers as ids", [good(7)], ["succeeded:7"], UPDATE, [{"id": 7}]),
)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_of_results_is_read(form: Form) -> None:
    records = form.records or [{} for _ in form.seen]

    results = read(form.operation, form.results, records, job_status=form.status)

    shown = [f"{r.status}:{r.vendor_id}" if r.vendor_id else str(r.status) for r in results]
    assert shown == form.seen
    assert all(r.code and r.text for r in results if r.status is not OutcomeStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("errors", "code", "text"),
    [
        ([IN_USE], IN_USE["code"], IN_USE["detail"]),
        ([{"title": "Bad", "message": "so"}], "Bad", "so"),
        ([IN_USE, {"code": "B", "detail": "and"}], IN_USE["code"], f"{IN_USE['detail']}; and"),
        ([{"code": "A"}], "A", "The vendor gave no reason."),
        ([{"title": "A"}], "A", "A"),
        ([], "failed", "The vendor gave no reason."),
        (["text"], "failed", "The vendor gave no reason."),
        ([{"code": 7, "detail": None, "message": "seven"}], "vendor_error", "7: seven"),
        ([{"title": "Not so"}], "vendor_error", "Not so"),
        ([{"code": "jane@example.com"}], "vendor_error", "jane@example.com"),
    ],
)
def test_errors_become_a_code_and_a_text(errors: list[Any], code: str, text: str) -> None:
    (result,) = read(POST, [bad(*errors)], [{}])

    assert (result.status, result.code, result.text) == (FAILED, code, text)


def test_an_aborted_row_says_that_it_can_be_sent_again() -> None:
    (result,) = read(POST, [], [{}], job_status="aborted")

    assert (result.status, result.code) == (FAILED, "job_aborted")
    assert "sent again" in (result.text or "")


def test_records_are_read_only_where_they_carry_ids() -> None:
    def never() -> Sequence[JsonObject]:
        raise AssertionError

    raw = {"job_status": "completed", "results": [good("a")]}

    assert read_results(POST, raw, 1, never)[0].vendor_id == "a"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "data", "success", "errors", "code"]), inner)
    ),
    max_leaves=8,
)
_items = st.one_of(st.builds(good, st.sampled_from("abc")), st.builds(bad), st.just({}), _json)


@given(
    st.sampled_from(list(OPERATIONS.values())),
    st.lists(_items, max_size=5) | _json,
    st.lists(st.sampled_from("abc"), max_size=5),
    st.sampled_from(["completed", "failed", "aborted", "queued", ""]),
)
def test_there_is_one_result_per_record_and_no_success_without_its_word(
    operation: Operation, results: Any, sent: list[str], status: str
) -> None:
    verdicts = read(operation, results, ids(*sent), job_status=status)

    assert len(verdicts) == len(sent)
    said = [item for item in results if isinstance(item, dict)] if isinstance(results, list) else []
    successes = [item for item in said if item.get("success") is True and not item.get("errors")]
    assert sum(v.status is OutcomeStatus.SUCCEEDED for v in verdicts) <= len(successes)
    assert all(v.code and v.text for v in verdicts if v.status is not OutcomeStatus.SUCCEEDED)


@given(st.permutations(["a", "b", "c", "d"]))
def test_no_order_of_results_gives_a_record_the_result_of_another(order: list[str]) -> None:
    results = read(UPDATE, [good(each) for each in order], ids("a", "b", "c", "d"))

    assert [result.vendor_id for result in results] == ["a", "b", "c", "d"]
