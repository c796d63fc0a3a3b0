"""Ticket updates that add a comment: nobody gets the same answer twice, whatever is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState
from tests.contract.lost import LOST, NEVER_TAKEN, Search
from tests.contract.simulated import simulated_world
from tests.contract.zendesk_support.bench import ZendeskBench
from tests.contract.zendesk_support.cases import operation_named
from vendorsim import RunningSimulator
from virtual.world import World

ACCOUNTS = {"support": ("zendesk_support", {"email": "agent@example.com", "token": "sim-token"})}
TICKETS = 40

AN_OUTAGE = 4_000.0
"""Seconds after which the list of jobs may have forgotten one."""


@pytest.fixture
def site() -> Iterator[tuple[World, RunningSimulator]]:
    with simulated_world(ACCOUNTS, latency="2-6") as (world, sim):
        sim.change_settings(requests_per_minute=0)
        yield world, sim


@pytest.mark.parametrize("effect", [LOST, NEVER_TAKEN], ids=["carried out", "never taken"])
@pytest.mark.parametrize(
    "columns",
    [None, {"id": {"field": "id", "type": "integer"}, "comment.body": {"field": "comment.body"}}],
    ids=["by header", "by columns"],
)
def test_a_comment_is_added_once_though_answers_are_lost(
    site: tuple[World, RunningSimulator], effect: JsonObject, columns: JsonObject | None
) -> None:
    world, sim = site
    asked: JsonObject = {"ticket": {"subject": "Where?", "comment": {"body": "Where is it?"}}}
    ids = [
        sim.request("POST", "/api/v2/tickets", json=asked).json()["ticket"]["id"]
        for _ in range(TICKETS)
    ]
    sim.set_faults({"match": {"method": "PUT", "every": 2}, "effect": effect})
    world.put_profile(
        {
            "name": "answers",
            "connection": "support",
            "operation": "tickets.update",
            "columns": columns,
            "batch_size": 10,
            "max_attempts": 9,
        }
    )

    run = world.processed(
        "\n".join(["id,comment.body", *(f"{each},Shipped." for each in ids)]), profile="answers"
    )

    assert world.problems(run.run_id) == []
    outcomes = world.outcomes(run.run_id).values()
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.SUCCEEDED}
    assert [said(sim, each) for each in ids] == [["Where is it?", "Shipped."]] * TICKETS


def said(sim: RunningSimulator, ticket_id: int) -> list[str]:
    shown = sim.request("GET", f"/api/v2/tickets/{ticket_id}/comments").json()
    return [each["body"] for each in shown["comments"]]


@pytest.fixture
def ids(bench: ZendeskBench) -> Sequence[int]:
    """Tickets that have been there for long."""
    made = bench.submitted(bench.records(3, prefix="old"), bench.create)
    bench.pass_time(3_600)
    return [effect["id"] for effect in bench.effects_of(made).values()]


@pytest.fixture
def search(bench: ZendeskBench) -> Search:
    return Search(bench, operation_named(bench, "tickets.update"))


def answers(ids: Sequence[int], text: str = "Shipped.") -> list[JsonObject]:
    return [{"id": each, "comment": {"body": text}} for each in ids]


@pytest.mark.parametrize(
    "comment",
    [
        {"body": "  Two lines\r\nof it. "},
        {"html_body": "<p>Shipped.</p>"},
        {"body": "A note.", "public": False},
        "A text alone.",
    ],
    ids=["body", "html", "note", "text"],
)
def test_found_by_the_comment_that_it_added(
    search: Search, ids: Sequence[int], comment: object
) -> None:
    job_id = search.submit([{"id": each, "comment": comment} for each in ids])

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)


def test_absent_where_nothing_was_said_since(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted([{"id": each, "status": "open"} for each in ids], search.operation)
    bench.submitted(bench.records(3, prefix="others"), bench.create)

    assert search.find().state is FoundState.ABSENT


def test_undecidable_where_something_else_was_said(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted(answers(ids, "Not yet."), search.operation)

    assert search.find().state is FoundState.UNDECIDABLE


def test_undecidable_where_a_row_says_nothing(search: Search, ids: Sequence[int]) -> None:
    search.submit([{"id": each, "status": "solved"} for each in ids])

    assert search.find().state is FoundState.UNDECIDABLE


def test_what_was_said_before_is_no_proof(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    earlier = bench.submitted(answers(ids), search.operation)
    bench.pass_time(3_600)
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted([{"id": each, "status": "open"} for each in ids], search.operation)

    assert search.find(known=[earlier]).state is FoundState.ABSENT


def test_pending_while_the_comments_cannot_be_read(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids))
    bench.befall({"method": "GET", "path": "comments$"}, status=502)

    assert search.find().state is FoundState.PENDING


def test_absent_where_jobs_may_be_forgotten_and_no_ticket_has_changed(
    search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)

    assert search.find(after=AN_OUTAGE).state is FoundState.ABSENT


def test_absent_where_tickets_have_changed_and_nothing_was_said(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted([{"id": each, "status": "open"} for each in ids], search.operation)

    assert search.find(after=AN_OUTAGE).state is FoundState.ABSENT


def test_undecidable_where_what_we_said_stands_there_and_its_job_is_forgotten(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted(answers(ids[-1:]), search.operation)

    assert search.find(after=AN_OUTAGE).state is FoundState.UNDECIDABLE


def test_undecidable_where_jobs_may_be_forgotten_and_a_ticket_is_gone(
    search: Search, ids: Sequence[int]
) -> None:
    search.submit(answers([*ids, 999_999]), **NEVER_TAKEN)

    assert search.find(after=AN_OUTAGE).state is FoundState.UNDECIDABLE


def test_undecidable_where_jobs_may_be_forgotten_and_a_row_without_a_comment_has_changed(
    bench: ZendeskBench, search: Search, ids: Sequence[int]
) -> None:
    search.submit([*answers(ids[1:]), {"id": ids[0], "status": "open"}], **NEVER_TAKEN)
    bench.submitted([{"id": ids[0], "status": "open"}], search.operation)

    assert search.find(after=AN_OUTAGE).state is FoundState.UNDECIDABLE


@pytest.mark.parametrize("path", ["tickets/show_many$", "comments$"])
def test_pending_while_tickets_cannot_be_read_and_jobs_may_be_forgotten(
    bench: ZendeskBench, search: Search, ids: Sequence[int], path: str
) -> None:
    search.submit(answers(ids), **NEVER_TAKEN)
    bench.submitted([{"id": each, "status": "open"} for each in ids], search.operation)
    bench.pass_time(AN_OUTAGE)
    bench.befall({"method": "GET", "path": path}, status=502)

    found = search.find(after=0.0)

    assert (found.state, found.readable) == (FoundState.PENDING, False)
