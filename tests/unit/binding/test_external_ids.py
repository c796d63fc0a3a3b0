"""External ids of Jobferry's own: added where nobody else sets one, and weighed by the plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.binding.column_binding import bind_columns, chunk_limits
from jobferry.binding.external_ids import (
    LONGEST,
    add_external_ids,
    added_field,
    external_id,
    most_added_bytes,
)
from jobferry.binding.profile_document import validate
from jobferry.csvfile.plan_items import ChunkLimits
from jobferry.csvfile.row_scale import json_size
from jobferry.domain.profile import Profile
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT

HEADER = ("Subject", "Body", "Ref")
COLUMNS = {"Subject": "subject", "Body": "comment.body"}


def profile_of(**settings: Any) -> Profile:
    plain = {"name": "p", "connection": "c", "operation": "tickets.create", "columns": COLUMNS}
    return Profile.from_document(validate({**plain, **settings}), 1)


def field_of(profile: Profile) -> str:
    operation = ZENDESK_SUPPORT.operation(profile.operation)
    assert operation is not None
    return added_field(
        profile, operation, bind_columns(profile, operation, ZENDESK_SUPPORT, HEADER)
    )


def limits_of(profile: Profile) -> ChunkLimits:
    operation = ZENDESK_SUPPORT.operation(profile.operation)
    assert operation is not None
    mapping = bind_columns(profile, operation, ZENDESK_SUPPORT, HEADER)
    return chunk_limits(profile, operation, ZENDESK_SUPPORT, mapping)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "external_id"),
        ({"row_key": "Subject"}, "external_id"),
        ({"columns": {**COLUMNS, "Ref": "external_id"}}, ""),
        ({"constants": {"external_id": "all-the-same"}}, ""),
        ({"add_external_id": False}, ""),
        ({"operation": "tickets.update", "columns": {"Ref": "id"}}, ""),
        ({"operation": "users.update", "columns": {"Ref": "id"}}, ""),
        ({"operation": "users.create_or_update", "columns": {"Ref": "email"}}, "external_id"),
        ({"operation": "custom_objects.car.create", "columns": {"Ref": "name"}}, "external_id"),
    ],
)
def test_only_new_records_that_nobody_names_get_an_id(
    settings: Mapping[str, Any], field: str
) -> None:
    assert field_of(profile_of(**settings)) == field


def test_an_id_names_the_run_and_the_row() -> None:
    records = add_external_ids([(7, {"a": 1}), (9, {"a": 2})], "external_id", "p-0123456789ab")
    assert records == [
        {"a": 1, "external_id": "jobferry:p-0123456789ab:7"},
        {"a": 2, "external_id": "jobferry:p-0123456789ab:9"},
    ]


@pytest.mark.parametrize("add", [True, False])
def test_a_row_that_names_no_user_gets_an_id_so_that_it_makes_one_only(add: bool) -> None:
    profile = profile_of(
        operation="users.create_or_update", columns={"Ref": "email"}, add_external_id=add
    )
    operation = ZENDESK_SUPPORT.operation(profile.operation)
    assert operation is not None
    rows = [(1, {"email": "a@example.org"}), (2, {"email": ""}), (3, {"name": "C"}), (4, {"id": 7})]

    records = add_external_ids(
        rows, field_of(profile), "p-0123456789ab", identified_by=operation.identified_by
    )

    assert [record.get("external_id") for record in records] == [
        None,
        "jobferry:p-0123456789ab:2",
        "jobferry:p-0123456789ab:3",
        None,
    ]


def test_records_stay_as_they_are_where_none_is_added() -> None:
    assert add_external_ids([(7, {"a": 1})], "", "run") == [{"a": 1}]


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}", fullmatch=True),
    row=st.integers(min_value=1, max_value=9_999_999_999),
)
def test_the_plan_weighs_at_least_what_is_sent(name: str, row: int) -> None:
    run_id = f"{name}-0123456789ab"
    record = {"subject": "s"}
    (sent,) = add_external_ids([(row, record)], "external_id", run_id)

    assert len(external_id(run_id, row)) <= LONGEST < 255
    assert json_size(sent) - json_size(record) <= most_added_bytes("external_id")


def test_the_added_bytes_count_for_the_request_and_for_the_record() -> None:
    added = most_added_bytes("external_id")
    record = {"operation": "custom_objects.car.create", "columns": {"Ref": "name"}}

    with_id, without = (
        limits_of(profile_of(**record, add_external_id=wanted)) for wanted in (True, False)
    )

    assert (with_id.record_overhead, without.record_overhead) == (added, 0)
    assert without.max_record_bytes == 32 * 1024
    assert with_id.max_record_bytes == 32 * 1024 - added


def test_the_setting_is_part_of_a_profile_and_on() -> None:
    document = json.loads(json.dumps(validate({**vars_of_plain(), "columns": None})))
    assert document["add_external_id"] is True
    assert Profile.from_document(document, 1).add_external_id


def test_profiles_kept_before_there_was_the_setting_have_it_on() -> None:
    document = validate(vars_of_plain())
    del document["add_external_id"]
    assert Profile.from_document(document, 1).add_external_id


def vars_of_plain() -> dict[str, Any]:
    return {"name": "p", "connection": "c", "operation": "tickets.create"}
