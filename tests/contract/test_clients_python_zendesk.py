"""python-zendesk, generated from the vendor's own specification, understands the simulator.

It validates every answer strictly. Where it refuses an answer that recorded traffic shows, the
simulator stays with the traffic and the test is an expected failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zendesk import Zendesk, errors, models

from vendorsim import ManualClock, RunningSimulator

Finish = Callable[[Any], Any]
TICKETS: list[Any] = [
    {"subject": f"s{n}", "comment": {"body": "text"}, "external_id": f"E{n}"} for n in range(3)
]
USERS: list[Any] = [{"name": "n", "email": "n@example.org", "external_id": "u"}]


@pytest.fixture
def client(sim: RunningSimulator) -> Iterator[Zendesk]:
    security = models.Security(username="agent@example.com/token", password="sim-token")
    with Zendesk(server_url=sim.url, security=security) as client:
        yield client


@pytest.fixture
def finish(client: Zendesk, clock: ManualClock) -> Finish:
    """Let a job end: its status then, as the client reads it."""

    def wait(submitted: Any) -> Any:
        assert submitted.job_status.status == "queued"
        assert submitted.job_status.results is None
        clock.advance(2)
        return client.job_statuses.show_job_status(job_status_id=submitted.job_status.id).job_status

    return wait


@pytest.fixture
def ticket_ids(client: Zendesk, finish: Finish) -> list[int]:
    created = finish(client.tickets.tickets_create_many(request={"tickets": TICKETS}))
    return [result.id for result in created.results]


def test_tickets_create_many(sim: RunningSimulator, client: Zendesk, finish: Finish) -> None:
    ended = finish(client.tickets.tickets_create_many(request={"tickets": TICKETS}))

    assert (ended.status, ended.progress, ended.total) == ("completed", 3, 3)
    assert all(isinstance(result, models.CreateResourceResult) for result in ended.results)
    assert [result.index for result in ended.results] == [0, 1, 2]
    made = {effect["id"]: effect["external_id"] for effect in sim.effects()["effects"]}
    assert [made[result.id] for result in ended.results] == ["E0", "E1", "E2"]


def test_tickets_update_many_one_change_for_all(
    client: Zendesk, finish: Finish, ticket_ids: list[int]
) -> None:
    ids = ",".join(map(str, ticket_ids))
    change = {"ticket": {"status": "open"}}

    ended = finish(client.tickets.tickets_update_many(ids=ids, request_body=change))

    assert all(isinstance(result, models.UpdateResourceResult) for result in ended.results)
    assert [result.id for result in ended.results] == ticket_ids


def test_tickets_update_many_a_change_each(
    sim: RunningSimulator, client: Zendesk, finish: Finish, ticket_ids: list[int]
) -> None:
    changes = {"tickets": [{"id": each, "subject": f"new {each}"} for each in ticket_ids]}

    ended = finish(client.tickets.tickets_update_many(request_body=changes))

    assert all(result.success for result in ended.results)
    updated = sim.effects(action="updated")["effects"]
    assert [effect["fields"]["subject"] for effect in updated] == [
        f"new {each}" for each in ticket_ids
    ]


def test_bulk_delete_tickets_and_for_good(
    sim: RunningSimulator, client: Zendesk, finish: Finish, ticket_ids: list[int]
) -> None:
    ids = ",".join(map(str, ticket_ids))

    deleted = finish(client.tickets.bulk_delete_tickets(ids=ids))
    assert [result.action for result in deleted.results] == ["delete"] * 3
    for_good = finish(client.tickets.bulk_permanently_delete_tickets(ids=ids))

    assert for_good.results.success is True
    assert (for_good.total, for_good.progress) == (None, None)
    assert sim.effects()["counts"]["ticket"]["deleted"] == 6


def test_mark_many_tickets_as_spam(client: Zendesk, finish: Finish, ticket_ids: list[int]) -> None:
    ended = finish(client.tickets.mark_many_tickets_as_spam(ids=str(ticket_ids[0])))

    assert ended.status == "completed"


def test_ticket_bulk_import(sim: RunningSimulator, client: Zendesk, finish: Finish) -> None:
    request: Any = {"tickets": [{"subject": "old", "comments": [{"value": "text"}]}]}

    ended = finish(
        client.ticket_import.ticket_bulk_import(
            archive_immediately=True, ticket_bulk_import_request=request
        )
    )

    assert ended.status == "completed"
    assert sim.effects()["counts"] == {"ticket": {"created": 1}}


def test_users_are_created_updated_and_deleted(
    sim: RunningSimulator, client: Zendesk, finish: Finish, clock: ManualClock
) -> None:
    client.users.create_many_users(users=USERS)
    clock.advance(2)
    user_id = sim.effects()["effects"][0]["id"]

    body: Any = {"user": {"name": "new"}}
    updated = finish(client.users.update_many_users(ids=str(user_id), request_body=body))
    deleted = finish(client.users.destroy_many_users(external_ids="u"))

    assert [result.status for result in updated.results] == ["Updated"]
    assert [result.status for result in deleted.results] == ["Deleted"]
    assert sim.effects()["counts"]["user"] == {"created": 1, "updated": 1, "deleted": 1}


def test_a_refused_attribute_job_is_the_clients_own_error(client: Zendesk) -> None:
    """The client leaves out action, items and value ids, so the vendor can only refuse it."""
    job: Any = {"attributes": {"attribute_values": [{"name": "none"}]}}

    with pytest.raises(errors.SkillBasedRoutingAttributeValuesError) as refused:
        client.job_statuses.bulk_set_agent_attribute_values_job(job=job)

    error = refused.value.data.error
    assert error is not None
    assert error.title == "Invalid attribute"


def test_custom_object_jobs_are_accepted_with_201(
    sim: RunningSimulator, client: Zendesk, clock: ManualClock
) -> None:
    job: Any = {"action": "create", "items": [{"name": "x"}]}

    accepted = client.custom_object_records.custom_object_record_bulk_jobs(
        custom_object_key="car", job=job
    )
    clock.advance(2)

    assert accepted.job_status is not None
    assert accepted.job_status.status == "queued"
    assert sim.effects()["counts"] == {"custom_object_record": {"created": 1}}


def test_job_statuses_show_many_and_list(client: Zendesk, clock: ManualClock) -> None:
    submitted = [
        client.tickets.tickets_create_many(request={"tickets": TICKETS}).job_status
        for _ in range(3)
    ]
    ids = [job.id for job in submitted if job and job.id]
    clock.advance(2)

    many = client.job_statuses.show_many_job_statuses(ids=",".join(ids)).job_statuses
    listed, page = [], client.job_statuses.list_job_statuses(page_size=2)
    while page is not None:
        listed += [job.id for job in page.result.job_statuses]
        page = page.next()

    assert [job.id for job in many] == ids
    assert {job.status for job in many} == {"completed"}
    assert listed == ids[::-1]


def test_terse_lists_are_understood(sim: RunningSimulator, client: Zendesk) -> None:
    sim.change_settings(job_items="id_and_status")
    client.tickets.tickets_create_many(request={"tickets": TICKETS})

    page = client.job_statuses.list_job_statuses()

    assert page is not None
    assert [job.status for job in page.result.job_statuses] == ["queued"]


def test_refusals_are_the_clients_own_errors(sim: RunningSimulator, client: Zendesk) -> None:
    sim.change_settings(max_jobs=1, too_many_jobs_status=422)
    client.tickets.tickets_create_many(request={"tickets": TICKETS})

    with pytest.raises(errors.APIError) as refused:
        client.tickets.tickets_create_many(request={"tickets": TICKETS})
    with pytest.raises(errors.APIError) as missing:
        client.job_statuses.show_job_status(job_status_id="V3-none")

    assert refused.value.status_code == 422
    assert "TooManyJobs" in refused.value.body
    assert missing.value.status_code == 404


@pytest.mark.xfail(
    strict=True,
    raises=errors.ResponseValidationError,
    reason="the client demands an index or an action; real results of user creation have neither",
)
def test_results_of_users_create_many(client: Zendesk, finish: Finish) -> None:
    finish(client.users.create_many_users(users=USERS))


@pytest.mark.xfail(
    strict=True,
    raises=errors.ResponseValidationError,
    reason="the client demands an index or an action; real results of an upsert have neither",
)
def test_results_of_users_create_or_update_many(client: Zendesk, finish: Finish) -> None:
    finish(client.users.create_or_update_many_users(users=USERS))


@pytest.mark.xfail(
    strict=True,
    raises=errors.ResponseValidationError,
    reason="the client demands id, action and success of a failure; real failures lack them",
)
def test_failed_rows_of_tickets_create_many(client: Zendesk, finish: Finish) -> None:
    blank: Any = [{"subject": "blank", "comment": {"body": ""}}]
    finish(client.tickets.tickets_create_many(request={"tickets": blank}))


@pytest.mark.xfail(
    strict=True,
    raises=errors.ResponseValidationError,
    reason="the client knows number ids alone; custom object records have text ids",
)
def test_results_of_custom_object_jobs(client: Zendesk, finish: Finish) -> None:
    job: Any = {"action": "create", "items": [{"name": "x"}]}
    finish(
        client.custom_object_records.custom_object_record_bulk_jobs(
            custom_object_key="car", job=job
        )
    )
