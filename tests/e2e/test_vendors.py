"""A run for each vendor, with good, bad and mixed rows, each outcome held against what happened."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest

from tests.e2e.conftest import Desk

ADMIN = {"username": "admin", "password": "admin"}


def csv_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


@pytest.mark.vendor("zendesk_support")
def test_zendesk_support_users(desk: Desk) -> None:
    desk.put_profile(
        operation="users.create_or_update",
        columns={"Id": "external_id", "Name": "name", "Email": "email"},
        row_key="Id",
    )
    rows = [[f"u{n}", f"User {n}", f"u{n}@example.com"] for n in range(120)]
    rows[5][2] = "no address"
    rows[6][1] = ""
    run_id = desk.upload(csv_of(["Id", "Name", "Email"], rows))
    status = desk.wait(run_id)

    assert status["outcomes"]["rejected"] == 2
    assert status["outcomes"]["succeeded"] == 118
    assert len(desk.effects(kind="user", action="created")) == 118


@pytest.mark.vendor("zendesk_sunshine")
def test_zendesk_sunshine_resources(desk: Desk) -> None:
    desk.put_profile(
        operation="resources.post",
        columns={"Type": "type", "Sku": "external_id", "Name": "attributes.name"},
        row_key="Sku",
    )
    rows = [["product", f"sku-{n}", f"Product {n}"] for n in range(150)]
    rows[3][0] = ""
    rows[9][1] = rows[8][1]
    status = desk.wait(desk.upload(csv_of(["Type", "Sku", "Name"], rows)))

    assert status["outcomes"] == {
        "succeeded": 148,
        "failed": 0,
        "rejected": 1,
        "skipped": 1,
        "unknown": 0,
    }
    made = [e["external_id"] for e in desk.effects(kind="resource", action="created")]
    assert len(made) == len(set(made)) == 148


@pytest.mark.vendor("vidispine", credentials=ADMIN)
def test_vidispine_jobs(desk: Desk) -> None:
    columns: dict[str, Any] = {
        "Type": "type",
        "Title": "title",
        "Priority": {"field": "priority", "optional": True},
    }
    desk.put_profile(operation="jobs.create", columns=columns, row_key="Title")
    rows = [["PLACEHOLDER_IMPORT", f"Title {n}", "HIGH" if n % 2 else ""] for n in range(40)]
    rows[7][0] = ""
    status = desk.wait(run_id := desk.upload(csv_of(["Type", "Title", "Priority"], rows)))

    assert status["jobs"]["planned"] == 39
    assert status["outcomes"]["succeeded"] == 39
    assert status["outcomes"]["rejected"] == 1
    assert len({o.vendor_id for o in desk.outcomes(run_id) if o.vendor_id}) == 39
    assert desk.simulator.effects(limit=0)["requests"]["submit"] == 39
