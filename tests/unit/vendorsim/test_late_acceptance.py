"""Requests that are carried out long after they were answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from vendorsim import ManualClock, RunningSimulator, start

TICKETS = {"tickets": [{"subject": "s", "comment": {"body": "b"}, "external_id": "E-1"}]}
SUBMIT = {"method": "POST", "path": "create_many$"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[RunningSimulator]:
    with start(clock=clock, latency=2) as made:
        yield made


def send(sim: RunningSimulator) -> requests.Response:
    url = f"{sim.url}/api/v2/tickets/create_many"
    headers = {"Authorization": "Bearer sim-token"}
    return requests.post(url, json=TICKETS, headers=headers, timeout=10)


def test_the_job_is_there_from_then_on(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults({"match": SUBMIT, "times": 1, "effect": {"accepted_after": 90}})
    sent_at = clock.now()

    assert send(sim).status_code == 504

    clock.advance(89)
    assert sim.effects()["jobs"] == []
    clock.advance(2)
    (job,) = sim.effects()["jobs"]
    assert job["submitted_at"] == sent_at + 90
    assert sim.effects()["effects"] == []
    clock.advance(1)
    assert [each["external_id"] for each in sim.effects()["effects"]] == ["E-1"]


def test_it_happens_when_it_is_due_however_late_anybody_looks(
    sim: RunningSimulator, clock: ManualClock
) -> None:
    sim.set_faults({"match": SUBMIT, "times": 1, "effect": {"accepted_after": 60, "reset": True}})
    sent_at = clock.now()
    with pytest.raises(requests.ConnectionError):
        send(sim)

    clock.advance(600)

    (made,) = sim.effects()["effects"]
    assert made["at"] == sent_at + 62


def test_a_reset_forgets_it(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults({"match": SUBMIT, "times": 1, "effect": {"accepted_after": 60, "status": 502}})
    assert send(sim).status_code == 502
    sim.reset()

    clock.advance(61)

    assert sim.effects()["jobs"] == []


def test_once_is_enough(sim: RunningSimulator) -> None:
    fault = {"match": SUBMIT, "effect": {"accepted_after": 60, "after": True}}
    with pytest.raises(ValueError, match="twice"):
        sim.set_faults(fault)
