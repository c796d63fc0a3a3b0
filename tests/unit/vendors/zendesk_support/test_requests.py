"""The one request that an operation and its records become."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import RefusalScope, Refused
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk_support.operations import OPERATIONS, find_operation
from jobferry.vendors.zendesk_support.requests import Request, encode, read_back_kind, request_of

UPDATE = OPERATIONS["tickets.update"]
DELETE = OPERATIONS["tickets.delete"]
DELETE_USERS = OPERATIONS["users.delete"]
AGENTS = OPERATIONS["agents.set_attributes"]
MERGE = OPERATIONS["tickets.merge"]


def car(action: str) -> Operation:
    operation = find_operation(f"custom_objects.car.{action}")
    assert operation is not None
    return operation


def sent(operation: Operation, *records: JsonObject) -> Request:
    request = request_of(operation, records)
    assert isinstance(request, Request), request
    return request


def refusal(operation: Operation, *records: JsonObject) -> str:
    request = request_of(operation, records)
    assert isinstance(request, Refused), request
    assert request.message
    return request.code


# Changes of tickets


def test_the_same_change_is_sent_once() -> None:
    request = sent(UPDATE, {"id": 1, "status": "open"}, {"id": 2, "status": "open"})

    assert request == Request(
        "PUT", "/tickets/update_many", {"ids": "1,2"}, {"ticket": {"status": "open"}}
    )


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([{"id": 1, "status": "open"}, {"id": 2, "status": "new"}], id="values"),
        pytest.param([{"id": 1, "status": "open"}, {"id": 2}], id="fields"),
        pytest.param([{"id": 1, "x": True}, {"id": 2, "x": 1}], id="types"),
        pytest.param([{"id": 1, "x": 1}, {"id": 1, "x": 1}], id="one ticket twice"),
        pytest.param([{"id": "1,2", "x": 1}], id="no whole number"),
        pytest.param([{"x": 1}], id="no id"),
        pytest.param([{"id": 1}], id="no change"),
        pytest.param([], id="no rows"),
    ],
)
def test_other_changes_are_sent_ticket_by_ticket(records: list[JsonObject]) -> None:
    request = sent(UPDATE, *records)

    assert request == Request("PUT", "/tickets/update_many", None, {"tickets": records})


@pytest.mark.parametrize("name", ["additional_tags", "remove_tags"])
def test_tags_that_would_be_dropped_are_refused(name: str) -> None:
    assert refusal(UPDATE, {"id": 1, name: ["a"]}, {"id": 2, name: ["b"]}) == "tags_need_one_change"
    assert sent(UPDATE, {"id": 1, name: ["a"]}, {"id": 2, name: ["a"]}).params
    assert sent(UPDATE, {"id": 1, name: ["a"]}).params


CHANGES = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 4)},
        optional={"status": st.sampled_from("ab"), "x": st.integers(0, 1)},
    ),
    min_size=1,
    max_size=4,
)


@given(CHANGES)
def test_no_change_is_lost_or_made_up(records: list[JsonObject]) -> None:
    request = sent(UPDATE, *records)

    if request.params is None:
        assert request.body == {"tickets": records}
    else:
        ids = [int(each) for each in request.params["ids"].split(",")]
        assert [{"id": each, **request.body["ticket"]} for each in ids] == records


# Ids in the query


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=100))
def test_ids_travel_in_the_query(ids: list[int]) -> None:
    request = sent(DELETE, *({"id": each} for each in ids))

    assert request.body is None
    assert request.encoded_body is None
    assert (request.params or {})["ids"].split(",") == [str(each) for each in ids]


@pytest.mark.parametrize("value", ["1,2", "", " 1", "-1", "1.0", "²", 1.5, True, None, [1]])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    assert refusal(DELETE, {"id": 1}, {"id": value}) == "invalid_id"


def test_external_ids_will_do_where_no_row_has_an_id() -> None:
    request = sent(DELETE_USERS, {"external_id": "a"}, {"external_id": "0 b"})

    assert request.params == {"external_ids": "a,0 b"}


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([{"external_id": "a,b"}], id="comma"),
        pytest.param([{"external_id": ""}], id="empty"),
        pytest.param([{}], id="neither"),
        pytest.param([{"id": 1}, {"external_id": "a"}], id="either"),
        pytest.param([{"id": "x", "external_id": "a"}], id="an id that is none"),
    ],
)
def test_rows_that_one_query_cannot_name_are_refused(records: list[JsonObject]) -> None:
    assert refusal(DELETE_USERS, *records) == "invalid_id"


# Jobs with an action


def test_one_ticket_is_merged_with_its_comments() -> None:
    row = {"id": "7", "target_id": 8, "target_comment": "a", "source_comment_is_public": False}

    assert sent(MERGE, row) == Request(
        "POST",
        "/tickets/8/merge",
        body={"ids": [7], "target_comment": "a", "source_comment_is_public": False},
    )


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"id": 7, "target_id": 8}, {"id": 9, "target_id": 8}], "one_merge_per_job"),
        ([], "one_merge_per_job"),
        ([{"id": 7, "target_id": "8/../../users/1"}], "invalid_id"),
        ([{"id": "7,9", "target_id": 8}], "invalid_id"),
        ([{"id": 7}], "invalid_id"),
        ([{"id": "7", "target_id": 7}], "merge_into_itself"),
    ],
)
def test_what_is_no_merge_of_one_ticket_is_refused(rows: list[JsonObject], code: str) -> None:
    assert refusal(MERGE, *rows) == code


def test_one_job_gives_the_same_values_to_many_agents() -> None:
    common = {"action": "upsert", "attribute_values": ["u-1", {"id": "u-2"}]}

    assert sent(AGENTS, {"id": 1, **common}, {"id": 2, **common}).body == {
        "job": {
            "action": "upsert",
            "attributes": {"attribute_values": [{"id": "u-1"}, {"id": "u-2"}]},
            "items": [1, 2],
        }
    }


@pytest.mark.parametrize("other", [{"action": "delete"}, {"attribute_values": ["u-2"]}])
def test_agents_with_different_values_are_refused(other: JsonObject) -> None:
    row = {"id": 1, "action": "upsert", "attribute_values": ["u-1"]}

    assert refusal(AGENTS, row, {**row, "id": 2, **other}) == "attributes_differ"


@pytest.mark.parametrize(
    ("action", "items"),
    [
        ("create", [{"id": "01A", "external_id": "7"}]),
        ("update", [{"id": "01A", "external_id": "7"}]),
        ("create_or_update_by_external_id", [{"id": "01A", "external_id": "7"}]),
        ("create_or_update_by_name", [{"id": "01A", "external_id": "7"}]),
        ("delete", ["01A"]),
        ("delete_by_external_id", ["7"]),
    ],
)
def test_jobs_on_custom_objects(action: str, items: list[object]) -> None:
    request = sent(car(action), {"id": "01A", "external_id": "7"})

    assert request == Request(
        "POST", "/custom_objects/car/jobs", None, {"job": {"action": action, "items": items}}
    )


@pytest.mark.parametrize(
    "name",
    [
        "custom_objects.car.explode",
        "custom_objects.create",
        "custom_objects..create",
        "custom_objects.a/b.create",
        "custom_objects.a.b.create",
        "custom_objects.car.create\n",
        "customobjects.car.create",
    ],
)
def test_other_names_are_no_operations(name: str) -> None:
    assert find_operation(name) is None


def test_a_custom_object_without_its_key_ends_the_run() -> None:
    refused = request_of(OPERATIONS["custom_objects.<key>.delete"], [{"id": "01A"}])

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.RUN, "custom_object_not_named")


# All of them


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_body_can_be_weighed_whatever_the_rows(operation: Operation) -> None:
    named = find_operation(operation.name.replace("<key>", "car")) or operation

    rows: list[list[JsonObject]] = [
        [],
        [{}],
        [{"id": None}],
        [{"id": "x", "external_id": ["y"]}],
    ]
    for records in rows:
        assert isinstance(encode(named, records), bytes)


def test_a_digest_tells_the_same_change_of_other_tickets_apart() -> None:
    first, second = (encode(UPDATE, [{"id": each, "status": "open"}]) for each in (1, 2))

    assert first != second
    assert json.loads(first.removeprefix(b"1")) == {"ticket": {"status": "open"}}


def test_what_can_be_read_back() -> None:
    kinds = {name: read_back_kind(each) for name, each in OPERATIONS.items() if not each.repeatable}

    assert kinds == {
        "tickets.create": "tickets",
        "tickets.import": "tickets",
        "tickets.merge": None,
        "users.create": "users",
        "organizations.create": "organizations",
        "organization_memberships.create": None,
        "group_memberships.create": None,
        "custom_objects.<key>.create": None,
    }
