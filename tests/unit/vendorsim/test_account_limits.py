"""The limits of a Zendesk account: jobs, requests, items, and the length of a URL."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from vendorsim import ManualClock, RunningSimulator
from vendorsim.limits import Window

RunJob = Callable[..., dict[str, Any]]
ONE = {"tickets": [{"description": "text"}]}


@given(
    limit=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 30, allow_nan=False), max_size=200),
)
def test_no_window_lets_more_through_than_its_limit(limit: int, gaps: list[float]) -> None:
    window, now, opened, passed = Window(60), 0.0, -math.inf, 0
    for gap in gaps:
        now += gap
        if now >= opened + 60:
            opened, passed = now, 0
        allowance = window.take(limit, now)
        passed += allowance.allowed
        assert passed <= limit
        assert allowance.remaining == limit - passed
        assert 1 <= allowance.resets <= 60
        assert now + allowance.resets >= opened + 60 - 1e-6


@pytest.mark.parametrize("status", [429, 400, 422])
def test_one_job_too_many_is_refused_until_one_ends(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob, status: int
) -> None:
    sim.change_settings(max_jobs=3, too_many_jobs_status=status)
    running = [submit("POST", "tickets/create_many", ONE)["id"] for _ in range(3)]

    refused = sim.request("PUT", "/api/v2/users/update_many?ids=1", json={"user": {}})

    assert refused.status_code == status
    assert refused.json() == {
        "error": "TooManyJobs",
        "description": (
            "Too many UserBulkUpdateJobV2 jobs are currently queued or running. Try again later."
        ),
        "current_job_ids": running,
    }
    told = refused.headers["zendesk-ratelimit-inflight-jobs"]
    assert told == "total=3; remaining=0; resets=60"
    clock.advance(2)
    accepted = sim.request("POST", "/api/v2/tickets/create_many", json=ONE)
    told = accepted.headers["zendesk-ratelimit-inflight-jobs"]
    assert told == "total=3; remaining=2; resets=60"
    report = sim.effects()
    assert report["max_in_flight"] == 3
    assert report["requests"]["throttled"] == 1


def test_thirty_jobs_are_the_limit_unless_it_is_set(sim: RunningSimulator, submit: RunJob) -> None:
    for _ in range(30):
        submit("POST", "tickets/create_many", ONE)

    assert sim.request("POST", "/api/v2/tickets/create_many", json=ONE).status_code == 429


def test_requests_over_the_rate_wait_for_the_next_minute(
    sim: RunningSimulator, clock: ManualClock
) -> None:
    sim.change_settings(requests_per_minute=2)
    first, _, refused = (sim.request("GET", "/api/v2/users/me") for _ in range(3))

    assert first.headers["X-Rate-Limit"] == "2"
    assert first.headers["X-Rate-Limit-Remaining"] == "1"
    assert first.headers["ratelimit-limit"] == first.headers["rate-limit"] == "2"
    assert first.headers["ratelimit-reset"] == first.headers["rate-limit-reset"] == "60"
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "60"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.json()["error"] == "APIRateLimitExceeded"
    clock.advance(59)
    assert sim.request("GET", "/api/v2/users/me").headers["Retry-After"] == "1"
    clock.advance(1)
    assert sim.request("GET", "/api/v2/users/me").status_code == 200
    assert sim.effects()["requests"]["throttled"] == 2


def test_no_rate_limit_no_headers(sim: RunningSimulator) -> None:
    sim.change_settings(requests_per_minute=0)

    answers = [sim.request("GET", "/api/v2/users/me") for _ in range(5)]

    assert all(answer.status_code == 200 for answer in answers)
    assert "ratelimit-limit" not in answers[0].headers


def test_an_endpoint_may_have_a_limit_of_its_own(sim: RunningSimulator, submit: RunJob) -> None:
    sim.change_settings(endpoint_limits={"tickets-update": 1})
    first = sim.request("PUT", "/api/v2/tickets/update_many?ids=1", json={"ticket": {}})
    assert first.headers["zendesk-ratelimit-tickets-update"] == "total=1; remaining=0; resets=60"

    refused = sim.request("PUT", "/api/v2/tickets/update_many?ids=1", json={"ticket": {}})

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    submit("POST", "tickets/create_many", ONE)


@pytest.mark.parametrize(
    ("path", "plural"), [("tickets", "tickets"), ("organizations", "organizations")]
)
def test_more_than_a_hundred_records_are_refused(
    sim: RunningSimulator, path: str, plural: str
) -> None:
    body = {plural: [{"name": str(n)} for n in range(101)]}

    refused = sim.request("POST", f"/api/v2/{path}/create_many", json=body)

    assert refused.status_code == 400
    assert refused.json() == {
        "error": "TooManyValues",
        "description": "Parameter  cannot specify more than 100 values",
        "max_count": 100,
    }


@pytest.mark.parametrize("call", ["create_many", "create_or_update_many"])
def test_more_than_a_hundred_users_are_refused_in_other_words(
    sim: RunningSimulator, call: str
) -> None:
    body = {"users": [{"name": str(n)} for n in range(101)]}

    refused = sim.request("POST", f"/api/v2/users/{call}", json=body)

    assert refused.status_code == 400
    assert refused.json() == {
        "error": "TooManyValues",
        "description": "Maximum 100 users may be created per call",
    }


def test_more_than_a_hundred_ids_are_refused(sim: RunningSimulator) -> None:
    ids = ",".join(map(str, range(1, 102)))

    refused = sim.request("DELETE", f"/api/v2/tickets/destroy_many?ids={ids}")

    assert (refused.status_code, refused.json()["error"]) == (400, "TooManyValues")


def test_a_very_long_url_is_not_answered_in_json(sim: RunningSimulator) -> None:
    ids = ",".join(["V3-" + "0" * 32] * 300)

    refused = sim.request("GET", f"/api/v2/job_statuses/show_many?ids={ids}")

    assert refused.status_code == 414
    assert refused.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"tickets": "\xff"}', 422),
        (b"\xef\xbb\xbf{}", 422),
        (b"{}", 400),
        (b'{"tickets": []}', 400),
    ],
)
def test_unusable_bodies_are_refused(sim: RunningSimulator, body: bytes, status: int) -> None:
    answer = requests.post(
        f"{sim.url}/api/v2/tickets/create_many",
        data=body,
        headers={"Authorization": "Bearer sim-token", "Content-Type": "application/json"},
        timeout=5,
    )

    assert answer.status_code == status
    if status == 422:
        assert answer.json()["message"] == "Server could not parse JSON"
    assert sim.effects()["jobs"] == []


def test_an_id_of_the_wrong_type_is_refused_by_its_path(sim: RunningSimulator) -> None:
    body = {"users": [{"id": None, "name": "n"}]}

    refused = sim.request("POST", "/api/v2/users/create_many", json=body)

    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == (
        "You passed an invalid value for the users.0.id attribute. "
        "Invalid parameter: users.0.id must be an integer from api/v2/users/create_many"
    )
