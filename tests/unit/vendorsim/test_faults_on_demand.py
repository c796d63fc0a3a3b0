"""Faults: which requests they hit, and what they do to answers and to jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vendorsim import ManualClock, RunningSimulator, start
from vendorsim.faults import NO_EFFECT, Fault, FaultBook

RunJob = Callable[..., dict[str, Any]]
FOUR = {"tickets": [{"description": "text", "external_id": f"E{n}"} for n in range(4)]}
CREATE = {"method": "POST", "path": "tickets/create_many$"}


def send(sim: RunningSimulator) -> requests.Response:
    return sim.request("POST", "/api/v2/tickets/create_many.json", json=FOUR)


def fault(**effect: object) -> dict[str, Any]:
    """A fault for the next submission alone."""
    return {"match": CREATE, "times": 1, "effect": effect}


def created(sim: RunningSimulator, clock: ManualClock) -> int:
    """How many tickets there are once every job has ended."""
    clock.advance(10)
    return int(sim.effects()["counts"].get("ticket", {}).get("created", 0))


# Which requests are hit


@given(
    every=st.one_of(st.none(), st.integers(1, 4)),
    nth=st.lists(st.integers(1, 12), max_size=4),
    times=st.one_of(st.none(), st.integers(1, 5)),
)
def test_a_fault_hits_the_requests_it_names(
    every: int | None, nth: list[int], times: int | None
) -> None:
    match = {"path": "/x", "nth": nth, "every": every}
    fault = Fault.model_validate({"match": match, "times": times, "effect": {"reset": True}})
    book = FaultBook(0, [fault])

    hit = [n for n in range(1, 13) if book.pick("GET", "/x") is not NO_EFFECT]

    named = [n for n in range(1, 13) if (not nth or n in nth) and (every is None or n % every == 0)]
    assert hit == named[:times]


@given(seed=st.integers(), probability=st.floats(0, 1))
def test_chance_depends_on_the_seed_alone(seed: int, probability: float) -> None:
    fault = Fault.model_validate({"match": {"probability": probability}, "effect": {"reset": True}})

    def draw() -> list[bool]:
        book = FaultBook(seed, [fault])
        return [book.pick("GET", "/") is NO_EFFECT for _ in range(20)]

    assert draw() == draw()


def test_the_first_fault_wins_and_all_count(sim: RunningSimulator) -> None:
    sim.set_faults(
        {"match": {"path": "users", "nth": 2}, "effect": {"status": 500}},
        {"match": {"path": "users"}, "times": 2, "effect": {"status": 503, "retry_after": 9}},
    )

    answers = [sim.request("GET", "/api/v2/users/me") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [503, 500, 503, 200]
    assert answers[0].headers["Retry-After"] == "9"
    shown = sim.request("GET", "/_sim/faults", headers={}).json()["faults"]
    assert [(each["seen"], each["hits"], each["remaining"]) for each in shown] == [(4, 1, None)]


def test_faults_can_be_added_and_replaced(sim: RunningSimulator) -> None:
    sim.set_faults(fault(status=500))
    sim.set_faults(fault(status=503), add=True)
    assert [send(sim).status_code for _ in range(3)] == [500, 503, 200]
    sim.set_faults(fault(status=500))
    sim.set_faults()

    assert send(sim).status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        {"faults": [{"effect": {}}]},
        {"faults": [{"effect": {"after": True}}]},
        {"faults": [{"match": {"path": "("}, "effect": {"reset": True}}]},
        {"faults": [{"effect": {"no_such": 1}}]},
    ],
)
def test_a_fault_that_makes_no_sense_is_explained(
    sim: RunningSimulator, order: dict[str, Any]
) -> None:
    answer = sim.request("POST", "/_sim/faults", json=order)

    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_the_models_refuse_what_the_api_refuses() -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate({"effect": {"status": 99}})


# What happens to answers


def test_an_answer_before_the_work_leaves_no_trace(
    sim: RunningSimulator, clock: ManualClock
) -> None:
    body = {"error": "DatabaseConflict", "description": "Database collision"}
    sim.set_faults(fault(status=409, body=body, headers={"X-Why": "test"}))

    answer = send(sim)

    assert (answer.status_code, answer.json()) == (409, body)
    assert answer.headers["X-Why"] == "test"
    assert created(sim, clock) == 0


def test_an_answer_after_the_work_hides_a_job(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults(fault(html=True, after=True))

    answer = send(sim)

    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert created(sim, clock) == 4


@pytest.mark.parametrize(("after", "expected"), [(False, 0), (True, 4)])
def test_a_reset_gives_no_answer(
    sim: RunningSimulator, clock: ManualClock, after: bool, expected: int
) -> None:
    sim.set_faults(fault(reset=True, after=after))

    with pytest.raises(requests.ConnectionError):
        send(sim)

    assert created(sim, clock) == expected
    assert sim.effects()["requests"]["submit"] == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_hanging_request_is_carried_out_all_the_same(
    sim: RunningSimulator, clock: ManualClock, after: bool
) -> None:
    sim.set_faults(fault(hang=100, after=after))
    before = clock.now()

    answer = send(sim)

    assert clock.now() - before == 100
    assert answer.status_code == 200
    submitted = sim.effects()["jobs"][0]["submitted_at"]
    assert submitted - before == (0 if after else 100)


def test_a_truncated_answer_breaks_off(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults(fault(truncated=True))

    with pytest.raises(requests.RequestException):
        send(sim)

    assert created(sim, clock) == 4


def test_a_malformed_answer_is_no_json(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults(fault(malformed=True))

    answer = send(sim)

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert created(sim, clock) == 4


@pytest.mark.parametrize(
    ("form", "content_type", "text"),
    [
        ("json", "application/json", "APIRateLimitExceeded"),
        ("plain", "text/plain", "Number of allowed API requests per minute exceeded"),
        ("edge", "application/json", "Rate limited by Zendesk edge protection"),
    ],
)
def test_rate_limits_come_in_three_forms(
    sim: RunningSimulator, form: str, content_type: str, text: str
) -> None:
    sim.set_faults(
        fault(rate_limited=form),
        fault(rate_limited=form, retry_after=7),
        fault(rate_limited=form, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
    )

    answers = [send(sim) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429] * 3
    assert all(text in answer.text for answer in answers)
    assert answers[0].headers["content-type"].startswith(content_type)
    assert [answer.headers.get("Retry-After") for answer in answers] == [
        None,
        "7",
        "Wed, 21 Oct 2026 07:28:00 GMT",
    ]
    assert sim.effects()["requests"]["throttled"] == 3


def test_a_job_may_be_one_too_many_on_demand(sim: RunningSimulator) -> None:
    sim.change_settings(too_many_jobs_status=422)
    sim.set_faults(fault(too_many_jobs=True))

    answer = send(sim)

    assert (answer.status_code, answer.json()["error"]) == (422, "TooManyJobs")
    assert sim.effects()["requests"]["throttled"] == 1


# What happens to jobs


def test_results_may_be_missing(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(results="null"))
    shown = run_job("POST", "tickets/create_many", FOUR)
    assert (shown["status"], shown["results"]) == ("completed", None)
    sim.set_faults(fault(results="short"))
    assert len(run_job("POST", "tickets/create_many", FOUR)["results"]) == 3
    assert sim.effects()["counts"]["ticket"]["created"] == 8


def test_results_may_be_mixed_up(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(results=["reordered", "no_index"]))

    shown = run_job("POST", "tickets/create_many", FOUR)

    made = [effect["id"] for effect in sim.effects()["effects"]]
    given = [row["id"] for row in shown["results"]]
    assert given != made
    assert sorted(given) == sorted(made)
    assert all("index" not in row for row in shown["results"])


def test_a_result_may_be_empty(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(results="empty_row"))

    shown = run_job("POST", "tickets/create_many", FOUR)

    assert [row for row in shown["results"] if not row] == [{}]
    assert len(shown["results"]) == 4


@pytest.mark.parametrize("word", ["killed", "archived"])
def test_a_job_may_end_in_any_word(sim: RunningSimulator, run_job: RunJob, word: str) -> None:
    sim.set_faults(fault(status_word=word))

    assert run_job("POST", "tickets/create_many", FOUR)["status"] == word


def test_a_stuck_job_keeps_its_slot(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.change_settings(max_jobs=1)
    sim.set_faults(fault(stuck=True))
    job_id = send(sim).json()["job_status"]["id"]
    clock.advance(1_000_000)

    shown = sim.request("GET", f"/api/v2/job_statuses/{job_id}").json()["job_status"]

    assert shown["status"] == "working"
    assert send(sim).status_code == 429
    assert sim.effects()["jobs"][0]["ends_at"] is None


def seen(sim: RunningSimulator, job_id: str) -> tuple[bool, bool, bool]:
    """Whether a read by id, show_many and the list know the job."""
    by_id = sim.request("GET", f"/api/v2/job_statuses/{job_id}")
    many = sim.request("GET", f"/api/v2/job_statuses/show_many?ids={job_id}")
    listed = sim.request("GET", "/api/v2/job_statuses")
    return (
        by_id.status_code == 200,
        bool(many.json()["job_statuses"]),
        job_id in [job["id"] for job in listed.json()["job_statuses"]],
    )


@pytest.mark.parametrize(
    ("effect", "at_first", "later"),
    [
        ({"vanish": True}, (False, False, True), (False, False, True)),
        ({"vanish": 5}, (True, True, True), (False, False, True)),
        ({"list_only": True}, (False, False, True), (False, False, True)),
        ({"gone": 5}, (True, True, True), (False, False, False)),
        ({"not_yet_visible": 5}, (False, False, False), (True, True, True)),
    ],
)
def test_a_job_may_be_hard_to_see(
    sim: RunningSimulator,
    clock: ManualClock,
    effect: dict[str, Any],
    at_first: tuple[bool, bool, bool],
    later: tuple[bool, bool, bool],
) -> None:
    sim.set_faults(fault(**effect))
    job_id = send(sim).json()["job_status"]["id"]

    assert seen(sim, job_id) == at_first
    clock.advance(5)
    assert seen(sim, job_id) == later
    assert created(sim, clock) == 4


def test_a_status_may_go_back_once(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults(fault(regress=True))
    job_id = send(sim).json()["job_status"]["id"]

    def status() -> str:
        shown = sim.request("GET", f"/api/v2/job_statuses/{job_id}").json()
        return str(shown["job_status"]["status"])

    clock.advance(1.5)
    assert [status() for _ in range(3)] == ["working", "queued", "working"]
    clock.advance(1)
    assert status() == "completed"


def test_rows_fail_by_what_is_in_them(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(fail_rows={"marker": "E2", "error": "TicketCreateFailed"}))

    shown = run_job("POST", "tickets/create_many", FOUR)

    assert [row["index"] for row in shown["results"] if "error" in row] == [2]
    assert [effect["external_id"] for effect in sim.effects()["effects"]] == ["E0", "E1", "E3"]


@pytest.mark.parametrize(
    ("poison", "error", "ends", "longer"),
    [
        ("half_emoji", "TicketCreateFailed", b'Simulated failure\\ud83d"', 0),
        ("long_code", "E" * 600_000, b'"Simulated failure"', 600_000),
        ("nested", "TicketCreateFailed", b'["Simulated failure"' + b"]" * 500, 1_000),
    ],
    ids=["half_emoji", "long_code", "nested"],
)
def test_a_failed_row_may_say_what_a_client_stumbles_over(
    sim: RunningSimulator, run_job: RunJob, poison: str, error: str, ends: bytes, longer: int
) -> None:
    sim.set_faults(fault(fail_rows={"indexes": [1], "poison": poison}))

    shown = run_job("POST", "tickets/create_many", FOUR)

    assert [row.get("error") for row in shown["results"]] == [None, error, None, None]
    answer = sim.request("GET", f"/api/v2/job_statuses/{shown['id']}").content
    assert ends in answer
    assert len(answer) > longer
    assert [effect["external_id"] for effect in sim.effects()["effects"]] == ["E0", "E2", "E3"]


def test_rows_fail_by_chance_and_always_the_same(sim: RunningSimulator, run_job: RunJob) -> None:
    body = {"tickets": [{"description": "text"}] * 100}

    def failed(seed: int) -> list[int]:
        sim.reset(seed=seed)
        sim.set_faults(fault(fail_rows={"probability": 0.3}))
        shown = run_job("POST", "tickets/create_many", body)
        return [row["index"] for row in shown["results"] if "error" in row]

    assert failed(1) == failed(1)
    assert failed(1) != failed(2)
    assert 10 < len(failed(1)) < 60


def test_a_job_may_die_half_done(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(fail_job={"after_rows": 3}))

    shown = run_job("POST", "tickets/create_many", FOUR)

    assert (shown["status"], shown["progress"], shown["results"]) == ("failed", 0, None)
    assert [effect["index"] for effect in sim.effects()["effects"]] == [0, 1, 2]


def test_a_job_may_die_undone(sim: RunningSimulator, run_job: RunJob) -> None:
    sim.set_faults(fault(fail_job=True))

    assert run_job("POST", "tickets/create_many", FOUR)["status"] == "failed"
    assert sim.effects()["effects"] == []


def test_answer_and_job_can_fail_together(sim: RunningSimulator, clock: ManualClock) -> None:
    sim.set_faults(fault(reset=True, after=True, fail_rows={"indexes": [0]}))

    with pytest.raises(requests.ConnectionError):
        send(sim)

    assert created(sim, clock) == 3


def test_a_client_that_gave_up_has_its_job_all_the_same() -> None:
    with start(latency=0, requests_per_minute=0) as real:
        real.set_faults(fault(hang=2))
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{real.url}/api/v2/tickets/create_many",
                json=FOUR,
                headers={"Authorization": "Bearer sim-token"},
                timeout=0.05,
            )
        assert real.effects()["jobs"] == []
        deadline = time.monotonic() + 30
        while not real.effects()["jobs"] and time.monotonic() < deadline:
            time.sleep(0.05)

        assert real.effects()["counts"] == {"ticket": {"created": 4}}


def test_nothing_but_the_summary_of_a_permanent_deletion_can_be_lost(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    sim.set_faults({"match": {"path": "deleted_tickets"}, "effect": {"results": "null"}})

    assert run_job("DELETE", "deleted_tickets/destroy_many?ids=1")["results"] is None
