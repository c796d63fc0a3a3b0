"""Merging tickets: what happens to both of them, and what is known when the answer is lost."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState, RefusalScope, Refused
from jobferry.vendors.operation import Operation
from tests.contract.lost import LOST, NEVER_TAKEN, Search
from tests.contract.zendesk_support.bench import ZendeskBench
from tests.contract.zendesk_support.cases import MISSING, Account, furnish, merging, operation_named


@pytest.fixture
def there(bench: ZendeskBench) -> Account:
    return furnish(bench)


@pytest.fixture
def merge(bench: ZendeskBench) -> Operation:
    return operation_named(bench, "tickets.merge")


@pytest.fixture
def row(there: Account) -> JsonObject:
    return merging(there.tickets[0], there.tickets[1], target_comment="one more of these")


@pytest.fixture
def search(bench: ZendeskBench, merge: Operation) -> Search:
    return Search(bench, merge)


def outcome(bench: ZendeskBench, merge: Operation, row: JsonObject) -> RecordResult:
    job_id = bench.submitted([row], merge)
    bench.pass_time()
    reading = bench.client.poll([job_id]).readings[job_id]
    (result,) = bench.vendor.read_results(merge, reading.raw or {}, 1, lambda: [row])
    return result


def merges(bench: ZendeskBench) -> list[JsonObject]:
    """What happened to tickets that were merged, in order."""
    done: list[JsonObject] = bench.sim.effects(kind="ticket", action="updated")["effects"]
    return [effect for effect in done if "merged_into" in effect["fields"]]


def test_the_source_is_closed_and_the_target_gets_the_comment(
    bench: ZendeskBench, merge: Operation, row: JsonObject
) -> None:
    result = outcome(bench, merge, row)

    assert result == RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=str(row["id"]))
    of_target, of_source = bench.sim.effects(kind="ticket", action="updated")["effects"]
    assert (of_target["id"], of_target["fields"]["target_comment"]) == (
        row["target_id"],
        "one more of these",
    )
    assert (of_source["id"], of_source["fields"]["merged_into"]) == (row["id"], row["target_id"])
    token = {"Authorization": "Bearer sim-token"}
    url = f"{bench.sim.url}/api/v2/tickets/{row['id']}"
    assert requests.get(url, headers=token, timeout=10).json()["ticket"]["status"] == "closed"


def test_a_ticket_is_merged_once(bench: ZendeskBench, merge: Operation, row: JsonObject) -> None:
    outcome(bench, merge, row)

    again = outcome(bench, merge, row)

    assert (again.status, again.code) == (OutcomeStatus.FAILED, "TicketMergeFailed")
    assert again.vendor_id == str(row["id"])
    assert len(merges(bench)) == 1


def test_results_that_name_the_target_are_the_rows(
    bench: ZendeskBench, merge: Operation, row: JsonObject
) -> None:
    bench.sim.change_settings(merge_results="target")

    result = outcome(bench, merge, row)

    assert result == RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=str(row["id"]))


def test_a_target_that_is_not_there_is_refused(
    bench: ZendeskBench, merge: Operation, there: Account
) -> None:
    refused = bench.client.submit(merge, [merging(there.tickets[0], MISSING)], "token")

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.CHUNK, "RecordNotFound")


def test_two_rows_are_never_one_merge(
    bench: ZendeskBench, merge: Operation, there: Account
) -> None:
    first, second, target = there.tickets[:3]

    refused = bench.client.submit(merge, [merging(first, target), merging(second, target)], "token")

    assert isinstance(refused, Refused)
    assert merges(bench) == []


# Where the answer was lost


def test_a_merge_is_found_by_the_ticket_that_it_closed(row: JsonObject, search: Search) -> None:
    job_id = search.submit([row])

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)


def test_a_merge_that_failed_is_found(
    bench: ZendeskBench, merge: Operation, row: JsonObject, search: Search
) -> None:
    earlier = bench.submitted([row], merge)
    bench.pass_time()
    job_id = search.submit([row])

    assert search.find(known=[earlier]).job_id == job_id


def test_absent_where_no_merge_is_there(row: JsonObject, search: Search) -> None:
    assert search.submit([row], **NEVER_TAKEN) is None

    assert search.find(after=1).state is FoundState.ABSENT


def test_pending_while_it_may_be_running(row: JsonObject, search: Search) -> None:
    search.submit([row], **LOST, stuck=True)

    assert search.find().state is FoundState.PENDING


SILENT: list[Any] = [
    pytest.param({"results": "null"}, {}, id="no results"),
    pytest.param({}, {"merge_results": "target"}, id="only the target is named"),
]


@pytest.mark.parametrize(("effect", "settings"), SILENT)
def test_undecidable_where_the_ticket_is_closed_and_no_job_says_by_what(
    bench: ZendeskBench, row: JsonObject, search: Search, effect: JsonObject, settings: JsonObject
) -> None:
    bench.sim.change_settings(**settings)
    search.submit([row], **LOST, **effect)

    assert search.find().state is FoundState.UNDECIDABLE


@pytest.mark.parametrize(
    "effect",
    [{"fail_job": True, "results": "null"}, {"fail_job": {"after_rows": 0}}],
    ids=["died without results", "died before the row"],
)
def test_absent_while_the_ticket_is_open_though_no_job_says_so(
    row: JsonObject, search: Search, effect: JsonObject
) -> None:
    search.submit([row], **LOST, **effect)

    assert search.find(after=5).state is FoundState.ABSENT


def test_another_change_of_the_ticket_is_not_taken_for_its_merge(
    bench: ZendeskBench, row: JsonObject, search: Search
) -> None:
    search.submit([row], **NEVER_TAKEN)
    change = {"id": row["id"], "status": "closed"}
    bench.submitted([change], operation_named(bench, "tickets.update"))

    assert search.find().state is FoundState.UNDECIDABLE


def test_pending_while_the_ticket_cannot_be_read(
    bench: ZendeskBench, row: JsonObject, search: Search
) -> None:
    search.submit([row], **LOST, results="null")
    bench.befall(bench.look_up, status=502)

    assert search.find().state is FoundState.PENDING


def test_nothing_is_merged_twice_by_sending_again_what_is_absent(
    bench: ZendeskBench, merge: Operation, row: JsonObject, search: Search
) -> None:
    search.submit([row], **NEVER_TAKEN)
    assert search.find().state is FoundState.ABSENT

    outcome(bench, merge, row)

    assert len(merges(bench)) == 1
