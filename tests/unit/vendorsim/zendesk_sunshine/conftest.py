"""Sending jobs to the simulated Sunshine, and seeing what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vendorsim import ManualClock, RunningSimulator

JOBS = "/api/sunshine/jobs"

Submit = Callable[[str, list[Any]], dict[str, Any]]
Run = Callable[[str, list[Any]], list[dict[str, Any]]]


@pytest.fixture
def submit(sim: RunningSimulator) -> Submit:
    """Send a job that is accepted: as it was answered."""

    def send(name: str, data: list[Any]) -> dict[str, Any]:
        job_type, action = name.split(".")
        answer = sim.request("POST", JOBS, json={"type": job_type, "action": action, "data": data})
        assert answer.status_code == 201, answer.text
        accepted: dict[str, Any] = answer.json()["data"]
        return accepted

    return send


@pytest.fixture
def run(sim: RunningSimulator, clock: ManualClock, submit: Submit) -> Run:
    """Send a job and let it end: its results."""

    def send(name: str, data: list[Any]) -> list[dict[str, Any]]:
        accepted = submit(name, data)
        clock.advance(2)
        shown = sim.request("GET", f"{JOBS}/{accepted['id']}").json()["data"]
        assert shown["job_status"] == "completed"
        results: list[dict[str, Any]] = shown["results"]
        return results

    return send
