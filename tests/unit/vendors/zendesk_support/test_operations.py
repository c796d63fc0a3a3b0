"""The declared bounds of Zendesk Support's operations, as the scheduler and planning see them."""

from __future__ import annotations

from jobferry.binding.column_binding import bind_columns, chunk_limits
from jobferry.domain.profile import Profile
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from jobferry.vendors.zendesk_support.operations import OPERATIONS


def test_endpoints_with_a_published_limit() -> None:
    declared = {
        name: (each.endpoint, each.endpoint_per_minute)
        for name, each in OPERATIONS.items()
        if each.endpoint_per_minute is not None
    }

    assert declared == {
        "tickets.update": ("tickets-update", 100),
        "tickets.mark_as_spam": ("tickets-update", 100),
        "tickets.delete_permanently": ("deleted-tickets-destroy-many", 300),
        "users.create_or_update": ("users-update", 60),
        "users.update": ("users-update", 60),
    }


def test_records_of_custom_objects_are_bounded_by_themselves() -> None:
    header = ("name", "comment.body", "external_id")
    bounds = {}
    for name in ("tickets.create", "custom_objects.vehicle.create"):
        operation = ZENDESK_SUPPORT.operation(name)
        assert operation is not None
        profile = Profile(name="p", connection="c", operation=name)
        mapping = bind_columns(profile, operation, ZENDESK_SUPPORT, header)
        limits = chunk_limits(profile, operation, ZENDESK_SUPPORT, mapping)
        bounds[name] = limits.max_record_bytes

    assert bounds == {"tickets.create": None, "custom_objects.vehicle.create": 32_768}


def test_a_job_merges_one_row() -> None:
    merge = OPERATIONS["tickets.merge"]
    profile = Profile(name="p", connection="c", operation=merge.name, batch_size=50)

    mapping = bind_columns(profile, merge, ZENDESK_SUPPORT, ("id", "target_id"))
    assert chunk_limits(profile, merge, ZENDESK_SUPPORT, mapping).max_records == 1
