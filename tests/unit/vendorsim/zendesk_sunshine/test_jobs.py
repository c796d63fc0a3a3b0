"""Sunshine's jobs: their life, the two ways to read them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.unit.vendorsim.zendesk_sunshine.conftest import JOBS, Run, Submit
from vendorsim import ManualClock, RunningSimulator

ROWS = [{"type": "product", "external_id": "1", "attributes": {"name": "gum"}}, {"type": ""}]


def show(sim: RunningSimulator, job_id: str) -> Any:
    return sim.request("GET", f"{JOBS}/{job_id}").json()["data"]


def listed(sim: RunningSimulator, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = sim.request("GET", JOBS + query).json()["data"]
    return items


def post(sim: RunningSimulator, body: Any) -> Any:
    return sim.request("POST", JOBS, json=body)


def test_a_job_is_accepted_as_documented(submit: Submit) -> None:
    accepted = submit("resources.post", ROWS)

    assert accepted == {
        "id": accepted["id"],
        "job_status": "queued",
        "created_at": accepted["created_at"],
        "updated_at": accepted["created_at"],
        "completed_at": None,
        "results": [],
    }
    assert accepted["created_at"].endswith("Z")


def test_a_job_lives_from_queued_to_completed(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job_id = submit("resources.post", ROWS)["id"]
    lives = []
    for seconds in (0.5, 1, 1):
        clock.advance(seconds)
        job = show(sim, job_id)
        lives.append((job["job_status"], len(job["results"]), job["completed_at"] is not None))

    assert lives == [("queued", 0, False), ("processing", 0, False), ("completed", 2, True)]


def test_results_stand_in_the_order_of_the_rows(run: Run) -> None:
    good, bad = run("resources.post", ROWS)

    assert good == {"success": True, "data": {"id": good["data"]["id"]}}
    assert bad["success"] is False
    assert bad["errors"][0] == {
        "code": "UnprocessableEntity",
        "status": "422",
        "title": "Unprocessable Entity",
        "detail": "type can't be blank",
    }


def test_the_list_shows_no_results_and_goes_by_status(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    first = submit("resources.post", ROWS)["id"]
    clock.advance(2)
    second = submit("resources.post", ROWS)["id"]

    assert [(job["id"], job["job_status"]) for job in listed(sim)] == [
        (first, "completed"),
        (second, "queued"),
    ]
    assert all("results" not in job for job in listed(sim))
    assert [job["id"] for job in listed(sim, "?status=completed")] == [first]
    assert listed(sim, "?status=failed") == []
    assert sim.request("GET", f"{JOBS}?status=done").status_code == 400


def test_the_list_comes_in_pages(sim: RunningSimulator, submit: Submit) -> None:
    ids = [submit("resources.post", ROWS)["id"] for _ in range(5)]
    seen, path = [], f"{JOBS}?per_page=2&status=queued"
    while path:
        page = sim.request("GET", path).json()
        assert len(page["data"]) <= 2
        seen += [job["id"] for job in page["data"]]
        path = page["links"]["next"]

    assert seen == ids
    assert sim.request("GET", f"{JOBS}?per_page=x").status_code == 400


def test_a_job_is_forgotten_after_a_day(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job_id = submit("resources.post", ROWS)["id"]
    clock.advance(86_399)
    assert show(sim, job_id)["job_status"] == "completed"
    clock.advance(1)

    gone = sim.request("GET", f"{JOBS}/{job_id}")

    assert gone.status_code == 404
    assert gone.json()["errors"][0]["code"] == "NotFound"
    assert listed(sim) == []


@pytest.mark.parametrize(
    "body",
    [
        {"type": "relationships", "action": "update", "data": [{"id": "1"}]},
        {"type": "relationships", "action": "external_id_set", "data": [{"id": "1"}]},
        {"type": "relationships", "action": "external_id_delete", "data": [{"id": "1"}]},
        {"type": "resources", "action": "patch", "data": [{}]},
        {"type": "resources", "action": "post", "data": []},
        {"type": "resources", "action": "post", "data": {}},
        {"type": "resources", "action": "post"},
        {"type": "resources", "action": "post", "data": ["1"]},
        {"type": "resources", "action": "delete", "data": [{"id": "1"}]},
        {"type": "resources", "action": "delete", "data": [1]},
        {"type": "resources", "action": "post", "data": [{}] * 101},
        {},
        [],
    ],
    ids=str,
)
def test_what_is_no_job_is_refused(sim: RunningSimulator, body: Any) -> None:
    answer = post(sim, body)

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["code"], error["status"], error["title"]) == ("BadRequest", "400", "Bad Request")
    assert sim.effects()["jobs"] == []


def test_a_body_that_is_no_json_is_refused(sim: RunningSimulator) -> None:
    headers = {"Authorization": "Bearer sim-token"}

    answer = requests.post(sim.url + JOBS, data=b"{", headers=headers, timeout=10)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"] == "The body is not valid JSON"


def test_an_address_that_is_too_long_is_refused(sim: RunningSimulator) -> None:
    assert sim.request("GET", f"{JOBS}?x={'y' * 8_000}").status_code == 414


def test_only_known_callers_are_served(sim: RunningSimulator) -> None:
    headers = {"Authorization": "Bearer wrong"}

    for method, path in (("POST", JOBS), ("GET", JOBS), ("GET", "/api/sunshine/objects/records")):
        answer = sim.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"error": "Couldn't authenticate you"}


def test_other_paths_are_not_there(sim: RunningSimulator) -> None:
    answer = sim.request("GET", "/api/sunshine/objects/nothing/at/all")

    assert answer.status_code == 404
    assert answer.json()["errors"][0]["status"] == "404"


# Limits


@pytest.mark.parametrize("status", [429, 400, 403, 422])
def test_jobs_in_flight_are_limited(
    sim: RunningSimulator, clock: ManualClock, submit: Submit, status: int
) -> None:
    sim.change_settings(sunshine_max_jobs=2, sunshine_too_many_jobs_status=status)
    for _ in range(2):
        submit("resources.post", ROWS)

    refused = post(sim, {"type": "resources", "action": "post", "data": ROWS})
    clock.advance(2)

    assert refused.status_code == status
    assert "concurrent jobs" in refused.json()["errors"][0]["message"]
    assert sim.effects()["requests"]["throttled"] == 1
    assert submit("resources.post", ROWS)["job_status"] == "queued"


def test_a_thousand_jobs_may_be_in_flight_by_default(sim: RunningSimulator) -> None:
    settings = sim.request("GET", "/_sim/settings", headers={}).json()

    assert settings["sunshine_max_jobs"] == 1_000


def test_a_full_account_says_so_for_ever(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    sim.change_settings(sunshine_max_records=0)
    answers = []
    for _ in range(2):
        answers.append(post(sim, {"type": "resources", "action": "post", "data": ROWS}))
        clock.advance(3_600)

    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].json() == {
        "errors": [
            {
                "code": "TooManyRequests",
                "status": "429",
                "title": "Too Many Requests",
                "message": "You have exceeded the maximum number of resources for this account",
            }
        ]
    }
    assert "retry-after" not in answers[0].headers
    assert submit("resources.update", [{"id": "1"}])


def test_requests_have_a_budget_of_their_own(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.change_settings(sunshine_requests_per_minute=2)

    statuses = [sim.request("GET", JOBS).status_code for _ in range(3)]
    support = sim.request("GET", "/api/v2/users/me").status_code
    clock.advance(60)

    assert [*statuses, support] == [200, 200, 429, 200]
    assert sim.request("GET", JOBS).status_code == 200


def test_rows_per_job_can_be_set(sim: RunningSimulator, submit: Submit) -> None:
    sim.change_settings(sunshine_max_rows=1)

    assert post(sim, {"type": "resources", "action": "post", "data": ROWS}).status_code == 400
    assert submit("resources.post", ROWS[:1])


# Faults


def ended(sim: RunningSimulator, clock: ManualClock, submit: Submit, **effect: Any) -> Any:
    sim.set_faults({"match": {"path": "sunshine/jobs$"}, "effect": effect})
    rows = [{"type": "product", "attributes": {"name": f"row {n}"}} for n in range(4)]
    job_id = submit("resources.post", rows)["id"]
    clock.advance(2)
    return show(sim, job_id)


def test_a_job_may_fail_with_some_rows_done(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job = ended(sim, clock, submit, fail_job={"after_rows": 3})

    assert (job["job_status"], len(job["results"])) == ("failed", 3)
    assert sim.effects()["counts"] == {"resource": {"created": 3}}


def test_a_failed_job_may_keep_to_itself_what_was_done(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job = ended(sim, clock, submit, fail_job={"after_rows": 3}, results="null")

    assert (job["job_status"], job["results"]) == ("failed", [])
    assert sim.effects()["counts"] == {"resource": {"created": 3}}


def test_an_aborted_job_did_nothing(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job = ended(sim, clock, submit, status_word="aborted")

    assert (job["job_status"], job["results"]) == ("aborted", [])
    assert sim.effects()["effects"] == []


def test_rows_fail_by_a_marker_in_their_attributes(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    job = ended(sim, clock, submit, fail_rows={"marker": "row 2", "error": "E", "details": "no"})

    assert [result["success"] for result in job["results"]] == [True, True, False, True]
    error = job["results"][2]["errors"][0]
    assert (error["code"], error["detail"]) == ("E", "no")


def test_the_same_seed_gives_the_same_ids(sim: RunningSimulator, run: Run, submit: Submit) -> None:
    def ids() -> list[str]:
        (result,) = run("resources.post", ROWS[:1])
        return [result["data"]["id"], submit("resources.post", ROWS)["id"]]

    first = ids()
    sim.reset()

    assert ids() == first
    sim.reset(seed=7)
    assert not set(ids()) & set(first)
