"""The table in memory refuses what DynamoDB refuses, and tells of every effect."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobferry.store.keys import ROWS_BY_PERSON
from jobferry.store.operations import Delete, Item, Operation, Put, Update
from jobferry.store.table import BusyTableError
from virtual.effects import Effects, Phase
from virtual.table import FakeTable


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Put({"pk": "p", "sk": "s", "text": "x" * 410_000}), id="item too large"),
        pytest.param(Put({"pk": "p", "sk": "s", "members": set()}), id="empty set"),
        pytest.param(Put({"pk": "p", "sk": "s", "n": float("nan")}), id="not a number"),
        pytest.param(Put({"pk": "p", "sk": "s", "person_pk": 7}), id="index key no text"),
        pytest.param(Put({"pk": "p", "sk": ""}), id="empty key"),
        pytest.param(Put({"pk": "p", "sk": "x" * 1025}), id="long key"),
        pytest.param(Update("p", "s"), id="empty update"),
        pytest.param(Update("p", "s", assign={"a": 1}, remove=("a",)), id="overlapping paths"),
        pytest.param(Update("p", "s", assign={"sk": "t"}), id="key changed"),
        pytest.param(Update("p", "s", add={"text": 1}), id="text added to"),
        pytest.param(
            Update("p", "s", assign={"a": 1}, condition="status = :x", values={":x": 1}),
            id="reserved word",
        ),
        pytest.param(
            Update("p", "s", assign={"a": 1}, condition="a = :x", values={":x": 1, ":y": 2}),
            id="unused value",
        ),
        pytest.param(Update("p", "s", assign={"a": 1}, condition="a = :x"), id="undefined value"),
        pytest.param(Update("p", "s", assign={"a": 1}, condition="a ="), id="no expression"),
        pytest.param(
            Put({"pk": "p", "sk": "s"}, values={":x": 1}), id="values without an expression"
        ),
    ],
)
def test_what_dynamodb_refuses_is_refused(operation: Operation) -> None:
    table = FakeTable()
    table.write(Put({"pk": "p", "sk": "s", "text": "before"}))
    before = table.items()
    with pytest.raises(ClientError, match="ValidationException"):
        table.write(operation)
    assert table.items() == before


def test_one_item_takes_part_in_a_transaction_once() -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        FakeTable().transact([Update("p", "s", add={"n": 1}), Delete("p", "s")])


def test_a_batch_holds_an_item_once() -> None:
    item: Item = {"pk": "p", "sk": "s"}
    with pytest.raises(ClientError, match="ValidationException"):
        FakeTable().put_many([item, item])


def test_an_item_handed_out_is_a_copy() -> None:
    table = FakeTable()
    table.write(Put({"pk": "p", "sk": "s", "list": [1]}))
    got = table.get("p", "s")
    assert got is not None
    got["list"].append(2)
    assert table.get("p", "s") == {"pk": "p", "sk": "s", "list": [1]}


def test_a_held_index_answers_as_of_then() -> None:
    table = FakeTable()
    table.hold_indexes()
    table.write(Put({"pk": "p", "sk": "s", "person_pk": "x"}))
    assert list(table.query("x", index=ROWS_BY_PERSON)) == []
    assert len(list(table.query("p"))) == 1
    table.release_indexes()
    assert len(list(table.query("x", index=ROWS_BY_PERSON))) == 1


def test_every_request_that_changes_something_is_told_of() -> None:
    told: list[tuple[str, Phase]] = []
    table = FakeTable(Effects(lambda kind, phase: told.append((kind, phase))))
    table.put_many({"pk": "p", "sk": f"{n}"} for n in range(26))
    table.transact([Delete("p", "0")])
    assert told == [
        ("table.put_many", Phase.BEFORE),
        ("table.put_many", Phase.AFTER),
        ("table.put_many", Phase.BEFORE),
        ("table.put_many", Phase.AFTER),
        ("table.transact", Phase.BEFORE),
        ("table.transact", Phase.AFTER),
    ]


@pytest.mark.parametrize(("phase", "written"), [(Phase.BEFORE, False), (Phase.AFTER, True)])
def test_a_process_can_die_beside_an_effect(phase: Phase, written: bool) -> None:
    def die(_kind: str, now: Phase) -> None:
        if now is phase:
            raise KeyboardInterrupt

    table = FakeTable(Effects(die))
    with pytest.raises(KeyboardInterrupt):
        table.write(Put({"pk": "p", "sk": "s"}))
    assert (table.get("p", "s") is not None) is written


def test_threads_do_not_lose_updates() -> None:
    table = FakeTable()

    def add(_: Any = None) -> None:
        for _ in range(200):
            table.write(Update("p", "s", add={"n": 1}))

    threads = [Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.get("p", "s") == {"pk": "p", "sk": "s", "n": 1600}


@pytest.mark.parametrize("kind", ["table.put_many", "table.delete_many"])
def test_what_comes_back_unprocessed_is_written_by_the_next_request(kind: str) -> None:
    table = FakeTable()
    if kind == "table.delete_many":
        table.put_many({"pk": "p", "sk": f"{n}"} for n in range(5))
    table.effects = Effects(portion=lambda _kind, items: -(-items // 2))
    requests: list[int] = []
    table.effects.between = lambda: requests.append(len(table.items()))
    if kind == "table.put_many":
        table.put_many({"pk": "p", "sk": f"{n}"} for n in range(5))
        assert (requests, len(table.items())) == ([3, 4], 5)
    else:
        table.delete_many(("p", f"{n}") for n in range(5))
        assert (requests, len(table.items())) == ([2, 1], 0)


def test_a_batch_that_comes_back_for_ever_is_given_up_and_its_part_stays() -> None:
    table = FakeTable(Effects(portion=lambda _kind, items: items // 2))
    with pytest.raises(BusyTableError):
        table.put_many({"pk": "p", "sk": f"{n}"} for n in range(4))
    assert len(table.items()) == 3


@pytest.mark.parametrize("page_items", [1, 2, 5])
def test_others_have_their_turn_between_two_pages(page_items: int) -> None:
    table = FakeTable(page_items=page_items)
    table.put_many({"pk": "p", "sk": f"{n}"} for n in range(4))
    turns: list[int] = []

    def write() -> None:
        turns.append(len(table.items()))
        table.write(Put({"pk": "p", "sk": f"9{len(turns)}"}))
        if len(turns) == 4:
            table.effects.between = lambda: None

    table.effects.between = write
    found = [item["sk"] for item in table.query("p")]
    assert len(turns) == {1: 4, 2: 2, 5: 0}[page_items]
    assert found == ["0", "1", "2", "3", *(f"9{n}" for n in range(1, len(turns) + 1))]
