"""Every operation with good, bad and mixed rows, from submission to outcomes, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Accepted, RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from tests.contract.zendesk_sunshine.bench import SunshineBench

MISSING = "00000000-0000-4000-8000-000000000000"
_SIGNS = {"succeeded": "+", "failed": "-", "unknown": "?"}


def product(key: str | None, **attributes: object) -> JsonObject:
    named = {} if key is None else {"external_id": key}
    return {"type": "product", **named, "attributes": attributes or {"name": "gum"}}


def change(record_id: str, **attributes: object) -> JsonObject:
    return {"id": record_id, "attributes": attributes or {"name": "v2"}}


def key(external_id: str, type_key: str = "product") -> JsonObject:
    return {"type": type_key, "external_id": external_id}


def link(source: str, target: str) -> JsonObject:
    return {"relationship_type": "made_of", "source": source, "target": target}


@dataclass(frozen=True)
class There:
    """What the account holds: four products `old-0` to `old-3`, and two links among them."""

    ids: list[str]
    links: list[str]


@dataclass(frozen=True)
class Case:
    """Rows of one job, given what is there, and the outcome of each."""

    operation: str
    name: str
    rows: Callable[[There], list[JsonObject]]
    outcomes: str

    def __str__(self) -> str:
        return f"{self.operation}, {self.name}"


CASES = (
    Case("resources.post", "good", lambda _: [product("a"), product(None), product(None)], "+++"),
    Case("resources.post", "bad", lambda _: [product("old-1"), product("")], "--"),
    Case(
        "resources.post",
        "mixed",
        lambda _: [product("a"), product("old-0"), product("a"), {**key("old-0", "car")}],
        "+--+",
    ),
    Case(
        "resources.post",
        "any text",
        lambda _: [product("ü \u2028 \U0001f980 \"'\\ \x01", n="\x00"), product("0123", n=1.5)],
        "++",
    ),
    Case("resources.update", "good", lambda there: [change(each) for each in there.ids], "++++"),
    Case("resources.update", "bad", lambda _: [change(MISSING), {"id": " "}], "--"),
    Case(
        "resources.update",
        "mixed, one of them twice",
        lambda there: [
            change(there.ids[2], price=1),
            change(MISSING),
            change(there.ids[0]),
            change(there.ids[2], price=2),
        ],
        "+-++",
    ),
    Case("resources.delete", "good", lambda there: [{"id": each} for each in there.ids[2:]], "++"),
    Case("resources.delete", "bad", lambda _: [{"id": MISSING}, {"id": 7}], "--"),
    Case(
        "resources.delete",
        "mixed, one of them twice",
        lambda there: [{"id": each} for each in (MISSING, there.ids[3], there.ids[3])],
        "-+-",
    ),
    Case("resources.external_id_set", "good", lambda _: [product("old-1"), product("new")], "++"),
    Case("resources.external_id_set", "bad", lambda _: [product(""), {"type": "product"}], "--"),
    Case(
        "resources.external_id_set",
        "mixed, one of them twice",
        lambda _: [product("new", n=1), product(None), product("new", n=2), product("OLD-1")],
        "+-++",
    ),
    Case("resources.external_id_delete", "good", lambda _: [key("old-2"), key("old-3")], "++"),
    Case("resources.external_id_delete", "bad", lambda _: [key("gone"), key("old-2", "car")], "--"),
    Case(
        "resources.external_id_delete",
        "mixed, one of them twice",
        lambda _: [key("old-2"), key("gone"), key("old-2")],
        "+--",
    ),
    Case(
        "relationships.post",
        "good",
        lambda there: [link(there.ids[0], there.ids[1]), link("zen:ticket:1", there.ids[1])],
        "++",
    ),
    Case("relationships.post", "bad", lambda there: [link(MISSING, there.ids[0])], "-"),
    Case(
        "relationships.post",
        "mixed",
        lambda there: [link(there.ids[0], MISSING), link(*there.ids[:2]), link("", "")],
        "-+-",
    ),
    Case(
        "relationships.delete", "good", lambda there: [{"id": each} for each in there.links], "++"
    ),
    Case("relationships.delete", "bad", lambda there: [{"id": there.ids[0]}], "-"),
    Case(
        "relationships.delete",
        "mixed",
        lambda there: [{"id": each} for each in (MISSING, there.links[1])],
        "-+",
    ),
)


@pytest.fixture
def there(bench: SunshineBench) -> There:
    ids = bench.made(bench.records(4, prefix="old"))
    links = bench.made([link(ids[0], ids[1]), link(ids[1], ids[0])], "relationships.post")
    return There(ids, links)


def test_every_operation_has_its_cases() -> None:
    assert {case.operation for case in CASES} == set(ZENDESK_SUNSHINE.operations)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outcomes_are_what_happened(case: Case, bench: SunshineBench, there: There) -> None:
    operation = bench.operation(case.operation)
    rows = case.rows(there)
    job_id = bench.submitted(rows, operation)
    bench.pass_time()

    results = bench.results(operation, job_id, rows)

    assert "".join(_SIGNS[result.status] for result in results) == case.outcomes
    done = bench.effects_of(job_id)
    assert sorted(done) == [n for n, sign in enumerate(case.outcomes) if sign == "+"]
    if operation.name != "resources.delete":
        assert [effect["fields"] for _, effect in sorted(done.items())] == [
            row for row, sign in zip(rows, case.outcomes, strict=True) if sign == "+"
        ]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_called_repeatable_may_go_twice(
    case: Case, bench: SunshineBench, there: There
) -> None:
    operation = bench.operation(case.operation)
    rows = case.rows(there)

    def state() -> list[object]:
        shown = [
            bench.sim.request("GET", f"/api/sunshine/{path}").json()["data"]
            for path in (
                "objects/records?type=product",
                "objects/records?type=car",
                "relationships/records?type=made_of",
            )
        ]
        times = ("created_at", "updated_at")
        return [
            {k: v for k, v in record.items() if k not in times} for page in shown for record in page
        ]

    states = []
    for _ in range(2):
        bench.submitted(rows, operation)
        bench.pass_time()
        states.append(state())

    # Creations with an external id are refused the second time; those without one are not.
    if operation.repeatable:
        assert states[0] == states[1]
    else:
        assert operation.name.endswith(".post")


def test_outcomes_carry_the_vendors_reasons(bench: SunshineBench) -> None:
    rows = [product("a"), product("a")]
    job_id = bench.submitted(rows)
    bench.pass_time()

    succeeded, failed = bench.results(bench.create, job_id, rows)

    assert (succeeded.code, succeeded.text) == (None, None)
    assert (failed.code, failed.text) == (
        "UnprocessableEntity",
        "External Id is already in use for the Resource Type key: product",
    )


@pytest.mark.parametrize("name", ["resources.update", "resources.delete"])
@pytest.mark.parametrize("quirk", ["reordered", "short"])
def test_results_that_name_ids_are_matched_by_them(
    bench: SunshineBench, there: There, name: str, quirk: str
) -> None:
    rows = [change(each) for each in there.ids]
    bench.befall(bench.write, results=quirk)
    job_id = bench.submitted(rows, bench.operation(name))
    bench.pass_time()

    results = bench.results(bench.operation(name), job_id, rows)

    expected = "+++?" if quirk == "short" else "++++"
    assert "".join(_SIGNS[result.status] for result in results) == expected


@pytest.mark.parametrize("name", list(ZENDESK_SUNSHINE.operations))
def test_a_full_job_is_taken_and_one_row_more_is_refused(bench: SunshineBench, name: str) -> None:
    operation = bench.operation(name)
    records = [{**product(f"r{n}"), **link("a", "b"), "id": f"{n}"} for n in range(101)]

    more = bench.client.submit(operation, records, "token")
    full = bench.client.submit(operation, records[:-1], "token")

    assert isinstance(more, Refused)
    assert more.scope is RefusalScope.CHUNK
    assert isinstance(full, Accepted)
    assert [job["items"] for job in bench.jobs()] == [operation.max_records]
    bench.pass_time()
    assert len(bench.results(operation, full.job_id, records[:-1])) == operation.max_records


@pytest.mark.parametrize("status", [429, 400, 403, 422])
def test_one_job_too_many_waits_for_a_slot(bench: SunshineBench, status: int) -> None:
    bench.sim.change_settings(sunshine_max_jobs=1, sunshine_too_many_jobs_status=status)
    bench.submitted(bench.records(1, prefix="A"))

    one_more = bench.client.submit(bench.create, bench.records(1), "token")
    bench.pass_time()
    again = bench.client.submit(bench.create, bench.records(1), "token")

    assert one_more == Throttled(ThrottleReason.SLOTS)
    assert isinstance(again, Accepted)
    assert len(bench.jobs()) == 2


def test_one_cell_never_deletes_two_records(bench: SunshineBench, there: There) -> None:
    bench.submitted([{"id": f"{there.ids[0]},{there.ids[1]}"}], bench.operation("resources.delete"))
    bench.pass_time()

    assert bench.sim.effects(action="deleted")["effects"] == []
