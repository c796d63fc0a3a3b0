"""What each operation does to Sunshine's records, and how they can be looked up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.vendorsim.zendesk_sunshine.conftest import JOBS, Run, Submit
from vendorsim import ManualClock, RunningSimulator, Scenario, start

RECORDS = "/api/sunshine/objects/records"
LINKS = "/api/sunshine/relationships/records"
NOBODY = "00000000-0000-4000-8000-000000000000"


def product(external_id: str | None = None, **attributes: Any) -> dict[str, Any]:
    named = {} if external_id is None else {"external_id": external_id}
    return {"type": "product", **named, "attributes": attributes}


def data(sim: RunningSimulator, path: str) -> Any:
    answer = sim.request("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def texts(results: list[dict[str, Any]]) -> list[str | None]:
    """Of each row the vendor's reason, None where it was applied."""
    return [None if r["success"] else r["errors"][0].get("detail") for r in results]


@pytest.fixture
def ids(run: Run) -> list[str]:
    """Two products, `one` and `two`."""
    rows = [product("one", price=1, size="S"), product("two", price=2)]
    return [result["data"]["id"] for result in run("resources.post", rows)]


def test_a_record_is_made(sim: RunningSimulator, ids: list[str]) -> None:
    record = data(sim, f"{RECORDS}/{ids[0]}")

    assert record == {
        "id": ids[0],
        "type": "product",
        "external_id": "one",
        "attributes": {"price": 1, "size": "S"},
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
    }


def test_an_external_id_is_unique_for_its_type(ids: list[str], run: Run) -> None:
    rows = [product("one"), {**product("one"), "type": "car"}, product("new"), product("new")]

    taken = "External Id is already in use for the Resource Type key: product"
    assert texts(run("resources.post", rows)) == [taken, None, None, taken]


def test_an_update_patches_attributes(sim: RunningSimulator, ids: list[str], run: Run) -> None:
    results = run(
        "resources.update",
        [{"id": ids[0], "attributes": {"price": 9}}, {"id": NOBODY, "attributes": {}}],
    )

    assert texts(results) == [None, f"Resource with id {NOBODY} not found"]
    assert data(sim, f"{RECORDS}/{ids[0]}")["attributes"] == {"price": 9, "size": "S"}


def test_setting_by_external_id_patches_or_makes(
    sim: RunningSimulator, ids: list[str], run: Run
) -> None:
    results = run("resources.external_id_set", [product("one", price=9), product("new", price=3)])

    assert results[0]["data"]["id"] == ids[0]
    assert data(sim, f"{RECORDS}/{ids[0]}")["attributes"] == {"price": 9, "size": "S"}
    assert data(sim, f"{RECORDS}/{results[1]['data']['id']}")["external_id"] == "new"
    assert sim.effects()["counts"] == {"resource": {"created": 3, "updated": 1}}


def test_deleting_by_id(sim: RunningSimulator, ids: list[str], run: Run) -> None:
    results = run("resources.delete", [ids[0], NOBODY, ids[0]])

    assert texts(results) == [
        None,
        f"Resource with id {NOBODY} not found",
        f"Resource with id {ids[0]} not found",
    ]
    assert sim.request("GET", f"{RECORDS}/{ids[0]}").status_code == 404


def test_deleting_by_external_id_frees_it(sim: RunningSimulator, ids: list[str], run: Run) -> None:
    rows = [{"type": "product", "external_id": each} for each in ("one", "gone")]

    assert texts(run("resources.external_id_delete", rows)) == [
        None,
        "Resource with external_id gone not found",
    ]
    assert texts(run("resources.post", [product("one")])) == [None]


def test_links_join_records_that_are_there(sim: RunningSimulator, ids: list[str], run: Run) -> None:
    def link(source: str, target: str) -> dict[str, str]:
        return {"relationship_type": "made_of", "source": source, "target": target}

    results = run(
        "relationships.post",
        [link(*ids), link("zen:ticket:7", ids[0]), link(NOBODY, ids[0]), link(ids[0], "")],
    )

    assert texts(results) == [
        None,
        None,
        f"Resource with id {NOBODY} does not exist",
        "target can't be blank",
    ]
    made = results[0]["data"]["id"]
    assert data(sim, f"{LINKS}/{made}")["target"] == ids[1]
    assert data(sim, f"{LINKS}?type=made_of")[0]["id"] == made
    assert texts(run("relationships.delete", [made, made])) == [
        None,
        f"Relationship with id {made} not found",
    ]
    assert sim.effects()["counts"]["relationship"] == {"created": 2, "deleted": 1}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"type": 7}, "type can't be blank"),
        ({"type": "product", "external_id": " "}, "external_id can't be blank"),
        ({"type": "product", "external_id": 7}, "external_id can't be blank"),
        ({"type": "product", "attributes": []}, "attributes must be an object"),
    ],
)
def test_a_row_of_the_wrong_form_fails_alone(run: Run, row: Any, text: str) -> None:
    assert texts(run("resources.post", [product("a"), row, product("b")])) == [None, text, None]


