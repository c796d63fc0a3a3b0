"""The files and profiles of a scenario."""

from __future__ import annotations

from typing import Any

from tests.chaos.adapter_scenarios import AdapterScenario
from tests.chaos.adapters import ADAPTERS, ticket_of
from tests.chaos.scenario import (
    File,
    letter,
)
from virtual.vendor import CREATE, UPDATE, UPSERT


def contents(index: int, file: File, *, changes: bool = False) -> str:
    """The file: a name that no other row has, a key, and where it `changes` tickets, their ids."""
    name = letter(index)
    lines = ["Name,Ref,Ticket" if changes else "Name,Ref"]
    for row in range(1, file.rows + 1):
        key = 1 if row in file.repeats else row
        named = "" if row in file.bad else f"{name}{row}"
        cells = [named, f"{name}-k{key}", *([str(ticket_of(index, row))] if changes else [])]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def profile_of(index: int, file: File, adapter_scenario: AdapterScenario | None) -> dict[str, Any]:
    common = {
        "name": letter(index),
        "row_key": "Ref" if file.keyed else None,
        "batch_size": max(1, file.batch),
        "max_attempts": max(1, file.max_attempts),
        "breaker": {"share": 0.0, "at_least": file.breaker} if file.breaker else None,
        "ramp": file.ramp,
        "order": "file" if file.in_order else None,
    }
    if adapter_scenario is None:
        if file.snapshot:
            return {**common, "operation": UPDATE, "snapshot": True}
        return {**common, "operation": UPSERT if file.repeatable else CREATE}
    adapter = ADAPTERS[adapter_scenario.vendor]
    work = adapter.work(repeatable=file.repeatable)
    columns: dict[str, Any] = {"Name": work.name}
    if file.keyed or file.repeatable:
        columns["Ref"] = "external_id"
    if adapter.changes and work is adapter.create:
        columns["Ticket"] = {"field": "id", "type": "integer"}
    return {
        **common,
        "operation": work.operation,
        "columns": columns,
        "constants": dict(work.constants),
        "add_external_id": adapter_scenario.external_ids,
    }
