"""Every operation with good, bad and mixed rows, from submission to outcomes, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jobferry.model import JsonObject
from jobferry.vendors.base import Accepted, RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.zendesk_support import ZENDESK_SUPPORT
from tests.contract.zendesk_support.bench import ZendeskBench

MISSING = 999_999_999
_SIGNS = {"succeeded": "+", "failed": "-", "unknown": "?"}


def ticket(key: str, **fields: object) -> JsonObject:
    return {"subject": key, "external_id": key, "comment": {"body": f"text of {key}"}, **fields}


def user(key: str, **fields: object) -> JsonObject:
    return {"name": key, "external_id": key, **fields}


@dataclass(frozen=True)
class Case:
    """Rows of one job, given the ids of four tickets that are there, and the outcome of each.

    The account also has the user `known` with the address known@example.org.
    """

    operation: str
    name: str
    rows: Callable[[list[int]], list[JsonObject]]
    outcomes: str

    def __str__(self) -> str:
        return f"{self.operation}, {self.name}"


BLANK = ticket("blank", comment={"body": " "})

CASES = (
    Case("tickets.create", "good", lambda _: [ticket("a"), ticket("b")], "++"),
    Case("tickets.create", "bad", lambda _: [BLANK, BLANK], "--"),
    Case("tickets.create", "mixed", lambda _: [ticket("a"), BLANK, ticket("b"), BLANK], "+-+-"),
    Case(
        "tickets.create",
        "any text",
        lambda _: [ticket("ü \u2028 \U0001f980 \"'\\ \x01"), ticket("0123")],
        "++",
    ),
    Case("tickets.update", "good", lambda ids: [ticket("n", id=each) for each in ids], "++++"),
    Case("tickets.update", "bad", lambda _: [ticket("n", id=MISSING)] * 2, "--"),
    Case(
        "tickets.update",
        "mixed",
        lambda ids: [{"id": each, "status": "open"} for each in (MISSING, ids[2], MISSING, ids[0])],
        "-+-+",
    ),
    Case(
        "tickets.update",
        "ids as texts",
        lambda ids: [{"id": str(each), "status": "open"} for each in (ids[1], MISSING, ids[0])],
        "+-+",
    ),
    Case(
        "tickets.update",
        "the same ticket twice",
        lambda ids: [{"id": each, "subject": "n"} for each in (ids[0], ids[1], ids[0])],
        "+++",
    ),
    Case(
        "tickets.update",
        "stale stamps",
        lambda ids: [
            {"id": ids[0], "safe_update": True, "updated_stamp": "2000-01-01T00:00:00Z"},
            {"id": ids[1], "safe_update": True},
            {"id": ids[2], "safe_update": True, "updated_stamp": "2099-01-01T00:00:00Z"},
        ],
        "--+",
    ),
    Case("tickets.delete", "good", lambda ids: [{"id": each} for each in ids], "++++"),
    Case("tickets.delete", "bad", lambda _: [{"id": MISSING}, {"id": MISSING + 1}], "--"),
    Case(
        "tickets.delete",
        "mixed",
        lambda ids: [{"id": each} for each in (MISSING, ids[3], ids[1], MISSING + 1)],
        "-++-",
    ),
    Case("users.create_or_update", "new", lambda _: [user("u1"), user("u2")], "++"),
    Case(
        "users.create_or_update",
        "known, in either case, by either key",
        lambda _: [
            {"name": "x", "external_id": "KNOWN"},
            {"name": "y", "email": "Known@Example.org"},
            user("u1"),
        ],
        "+++",
    ),
    Case(
        "users.create_or_update",
        "bad",
        lambda _: [user("u1", name=""), user("u2", email="nobody")],
        "-?",
    ),
    Case(
        "users.create_or_update",
        "mixed",
        lambda _: [
            user("u1", email="no address"),
            user("u2", email="u2@example.org"),
            user("u3", name=""),
            user("u4"),
            {"name": "x", "external_id": "known"},
        ],
        "?+-++",
    ),
    Case("users.create_or_update", "the same twice", lambda _: [user("u1"), user("U1")], "++"),
    Case("users.create_or_update", "names only", lambda _: [{"name": "a"}, {"name": "b"}], "++"),
)


@pytest.fixture
def ticket_ids(bench: ZendeskBench) -> list[int]:
    """Four tickets and a known user are there."""
    tickets = bench.submitted(bench.records(4, prefix="old"))
    known = [{"name": "Known", "external_id": "known", "email": "known@example.org"}]
    bench.submitted(known, bench.vendor.operations["users.create_or_update"])
    bench.pass_time()
    done = bench.effects_of(tickets)
    return [done[position]["id"] for position in range(4)]


def test_every_operation_has_its_cases() -> None:
    assert {case.operation for case in CASES} == set(ZENDESK_SUPPORT.operations)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outcomes_are_what_happened(case: Case, bench: ZendeskBench, ticket_ids: list[int]) -> None:
    operation = bench.vendor.operations[case.operation]
    rows = case.rows(ticket_ids)
    job_id = bench.submitted(rows, operation)
    bench.pass_time()

    results = bench.results(operation, job_id, rows)

    assert "".join(_SIGNS[result.status] for result in results) == case.outcomes
    done = bench.effects_of(job_id)
    assert sorted(done) == [n for n, sign in enumerate(case.outcomes) if sign == "+"]
    if operation.name == "tickets.create":
        assert [effect["fields"] for _, effect in sorted(done.items())] == [
            row for row, sign in zip(rows, case.outcomes, strict=True) if sign == "+"
        ]


def test_outcomes_carry_the_vendors_reasons(bench: ZendeskBench) -> None:
    job_id = bench.submitted([BLANK, ticket("a")])
    bench.pass_time()

    failed, succeeded = bench.results(bench.create, job_id, [BLANK, ticket("a")])

    assert (failed.code, failed.text) == ("TicketCreateFailed", "Description: cannot be blank")
    assert (succeeded.code, succeeded.text) == (None, None)


@pytest.mark.parametrize("name", list(ZENDESK_SUPPORT.operations))
def test_a_full_job_is_taken_and_one_row_more_is_refused(bench: ZendeskBench, name: str) -> None:
    operation = bench.vendor.operations[name]
    records = [
        {"id": MISSING + n} if "id" in operation.match_on else ticket(f"r{n}", name=f"n{n}")
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


def test_one_cell_never_deletes_two_tickets(bench: ZendeskBench, ticket_ids: list[int]) -> None:
    rows = [{"id": f"{ticket_ids[0]},{ticket_ids[1]}"}]

    bench.client.submit(bench.vendor.operations["tickets.delete"], rows, "token")
    bench.pass_time()

    assert len(bench.sim.effects(action="deleted")["effects"]) < 2


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
