"""The store of what really happened, and the way back to the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vendorsim import ManualClock, RunningSimulator, Scenario, start

RunJob = Callable[..., dict[str, Any]]
TWO = {"tickets": [{"description": "a", "external_id": "A"}, {"description": "b"}]}


def test_every_effect_names_its_job_request_and_row(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob
) -> None:
    began = clock.now()
    answer = sim.request("POST", "/api/v2/tickets/create_many", json=TWO)
    job_id = answer.json()["job_status"]["id"]
    clock.advance(60)

    report = sim.effects()

    first = report["effects"][0]
    assert first.pop("id") in (1_001, 1_002)
    assert first == {
        "seq": 1,
        "vendor": "zendesk_support",
        "kind": "ticket",
        "action": "created",
        "external_id": "A",
        "job_id": job_id,
        "request_id": answer.headers["X-Request-Id"],
        "index": 0,
        "at": began + 2,
        "fields": TWO["tickets"][0],
    }
    assert report["jobs"] == [
        {
            "job_id": job_id,
            "vendor": "zendesk_support",
            "operation": "tickets.create",
            "items": 2,
            "submitted_at": began,
            "ends_at": began + 2,
            "request_id": answer.headers["X-Request-Id"],
            "in_flight": 1,
            "max_in_flight": 1,
        }
    ]


def test_effects_can_be_narrowed_and_paged(sim: RunningSimulator, run_job: RunJob) -> None:
    made = run_job("POST", "tickets/create_many", TWO)["results"]
    run_job("DELETE", f"tickets/destroy_many?ids={made[0]['id']}")
    run_job("POST", "users/create_many", {"users": [{"name": "n"}]})

    def told(**query: str | int) -> list[tuple[str, str]]:
        return [(each["kind"], each["action"]) for each in sim.effects(**query)["effects"]]

    assert told(kind="ticket") == [
        ("ticket", "created"),
        ("ticket", "created"),
        ("ticket", "deleted"),
    ]
    assert told(action="deleted") == [("ticket", "deleted")]
    assert told(after=3) == [("user", "created")]
    assert told(limit=0) == []
    assert sim.effects(limit=0)["counts"] == {
        "ticket": {"created": 2, "deleted": 1},
        "user": {"created": 1},
    }


def test_requests_are_counted_by_kind_and_path(sim: RunningSimulator, submit: RunJob) -> None:
    job_id = submit("POST", "tickets/create_many.json", TWO)["id"]
    sim.request("GET", f"/api/v2/job_statuses/{job_id}.json")
    sim.request("GET", f"/api/v2/job_statuses/show_many?ids={job_id}")
    sim.request("GET", "/api/v2/tickets/12")
    sim.request("GET", "/api/v2/nothing")

    assert sim.effects()["requests"] == {
        "submit": 1,
        "poll": 2,
        "other": 2,
        "by_path": {
            "POST /api/v2/tickets/create_many": 1,
            "GET /api/v2/job_statuses/{id}": 1,
            "GET /api/v2/job_statuses/show_many": 1,
            "GET /api/v2/tickets/{id}": 1,
            "GET /api/v2/nothing": 1,
        },
        "throttled": 0,
    }


def test_the_most_jobs_in_flight_are_remembered(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob
) -> None:
    for _ in range(3):
        submit("POST", "tickets/create_many", TWO)
    clock.advance(2)
    submit("POST", "tickets/create_many", TWO)

    report = sim.effects()

    assert report["max_in_flight"] == 3
    assert [job["in_flight"] for job in report["jobs"]] == [1, 2, 3, 1]
    assert [job["max_in_flight"] for job in report["jobs"]] == [1, 2, 3, 3]


def test_a_reset_forgets_everything_but_what_it_is_told(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    run_job("POST", "tickets/create_many", TWO)
    sim.change_settings(latency=9)
    sim.set_faults({"effect": {"status": 500}})

    sim.reset(max_jobs=7)

    report = sim.effects()
    assert (report["effects"], report["jobs"], report["counts"]) == ([], [], {})
    assert sim.request("GET", "/api/v2/tickets").json()["tickets"] == []
    settings = sim.request("GET", "/_sim/settings", headers={}).json()
    assert (settings["max_jobs"], settings["latency"]) == (7, [2.0, 2.0])


@pytest.mark.parametrize(
    "changes",
    [{"latency": "3-1"}, {"latency": "soon"}, {"max_jobs": -1}, {"endpoint_limits": {"no": 1}}, []],
)
def test_settings_that_make_no_sense_are_explained(sim: RunningSimulator, changes: object) -> None:
    answer = sim.request("POST", "/_sim/settings", json=changes)

    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_records_of_a_scenario_are_there_before_anything_happened() -> None:
    scenario = Scenario.model_validate(
        {
            "settings": {"max_jobs": 5},
            "records": {
                "tickets": [{"id": 7, "subject": "old"}],
                "users": [{"name": "n", "external_id": "u"}],
            },
        }
    )
    with start(scenario=scenario, clock=ManualClock(), seed=3) as simulator:
        for _ in range(2):
            ticket = simulator.request("GET", "/api/v2/tickets/7").json()["ticket"]
            users = simulator.request("GET", "/api/v2/users/search?external_id=U").json()
            assert (ticket["subject"], users["count"]) == ("old", 1)
            assert simulator.effects()["effects"] == []
            simulator.reset()
