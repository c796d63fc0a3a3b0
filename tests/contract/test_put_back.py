"""Undoing what a run changed, from its snapshot: every record is again what it was."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry.domain.types import JsonObject
from tests.contract.simulated import simulated_world
from tests.unit.cli.shell import Shell
from vendorsim import RunningSimulator

ACCOUNTS = {
    "support": ("zendesk_support", {"email": "agent@example.com", "token": "sim-token"}),
    "sunshine": ("zendesk_sunshine", {"bearer": "sim-token"}),
}

TICKETS: list[JsonObject] = [
    {
        "id": 101,
        "subject": "Grüße, \"quoted\"; 'and' more",
        "description": "first",
        "priority": "low",
        "external_id": "007",
        "tags": ["old", "new, with comma"],
        "requester_id": 7,
        "custom_fields": [{"id": 11, "value": "x"}, {"id": 12, "value": True}],
    },
    {
        "id": 102,
        "subject": "=HYPERLINK(1)",
        "description": "second",
        "priority": None,
        "external_id": None,
        "tags": [],
        "custom_fields": [{"id": 11, "value": "1E5"}, {"id": 12, "value": None}],
    },
    {
        "id": 103,
        "subject": "",
        "description": "third",
        "priority": "urgent",
        "external_id": "1E5",
        "tags": ["old"],
        "custom_fields": [{"id": 11, "value": None}, {"id": 12, "value": False}],
    },
    {"id": 104, "subject": "not touched", "description": "fourth", "tags": ["old"]},
]
USERS: list[JsonObject] = [
    {
        "id": 360001,
        "name": "Ada",
        "email": "ada@example.org",
        "external_id": "U1",
        "phone": "+47 123",
        "suspended": False,
        "organization_id": 370001,
        "user_fields": {"plan": "gold", "seats": 3, "since": None},
    },
    {
        "id": 360002,
        "name": "Ö. Özil",
        "email": None,
        "external_id": "u2",
        "phone": None,
        "suspended": True,
        "organization_id": None,
        "user_fields": {"plan": None, "seats": 2.5, "since": "2024-01-01"},
    },
]
ORGANIZATIONS: list[JsonObject] = [
    {
        "id": 370001,
        "name": "Acme",
        "external_id": "o1",
        "details": "line one\nline two",
        "domain_names": ["acme.example", "acme.org"],
        "organization_fields": {"tier": "A"},
    },
    {
        "id": 370002,
        "name": "Beta",
        "external_id": "o2",
        "details": None,
        "domain_names": [],
        "organization_fields": {"tier": None},
    },
]
CARS: list[JsonObject] = [
    {"custom_object_key": "car", "name": "A", "custom_object_fields": {"wheels": 4, "owner": "x"}},
    {
        "custom_object_key": "car",
        "name": "B",
        "custom_object_fields": {"wheels": None, "owner": ""},
    },
]
RESOURCES: list[JsonObject] = [
    {"id": "r-1", "type": "car", "attributes": {"wheels": 4, "parts": {"a": [1, None]}}},
    {"id": "r-2", "type": "car", "attributes": {"wheels": 3, "parts": None}},
]


@pytest.fixture
def site() -> Iterator[tuple[Shell, RunningSimulator]]:
    records = {
        "tickets": TICKETS,
        "users": USERS,
        "organizations": ORGANIZATIONS,
        "custom_objects": CARS,
        "resources": RESOURCES,
    }
    with simulated_world(ACCOUNTS, latency="2-6", records=records) as (world, sim):
        yield Shell(world), sim


READ = {
    "tickets": "/api/v2/tickets",
    "users": "/api/v2/users",
    "organizations": "/api/v2/organizations",
    "custom_object_records": "/api/v2/custom_objects/car/records?page[size]=100",
    "data": "/api/sunshine/objects/records?type=car",
}


def held(sim: RunningSimulator) -> dict[str, Any]:
    """Every record of the account, but for when it was changed."""
    found = {}
    for kind, path in READ.items():
        for record in sim.request("GET", path).json()[kind]:
            kept = {name: value for name, value in record.items() if name != "updated_at"}
            found[f"{kind} {record['id']}"] = kept
    return found


def put(shell: Shell, folder: Path, profile: Mapping[str, Any]) -> None:
    file = folder / f"{profile['name']}.yaml"
    file.write_text(yaml.safe_dump(dict(profile)))
    answer = shell("profile", "put", file)
    assert answer.code == 0, answer.stderr


def run(shell: Shell, file: Path, profile: str) -> dict[str, Any]:
    return shell("run", file, "--profile", profile, "--wait", "--json").document


def undone(shell: Shell, folder: Path, run_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What undo says, and the run of its file."""
    undo = shell("undo", run_id, "--out", folder / "undo", "--json").document
    assert shell("profile", "put", undo["profile"]).code == 0
    name = undo["next"][1].rpartition(" ")[2]
    assert shell("plan", undo["csv"], "--profile", name, "--json").document["rejected"] == 0
    return undo, run(shell, Path(undo["csv"]), name)


