"""Every form of `results` that Zendesk Support was seen to give, as one verdict per record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk_support.operations import OPERATIONS
from jobferry.vendors.zendesk_support.results import read_results

CREATE = OPERATIONS["tickets.create"]
UPDATE = OPERATIONS["tickets.update"]
DELETE = OPERATIONS["tickets.delete"]
PURGE = OPERATIONS["tickets.delete_permanently"]
UPSERT = OPERATIONS["users.create_or_update"]
NEW_USERS = OPERATIONS["users.create"]
USER_CHANGES = OPERATIONS["users.update"]
MEMBERS = OPERATIONS["organization_memberships.create"]
RECORDS_BY_KEY = OPERATIONS["custom_objects.<key>.delete_by_external_id"]

SUCCEEDED, FAILED, UNKNOWN = "succeeded", "failed", "unknown"


def read(
    operation: Operation, results: Any, records: Sequence[JsonObject], **job: Any
) -> list[RecordResult]:
    raw = {"id": "V3-1", "status": "completed", "results": results, **job}
    return read_results(operation, raw, len(records), lambda: records)


MERGE = OPERATIONS["tickets.merge"]
PAIR: list[JsonObject] = [{"id": 5, "target_id": 6, "target_comment": "7"}]
DONE = {"action": "update", "id": 5, "status": "Updated", "success": True}


@dataclass(frozen=True)
class Form:
    """A form of the results of one job.

    seen     each record as `status`, or `status:vendor id`
    records  what was sent; by default as many empty records as are `seen`
    """

    name: str
    operation: Operation
    results: Any
    seen: list[str]
    records: list[JsonObject] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name


def updated(ticket: int) -> JsonObject:
    return {"action": "update", "id": ticket, "status": "Updated", "success": True}


def ids(*numbers: object) -> list[JsonObject]:
    return [{"id": number} for number in numbers]


def keys(*external_ids: str) -> list[JsonObject]:
    return [{"external_id": each} for each in external_ids]


BLANK = {"index": 1, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}

FORMS = (
    # Merging: one record a job, of which there may be several parts
    Form("the source", MERGE, [DONE], ["succeeded:5"], PAIR),
    Form("source and target", MERGE, [{**DONE, "id": 6}, DONE], ["succeeded:5"], PAIR),
    Form("the target alone", MERGE, [{**DONE, "id": 6}], ["succeeded:5"], PAIR),
    Form("by index", MERGE, [{"index": 0, "success": True}], ["succeeded:5"], PAIR),
    Form("a part failed", MERGE, [DONE, {"id": 6, "error": "E"}], ["failed:5"], PAIR),
    Form("a part says nothing", MERGE, [DONE, {}], ["unknown:5"], PAIR),
    Form("a stranger", MERGE, [{**DONE, "id": 7}], ["unknown:5"], PAIR),
    Form("source and a stranger", MERGE, [DONE, {"id": 7, "error": "E"}], ["succeeded:5"], PAIR),
    Form("no part", MERGE, [], ["unknown:5"], PAIR),
    # Creation
    Form(
        "tickets, by index",
        CREATE,
        [{"index": 1, "id": 8, "account_id": 4}, {"index": 0, "id": 9, "account_id": 4}],
        ["succeeded:9", "succeeded:8"],
    ),
    Form("tickets, one refused", CREATE, [{"index": 0, "id": 9}, BLANK], ["succeeded:9", FAILED]),
    Form("without index, in order", CREATE, ids(3, 2), ["succeeded:3", "succeeded:2"]),
    Form("created without index", CREATE, [{"id": 3, "status": "Created"}], ["succeeded:3"]),
    Form("without index, one too few", CREATE, ids(3), [UNKNOWN, UNKNOWN]),
    Form("without index, one too many", CREATE, ids(3, 4, 5), [UNKNOWN, UNKNOWN]),
    Form("index, one too few", CREATE, [{"index": 1, "id": 8}], [UNKNOWN, "succeeded:8"]),
    Form(
        "one without index among others",
        CREATE,
        [{"index": 1, "id": 8}, {"id": 9}],
        [UNKNOWN, "succeeded:8"],
    ),
    Form(
        "index out of range",
        CREATE,
        [{"index": 2, "id": 8}, {"index": -1, "id": 9}, {"index": 0, "id": 7}],
        ["succeeded:7", UNKNOWN],
    ),
    Form(
        "index twice",
        CREATE,
        [{"index": 0, "id": 7}, {"index": 0, "id": 8}],
        ["succeeded:7", UNKNOWN],
    ),
    Form("index as a text", CREATE, [{"index": "1", "id": 8}], [UNKNOWN, UNKNOWN]),
    # Changes and deletions
    Form(
        "updates, by id",
        UPDATE,
        [updated(2), updated(1)],
        ["succeeded:1", "succeeded:2"],
        ids(1, 2),
    ),
    Form("updates, ids as texts", UPDATE, [updated(2)], ["succeeded:2"], ids("2")),
    Form("updates, one missing", UPDATE, [updated(2)], [UNKNOWN, "succeeded:2"], ids(1, 2)),
    Form(
        "updates of the same record",
        UPDATE,
        [updated(1), {"id": 1, "error": "UpdateConflict"}],
        ["succeeded:1", "failed:1"],
        ids(1, 1),
    ),
    Form(
        "the refused row alone has an index",
        UPDATE,
        [updated(1), {"index": 0, "id": 1, "error": "UpdateConflict"}],
        ["failed:1", "succeeded:1"],
        ids(1, 1),
    ),
    Form(
        "a failure without success, action and status",
        UPDATE,
        [
            {
                "index": 0,
                "id": 5,
                "error": "OrganizationUpdateFailed",
                "details": "Name: X has already been taken",
            }
        ],
        ["failed:5"],
        ids(5),
    ),
    Form(
        "a failure as specified",
        UPDATE,
        [{"id": 5, "action": "update", "error": "E", "success": False, "details": "d"}],
        ["failed:5"],
        ids(5),
    ),
    Form(
        "a failure of older accounts",
        UPDATE,
        [
            {
                "title": "t",
                "action": "update",
                "errors": "Subject: is too long",
                "id": 5,
                "success": False,
                "status": "Updated",
            }
        ],
        ["failed:5"],
        ids(5),
    ),
    Form(
        "a success of older accounts",
        UPDATE,
        [{"title": "t", "action": "update", "errors": "", "id": 5, "success": True, "status": "U"}],
        ["succeeded:5"],
        ids(5),
    ),
    Form(
        "deletions",
        DELETE,
        [{"action": "delete", "id": 5, "status": "Deleted", "success": True}],
        ["succeeded:5"],
        ids(5),
    ),
    Form("a record nobody sent", UPDATE, [updated(9)], [UNKNOWN, UNKNOWN], ids(1, 2)),
    # Users by key
    Form(
        "users, by key in either case",
        UPSERT,
        [
            {"id": 12, "status": "Updated", "email": "b@example.org", "external_id": None},
            {"id": 11, "status": "Created", "email": None, "external_id": "a"},
        ],
        ["succeeded:11", "succeeded:12"],
        [{"external_id": "A"}, {"email": "B@Example.org"}],
    ),
    Form(
        "the same user twice",
        UPSERT,
        [
            {"id": 11, "status": "Created", "external_id": "a"},
            {"id": 11, "status": "Updated", "external_id": "a"},
        ],
        ["succeeded:11", "succeeded:11"],
        keys("a", "A"),
    ),
    Form(
        "a bad address comes back as a number",
        UPSERT,
        [{"id": 11, "status": "Created", "external_id": "a"}, {"id": 1}],
        ["succeeded:11", UNKNOWN],
        keys("a", "b"),
    ),
    Form("nothing but numbers", UPSERT, ids(0, 1), [UNKNOWN, UNKNOWN], keys("a", "b")),
    Form(
        "users without keys, in order",
        UPSERT,
        [{"id": 1, "status": "Created"}, {"id": 2, "status": "Created"}],
        ["succeeded:1", "succeeded:2"],
        [{"name": "a"}, {"name": "b"}],
    ),
    Form(
        "an empty key is none",
        UPSERT,
        [{"id": 1, "status": "Created", "external_id": ""}],
        [UNKNOWN, UNKNOWN],
        [{"external_id": ""}, {"external_id": ""}],
    ),
    # Order, where something else confirms it
    Form(
        "new users, only the refused one with an index",
        NEW_USERS,
        [
            {"id": 7, "status": "Created"},
            {"index": 1, "error": "UserCreateFailed", "details": "d"},
            {"id": 9, "status": "Created"},
        ],
        ["succeeded:7", FAILED, "succeeded:9"],
    ),
    Form(
        "an index that speaks against the order",
        NEW_USERS,
        [{"id": 7, "status": "Created"}, {"index": 0, "error": "E", "details": "d"}],
        [FAILED, UNKNOWN],
    ),
    Form(
        "changes by external id, told by the vendor's id",
        USER_CHANGES,
        [updated(7), {"index": 1, "id": None, "error": "E", "details": "d"}, updated(9)],
        ["succeeded:7", FAILED, "succeeded:9"],
        keys("a", "b", "c"),
    ),
    Form("a record nobody sent, in the place of ours", UPDATE, [updated(9)], [UNKNOWN], ids(1)),
    Form(
        "a change that could not be read",
        USER_CHANGES,
        [updated(7), {"id": 1}],
        ["succeeded:7", UNKNOWN],
        keys("a", "b"),
    ),
    Form(
        "memberships",
        MEMBERS,
        [{"id": 5, "index": 1}, {"id": 4, "index": 0}],
        ["succeeded:4", "succeeded:5"],
    ),
    Form(
        "custom object records, by external id",
        RECORDS_BY_KEY,
        [{"id": "01B", "external_id": "b"}, {"id": "01A", "external_id": "a"}],
        ["succeeded:01A", "succeeded:01B"],
        keys("a", "b"),
    ),
    # One word for all
    Form(
        "an object that says yes",
        PURGE,
        {"success": True},
        ["succeeded:1", "succeeded:2"],
        ids(1, 2),
    ),
    Form("an object that says yes, of rows without id", CREATE, {"success": True}, [SUCCEEDED] * 2),
    Form("an object that says no", PURGE, {"success": False}, [UNKNOWN] * 2, ids(1, 2)),
    Form("an object that says no, of one row", PURGE, {"success": False}, [FAILED], ids(1)),
    Form("an object that says nothing", PURGE, {}, [UNKNOWN] * 2, ids(1, 2)),
    # Nothing
    Form("null", CREATE, None, [UNKNOWN] * 2),
    Form("empty", CREATE, [], [UNKNOWN] * 2),
    Form("a text", CREATE, "all good", [UNKNOWN] * 2),
    Form("rows that are none", CREATE, [None, 7], [UNKNOWN] * 2),
    Form("an empty row", CREATE, [{}], [UNKNOWN]),
    Form("success alone", CREATE, [{"index": 0, "success": True}], [SUCCEEDED]),
    Form("a word alone", CREATE, [{"index": 0, "status": "Created"}], [UNKNOWN]),
    Form("no rows at all", CREATE, [], []),
)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_form_of_results(form: Form) -> None:
    records = form.records or [{} for _ in form.seen]

    results = read(form.operation, form.results, records)

    assert [
        result.status + (f":{result.vendor_id}" if result.vendor_id else "") for result in results
    ] == form.seen
    assert all(result.code and result.text for result in results if result.status != SUCCEEDED)


@pytest.mark.parametrize("status", ["completed", "failed", "killed", "working", "?"])
def test_the_word_of_the_job_decides_no_row(status: str) -> None:
    results = read(CREATE, [{"index": 0, "id": 9}, BLANK], [{}, {}], status=status)

    assert [result.status for result in results] == [SUCCEEDED, FAILED]


def test_a_job_that_lists_nothing_names_its_word() -> None:
    (result,) = read(CREATE, None, [{}], status="killed")

    assert result.code == "job_without_results"
    assert "'killed'" in (result.text or "")


ERRORS: list[tuple[JsonObject, str, str]] = [
    ({"error": "E", "details": "d"}, "E", "d"),
    ({"error": "E"}, "E", "E"),
    ({"error": {"title": "T", "message": "m"}}, "T", "T; m"),
    ({"error": {"code": "C", "message": "m"}}, "C", "C; m"),
    ({"error": {"message": "m"}}, "failed", "m"),
    ({"errors": "e"}, "failed", "e"),
    ({"errors": [{"name": ["a", "b"]}, {"x": {"y": "c"}}]}, "failed", "a; b; c"),
    ({"status": "Failed", "description": "d"}, "Failed", "d"),
    ({"status": "Error", "message": "m"}, "Error", "m"),
    ({"success": False, "title": "t"}, "failed", "t"),
    ({"success": False}, "failed", "Failed at noon"),
    ({"success": False, "errors": 7}, "failed", "Failed at noon"),
    ({"errors": [1, None]}, "failed", "Failed at noon"),
]


@pytest.mark.parametrize(("item", "code", "text"), ERRORS)
def test_the_reason_of_a_failure(item: JsonObject, code: str, text: str) -> None:
    (result,) = read(CREATE, [{"index": 0, **item}], [{}], message="Failed at noon")

    assert (result.status, result.code, result.text) == (FAILED, code, text)


def test_a_failure_without_any_reason_still_has_words() -> None:
    (result,) = read(CREATE, [{"success": False}], [{}], message=None)

    assert (result.code, result.text) == ("failed", "The vendor gave no reason.")


def test_records_are_not_read_where_every_row_has_its_index() -> None:
    def records() -> list[JsonObject]:
        raise AssertionError("the records were read")

    raw = {"results": [{"index": 0, "id": 1}]}

    assert read_results(UPDATE, raw, 1, records)[0].vendor_id == "1"


# Properties

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 6), st.floats(allow_nan=False), st.text(max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "index": st.one_of(st.integers(-2, 6), JSON),
        "id": st.one_of(st.integers(0, 6), JSON),
        "external_id": st.one_of(st.sampled_from("abAB"), JSON),
        "email": JSON,
        "status": st.one_of(st.sampled_from(["Created", "Updated", "Failed", "error"]), JSON),
        "success": st.one_of(st.booleans(), JSON),
        "error": st.one_of(st.just("E"), JSON),
        "errors": JSON,
        "details": JSON,
    },
)
RESULTS = st.one_of(st.lists(st.one_of(ITEMS, JSON), max_size=6), ITEMS, JSON)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"id": st.integers(0, 6), "external_id": st.sampled_from("abAB")}
    ),
    max_size=6,
)
ANY_OPERATION = st.sampled_from(list(OPERATIONS.values()))


@given(ANY_OPERATION, RESULTS, RECORDS)
def test_as_many_results_as_records_whatever_is_said(
    operation: Operation, results: Any, records: list[JsonObject]
) -> None:
    verdicts = read(operation, results, records)

    assert len(verdicts) == len(records)
    for verdict in verdicts:
        assert verdict.status in (SUCCEEDED, FAILED, UNKNOWN)
        assert (verdict.code is None) == (verdict.status == SUCCEEDED)


def says_failure(item: JsonObject) -> bool:
    word = str(item.get("status") if isinstance(item.get("status"), str) else "").casefold()
    return bool(
        item.get("success") is False
        or item.get("error")
        or item.get("errors")
        or "fail" in word
        or "error" in word
    )


@given(ANY_OPERATION, ITEMS)
def test_a_failure_is_never_a_success(operation: Operation, item: JsonObject) -> None:
    (verdict,) = read(operation, [{**item, "index": 0}], [{}])

    if says_failure(item):
        assert verdict.status == FAILED
    else:
        assert verdict.status != FAILED


@given(ANY_OPERATION, ITEMS)
def test_nothing_is_a_success_without_a_proof(operation: Operation, item: JsonObject) -> None:
    (verdict,) = read(operation, [{**item, "index": 0}], [{}])

    if verdict.status is OutcomeStatus.SUCCEEDED:
        assert item.get("id") is not None or item.get("success") is True


@given(
    ANY_OPERATION,
    st.lists(ITEMS, min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_with_an_index_the_order_is_nothing(
    operation: Operation, items: list[JsonObject], draws: random.Random
) -> None:
    indexed = [{**item, "index": n} for n, item in enumerate(items)]
    shuffled = draws.sample(indexed, len(indexed))
    records: list[JsonObject] = [{} for _ in items]

    assert read(operation, shuffled, records) == read(operation, indexed, records)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=6), st.integers(-1, 1))
def test_without_index_and_key_only_equal_numbers_match(numbers: list[int], more: int) -> None:
    records: list[JsonObject] = [{} for _ in range(len(numbers) + more)]

    verdicts = read(CREATE, ids(*numbers), records)

    if more:
        assert {verdict.status for verdict in verdicts} <= {UNKNOWN}
    else:
        assert [verdict.vendor_id for verdict in verdicts] == list(map(str, numbers))


@given(st.permutations(range(1, 7)), st.sampled_from([UPDATE, DELETE]))
def test_with_a_key_the_order_is_nothing(order: list[int], operation: Operation) -> None:
    verdicts = read(operation, [updated(n) for n in order], ids(*range(1, 7)))

    assert [verdict.vendor_id for verdict in verdicts] == ["1", "2", "3", "4", "5", "6"]


# What could be taken for an id, a place or a code


@pytest.mark.parametrize("no_id", [{}, [], "", " ", False, True, -1, 0, 1.5, float("nan"), 2**64])
def test_what_is_no_id_proves_nothing(no_id: Any) -> None:
    (verdict,) = read(CREATE, [{"index": 0, "id": no_id}], [{}])

    assert (verdict.status, verdict.code) == (UNKNOWN, "result_says_nothing")
    assert verdict.vendor_id is None


@pytest.mark.parametrize("no_id", [{}, [], "", False, -1])
def test_a_stated_success_needs_no_id(no_id: Any) -> None:
    (verdict,) = read(CREATE, [{"index": 0, "id": no_id, "success": True}], [{}])

    assert (verdict.status, verdict.vendor_id) == (SUCCEEDED, None)


@pytest.mark.parametrize("index", [True, False, -1, 1.0, "1", 2**64])
def test_what_is_no_place_places_nothing(index: Any) -> None:
    results = [{"index": index, "error": "Bad"}, {"index": 0, "id": 5}]
    first, second = read(CREATE, results, [{}, {}])

    assert (first.status, first.vendor_id) == (SUCCEEDED, "5")
    assert second.status == UNKNOWN


def test_free_text_in_the_place_of_a_code_is_text() -> None:
    said = "Email jane.doe@example.com is in use"
    (verdict,) = read(CREATE, [{"index": 0, "error": said}], [{}])

    assert (verdict.code, verdict.text) == ("vendor_error", said)


@pytest.mark.parametrize("levels", [400, 900])
def test_details_of_any_depth_have_words(levels: int) -> None:
    """Stored by a version that bounded no depth."""
    details: Any = "deep"
    for _ in range(levels):
        details = [details]
    (verdict,) = read(CREATE, [{"index": 0, "error": "Bad", "details": details}], [{}])

    assert (verdict.status, verdict.code, verdict.text) == (FAILED, "Bad", "Bad")


@pytest.mark.parametrize("sent", ["ann@example.net ", " Ann@Example.net", "ann@example.net\t"])
@pytest.mark.parametrize("shown", ["ann@example.net", "ANN@example.net "])
def test_an_e_mail_matches_without_the_blanks_around_it(sent: str, shown: str) -> None:
    records: list[JsonObject] = [{"name": "Ann", "email": sent}, {"name": "Bo", "email": "b@x.y"}]
    results = [{"id": 5, "status": "Created", "email": shown}, {"id": 6, "status": "Created"}]
    verdicts = read(OPERATIONS["users.create"], results, records)

    assert [(each.status, each.vendor_id) for each in verdicts] == [
        (SUCCEEDED, "5"),
        (SUCCEEDED, "6"),
    ]
    again = read(OPERATIONS["users.create"], results[::-1], records)
    assert [each.vendor_id for each in again] == ["5", None]


def test_an_external_id_with_a_blank_is_another_one() -> None:
    records: list[JsonObject] = [{"external_id": "a "}, {"external_id": "b"}]
    results = [{"id": 5, "status": "Created", "external_id": "a"}]
    verdicts = read(OPERATIONS["users.create"], results, records)

    assert {verdict.status for verdict in verdicts} == {UNKNOWN}