def test_an_account_that_fills_up_fails_the_rows_beyond(sim: RunningSimulator, run: Run) -> None:
    sim.change_settings(sunshine_max_records=1)

    results = run("resources.post", [product("a"), product("b")])

    link = {"relationship_type": "t", "source": "zen:user:1", "target": "zen:user:2"}
    assert [result["success"] for result in run("relationships.post", [link, link])] == [
        True,
        False,
    ]
    assert [result["success"] for result in results] == [True, False]
    assert results[1]["errors"][0]["message"].startswith("You have exceeded the maximum number of")


# Looking up


def test_records_are_looked_up_in_four_ways(sim: RunningSimulator, ids: list[str]) -> None:
    def found(query: str) -> list[str]:
        return [record["id"] for record in data(sim, f"{RECORDS}?{query}")]

    assert found("type=product") == ids
    assert found("type=car") == []
    assert found(f"ids={ids[1]},{NOBODY},{ids[0]}") == [ids[1], ids[0]]
    assert found("type=product&external_ids=two,three") == [ids[1]]
    assert found("type=product&external_ids=two%2Cone") == [ids[1], ids[0]]
    assert found("type=car&external_ids=two") == []


@pytest.mark.parametrize("path", [RECORDS, f"{RECORDS}?external_ids=one", LINKS])
def test_a_look_up_needs_a_type_or_ids(sim: RunningSimulator, path: str) -> None:
    assert sim.request("GET", path).status_code == 400


@pytest.mark.parametrize("path", [f"{RECORDS}/{NOBODY}", f"{LINKS}/{NOBODY}", f"{JOBS}/{NOBODY}"])
def test_what_is_not_there_is_404(sim: RunningSimulator, path: str) -> None:
    assert sim.request("GET", path).status_code == 404


def test_the_limits_say_how_full_the_account_is(sim: RunningSimulator, ids: list[str]) -> None:
    assert data(sim, "/api/sunshine/limits") == [
        {"key": "resources", "count": 2, "limit": 1_000_000},
        {"key": "relationships", "count": 0, "limit": 1_000_000},
    ]


def test_effects_tell_of_every_row_as_it_was_sent(
    sim: RunningSimulator, clock: ManualClock, submit: Submit
) -> None:
    rows = [product("a", n=1), {"type": ""}, product(None, n=2)]
    job = submit("resources.post", rows)
    clock.advance(2)

    report = sim.effects()

    assert [(e["vendor"], e["kind"], e["action"], e["index"]) for e in report["effects"]] == [
        ("zendesk_sunshine", "resource", "created", 0),
        ("zendesk_sunshine", "resource", "created", 2),
    ]
    assert [effect["fields"] for effect in report["effects"]] == [rows[0], rows[2]]
    assert [effect["external_id"] for effect in report["effects"]] == ["a", None]
    assert {effect["job_id"] for effect in report["effects"]} == {job["id"]}
    assert report["jobs"][0]["operation"] == "resources.post"
    sim.request("GET", f"{JOBS}/{job['id']}")
    assert sim.effects()["requests"]["by_path"]["GET /api/sunshine/jobs/{id}"] == 1


def test_a_scenario_may_bring_records_along() -> None:
    scenario = Scenario(
        records={
            "resources": [{"id": "r-1", "type": "product", "external_id": "x"}],
            "relationships": [
                {"id": "l-1", "relationship_type": "t", "source": "r-1", "target": "zen:user:1"}
            ],
        }
    )

    with start(scenario=scenario) as sim:
        assert data(sim, f"{RECORDS}?type=product&external_ids=x")[0]["id"] == "r-1"
        assert data(sim, f"{LINKS}/l-1")["source"] == "r-1"
        assert sim.effects()["effects"] == []