CHANGES: dict[str, tuple[str, str, str]] = {
    "tickets.update": (
        "support",
        "id,subject,priority,external_id,tags,custom_fields[11],custom_fields[12],custom_fields[13]",
        "101,New,high,e1,a,y,yes,z\n102,New,high,e2,b,y,yes,z\n103,New,,e3,c,y,no,z\n",
    ),
    "users.update": (
        "support",
        "external_id,name,phone,suspended,organization_id,user_fields.plan,user_fields.seats,"
        "user_fields.since",
        "u1,X,1,true,370002,tin,9,2025-01-01\nU2,Y,2,false,370001,tin,8,\n",
    ),
    "organizations.update": (
        "support",
        "id,name,external_id,details,domain_names,organization_fields.tier",
        "370001,Alpha,n1,z,x.example,B\n370002,Gamma,n2,z,y.example,B\n",
    ),
    "custom_objects.car.update": (
        "support",
        "id,name,custom_object_fields.wheels,custom_object_fields.owner,custom_object_fields.new",
        "01SIM000000000000000000001,C,6,y,1\n01SIM000000000000000000002,D,6,y,1\n",
    ),
    "resources.update": (
        "sunshine",
        "id,attributes.wheels,attributes.parts",
        "r-1,6,none\nr-2,6,none\n",
    ),
}
ABSENT = {"custom_fields[13]", "custom_object_fields.new"}
"""Fields that had no value, and have the value null afterwards."""


def plain(records: dict[str, Any]) -> dict[str, Any]:
    """Records without fields that have no value."""
    for record in records.values():
        entries = record.get("custom_fields")
        if isinstance(entries, list):
            record["custom_fields"] = [each for each in entries if each["value"] is not None]
        for name in ("custom_object_fields", "user_fields", "organization_fields"):
            if isinstance(record.get(name), dict):
                record[name] = {k: v for k, v in record[name].items() if v is not None}
    return records


@pytest.mark.parametrize("operation", CHANGES)
def test_what_a_run_changed_is_put_back_and_nothing_else(
    site: tuple[Shell, RunningSimulator], tmp_path: Path, operation: str
) -> None:
    shell, sim = site
    connection, header, lines = CHANGES[operation]
    file = tmp_path / "changes.csv"
    file.write_text(f"{header}\n{lines}", encoding="utf-8")
    put(
        shell,
        tmp_path,
        {"name": "c", "connection": connection, "operation": operation, "snapshot": True},
    )
    before = held(sim)
    changed = run(shell, file, "c")
    assert changed["outcomes"]["succeeded"] == changed["rows"]
    assert changed["requests"]["other"] == 1
    assert plain(held(sim)) != plain(before)

    undo, back = undone(shell, tmp_path, changed["run_id"])

    assert (undo["rows"], undo["cannot"], undo["lost"]) == (changed["rows"], 0, {})
    assert back["outcomes"]["succeeded"] == changed["rows"]
    assert plain(held(sim)) == plain(before)


