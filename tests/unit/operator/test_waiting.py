"""What a run waits for, as a table of values."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.domain.connection import ConnectionLimits
from jobferry.domain.run import Pause, Run, RunStatus, StopReason
from jobferry.domain.trouble import SUBMIT, Trouble
from jobferry.operator.waiting import waiting_for
from jobferry.vendors.answers import JobPhase, JobReading
from tests.unit.store.samples import NOW, a_run

FREE = ConnectionLimits(in_flight=0, ceiling=3)
BLOCKED = ConnectionLimits(in_flight=0, ceiling=3, retry_after_until=NOW + 60)
FULL = ConnectionLimits(in_flight=3, ceiling=3, no_slot_until=NOW + 30)
TAKEN = ConnectionLimits(in_flight=3, ceiling=3)
TROUBLE = Trouble("vendor_unreachable", "It cannot be reached.", NOW - 60, NOW)


def running(**changes: Any) -> Run:
    return a_run(**{"status": RunStatus.RUNNING, **changes})


@pytest.mark.parametrize(
    ("run", "limits", "under_way", "waits"),
    [
        (running(), FREE, 1, []),
        (running(), BLOCKED, 1, ["rate_limit"]),
        (running(), FULL, 1, ["slots"]),
        (running(), TAKEN, 3, []),
        (running(), TAKEN, 0, ["slots"]),
        (running(), TAKEN, None, []),
        (running(), ConnectionLimits(0, 3, retry_after_until=NOW, no_slot_until=NOW), 0, []),
        (running(troubles={SUBMIT: TROUBLE}), BLOCKED, 1, ["vendor_unreachable", "rate_limit"]),
        (running(pause=Pause("trial", "Yes?", NOW)), FULL, 0, ["confirmation"]),
        (running(pause=Pause("breaker", "Bad.", NOW)), BLOCKED, 1, ["problem", "rate_limit"]),
        (running(pause=Pause("breaker", "Bad.", NOW), suspended=True), BLOCKED, 0, ["problem"]),
        (
            running(pause=Pause("trial", "Yes?", NOW), stop=StopReason("aborted", "No.")),
            FREE,
            0,
            [],
        ),
        (running(stop=StopReason("aborted", "No.")), FULL, 1, []),
        (running(status=RunStatus.CLOSING), BLOCKED, 0, ["rate_limit"]),
        (a_run(), BLOCKED, 0, []),
        (running(closed_at=NOW, troubles={SUBMIT: TROUBLE}), BLOCKED, 0, []),
    ],
)
def test_what_is_waited_for(
    run: Run, limits: ConnectionLimits, under_way: int | None, waits: list[str]
) -> None:
    found = waiting_for(run, limits, NOW, under_way=under_way)
    assert [entry["for"] for entry in found] == waits
    for entry in found:
        assert entry.keys() == {"for", "since", "until", "text"}
        assert entry["text"]


def test_moments_are_told_as_people_read_them() -> None:
    run = running(pause=Pause("trial", "Go on?", NOW))
    pause, rate = waiting_for(run, BLOCKED, NOW)
    assert pause == {
        "for": "confirmation",
        "since": "2026-01-01T00:00:00.250Z",
        "until": None,
        "text": "Go on?",
    }
    assert (rate["since"], rate["until"]) == (None, "2026-01-01T00:01:00.250Z")


def test_a_job_that_waits_at_the_vendor_is_a_problem() -> None:
    jobs = [
        JobReading("VX-1", JobPhase.ACTIVE, "WAITING", waiting_for="10 GB of room"),
        JobReading("VX-2", JobPhase.ACTIVE, "STARTED"),
    ]
    (found,) = waiting_for(running(), FREE, NOW, jobs)
    assert (found["for"], found["job_id"]) == ("problem", "VX-1")
    assert "10 GB of room" in found["text"]
