"""What a profile is warned of: slips and fields that nobody knows, and nothing that is legal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.binding.profile_warnings import MOST_FIELDS, too_many_jobs, warnings_of
from jobferry.domain.connection import Connection
from jobferry.domain.profile import Profile
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "profiles").glob("*.yaml"))


def warned(
    vendor: str,
    operation: str,
    *fields: str,
    header: tuple[str, ...] = (),
    constants: dict[str, Any] | None = None,
    batch_size: int | None = None,
    max_jobs: int | None = None,
) -> list[str]:
    columns = {f"C{n}": field for n, field in enumerate(fields)} or None
    document = validate(
        {
            "name": "p",
            "connection": "acme",
            "operation": operation,
            "columns": columns,
            "constants": constants or {},
            "batch_size": batch_size,
        }
    )
    found = BUILT_IN.named(vendor)
    known = found.operation(operation)
    assert known is not None
    connection = Connection("acme", vendor, "https://acme.example", max_jobs=max_jobs)
    return warnings_of(Profile.from_document(document, 1), connection, found, known, header)


@pytest.mark.parametrize(
    ("operation", "field", "meant"),
    [
        ("tickets.create", "subjet", "subject"),
        ("tickets.create", "priorty", "priority"),
        ("tickets.create", "Subject", "subject"),
        ("tickets.create", "comment.bdy", "comment.body"),
        ("tickets.create", "comment.publik", "comment.public"),
        ("tickets.create", "requester.emial", "requester.email"),
        ("tickets.create", "custom_field[360001]", "custom_fields[<id>]"),
        ("tickets.create", "assignee", "assignee_id"),
        ("tickets.update", "prioritty", "priority"),
        ("users.create", "e-mail", "email"),
        ("users.create_or_update", "user_field.plan", "user_fields.<key>"),
        ("organizations.create", "domain_name", "domain_names"),
        ("group_memberships.create", "groupid", "group_id"),
        ("custom_objects.car.create", "external", "external_id"),
    ],
)
def test_a_slip_is_told_with_the_name_that_is_meant(operation: str, field: str, meant: str) -> None:
    (text,) = warned("zendesk_support", operation, field)

    assert text.startswith(f"Column C0: {operation} is not known to have the field {field};")
    assert text.endswith(f"Did you mean {meant}?")


@pytest.mark.parametrize("field", ["favourite_dish", "x", "wholly.unlike.anything"])
def test_a_field_like_no_other_is_told_alone(field: str) -> None:
    (text,) = warned("zendesk_support", "tickets.create", field)

    assert field in text
    assert "Zendesk Support may ignore it." in text
    assert "Did you mean" not in text


@pytest.mark.parametrize(
    ("vendor", "operation", "fields"),
    [
        (
            "zendesk_support",
            "tickets.create",
            "subject comment.body comment.html_body comment.uploads comment.via.channel comment "
            "custom_fields custom_fields[360001] requester requester.name "
            "requester.locale_id requester.identities requester.user_fields.plan description via "
            "via.channel metadata.anything.deep via_followup_source_id collaborators email_ccs "
            "custom_status_id problem_id recipient submitter_id voice_comment.from fields[7]",
        ),
        (
            "zendesk_support",
            "tickets.update",
            "id additional_tags remove_tags safe_update updated_stamp status custom_fields[1]",
        ),
        (
            "zendesk_support",
            "tickets.import",
            "comments created_at updated_at solved_at description tags comment.created_at",
        ),
        (
            "zendesk_support",
            "users.create_or_update",
            "id name email external_id user_fields.plan user_fields organization.name alias "
            "custom_role_id suspended shared_phone_number remote_photo_url",
        ),
        ("zendesk_support", "organizations.update", "id organization_fields.tier domain_names"),
        ("zendesk_support", "organization_memberships.create", "user_id default view_tickets"),
        (
            "zendesk_support",
            "custom_objects.car.create_or_update_by_name",
            "name external_id custom_object_fields.colour custom_object_fields",
        ),
        ("zendesk_support", "tickets.merge", "id target_id target_comment source_comment"),
        ("zendesk_support", "agents.set_attributes", "id action attribute_values"),
        ("zendesk_sunshine", "resources.post", "type external_id attributes.a attributes.b.c"),
        ("zendesk_sunshine", "resources.update", "id attributes.prioritty"),
        ("zendesk_sunshine", "relationships.post", "relationship_type source target"),
        (
            "vidispine",
            "jobs.create",
            "type priority jobmetadata.x notification anything title prioritty itemId",
        ),
    ],
)
def test_what_is_legal_is_not_warned_of(vendor: str, operation: str, fields: str) -> None:
    assert [name for name in fields.split() if warned(vendor, operation, name)] == []


@pytest.mark.parametrize("vendor", BUILT_IN.built_in(), ids=lambda vendor: vendor.name)
def test_whatever_an_operation_names_may_be_used(vendor: Vendor) -> None:
    for operation in vendor.operations.values():
        named = (
            *operation.fields,
            *(each for alternatives in operation.required for each in alternatives),
            *operation.match_on,
            *operation.types,
        )
        for path in named:
            usable = path.replace("[<id>]", "[1]").replace("<any other key>", "any")
            assert warned(vendor.name, operation.name, usable.replace("<key>", "any")) == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_sample_profiles_are_warned_of_nothing(path: Path) -> None:
    profile = Profile.from_document(validate(yaml.safe_load(path.read_text())), 1)
    vendor = next(v for v in BUILT_IN.built_in() if v.operation(profile.operation))
    operation = vendor.operation(profile.operation)
    assert operation is not None
    header = next((ROOT / "events").glob(f"{path.stem}.csv")).read_text().splitlines()[0]
    connection = Connection("acme", vendor.name, "https://acme.example")

    assert warnings_of(profile, connection, vendor, operation, header.split(",")) == []


def test_a_constant_is_looked_at_too() -> None:
    (text,) = warned("zendesk_support", "tickets.delete", "id", constants={"brand": 1})

    assert text.startswith("Constants: tickets.delete is not known to have the field brand;")


def test_without_columns_the_header_names_the_fields() -> None:
    header = ("subject", "subjet", "comment.body", "", "jobferry_row", "jobferry_error")
    (text,) = warned("zendesk_support", "tickets.create", header=header)

    assert text.startswith("tickets.create is not known to have the field subjet;")


def test_a_field_is_told_once_and_many_of_them_in_one_sentence() -> None:
    twice = warned("zendesk_support", "tickets.create", "subjet", constants={"subjet": 1})
    assert len(twice) == 1

    fields = [f"zz{n:02}" for n in range(30)]
    found = warned("zendesk_support", "tickets.create", *fields)
    assert len(found) == MOST_FIELDS + 1
    assert all(any(name in text for text in found) for name in fields)


def test_a_vendor_that_lists_no_fields_is_not_second_guessed() -> None:
    vendor = BUILT_IN.named("zendesk_support")
    operation = replace(vendor.operations["tickets.create"], fields=())
    profile = Profile("p", "acme", "tickets.create", constants={"anything": 1})
    connection = Connection("acme", vendor.name, "https://acme.example")

    assert warnings_of(profile, connection, vendor, operation) == []


@pytest.mark.parametrize(("size", "told"), [(None, False), (100, False), (101, True), (500, True)])
def test_a_batch_size_above_the_vendors_limit(size: int | None, told: bool) -> None:
    found = warned("zendesk_support", "tickets.create", "subject", batch_size=size)

    assert bool(found) is told
    assert all(f"batch_size is {size}" in text and "at most 100" in text for text in found)


@pytest.mark.parametrize(("jobs", "told"), [(None, False), (30, False), (31, True), (100, True)])
def test_more_jobs_in_flight_than_the_vendor_takes(jobs: int | None, told: bool) -> None:
    found = warned("zendesk_support", "tickets.create", "subject", max_jobs=jobs)

    assert bool(found) is told
    assert all(f"{jobs} jobs in flight" in text and "at most 30" in text for text in found)
    connection = Connection("acme", "zendesk_support", "https://a.example", max_jobs=jobs)
    assert (too_many_jobs(connection, BUILT_IN.named("zendesk_support")) is not None) is told
