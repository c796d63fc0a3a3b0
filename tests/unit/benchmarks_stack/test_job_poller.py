from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError

import pytest

import vendorsim

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "job_poller"


def function(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"job_poller_{name}", FOLDER / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def simulator() -> Iterator[vendorsim.RunningSimulator]:
    with vendorsim.start(latency=0, max_jobs=1) as running:
        yield running


def event(simulator: vendorsim.RunningSimulator, count: int) -> dict[str, Any]:
    tickets = [{"subject": f"S{n}", "comment": {"body": "B"}} for n in range(count)]
    return {"url": simulator.url, "token": "sim-token", "wait_seconds": 5, "tickets": tickets}


def test_a_job_is_submitted_and_looked_at(simulator: vendorsim.RunningSimulator) -> None:
    submitted = function("submit_job").handler(event(simulator, 3), None)
    last_polled_at = function("get_job_status").handler(submitted, None)
    assert last_polled_at["status"] == "completed"
    assert last_polled_at["wait_seconds"] == 5
    # The rows do not travel on: every later state would carry them.
    assert "tickets" not in submitted
    assert simulator.effects(limit=0)["counts"]["ticket"] == {"created": 3}


def test_a_refusal_is_an_error_for_the_state_machine(
    simulator: vendorsim.RunningSimulator,
) -> None:
    simulator.change_settings(latency=60)
    function("submit_job").handler(event(simulator, 1), None)
    with pytest.raises(HTTPError):
        function("submit_job").handler(event(simulator, 1), None)


def test_every_state_leads_somewhere() -> None:
    states = json.loads((FOLDER / "job_poller.asl.json").read_text())["States"]
    targets = {state["Next"] for state in states.values() if "Next" in state}
    targets |= {rule["Next"] for state in states.values() for rule in state.get("Choices", ())}
    assert targets <= set(states)
