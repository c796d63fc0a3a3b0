"""The events that runs send, held against their published schemas."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from jobferry.domain.run_event import Change
from virtual.world import World

ROOT = Path(__file__).resolve().parents[1]


@cache
def schema(change: Change) -> Draft202012Validator:
    """The published schema of an event."""
    path = ROOT / "docs" / "schemas" / f"event.run_{change.value}.schema.json"
    document = json.loads(path.read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def problems(event: dict[str, Any]) -> list[str]:
    """What an event breaks of the schema of its kind."""
    (change,) = (each for each in Change if each.detail_type == event["detail-type"])
    return [error.message for error in schema(change).iter_errors(event)]


def announced(world: World) -> list[dict[str, Any]]:
    """The events that runs of a world have sent, each as its schema wants it."""
    entries = [entry for request in world.announced for entry in request["Entries"]]
    events = [
        {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"])
            if isinstance(entry["Detail"], str)
            else entry["Detail"],
        }
        for entry in entries
    ]
    assert [problem for event in events for problem in problems(event)] == []
    return events
