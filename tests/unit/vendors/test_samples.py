"""The sample profiles and their CSVs: every one can be used, and every operation has one."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import yaml

from jobferry.binding.column_binding import bind_columns
from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import check_against
from jobferry.domain.profile import Profile
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from jobferry.vendors.zendesk_support.operations import OPERATIONS
from jobferry.vendors.zendesk_support.requests import Request, request_of

ROOT = Path(__file__).parents[3]
PROFILES = {
    path.stem: Profile.from_document(document, 1)
    for path in sorted((ROOT / "profiles").glob("*.yaml"))
    if (document := validate(yaml.safe_load(path.read_text())))["connection"] == "acme"
}


def test_every_operation_has_a_sample() -> None:
    shown = {profile.operation.replace(".vehicle.", ".<key>.") for profile in PROFILES.values()}

    assert shown == set(OPERATIONS)


@pytest.mark.parametrize("name", PROFILES)
def test_a_sample_becomes_one_request(name: str) -> None:
    profile = PROFILES[name]
    assert profile.name == name
    operation = check_against(profile, ZENDESK_SUPPORT)
    text = (ROOT / "events" / f"{name}.csv").read_text()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    mapping = bind_columns(profile, operation, ZENDESK_SUPPORT, header)
    good = [
        mapping.record(cells)
        for cells in rows
        if len(cells) == len(header) and mapping.check(cells) is None
    ]

    assert good
    assert isinstance(request_of(operation, good[: operation.max_records]), Request)
