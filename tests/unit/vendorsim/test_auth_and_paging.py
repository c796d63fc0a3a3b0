"""Who is let in, and how lists are paged."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from vendorsim import ManualClock, RunningSimulator
from vendorsim.zendesk_support.paging import cursor_page, offset_page
from vendorsim.zendesk_support.replies import RequestRefused

RunJob = Callable[..., dict[str, Any]]


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    "authorization",
    ["Bearer sim-token", "bearer sim-token", basic("agent@example.com/token:sim-token")],
)
def test_the_published_credentials_are_let_in(sim: RunningSimulator, authorization: str) -> None:
    answer = sim.request("GET", "/api/v2/users/me", headers={"Authorization": authorization})

    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == "agent@example.com"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer other"},
        {"Authorization": "Basic !"},
        {"Authorization": basic("agent@example.com:sim-token")},
        {"Authorization": basic("agent@example.com/token:other")},
        {"Authorization": basic("other@example.com/token:sim-token")},
    ],
)
def test_anybody_else_is_refused(sim: RunningSimulator, headers: dict[str, str]) -> None:
    body = {"tickets": [{"description": "x"}]}

    answer = sim.request("POST", "/api/v2/tickets/create_many", json=body, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"error": "Couldn't authenticate you"}
    assert sim.effects()["jobs"] == []


@pytest.mark.parametrize("form", [True, False])
def test_an_access_token_is_good_until_it_ends(
    sim: RunningSimulator, clock: ManualClock, form: bool
) -> None:
    grant = {
        "grant_type": "client_credentials",
        "client_id": "sim-client",
        "client_secret": "sim-secret",
    }
    url = f"{sim.url}/oauth/tokens"
    answer = (
        requests.post(url, data=grant, timeout=5)
        if form
        else requests.post(url, json=grant, timeout=5)
    ).json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}

    assert answer["expires_in"] == 1_800
    assert sim.request("GET", "/api/v2/users/me", headers=headers).status_code == 200
    clock.advance(1_800)
    assert sim.request("GET", "/api/v2/users/me", headers=headers).status_code == 401


def test_an_access_token_needs_the_right_secret(sim: RunningSimulator) -> None:
    answer = sim.request("POST", "/oauth/tokens", json={"client_id": "sim-client"}, headers={})

    assert answer.status_code == 401


def test_what_is_not_served_is_not_found(sim: RunningSimulator) -> None:
    assert sim.request("GET", "/api/v2/none").json()["error"] == "InvalidEndpoint"
    assert sim.request("GET", "/api/v2/job_statuses/x.json.json").status_code == 404
    assert sim.request("GET", "/elsewhere").status_code == 404


@given(count=st.integers(0, 40), size=st.integers(1, 15))
def test_cursors_lead_through_all_items_and_back(count: int, size: int) -> None:
    items = list(range(count))

    def page(**marks: str) -> tuple[list[int], dict[str, Any]]:
        query = {"page[size]": str(size), **{f"page[{k}]": v for k, v in marks.items()}}
        return cursor_page(items, lambda item: (float(item),), query, "http://x/list")

    forward, (shown, ends) = [], page()
    forward += shown
    while ends["meta"]["has_more"]:
        assert ends["links"]["next"]
        shown, ends = page(after=ends["meta"]["after_cursor"])
        forward += shown
    assert forward == items
    assert ends["links"]["next"] is None

    backward = shown
    while ends["links"]["prev"]:
        shown, ends = page(before=ends["meta"]["before_cursor"])
        backward = shown + backward
    assert backward == items


@given(count=st.integers(0, 40), size=st.integers(1, 15))
def test_numbered_pages_hold_all_items(count: int, size: int) -> None:
    items, found, number = list(range(count)), [], 1
    while True:
        query = {"page": str(number), "per_page": str(size)}
        shown, ends = offset_page(items, query, "http://x/list")
        found += shown
        assert ends["count"] == count
        if ends["next_page"] is None:
            break
        number += 1
    assert found == items


@pytest.mark.parametrize(
    "query",
    [
        {"page[size]": "x"},
        {"page[size]": "0"},
        {"page[after]": "!"},
        {"page[after]": "Wzld", "page[before]": "Wzld"},
    ],
)
def test_bad_cursors_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(RequestRefused):
        cursor_page([1, 2], lambda item: (float(item),), query, "http://x")


def test_numbered_pages_end_after_ten_thousand_records() -> None:
    items = list(range(20_000))
    assert offset_page(items, {"page": "100"}, "http://x")[0][-1] == 9_999
    with pytest.raises(RequestRefused):
        offset_page(items, {"page": "101"}, "http://x")


def test_lists_are_served_both_ways(sim: RunningSimulator, run_job: RunJob) -> None:
    users = {"users": [{"name": str(n), "external_id": str(n)} for n in range(5)]}
    run_job("POST", "users/create_many", users)

    first = sim.request("GET", "/api/v2/users?page%5Bsize%5D=4").json()
    after = first["links"]["next"].removeprefix(sim.url)
    second = sim.request("GET", after).json()
    numbered = sim.request("GET", "/api/v2/users.json?page=2&per_page=4").json()

    assert first["meta"]["has_more"] is True
    assert [user["name"] for user in second["users"]] == ["3", "4"]
    assert second["meta"]["has_more"] is False
    assert numbered["users"] == second["users"]
    assert numbered["next_page"] is None
    assert "page=1" in numbered["previous_page"]


def test_the_job_list_has_cursors_even_unasked(sim: RunningSimulator, run_job: RunJob) -> None:
    body = {"tickets": [{"description": "x"}]}
    ids = [run_job("POST", "tickets/create_many", body)["id"] for _ in range(3)]

    listed = sim.request("GET", "/api/v2/job_statuses").json()
    first = sim.request("GET", "/api/v2/job_statuses?page[size]=2").json()
    query = f"page[size]=2&page[after]={first['meta']['after_cursor']}"
    second = sim.request("GET", f"/api/v2/job_statuses?{query}").json()

    assert listed["meta"]["has_more"] is False
    paged = [job["id"] for job in first["job_statuses"] + second["job_statuses"]]
    assert paged == ids[::-1]
