"""Change records with a snapshot, look for rows, and put back what was changed: deployed, with
rights enforced."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Desk, Stack, csv_of, open_desk
from tests.e2e.test_commands import jobferry

TICKETS = [
    {
        "id": 1_000 + n,
        "subject": f"Before {n}",
        "description": "text",
        "priority": "low" if n % 2 else None,
        "tags": ["old"] if n % 3 else [],
    }
    for n in range(1, 131)
]


def held(desk: Desk) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for page in (1, 2):
        answer = desk.simulator.request("GET", f"/api/v2/tickets?per_page=100&page={page}").json()
        for ticket in answer["tickets"]:
            found[ticket["id"]] = {k: v for k, v in ticket.items() if k != "updated_at"}
    return found


def test_what_an_update_changed_is_found_and_put_back(stack: Stack, tmp_path: Path) -> None:
    name = f"snapshot-{secrets.token_hex(3)}"
    with open_desk(stack, name, records={"tickets": TICKETS}) as desk:
        desk.put_profile(
            operation="tickets.update",
            columns={
                "Ticket": "id",
                "Subject": "subject",
                "Priority": "priority",
                "Tags": {"field": "tags", "type": "list"},
            },
            row_key="Ticket",
            snapshot=True,
        )
        before = held(desk)
        rows = [[str(t["id"]), f"After {t['id']}", "urgent", "new"] for t in TICKETS]
        rows.append(["9999", "After", "urgent", "new"])
        file = tmp_path / "changes.csv"
        file.write_bytes(csv_of(["Ticket", "Subject", "Priority", "Tags"], rows))

        changed = jobferry(desk, "run", str(file), "--profile", desk.profile, "--wait")

        assert changed.code == 3, changed.stderr
        document = changed.document
        run_id = document["run_id"]
        assert (document["outcomes"]["succeeded"], document["outcomes"]["failed"]) == (130, 1)
        assert document["requests"]["other"] == document["jobs"]["planned"] == 2
        assert {each["subject"] for each in held(desk).values()} == {
            f"After {number}" for number in held(desk)
        }

        found = jobferry(desk, "rows", run_id, "--find", "1107", "--cells")
        assert (found.document["row"], found.document["key"]) == (107, "1107")
        assert found.document["cells"]["Subject"] == "After 1107"

        undo = jobferry(desk, "undo", run_id, "--out", str(tmp_path / "undo"))
        assert undo.code == 0, undo.stderr
        assert (undo.document["rows"], undo.document["cannot"]) == (130, 0)
        assert jobferry(desk, "profile", "put", undo.document["profile"]).code == 0
        words = undo.document["next"][-1].split()[1:]
        assert jobferry(desk, *words).code == 0
        assert held(desk) == before
