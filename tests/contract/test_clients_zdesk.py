"""zdesk, which takes answers as they come, understands the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from zdesk import (  # type: ignore[import-untyped]
    AuthenticationError,
    RateLimitError,
    Zendesk,
    ZendeskError,
)

from vendorsim import ManualClock, RunningSimulator

Finish = Callable[[dict[str, Any]], dict[str, Any]]
TICKETS = {"tickets": [{"subject": f"s{n}", "comment": {"body": "text"}} for n in range(3)]}


@pytest.fixture
def client(sim: RunningSimulator) -> Zendesk:
    return Zendesk(sim.url, "agent@example.com", zdesk_password="sim-token", zdesk_token=True)


@pytest.fixture
def finish(client: Zendesk, clock: ManualClock) -> Finish:
    """Let a job end: its status then."""

    def wait(submitted: dict[str, Any]) -> dict[str, Any]:
        clock.advance(2)
        shown = client.job_status_show(submitted["job_status"]["id"])
        ended: dict[str, Any] = shown["job_status"]
        return ended

    return wait


def test_tickets_are_created_updated_and_deleted(
    sim: RunningSimulator, client: Zendesk, finish: Finish
) -> None:
    created = finish(client.tickets_create_many(TICKETS))
    ids = [row["id"] for row in created["results"]]
    batch = {"tickets": [{"id": each, "status": "open"} for each in ids]}
    updated = finish(client.tickets_update_many(batch))
    bulk = finish(client.tickets_update_many({"ticket": {"priority": "low"}}, ids=ids))
    deleted = finish(client.tickets_destroy_many(ids=",".join(map(str, ids))))

    assert [job["status"] for job in (created, updated, bulk, deleted)] == ["completed"] * 4
    assert sim.effects()["counts"]["ticket"] == {"created": 3, "updated": 6, "deleted": 3}


def test_users_are_created_updated_and_deleted(
    sim: RunningSimulator, client: Zendesk, finish: Finish
) -> None:
    users = {"users": [{"name": n, "external_id": n} for n in ("a", "b")]}
    created = finish(client.users_create_many(users))
    upserted = finish(client.users_create_or_update_many(users))
    ids = [row["id"] for row in created["results"]]
    updated = finish(client.users_update_many({"user": {"name": "c"}}, ids=f"{ids[0]},{ids[1]}"))
    deleted = finish(client.users_destroy_many(external_ids="a,b"))

    assert [row["status"] for row in upserted["results"]] == ["Updated"] * 2
    assert [job["status"] for job in (created, updated, deleted)] == ["completed"] * 3
    assert sim.effects()["counts"]["user"] == {"created": 2, "updated": 4, "deleted": 2}


def test_organizations_and_imports(sim: RunningSimulator, client: Zendesk, finish: Finish) -> None:
    created = finish(client.organizations_create_many({"organizations": [{"name": "o"}]}))
    change = {"organizations": [{"id": created["results"][0]["id"], "name": "p"}]}
    finish(client.organizations_update_many(change))
    finish(client.organizations_destroy_many(ids=created["results"][0]["id"]))
    finish(client.imports_tickets_create_many(TICKETS))

    assert sim.effects()["counts"] == {
        "organization": {"created": 1, "updated": 1, "deleted": 1},
        "ticket": {"created": 3},
    }


def test_job_statuses_are_listed_and_shown_together(client: Zendesk, finish: Finish) -> None:
    ids = [finish(client.tickets_create_many(TICKETS))["id"] for _ in range(2)]

    listed = client.job_statuses_list()["job_statuses"]
    many = client.job_statuses_show_many(ids=",".join(ids))["job_statuses"]

    assert [job["id"] for job in listed] == ids[::-1]
    assert [job["id"] for job in many] == ids


def test_numbered_pages_are_followed(client: Zendesk, finish: Finish) -> None:
    finish(client.users_create_many({"users": [{"name": str(n)} for n in range(9)]}))

    found = client.users_list(get_all_pages=True, per_page=4)

    assert len(found["users"]) == 10


def test_refusals_are_the_clients_own_errors(sim: RunningSimulator, client: Zendesk) -> None:
    sim.set_faults({"match": {"path": "users/me"}, "times": 1, "effect": {"rate_limited": "plain"}})
    with pytest.raises(RateLimitError):
        client.users_me()
    with pytest.raises(ZendeskError) as missing:
        client.job_status_show("V3-none")
    assert missing.value.error_code == 404
    stranger = Zendesk(sim.url, "agent@example.com", zdesk_password="other", zdesk_token=True)
    with pytest.raises(AuthenticationError):
        stranger.users_me()


def test_a_bearer_token_will_do(sim: RunningSimulator) -> None:
    client = Zendesk(sim.url, zdesk_oauth="sim-token")

    assert client.users_me()["user"]["email"] == "agent@example.com"
