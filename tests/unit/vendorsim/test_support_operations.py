"""What each kind of Zendesk job does to the records, and the form of its results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vendorsim import ManualClock, RunningSimulator

RunJob = Callable[..., dict[str, Any]]


def ticket(number: int) -> dict[str, Any]:
    return {"subject": f"s{number}", "comment": {"body": "text"}, "external_id": f"E{number}"}


@pytest.fixture
def ticket_ids(run_job: RunJob) -> list[int]:
    created = run_job("POST", "tickets/create_many", {"tickets": [ticket(n) for n in range(3)]})
    return [row["id"] for row in created["results"]]


def test_created_tickets_can_be_looked_up(sim: RunningSimulator, ticket_ids: list[int]) -> None:
    one = sim.request("GET", f"/api/v2/tickets/{ticket_ids[1]}.json").json()["ticket"]
    assert (one["subject"], one["description"], one["external_id"]) == ("s1", "text", "E1")
    for query in ("show_many?external_ids=E2,E0,none", "show_many.json?external_ids=E2%2CE0"):
        found = sim.request("GET", f"/api/v2/tickets/{query}").json()["tickets"]
        assert [each["external_id"] for each in found] == ["E2", "E0"]
    by_one = sim.request("GET", "/api/v2/tickets?external_id=E1").json()
    assert [each["id"] for each in by_one["tickets"]] == [ticket_ids[1]]


def test_ticket_external_ids_are_not_unique(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    again = run_job("POST", "tickets/create_many", {"tickets": [ticket(0)]})

    assert again["status"] == "completed"
    found = sim.request("GET", "/api/v2/tickets?external_id=E0").json()
    assert found["count"] == 2


def test_batch_update_changes_each_ticket_in_its_own_way(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    changes = [{"id": each, "subject": f"new {each}"} for each in ticket_ids]

    shown = run_job("PUT", "tickets/update_many.json", {"tickets": changes})

    assert shown["job_type"] == "Bulk Update Ticket"
    assert shown["results"] == [
        {"action": "update", "id": each, "status": "Updated", "success": True}
        for each in ticket_ids
    ]
    updated = sim.effects(kind="ticket", action="updated")["effects"]
    assert [effect["fields"]["subject"] for effect in updated] == [
        f"new {each}" for each in ticket_ids
    ]


def test_bulk_update_adds_and_removes_tags(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    ids = ",".join(map(str, ticket_ids))
    run_job("PUT", f"tickets/update_many?ids={ids}", {"ticket": {"additional_tags": ["a", "b"]}})
    run_job("PUT", f"tickets/update_many?ids={ids}", {"ticket": {"remove_tags": ["a"]}})

    one = sim.request("GET", f"/api/v2/tickets/{ticket_ids[0]}").json()["ticket"]

    assert one["tags"] == ["b"]


def test_bulk_update_needs_no_body(run_job: RunJob, ticket_ids: list[int]) -> None:
    shown = run_job("PUT", f"tickets/update_many?ids={ticket_ids[0]}")

    assert shown["status"] == "completed"


def test_an_address_that_nobody_can_have_fails_its_ticket_alone(run_job: RunJob) -> None:
    tickets = [
        {"subject": "s", "comment": {"body": "b"}, "requester": {"email": address}}
        for address in ("a@example.com", "a@example.invalid", "a@EXAMPLE.INVALID", "a@invalid.com")
    ]
    results = run_job("POST", "tickets/create_many", {"tickets": tickets})["results"]
    assert ["error" in each for each in results] == [False, True, True, False]
    assert results[1]["details"] == "Requester: Email: a@example.invalid cannot receive mail"


def test_an_outdated_ticket_is_a_failed_row(
    sim: RunningSimulator, clock: ManualClock, run_job: RunJob, ticket_ids: list[int]
) -> None:
    stamp = sim.request("GET", f"/api/v2/tickets/{ticket_ids[0]}").json()["ticket"]["updated_at"]
    change = {
        "id": ticket_ids[0],
        "subject": "new",
        "safe_update": True,
        "updated_stamp": stamp,
    }
    body = {"tickets": [change, {"id": ticket_ids[1], "subject": "new"}]}
    assert run_job("PUT", "tickets/update_many", body)["results"][0]["success"] is True

    late = run_job("PUT", "tickets/update_many", body)

    assert late["status"] == "completed"
    assert late["results"][0]["error"] == "UpdateConflict"
    assert late["results"][1]["success"] is True


def test_a_bulk_update_conflicts_with_what_came_after_it_was_queued(
    sim: RunningSimulator, clock: ManualClock, submit: RunJob, ticket_ids: list[int]
) -> None:
    first = submit(
        "PUT", f"tickets/update_many?ids={ticket_ids[0]}", {"ticket": {"status": "open"}}
    )
    clock.advance(1)
    second = submit("PUT", f"tickets/update_many?ids={ticket_ids[0]}", {"ticket": {"type": "task"}})
    clock.advance(2)

    ids = f"{first['id']},{second['id']}"
    shown = sim.request("GET", f"/api/v2/job_statuses/show_many?ids={ids}").json()["job_statuses"]

    assert [job["status"] for job in shown] == ["completed", "failed"]
    assert shown[1]["results"][0]["error"] == "UpdateConflict"


def test_updating_what_is_not_there_names_the_id_and_nothing_more(run_job: RunJob) -> None:
    shown = run_job("PUT", "tickets/update_many", {"tickets": [{"id": 99, "subject": "x"}]})

    assert shown["status"] == "failed"
    assert shown["results"] == [
        {
            "index": 0,
            "id": 99,
            "error": "TicketUpdateFailed",
            "details": "Ticket: not found",
        }
    ]


def test_deleted_tickets_are_gone_and_can_be_deleted_for_good(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    ids = ",".join(map(str, ticket_ids))
    deleted = run_job("DELETE", f"tickets/destroy_many?ids={ids}", {"ignored": "body"})
    assert deleted["results"][0] == {
        "action": "delete",
        "id": ticket_ids[0],
        "status": "Deleted",
        "success": True,
    }
    assert sim.request("GET", f"/api/v2/tickets/{ticket_ids[0]}").status_code == 404

    for_good = run_job("DELETE", f"deleted_tickets/destroy_many?ids={ids}")
    assert (for_good["results"], for_good["total"], for_good["progress"]) == (
        {"success": True},
        None,
        None,
    )
    again = run_job("DELETE", f"deleted_tickets/destroy_many?ids={ids}")
    assert again["results"] == {"success": False}
    assert sim.effects()["counts"]["ticket"] == {"created": 3, "deleted": 6}


def test_one_deleted_ticket_can_be_deleted_for_good(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    assert sim.request("DELETE", f"/api/v2/deleted_tickets/{ticket_ids[0]}").status_code == 404
    run_job("DELETE", f"tickets/destroy_many?ids={ticket_ids[0]}")

    shown = run_job("DELETE", f"deleted_tickets/{ticket_ids[0]}")

    assert shown["results"] == {"success": True}


def test_imported_tickets_bring_their_comments(sim: RunningSimulator, run_job: RunJob) -> None:
    body = {"tickets": [{"subject": "old", "comments": [{"value": "first"}]}, {"subject": "none"}]}

    shown = run_job("POST", "imports/tickets/create_many?archive_immediately=true", body)

    assert [row.get("error") for row in shown["results"]] == [None, "TicketCreateFailed"]
    found = sim.request("GET", f"/api/v2/tickets/{shown['results'][0]['id']}").json()
    assert found["ticket"]["description"] == "first"


def test_every_update_with_a_comment_adds_it(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    first, second, _ = ticket_ids
    reply = {"body": "Shipped.", "public": False}
    for _ in range(2):
        changes = [{"id": first, "comment": reply}, {"id": second, "status": "solved"}]
        run_job("PUT", "tickets/update_many.json", {"tickets": changes})

    def said(ticket_id: int, query: str = "") -> list[tuple[str, bool]]:
        shown = sim.request("GET", f"/api/v2/tickets/{ticket_id}/comments?{query}").json()
        return [(each["body"], each["public"]) for each in shown["comments"]]

    assert said(first) == [("text", True), ("Shipped.", False), ("Shipped.", False)]
    assert said(second) == [("text", True)]
    newest = said(first, "sort=-created_at&page[size]=2")
    assert newest == said(first)[:0:-1] == said(first, "sort_order=desc&per_page=2")
    assert sim.request("GET", "/api/v2/tickets/999/comments").status_code == 404


def test_spam_suspends_the_requester(sim: RunningSimulator, run_job: RunJob) -> None:
    user = run_job("POST", "users/create_many", {"users": [{"name": "n"}]})["results"][0]["id"]
    bad = {"subject": "s", "comment": "buy", "requester_id": user}
    spam = run_job("POST", "tickets/create_many", {"tickets": [bad]})["results"][0]["id"]

    run_job("PUT", f"tickets/mark_many_as_spam?ids={spam}")

    assert sim.request("GET", f"/api/v2/tickets/{spam}").status_code == 404
    assert sim.request("GET", f"/api/v2/users/{user}").json()["user"]["suspended"] is True


@pytest.mark.parametrize("as_objects", [True, False])
def test_merging_closes_the_sources(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int], as_objects: bool
) -> None:
    target, *sources = ticket_ids
    ids = [{"id": each} for each in sources] if as_objects else sources

    shown = run_job("POST", f"tickets/{target}/merge", {"ids": ids, "target_comment": "merged"})

    assert [row["id"] for row in shown["results"]] == sources
    for source in sources:
        merged = sim.request("GET", f"/api/v2/tickets/{source}").json()["ticket"]
        assert merged["status"] == "closed"


def test_a_single_ticket_may_be_created_as_a_job(sim: RunningSimulator, clock: ManualClock) -> None:
    answer = sim.request("POST", "/api/v2/tickets?async=true", json={"ticket": ticket(1)})
    assert answer.status_code == 202
    ticket_id = answer.json()["ticket"]["id"]
    assert answer.json()["job_status"]["status"] == "queued"
    assert sim.request("GET", f"/api/v2/tickets/{ticket_id}").status_code == 404
    clock.advance(2)

    assert sim.request("GET", f"/api/v2/tickets/{ticket_id}").status_code == 200


def test_an_idempotency_key_works_for_single_tickets_alone(sim: RunningSimulator) -> None:
    headers = {"Authorization": "Bearer sim-token", "Idempotency-Key": "k"}

    def post(number: int) -> Any:
        return sim.request(
            "POST", "/api/v2/tickets", json={"ticket": ticket(number)}, headers=headers
        )

    first, second, other = post(1), post(1), post(2)

    assert first.headers["x-idempotency-lookup"] == "miss"
    assert second.headers["x-idempotency-lookup"] == "hit"
    assert first.json() == second.json()
    assert (other.status_code, other.json()["error"]) == (400, "IdempotentRequestError")
    assert sim.effects()["counts"]["ticket"] == {"created": 1}


def test_created_users_come_without_index_and_are_unique(run_job: RunJob) -> None:
    users = [
        {"name": "A", "email": "a@example.org", "external_id": "u1"},
        {"name": "B", "email": "A@Example.org"},
        {"name": "C", "external_id": "U1"},
        {"name": ""},
    ]

    shown = run_job("POST", "users/create_many", {"users": users})

    assert set(shown["results"][0]) == {"id", "status"}
    assert shown["results"][0]["status"] == "Created"
    assert [row["error"] for row in shown["results"][1:]] == ["UserCreateFailed"] * 3


def test_a_user_with_a_bad_address_is_a_nearly_empty_row(run_job: RunJob) -> None:
    users = [{"name": "A", "email": "a@example.org"}, {"name": "B", "email": "b$example.org"}]

    shown = run_job("POST", "users/create_or_update_many", {"users": users})

    assert shown["results"][1] == {"id": 1}


def test_create_or_update_finds_users_whatever_their_case(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    run_job(
        "POST",
        "users/create_or_update_many",
        {"users": [{"name": "A", "email": "a@example.org", "external_id": "ian1"}]},
    )
    users = [
        {"name": "A2", "external_id": "IAN1"},
        {"name": "A3", "email": "A@EXAMPLE.ORG"},
        {"name": "New", "email": "new@example.org", "external_id": "n"},
    ]

    shown = run_job("POST", "users/create_or_update_many", {"users": users})

    assert [row["status"] for row in shown["results"]] == ["Updated", "Updated", "Created"]
    assert set(shown["results"][2]) == {"id", "status", "email", "external_id"}
    assert sim.effects()["counts"]["user"] == {"created": 2, "updated": 2}
    found = sim.request("GET", "/api/v2/users/search?external_id=Ian1").json()["users"]
    assert [user["name"] for user in found] == ["A3"]


def test_users_are_updated_and_deleted_by_either_id(sim: RunningSimulator, run_job: RunJob) -> None:
    users = [{"name": n, "external_id": n, "email": f"{n}@example.org"} for n in ("a", "b", "c")]
    ids = [row["id"] for row in run_job("POST", "users/create_many", {"users": users})["results"]]

    batch = [{"id": ids[0], "name": "A"}, {"external_id": "b", "name": "B"}]
    assert run_job("PUT", "users/update_many", {"users": batch})["status"] == "completed"
    run_job("PUT", "users/update_many?external_ids=c", {"user": {"name": "C"}})
    names = sim.request("GET", "/api/v2/users/show_many?external_ids=a,b,c").json()["users"]
    assert [user["name"] for user in names] == ["A", "B", "C"]

    run_job("DELETE", f"users/destroy_many?ids={ids[0]}")
    run_job("DELETE", "users/destroy_many?external_ids=b,c")
    left = sim.request("GET", "/api/v2/users/show_many?external_ids=a,b,c").json()["users"]
    assert left == []


def test_a_taken_organization_name_is_a_failed_row_of_a_completed_job(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    names = {"organizations": [{"name": "X"}, {"name": "Y"}, {"name": "x"}]}
    created = run_job("POST", "organizations/create_many", names)["results"]
    assert [set(row) for row in created[:2]] == [{"id", "status"}] * 2
    assert created[2]["error"] == "OrganizationCreateFailed"
    ids = f"{created[0]['id']},{created[1]['id']}"

    shown = run_job("PUT", f"organizations/update_many?ids={ids}", {"organization": {"name": "X"}})

    assert shown["status"] == "completed"
    assert shown["results"][1] == {
        "index": 1,
        "id": created[1]["id"],
        "error": "OrganizationUpdateFailed",
        "details": "Name: X has already been taken",
    }
    gone = run_job("DELETE", f"organizations/destroy_many?ids={ids}")
    assert gone["job_type"] == "Bulk Delete Organization"
    assert sim.request("GET", "/api/v2/organizations").json()["count"] == 0


def test_memberships_join_what_is_there_once(sim: RunningSimulator, run_job: RunJob) -> None:
    user = run_job("POST", "users/create_many", {"users": [{"name": "n"}]})["results"][0]["id"]
    organizations = {"organizations": [{"name": "o"}]}
    created = run_job("POST", "organizations/create_many", organizations)
    pair = {"user_id": user, "organization_id": created["results"][0]["id"]}
    missing = {"user_id": user, "organization_id": 1}

    shown = run_job(
        "POST",
        "organization_memberships/create_many",
        {"organization_memberships": [pair, pair, missing]},
    )

    assert set(shown["results"][0]) == {"id", "index"}
    assert [row.get("error") for row in shown["results"][1:]] == [
        "OrganizationMembershipCreateFailed"
    ] * 2
    membership = shown["results"][0]["id"]
    run_job("DELETE", f"organization_memberships/destroy_many?ids={membership}")
    assert sim.effects()["counts"]["organization_membership"] == {"created": 1, "deleted": 1}


def test_group_memberships_join_the_groups_that_a_scenario_may_bring(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    agent = sim.request("GET", "/api/v2/users/me").json()["user"]["id"]
    body = {"group_memberships": [{"user_id": agent, "group_id": 350_000_000_001}]}

    shown = run_job("POST", "group_memberships/create_many", body)

    assert shown["status"] == "completed"
    ended = run_job("DELETE", f"group_memberships/destroy_many?ids={shown['results'][0]['id']}")
    assert ended["results"][0]["success"] is True


def test_a_closed_ticket_is_merged_no_more(run_job: RunJob, ticket_ids: list[int]) -> None:
    target, source, other = ticket_ids[:3]
    run_job("POST", f"tickets/{target}/merge", {"ids": [source]})

    closed_source = run_job("POST", f"tickets/{target}/merge", {"ids": [source, other]})
    closed_target = run_job("POST", f"tickets/{source}/merge", {"ids": [target]})
    itself = run_job("POST", f"tickets/{target}/merge", {"ids": [target]})

    assert [row.get("error") for row in closed_source["results"]] == ["TicketMergeFailed", None]
    assert closed_target["results"][0]["details"] == "Status: closed prevents ticket merge"
    assert itself["status"] == "failed"


def test_the_results_of_a_merge_may_name_the_target(
    sim: RunningSimulator, run_job: RunJob, ticket_ids: list[int]
) -> None:
    sim.change_settings(merge_results="target")
    target, source = ticket_ids[:2]

    shown = run_job("POST", f"tickets/{target}/merge", {"ids": [source], "target_comment": "c"})

    assert [row["id"] for row in shown["results"]] == [target]
    effects = sim.effects(kind="ticket", action="updated")["effects"]
    assert [(each["id"], each["fields"]["target_comment"]) for each in effects] == [
        (target, "c"),
        (source, "c"),
    ]


@pytest.mark.parametrize(("served", "other"), [("job", "jobs"), ("jobs", "job")])
def test_agents_jobs_may_be_served_under_one_path_alone(
    sim: RunningSimulator, served: str, other: str
) -> None:
    sim.change_settings(agent_jobs_path=served)
    path = "/api/v2/routing/agents/instance_values"

    answers = [sim.request("POST", f"{path}/{end}", json={}) for end in (served, other)]

    assert [answer.status_code for answer in answers] == [400, 404]


@pytest.mark.parametrize("path", ["job", "jobs"])
def test_agents_get_attribute_values(sim: RunningSimulator, run_job: RunJob, path: str) -> None:
    agent = sim.request("GET", "/api/v2/users/me").json()["user"]["id"]
    value = "15821cba-7326-11e8-b07e-950ba849aa27"
    job = {
        "action": "upsert",
        "attributes": {"attribute_values": [{"id": value}]},
        "items": [agent, 7],
    }

    shown = run_job("POST", f"routing/agents/instance_values/{path}", {"job": job})

    assert [row.get("success") for row in shown["results"]] == [True, None]
    effect = sim.effects(kind="user", action="updated")["effects"][0]
    assert effect["fields"]["attribute_values"] == [value]
    job["attributes"] = {"attribute_values": [{"id": "no uuid"}]}
    bad = sim.request("POST", f"/api/v2/routing/agents/instance_values/{path}", json={"job": job})
    assert (bad.status_code, bad.json()["error"]["title"]) == (400, "Invalid attribute")


def test_custom_object_records_have_text_ids(sim: RunningSimulator, run_job: RunJob) -> None:
    path = "custom_objects/car/jobs"

    def run(action: str, items: list[Any]) -> list[dict[str, Any]]:
        job = {"job": {"action": action, "items": items}}
        results: list[dict[str, Any]] = run_job("POST", path, job, status=201)["results"]
        return results

    made = run("create", [{"name": "a", "external_id": "A"}, {"name": "b", "external_id": "B"}])
    assert all(isinstance(row["id"], str) for row in made)
    fields = {"custom_object_fields": {"colour": "red"}}
    upserted = run(
        "create_or_update_by_external_id",
        [{"external_id": "A", **fields}, {"external_id": "C", **fields}],
    )
    assert upserted[0]["id"] == made[0]["id"]
    named = run("create_or_update_by_name", [{"name": "b", **fields}])
    assert named[0]["id"] == made[1]["id"]
    changed = run("update", [{"id": made[0]["id"], "name": "new"}])
    assert (changed[0]["name"], changed[0]["custom_object_fields"]) == ("new", {"colour": "red"})
    run("delete", [made[0]["id"]])
    run("delete_by_external_id", ["B", "C"])
    assert sim.effects()["counts"]["custom_object_record"] == {
        "created": 3,
        "updated": 3,
        "deleted": 3,
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "error", "details"),
    [
        (
            "PUT",
            "users/update_many",
            {"users": [{"id": 5, "name": "n"}]},
            "UserUpdateFailed",
            "User: not found",
        ),
        (
            "DELETE",
            "users/destroy_many?external_ids=none",
            None,
            "UserDeleteFailed",
            "User: not found",
        ),
        (
            "POST",
            "organizations/create_many",
            {"organizations": [{"name": " "}]},
            "OrganizationCreateFailed",
            "Name: cannot be blank",
        ),
        (
            "DELETE",
            "organizations/destroy_many?external_ids=none",
            None,
            "OrganizationDeleteFailed",
            "Organization: not found",
        ),
        (
            "POST",
            "organization_memberships/create_many",
            {"organization_memberships": [{"user_id": 1, "organization_id": 1}]},
            "OrganizationMembershipCreateFailed",
            "User: is invalid",
        ),
        (
            "DELETE",
            "group_memberships/destroy_many?ids=1",
            None,
            "GroupMembershipDeleteFailed",
            "Membership: not found",
        ),
        (
            "PUT",
            "tickets/update_many",
            {"tickets": [{"id": 1, "safe_update": True}]},
            "TicketUpdateFailed",
            "Ticket: not found",
        ),
        (
            "DELETE",
            "tickets/destroy_many?ids=1",
            None,
            "TicketDeleteFailed",
            "Ticket: not found",
        ),
    ],
)
def test_rows_that_cannot_be_carried_out_say_why(
    sim: RunningSimulator,
    run_job: RunJob,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    error: str,
    details: str,
) -> None:
    shown = run_job(method, path, body)

    assert shown["status"] == "failed"
    assert [(row["error"], row["details"]) for row in shown["results"]] == [(error, details)]
    assert sim.effects()["effects"] == []


def test_custom_object_records_are_listed_by_external_id(
    sim: RunningSimulator, run_job: RunJob
) -> None:
    items = [{"name": f"n{n}", "external_id": f"V-{n}"} for n in range(3)]
    job = {"job": {"action": "create", "items": items}}
    run_job("POST", "custom_objects/car/jobs", job, status=201)

    def listed(query: str) -> list[str]:
        url = f"/api/v2/custom_objects/car/records?{query}"
        shown = sim.request("GET", url, headers={"Authorization": "Bearer sim-token"}).json()
        assert shown["meta"]["has_more"] is False
        return [record["external_id"] for record in shown["custom_object_records"]]

    assert listed("") == ["V-0", "V-1", "V-2"]
    assert listed("filter[external_ids]=V-2,V-0,V-9") == ["V-0", "V-2"]
    assert listed("filter%5Bexternal_ids%5D=v-1") == []


@pytest.mark.parametrize(
    ("action", "item", "details"),
    [
        ("update", {"id": "none"}, "Record: not found"),
        ("delete", "none", "Record: not found"),
        ("create_or_update_by_external_id", {"name": "n"}, "external_id: cannot be blank"),
    ],
)
def test_custom_object_rows_that_cannot_be_carried_out_say_why(
    run_job: RunJob, action: str, item: object, details: str
) -> None:
    job = {"job": {"action": action, "items": [item]}}

    shown = run_job("POST", "custom_objects/car/jobs", job, status=201)

    assert shown["results"][0]["details"] == details


def test_batch_safe_update_needs_a_stamp(run_job: RunJob, ticket_ids: list[int]) -> None:
    body = {"tickets": [{"id": ticket_ids[0], "safe_update": True}]}

    shown = run_job("PUT", "tickets/update_many", body)

    assert shown["results"][0]["details"] == "updated_stamp: cannot be blank"


def test_a_user_found_by_both_keys_in_two_places_is_refused(run_job: RunJob) -> None:
    users = [
        {"name": "A", "email": "a@example.org"},
        {"name": "B", "external_id": "b"},
        {"name": "C", "email": "a@example.org", "external_id": "b"},
    ]

    shown = run_job("POST", "users/create_or_update_many", {"users": users})

    assert shown["results"][2]["error"] == "UserCreateFailed"


def test_a_blank_single_ticket_is_a_validation_error(sim: RunningSimulator) -> None:
    refused = sim.request("POST", "/api/v2/tickets", json={"ticket": {"subject": "s"}})

    assert refused.status_code == 422
    assert refused.json()["error"] == "RecordInvalid"
    assert refused.json()["details"]["base"][0]["description"] == "Description: cannot be blank"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "tickets/create_many", {"tickets": ["text"]}),
        ("PUT", "tickets/update_many?ids=a", {}),
        ("PUT", "tickets/update_many?ids=1", {"ticket": []}),
        ("DELETE", "tickets/destroy_many", None),
        ("POST", "custom_objects/car/jobs", {"job": []}),
        ("POST", "custom_objects/car/jobs", {"job": {"action": "none", "items": ["x"]}}),
        ("POST", "custom_objects/car/jobs", {"job": {"action": "create", "items": ["x"]}}),
        ("POST", "custom_objects/car/jobs", {"job": {"action": "create", "items": []}}),
    ],
)
def test_bodies_of_the_wrong_shape_start_no_job(
    sim: RunningSimulator, method: str, path: str, body: object
) -> None:
    refused = sim.request(method, f"/api/v2/{path}", json=body)

    assert refused.status_code == 400
    assert refused.json()["error"]["title"] == "Invalid attribute"
    assert sim.effects()["jobs"] == []


def test_merging_needs_a_target_and_sources(sim: RunningSimulator, ticket_ids: list[int]) -> None:
    absent = sim.request("POST", "/api/v2/tickets/1/merge", json={"ids": ticket_ids})
    nothing = sim.request("POST", f"/api/v2/tickets/{ticket_ids[0]}/merge", json={})
    words = sim.request("POST", f"/api/v2/tickets/{ticket_ids[0]}/merge", json={"ids": ["a"]})

    assert [answer.status_code for answer in (absent, nothing, words)] == [404, 400, 400]


def test_number_ids_may_come_as_text(run_job: RunJob, ticket_ids: list[int]) -> None:
    changes = {"tickets": [{"id": str(ticket_ids[0]), "subject": "new"}]}

    shown = run_job("PUT", "tickets/update_many", changes)

    assert shown["results"][0]["id"] == ticket_ids[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)
FIELDS = [
    "comment",
    "comments",
    "custom_object_fields",
    "description",
    "email",
    "external_id",
    "name",
    "safe_update",
    "tags",
    "updated_stamp",
    "user_id",
]


@pytest.mark.parametrize(
    ("method", "path", "plural"),
    [
        ("POST", "tickets/create_many", "tickets"),
        ("PUT", "tickets/update_many", "tickets"),
        ("POST", "imports/tickets/create_many", "tickets"),
        ("POST", "users/create_or_update_many", "users"),
        ("PUT", "users/update_many", "users"),
        ("POST", "organizations/create_many", "organizations"),
        ("PUT", "organizations/update_many", "organizations"),
        ("POST", "organization_memberships/create_many", "organization_memberships"),
        ("POST", "custom_objects/car/jobs", "create_or_update_by_name"),
    ],
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(records=st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), min_size=1, max_size=3))
def test_whatever_is_sent_every_row_has_a_result(
    sim: RunningSimulator,
    clock: ManualClock,
    method: str,
    path: str,
    plural: str,
    records: list[dict[str, Any]],
) -> None:
    sim.reset(requests_per_minute=0)
    known = {"id": 7, "name": "known", "email": "k@example.org"}
    for each in ("users", "organizations"):
        sim.request("POST", f"/api/v2/{each}/create_many", json={each: [known]})
    sim.request("POST", "/api/v2/tickets/create_many", json={"tickets": [ticket(0)]})
    clock.advance(2)
    ids = {effect["kind"]: effect["id"] for effect in sim.effects()["effects"]}
    target = {"id": ids[plural.removesuffix("s")]} if method == "PUT" else {}
    sent = [{**record, **target} for record in records]
    job = {"job": {"action": plural, "items": sent}}

    answer = sim.request(
        method, f"/api/v2/{path}", json=job if path.endswith("jobs") else {plural: sent}
    )
    assert answer.status_code in (200, 201), answer.text
    clock.advance(2)
    shown = sim.request("GET", f"/api/v2/job_statuses/{answer.json()['job_status']['id']}")

    results = shown.json()["job_status"]["results"]
    assert len(results) == len(sent)
    good = [row for row in results if "error" not in row and row.keys() != {"id"}]
    done = [effect for effect in sim.effects()["effects"] if effect["index"] < len(sent)]
    assert len([e for e in done if e["request_id"] == answer.headers["X-Request-Id"]]) == len(good)


def test_keys_that_no_ticket_has_are_removed_and_named(
    sim: RunningSimulator, clock: ManualClock
) -> None:
    tickets = [{**ticket(0), "subjet": "x"}, {**ticket(1), "größe": 1, "subjet": "y"}]
    answer = sim.request("POST", "/api/v2/tickets/create_many", json={"tickets": tickets})

    assert answer.status_code == 200
    assert answer.headers["X-Zendesk-API-Warn"] == (
        'Removed restricted keys ["subjet", "gr\\u00f6\\u00dfe"] '
        "from parameters according to whitelist"
    )
    clock.advance(60)
    sim.request("GET", "/api/v2/job_statuses")
    made = sim.effects(kind="ticket", action="created")["effects"]
    assert [effect["fields"] for effect in made] == [ticket(0), ticket(1)]


@pytest.mark.parametrize("path", ["tickets/create_many", "imports/tickets/create_many"])
def test_of_a_request_that_is_taken_whole_nothing_is_said(sim: RunningSimulator, path: str) -> None:
    answer = sim.request("POST", f"/api/v2/{path}", json={"tickets": [ticket(0)]})

    assert answer.status_code == 200
    assert "X-Zendesk-API-Warn" not in answer.headers