def test_tags_that_were_added_and_taken_away_are_put_back(
    site: tuple[Shell, RunningSimulator], tmp_path: Path
) -> None:
    shell, sim = site
    columns = {
        "id": "id",
        "Add": {"field": "additional_tags", "type": "list"},
        "Take": {"field": "remove_tags", "type": "list"},
        "Note": "comment.body",
    }
    profile = {"name": "t", "connection": "support", "operation": "tickets.update"}
    put(shell, tmp_path, {**profile, "columns": columns, "snapshot": True})
    file = tmp_path / "tags.csv"
    file.write_text("id,Add,Take,Note\n101,x,old,hello\n103,x,old,hello\n")
    before = held(sim)
    changed = run(shell, file, "t")
    assert changed["outcomes"]["succeeded"] == 2
    assert held(sim)["tickets 103"]["tags"] == ["x"]

    undo, _ = undone(shell, tmp_path, changed["run_id"])

    assert undo["lost"] == {"comment": 2}
    assert held(sim) == before


def test_rows_that_changed_nothing_are_left_out(
    site: tuple[Shell, RunningSimulator], tmp_path: Path
) -> None:
    shell, sim = site
    profile = {"name": "u", "connection": "support", "operation": "users.update"}
    put(shell, tmp_path, {**profile, "snapshot": True, "max_attempts": 1})
    file = tmp_path / "users.csv"
    # The second has an address that is none, and the third is not there.
    file.write_text("external_id,email\nu1,new@example.org\nu2,nonsense@@\nu3,x@example.org\n")
    before = held(sim)
    changed = run(shell, file, "u")
    assert (changed["outcomes"]["succeeded"], changed["outcomes"]["failed"]) == (1, 1)

    undo, _ = undone(shell, tmp_path, changed["run_id"])

    assert held(sim) == before
    with Path(undo["csv"]).open(newline="", encoding="utf-8-sig") as csv_file:
        ids = [row["id"] for row in csv.DictReader(csv_file)]
    assert "360001" in ids
    assert undo["rows"] == len(ids) <= 2


def test_what_the_vendor_does_not_show_is_refused_at_the_profile(
    site: tuple[Shell, RunningSimulator], tmp_path: Path
) -> None:
    shell, _ = site
    file = tmp_path / "p.yaml"
    for operation in ("tickets.create", "users.create_or_update", "tickets.delete"):
        profile = {"name": "p", "connection": "support", "operation": operation, "snapshot": True}
        file.write_text(yaml.safe_dump(profile))
        answer = shell("profile", "put", file)
        assert answer.code == 1
        assert "snapshot" in answer.stderr
        assert "tickets.update" in answer.stderr


@pytest.mark.parametrize(
    "effect",
    [{"status": 503}, {"rate_limited": "json", "retry_after": 7}],
    ids=["unavailable", "throttled"],
)
def test_records_that_cannot_be_read_are_not_changed(
    site: tuple[Shell, RunningSimulator], tmp_path: Path, effect: JsonObject
) -> None:
    shell, sim = site
    profile = {"name": "s", "connection": "support", "operation": "tickets.update"}
    put(shell, tmp_path, {**profile, "snapshot": True})
    file = tmp_path / "subjects.csv"
    file.write_text("id,subject\n101,New\n102,New\n")
    before = held(sim)
    sim.set_faults({"match": {"path": "tickets/show_many", "nth": [1, 2, 3]}, "effect": effect})
    changed = run(shell, file, "s")
    assert changed["outcomes"]["succeeded"] == 2
    undone(shell, tmp_path, changed["run_id"])
    assert held(sim) == before
