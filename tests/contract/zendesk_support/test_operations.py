"""Every operation with good, bad and mixed rows, from submission to outcomes, row by row."""

from __future__ import annotations

import pytest
import requests

from jobferry.vendors.answers import Accepted, RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.zendesk_support.bench import ZendeskBench
from tests.contract.zendesk_support.cases import (
    BLANK,
    CASES,
    FRENCH,
    MISSING,
    SPANISH,
    Account,
    Case,
    furnish,
    named,
    operation_named,
    skilled,
    ticket,
)

_SIGNS = {"succeeded": "+", "failed": "-", "unknown": "?"}
NAMES = [named(name) for name in ZENDESK_SUPPORT.operations]


@pytest.fixture
def there(bench: ZendeskBench) -> Account:
    return furnish(bench)


def test_every_operation_has_its_cases() -> None:
    assert {case.operation for case in CASES} == set(NAMES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outcomes_are_what_happened(case: Case, bench: ZendeskBench, there: Account) -> None:
    operation = operation_named(bench, case.operation)
    rows = case.rows(there)
    job_id = bench.submitted(rows, operation)
    bench.pass_time()

    results = bench.results(operation, job_id, rows)

    done = bench.effects_of(job_id)
    signs = [_SIGNS[result.status] for result in results]
    seen = ["!" if sign == "?" and n in done else sign for n, sign in enumerate(signs)]
    assert "".join(seen) == case.outcomes
    assert set(done) == {n for n, sign in enumerate(case.outcomes) if sign in "+!"}
    if case.operation.endswith((".create", ".import")):
        assert all(effect["fields"] == rows[n] for n, effect in done.items())


def test_outcomes_carry_the_vendors_reasons(bench: ZendeskBench) -> None:
    job_id = bench.submitted([BLANK, ticket("a")])
    bench.pass_time()

    failed, succeeded = bench.results(bench.create, job_id, [BLANK, ticket("a")])

    assert (failed.code, failed.text) == ("TicketCreateFailed", "Description: cannot be blank")
    assert (succeeded.code, succeeded.text) == (None, None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "tickets.merge"])
def test_a_full_job_is_taken_and_one_row_more_is_refused(bench: ZendeskBench, name: str) -> None:
    operation = operation_named(bench, name)
    records = [
        skilled(MISSING + n) if "id" in operation.match_on else ticket(f"r{n}", name=f"n{n}")
        for n in range(operation.max_records + 1)
    ]

    more = bench.client.submit(operation, records, "token")
    full = bench.client.submit(operation, records[:-1], "token")

    assert isinstance(more, Refused)
    assert (more.scope, more.code) == (RefusalScope.CHUNK, "TooManyValues")
    assert isinstance(full, Accepted)
    assert [job["items"] for job in bench.jobs()] == [operation.max_records]
    bench.pass_time()
    assert len(bench.results(operation, full.job_id, records[:-1])) == operation.max_records


def test_a_full_job_of_good_rows_succeeds(bench: ZendeskBench) -> None:
    records = bench.records(100)
    job_id = bench.submitted(records)
    bench.pass_time()

    results = bench.results(bench.create, job_id, records)

    assert {result.status for result in results} == {"succeeded"}
    assert len({result.vendor_id for result in results}) == 100


@pytest.mark.parametrize("name", [name for name in NAMES if "delete" in name])
def test_one_cell_never_deletes_two_records(bench: ZendeskBench, there: Account, name: str) -> None:
    both = {"tickets": there.deleted if "permanently" in name else there.tickets}
    ids = both.get(name.split(".")[0]) or getattr(there, name.split(".")[0], there.records)
    before = len(bench.sim.effects(action="deleted")["effects"])

    for rows in (
        [{"id": f"{ids[0]},{[*ids, MISSING][1]}"}],
        [{"external_id": "known,second"}],
        [{"id": "known,b"}],
    ):
        bench.client.submit(operation_named(bench, name), rows, "token")
    bench.pass_time()

    assert len(bench.sim.effects(action="deleted")["effects"]) == before


