"""Zendesk jobs from acceptance to oblivion, in the forms that recorded traffic shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from vendorsim import ManualClock, RunningSimulator

RunJob = Callable[..., dict[str, Any]]
THREE = {"tickets": [{"subject": str(n), "comment": {"body": "text"}} for n in range(3)]}


def read(sim: RunningSimulator, job_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = sim.request("GET", f"/api/v2/job_statuses/{job_id}").json()
    return shown["job_status"]  # type: ignore[no-any-return]


def test_an_accepted_job_is_queued_and_says_nothing_else(submit: RunJob) -> None:
    accepted = submit("POST", "tickets/create_many", THREE)

    assert re.fullmatch(r"V3-[0-9a-f]{32}", accepted["id"])
    assert accepted["job_type"] == "Bulk Create Ticket"
    assert accepted["url"].endswith(f"/api/v2/job_statuses/{accepted['id']}.json")
    assert "127.0.0.1" not in accepted["url"]
    told = {name: accepted[name] for name in ("status", "total", "progress", "message", "results")}
    assert told == {
        "status": "queued",
        "total": 3,
        "progress": None,
        "message": None,
        "results": None,
    }


def test_a_working_job_tells_progress_but_no_results(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob
) -> None:
    job_id = submit("POST", "tickets/create_many", THREE)["id"]
    clock.advance(0.99)
    assert read(sim, job_id)["status"] == "queued"
    clock.advance(0.51)

    shown = read(sim, job_id)

    assert shown["status"] == "working"
    assert shown["progress"] == 1
    assert shown["message"] == "Creating ticket #2"
    assert shown["results"] is None


def test_a_completed_job_has_a_result_for_every_row(run_job: RunJob) -> None:
    shown = run_job("POST", "tickets/create_many", THREE)

    assert shown["status"] == "completed"
    assert shown["progress"] == shown["total"] == 3
    assert re.fullmatch(r"Completed at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000", shown["message"])
    assert [set(row) for row in shown["results"]] == [{"index", "id", "account_id"}] * 3
    assert [row["index"] for row in shown["results"]] == [0, 1, 2]


def test_ids_of_new_tickets_do_not_follow_the_rows(run_job: RunJob) -> None:
    tickets = [{"subject": str(n), "description": "text"} for n in range(50)]

    ids = [
        row["id"] for row in run_job("POST", "tickets/create_many", {"tickets": tickets})["results"]
    ]

    assert ids != sorted(ids)
    assert sorted(ids) == list(range(min(ids), min(ids) + 50))


def test_a_job_is_completed_if_one_row_was_good(run_job: RunJob) -> None:
    body = {"tickets": [{"subject": "blank"}, {"subject": "good", "comment": {"body": "text"}}]}

    shown = run_job("POST", "tickets/create_many", body)

    assert shown["status"] == "completed"
    assert shown["results"][0] == {
        "index": 0,
        "error": "TicketCreateFailed",
        "details": "Description: cannot be blank",
    }


def test_a_job_fails_if_every_row_was_bad_and_still_has_results(run_job: RunJob) -> None:
    shown = run_job("POST", "tickets/create_many", {"tickets": [{"subject": "blank"}] * 2})

    assert shown["status"] == "failed"
    assert shown["progress"] == 0
    assert shown["message"].startswith("Failed at ")
    assert [row["index"] for row in shown["results"]] == [0, 1]


def test_nothing_happens_to_records_before_the_end(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob
) -> None:
    submit("POST", "tickets/create_many", THREE)
    clock.advance(1.99)
    assert sim.effects()["effects"] == []
    clock.advance(0.01)

    assert len(sim.effects()["effects"]) == 3


def test_a_status_is_forgotten_a_day_after_creation(
    sim: RunningSimulator, clock: ManualClock, run_job: RunJob
) -> None:
    job_id = run_job("POST", "tickets/create_many", THREE)["id"]
    clock.advance(86_400 - 3)
    assert read(sim, job_id)["status"] == "completed"
    clock.advance(1)

    answer = sim.request("GET", f"/api/v2/job_statuses/{job_id}")

    assert answer.status_code == 404
    assert answer.json() == {"error": "RecordNotFound", "description": "Not found"}
    assert sim.request("GET", "/api/v2/job_statuses").json()["job_statuses"] == []


def test_show_many_leaves_out_what_it_does_not_know(sim: RunningSimulator, submit: RunJob) -> None:
    first, second = (submit("POST", "tickets/create_many", THREE)["id"] for _ in range(2))

    for comma in (",", "%2C"):
        ids = comma.join([second, "V3-unknown", first, second])
        shown = sim.request("GET", f"/api/v2/job_statuses/show_many.json?ids={ids}").json()
        assert [job["id"] for job in shown["job_statuses"]] == [second, first]


def test_the_list_is_newest_first_and_may_be_terse(
    sim: RunningSimulator, clock: ManualClock, run_job: RunJob, submit: RunJob
) -> None:
    ended = [run_job("POST", "tickets/create_many", THREE)["id"] for _ in range(2)]
    running = submit("POST", "tickets/create_many", THREE)["id"]
    sim.change_settings(job_items="id_and_status")

    listed = sim.request("GET", "/api/v2/job_statuses").json()["job_statuses"]

    assert listed == [
        {"id": running, "status": "queued"},
        {"id": ended[1], "status": "completed"},
        {"id": ended[0], "status": "completed"},
    ]


@pytest.mark.parametrize("latency", ["1-3", [1, 3]])
def test_latency_may_be_a_range(
    sim: RunningSimulator, submit: RunJob, latency: str | list[int]
) -> None:
    sim.change_settings(latency=latency)
    for _ in range(10):
        submit("POST", "tickets/create_many", THREE)

    took = [job["ends_at"] - job["submitted_at"] for job in sim.effects()["jobs"]]

    assert len(set(took)) == 10
    assert all(1 <= seconds <= 3 for seconds in took)


def test_the_same_seed_and_requests_give_the_same_ids(
    sim: RunningSimulator, clock: ManualClock, run_job: RunJob
) -> None:
    def story(seed: int) -> list[Any]:
        sim.reset(seed=seed)
        shown = [run_job("POST", "tickets/create_many", THREE) for _ in range(3)]
        return [(job["id"], [row["id"] for row in job["results"]]) for job in shown]

    assert story(7) == story(7)
    assert story(7) != story(8)
