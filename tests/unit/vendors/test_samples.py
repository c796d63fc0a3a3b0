"""The sample profiles and their CSVs: every one can be used, and every operation has one."""

from __future__ import annotations

import csv
import io

import pytest

from jobferry.binding.column_binding import bind_columns
from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import check_against
from jobferry.domain.profile import Profile
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from jobferry.vendors.zendesk_support.operations import OPERATIONS
from jobferry.vendors.zendesk_support.requests import Request, request_of
from tests.examples import EXAMPLES

PROFILES = {
    name: Profile.from_document(validate(example.document), 1)
    for name, example in EXAMPLES.items()
    if example.vendor == "zendesk_support"
}


def test_every_operation_has_a_sample() -> None:
    shown = {profile.operation.replace(".vehicle.", ".<key>.") for profile in PROFILES.values()}

    assert shown == set(OPERATIONS)


@pytest.mark.parametrize("name", PROFILES)
def test_a_sample_becomes_one_request(name: str) -> None:
    profile = PROFILES[name]
    operation = check_against(profile, ZENDESK_SUPPORT)
    text = EXAMPLES[name].csv.read_text()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    mapping = bind_columns(profile, operation, ZENDESK_SUPPORT, header)
    good = [
        mapping.record(cells)
        for cells in rows
        if len(cells) == len(header) and mapping.check(cells) is None
    ]

    assert good
    assert isinstance(request_of(operation, good[: operation.max_records]), Request)