def tags_of(bench: ZendeskBench, tickets: list[int]) -> list[list[str]]:
    ids = ",".join(map(str, tickets))
    token = {"Authorization": "Bearer sim-token"}
    url = f"{bench.sim.url}/api/v2/tickets/show_many?ids={ids}"
    shown = requests.get(url, headers=token, timeout=10).json()["tickets"]
    tags = {each["id"]: each["tags"] for each in shown}
    return [tags[each] for each in tickets]


def test_tags_are_added_where_all_rows_add_the_same(bench: ZendeskBench, there: Account) -> None:
    operation = operation_named(bench, "tickets.update")
    tagged = [{"id": each, "tags": ["old", "vip"]} for each in there.tickets[:2]]
    bench.submitted(tagged, operation)
    bench.pass_time()
    change = {"additional_tags": ["new"], "remove_tags": ["old"]}
    bench.submitted([{"id": each, **change} for each in there.tickets[:3]], operation)
    bench.pass_time()

    assert tags_of(bench, there.tickets) == [["vip", "new"], ["vip", "new"], ["new"], []]


def test_tags_that_the_vendor_would_drop_are_refused(bench: ZendeskBench, there: Account) -> None:
    rows = [
        {"id": there.tickets[0], "additional_tags": ["a"]},
        {"id": there.tickets[1], "additional_tags": ["b"]},
    ]

    refused = bench.client.submit(operation_named(bench, "tickets.update"), rows, "token")

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.CHUNK, "tags_need_one_change")


def test_the_actions_on_agents_do_what_they_say(bench: ZendeskBench, there: Account) -> None:
    operation = operation_named(bench, "agents.set_attributes")
    (agent, *_) = there.agents
    held = []
    for action, value in (("upsert", SPANISH), ("upsert", FRENCH), ("delete", SPANISH)):
        bench.submitted([skilled(agent, action, value)], operation)
        bench.pass_time()
        url = f"{bench.sim.url}/api/v2/users/{agent}"
        shown = requests.get(url, headers={"Authorization": "Bearer sim-token"}, timeout=10)
        held.append(shown.json()["user"]["attribute_values"])

    assert held == [[SPANISH], [SPANISH, FRENCH], [FRENCH]]


@pytest.mark.parametrize(("served", "requests_needed"), [("job", 2), ("jobs", 3), ("both", 2)])
def test_agents_jobs_are_sent_where_they_are_served(
    bench: ZendeskBench, there: Account, served: str, requests_needed: int
) -> None:
    bench.sim.change_settings(agent_jobs_path=served)
    operation = operation_named(bench, "agents.set_attributes")
    before = bench.client.requests_made

    for agent in there.agents[:2]:
        bench.submitted([skilled(agent)], operation)

    # The path that is not served is tried once.
    assert bench.client.requests_made - before == requests_needed
    assert [job["operation"] for job in bench.jobs()][-2:] == [operation.name] * 2


def test_agents_jobs_that_are_unknown_under_either_path_are_refused(
    bench: ZendeskBench, there: Account
) -> None:
    bench.befall(
        {"method": "POST", "path": "instance_values/job$"}, status=404, body={"error": "A"}
    )
    bench.befall({"method": "POST", "path": "instance_values/jobs$"}, status=404)
    operation = operation_named(bench, "agents.set_attributes")

    refused = bench.client.submit(operation, [skilled(there.agents[0])], "token")

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.CHUNK, "A")


def test_the_key_of_a_custom_object_must_be_written(bench: ZendeskBench) -> None:
    operation = bench.vendor.operations["custom_objects.<key>.create"]

    refused = bench.client.submit(operation, [{"name": "x"}], "token")

    assert isinstance(refused, Refused)
    assert refused.scope is RefusalScope.RUN
    assert bench.writes() == 0


@pytest.mark.parametrize("status", [429, 400, 422])
def test_one_job_too_many_waits_for_a_slot(bench: ZendeskBench, status: int) -> None:
    bench.sim.change_settings(max_jobs=1, too_many_jobs_status=status)
    bench.submitted(bench.records(1))

    one_more = bench.client.submit(bench.create, bench.records(1), "token")
    bench.pass_time()
    again = bench.client.submit(bench.create, bench.records(1), "token")

    assert one_more == Throttled(ThrottleReason.SLOTS)
    assert isinstance(again, Accepted)
    assert len(bench.jobs()) == 2
