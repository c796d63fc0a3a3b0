"""The table: plain values in and out, conditions, transactions, queries in order of key."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobferry.store.keys import ROWS_BY_PERSON, RUNS_BY_TIME
from jobferry.store.operations import Delete, Operation, Put, Update
from jobferry.store.table import ConditionFailedError, Table


def put(table: Table, sk: str, **attributes: Any) -> None:
    table.write(Put({"pk": "p", "sk": sk, **attributes}))


class TestItems:
    def test_an_item_comes_back_as_it_was_written(self, table: Table) -> None:
        item = {
            "pk": "p",
            "sk": "s",
            "text": "ä€😀 ",
            "empty": "",
            "yes": True,
            "nothing": None,
            "numbers": {1, 2, 30},
            "nested": {"list": [1, 2.5, {"a": "b"}], "empty": []},
        }
        table.write(Put(item))
        assert table.get("p", "s") == item

    @pytest.mark.parametrize("number", [0, -1, 2.5, 1_767_225_600.123, 1e-7, 10**30])
    def test_numbers_keep_their_value(self, table: Table, number: float) -> None:
        put(table, "s", n=number)
        item = table.get("p", "s")
        assert item is not None
        assert item["n"] == number

    def test_a_whole_float_comes_back_as_an_integer(self, table: Table) -> None:
        put(table, "s", n=3.0)
        item = table.get("p", "s")
        assert item is not None
        assert isinstance(item["n"], int)

    def test_a_tuple_comes_back_as_a_list(self, table: Table) -> None:
        put(table, "s", pair=["a", ("b", 1)])
        item = table.get("p", "s")
        assert item is not None
        assert item["pair"] == ["a", ["b", 1]]

    def test_what_is_not_there_is_none(self, table: Table) -> None:
        assert table.get("p", "s") is None

    def test_a_put_replaces_the_whole_item(self, table: Table) -> None:
        put(table, "s", old=1)
        put(table, "s", new=2)
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "new": 2}

    def test_delete_is_repeatable(self, table: Table) -> None:
        put(table, "s")
        table.write(Delete("p", "s"))
        table.write(Delete("p", "s"))
        assert table.get("p", "s") is None

    def test_many_are_put_read_and_deleted(self, table: Table) -> None:
        items = [{"pk": "p", "sk": f"{n:03d}", "n": n} for n in range(130)]
        table.put_many(iter(items))
        keys = [("p", f"{n:03d}") for n in range(140)]
        assert sorted(table.get_many(keys), key=lambda item: item["n"]) == items
        table.delete_many(keys[:100])
        assert [item["n"] for item in table.query("p")] == list(range(100, 130))

    def test_none_are_put_read_and_deleted(self, table: Table) -> None:
        table.put_many([])
        table.delete_many([])
        assert table.get_many([]) == []


class TestUpdates:
    def test_an_update_makes_the_item(self, table: Table) -> None:
        table.write(Update("p", "s", assign={"a": 1}, add={"n": 2}))
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "a": 1, "n": 2}

    def test_assign_once_keeps_what_is_there(self, table: Table) -> None:
        put(table, "s", a=1)
        table.write(Update("p", "s", assign_once={"a": 2, "b": 3}))
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "a": 1, "b": 3}

    def test_numbers_add_up(self, table: Table) -> None:
        for amount in (5, -2, 0.5):
            table.write(Update("p", "s", add={"n": amount}))
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "n": 3.5}

    def test_sets_grow_shrink_and_vanish(self, table: Table) -> None:
        table.write(Update("p", "s", add={"members": {1, 2}}))
        table.write(Update("p", "s", add={"members": {2, 3}}))
        table.write(Update("p", "s", take={"members": {1, 9}}))
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "members": {2, 3}}
        table.write(Update("p", "s", take={"members": {2, 3}}))
        assert table.get("p", "s") == {"pk": "p", "sk": "s"}

    def test_attributes_are_removed_whether_they_are_there_or_not(self, table: Table) -> None:
        put(table, "s", a=1, b=2)
        table.write(Update("p", "s", remove=("a", "never")))
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "b": 2}

    def test_a_failed_condition_changes_nothing(self, table: Table) -> None:
        put(table, "s", a=1)
        with pytest.raises(ConditionFailedError) as caught:
            table.write(Update("p", "s", assign={"a": 2}, condition="a > :x", values={":x": 1}))
        assert caught.value.failed == (0,)
        assert table.get("p", "s") == {"pk": "p", "sk": "s", "a": 1}


CONDITIONS = [
    ("attribute_not_exists(pk)", False),
    ("attribute_exists(n)", True),
    ("attribute_not_exists(absent)", True),
    ("n = :five", True),
    ("n <> :five", False),
    ("n < :five", False),
    ("n <= :five", True),
    ("n >= :five AND n <= :five", True),
    ("absent < :five", False),
    ("absent = :five", False),
    ("NOT absent = :five", True),
    ("word < :five", False),
    ("word = :a", True),
    ("word IN (:b, :a)", True),
    ("NOT word IN (:b, :a)", False),
    ("absent IN (:b, :a)", False),
    ("contains(members, :five)", True),
    ("contains(members, :six)", False),
    ("contains(absent, :five)", False),
    ("n = :six OR n = :five AND word = :a", True),
    ("(n = :five OR n = :six) AND word = :b", False),
    ("NOT n = :six AND word = :b", False),
    ("NOT (n = :six AND word = :b)", True),
    ("flag = :no", True),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS)
def test_conditions(table: Table, condition: str, holds: bool) -> None:
    put(table, "s", n=5, word="a", members={5, 7}, flag=False)
    every: dict[str, Any] = {":five": 5, ":six": 6, ":a": "a", ":b": "b", ":no": False}
    used = condition.replace("(", " ").replace(")", " ").replace(",", " ").split()
    values = {slot: value for slot, value in every.items() if slot in used}
    operation = Update("p", "s", assign={"hit": True}, condition=condition, values=values)
    if holds:
        table.write(operation)
    else:
        with pytest.raises(ConditionFailedError):
            table.write(operation)
    item = table.get("p", "s")
    assert item is not None
    assert ("hit" in item) is holds


class TestTransactions:
    def test_all_are_carried_out(self, table: Table) -> None:
        put(table, "gone")
        table.transact(
            [
                Put({"pk": "p", "sk": "new"}, condition="attribute_not_exists(pk)"),
                Update("p", "changed", add={"n": 1}),
                Delete("p", "gone"),
            ]
        )
        assert [item["sk"] for item in table.query("p")] == ["changed", "new"]

    def test_one_that_fails_stops_all_and_is_named(self, table: Table) -> None:
        put(table, "a", n=1)
        writes: list[Operation] = [
            Update("p", "a", add={"n": 1}),
            Put({"pk": "p", "sk": "a2"}, condition="attribute_exists(pk)"),
            Put({"pk": "p", "sk": "b"}),
            Update("p", "c", add={"n": 1}, condition="n = :n", values={":n": 7}),
        ]
        with pytest.raises(ConditionFailedError) as caught:
            table.transact(writes)
        assert caught.value.failed == (1, 3)
        assert list(table.query("p")) == [{"pk": "p", "sk": "a", "n": 1}]

    def test_a_hundred_writes_are_taken(self, table: Table) -> None:
        table.transact([Put({"pk": "p", "sk": f"{n}"}) for n in range(100)])
        assert len(list(table.query("p"))) == 100

    def test_more_are_refused(self, table: Table) -> None:
        with pytest.raises(ClientError):
            table.transact([Put({"pk": "p", "sk": f"{n}"}) for n in range(101)])
        assert list(table.query("p")) == []


class TestQueries:
    @pytest.fixture(autouse=True)
    def _items(self, table: Table) -> None:
        table.put_many([{"pk": "p", "sk": f"A#{n:02d}", "n": n} for n in range(10)])
        table.put_many([{"pk": "p", "sk": "B#00"}, {"pk": "q", "sk": "A#00"}])

    def test_a_partition_in_order_of_key(self, table: Table) -> None:
        keys = [item["sk"] for item in table.query("p")]
        assert keys == [*(f"A#{n:02d}" for n in range(10)), "B#00"]

    @pytest.mark.parametrize(
        ("chosen", "numbers"),
        [
            ({"prefix": "A#0"}, list(range(10))),
            ({"prefix": "A#", "limit": 3}, [0, 1, 2]),
            ({"prefix": "A#", "limit": 3, "newest_first": True}, [9, 8, 7]),
            ({"since": "A#03", "until": "A#05"}, [3, 4, 5]),
            ({"until": "A#01"}, [0, 1]),
            ({"since": "A#08", "limit": 2}, [8, 9]),
            ({"prefix": "C"}, []),
        ],
    )
    def test_parts_of_a_partition(
        self, table: Table, chosen: dict[str, Any], numbers: list[int]
    ) -> None:
        assert [item["n"] for item in table.query("p", **chosen)] == numbers

    def test_an_index_holds_only_what_has_its_attributes(self, table: Table) -> None:
        put(table, "C#2", person_pk="x")
        put(table, "C#1", person_pk="x")
        put(table, "C#3")
        found = table.query("x", index=ROWS_BY_PERSON)
        assert [item["sk"] for item in found] == ["C#1", "C#2"]

    def test_an_index_has_an_order_of_its_own(self, table: Table) -> None:
        for sk, time_sk in (("a", "3"), ("b", "1"), ("c", "2")):
            put(table, sk, time_pk="all", time_sk=time_sk)
        found = table.query("all", index=RUNS_BY_TIME, newest_first=True, until="2")
        assert [item["sk"] for item in found] == ["c", "b"]


class TestPages:
    """A query reads page by page: it is no picture of one moment."""

    # Some ten of these are more than the megabyte that a page holds.
    LONG = "x" * 100_000
    COUNT = 25

    @pytest.fixture(autouse=True)
    def _many(self, table: Table) -> None:
        table.put_many({"pk": "p", "sk": f"{n:02}", "text": self.LONG} for n in range(self.COUNT))

    def test_all_are_read_in_order(self, table: Table) -> None:
        expected = [f"{n:02}" for n in range(self.COUNT)]
        assert [item["sk"] for item in table.query("p")] == expected
        backwards = [item["sk"] for item in table.query("p", newest_first=True)]
        assert backwards == expected[::-1]
        assert [item["sk"] for item in table.query("p", limit=17)] == expected[:17]

    def test_what_is_written_ahead_of_it_is_seen_and_behind_it_is_not(self, table: Table) -> None:
        found = iter(table.query("p"))
        assert next(found)["sk"] == "00"
        table.write(Put({"pk": "p", "sk": "99"}))
        table.write(Delete("p", f"{self.COUNT - 1:02}"))
        table.write(Update("p", f"{self.COUNT - 2:02}", assign={"text": "new"}))
        table.write(Put({"pk": "p", "sk": "00a"}))
        table.write(Delete("p", "01"))
        rest = list(found)
        keys = [item["sk"] for item in rest]
        assert keys == [*(f"{n:02}" for n in range(1, self.COUNT - 1)), "99"]
        assert rest[-2]["text"] == "new"

    def test_the_item_on_which_a_page_ended_may_be_gone(self, table: Table) -> None:
        keys = []
        for item in table.query("p"):
            keys.append(item["sk"])
            table.write(Delete("p", item["sk"]))
        assert keys == [f"{n:02}" for n in range(self.COUNT)]
