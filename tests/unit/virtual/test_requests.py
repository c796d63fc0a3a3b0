"""Requests to DynamoDB are held against its rules before any item is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from jobferry.store.operations import Delete, Operation, Put, Update
from jobferry.store.table import Table
from virtual import table as fake_table
from virtual.requests import TableRequests, check_request, problems, reserved_words
from virtual.table import FakeTable
from virtual.world import World, sample_csv

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


def update(expression: str, **rest: Any) -> dict[str, Any]:
    return {"TableName": "t", "Key": KEY, "UpdateExpression": expression, **rest}


def names(**named: str) -> dict[str, Any]:
    return {"ExpressionAttributeNames": {f"#{name}": path for name, path in named.items()}}


def values(*named: str) -> dict[str, Any]:
    return {"ExpressionAttributeValues": {f":{name}": {"N": "1"} for name in named}}


def test_the_words_are_those_of_aws() -> None:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
    assert len(reserved_words()) == 573
    assert {"ABORT", "PERCENT", "STATE", "STATUS", "ZONE"} <= reserved_words()


@pytest.mark.parametrize(
    "request_",
    [
        update(
            "SET a = :x, #b = if_not_exists(#b, :x) ADD c :x", **names(b="status"), **values("x")
        ),
        update("REMOVE a, b", ConditionExpression="attribute_exists(pk) AND NOT a = b"),
        update("SET a = list_append(a, :x), b = :x DELETE d :x", **values("x")),
        update("SET a.#b[0] = :x, a.#b[1] = :x", **names(b="state"), **values("x")),
        {"KeyConditionExpression": "pk = :x AND begins_with(#s, :y)"}
        | names(s="sk")
        | values("x", "y"),
    ],
)
def test_right_expressions(request_: dict[str, Any]) -> None:
    assert list(problems(request_)) == []


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (update("SET percent = :x", **values("x")), "percent is a reserved word"),
        (update("SET a = :x REMOVE state", **values("x")), "state is a reserved word"),
        (
            update("SET a = :x", ConditionExpression="status = :x", **values("x")),
            "status is a reserved word",
        ),
        (update("SET a = :x, b = :y", **values("x")), ":y is not defined"),
        (update("SET a = :x", **values("x", "y")), ":y is not used"),
        (update("SET #a = :x", **values("x")), "#a is not defined"),
        (update("SET a = :x", **names(a="state"), **values("x")), "#a is not used"),
        (update("SET #a-b = :x", **names(**{"a-b": "c"}), **values("x")), "#a-b is no placeholder"),
        (update("SET a = :x REMOVE a", **values("x")), "two document paths overlap at a"),
        (
            update("SET #a = :x ADD #b :x", **names(a="n", b="n"), **values("x")),
            "two document paths overlap at n",
        ),
        (update("SET a.b[1] = :x, a.b = :x", **values("x")), "two document paths overlap at a.b"),
        (update(""), "an expression is empty"),
        (update("SET a = :x", ConditionExpression="a ? :x", **values("x")), "' ? :x' is no part"),
        (update("REMOVE " + ", ".join(f"attribute_{n}" for n in range(400))), "4096 bytes"),
    ],
)
def test_wrong_expressions(request_: dict[str, Any], problem: str) -> None:
    assert any(problem in found for found in problems(request_))
    with pytest.raises(ClientError, match="ValidationException"):
        check_request("UpdateItem", request_)


def test_parts_of_a_transaction_are_looked_at_one_by_one() -> None:
    parts = [{"Update": update("SET a = :x", **values("x"))}, {"Update": update("REMOVE zone")}]
    with pytest.raises(ClientError, match="zone is a reserved word"):
        check_request("TransactWriteItems", {"TransactItems": parts})


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("UpdateItem", {"TableName": "t", "Keys": KEY}),
        ("Query", {"TableName": "t", "Limit": "10"}),
        ("PutItem", {"TableName": "t", "Item": {"pk": "p"}}),
        ("GetItem", {"Key": KEY}),
    ],
)
def test_parameters_are_those_of_the_service(operation: str, request_: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError):
        check_request(operation, request_)


@pytest.mark.parametrize(
    "operation",
    [
        Put({"pk": "p", "sk": "s", "n": 1.5}, "#s = :s", {"#s": "state"}, {":s": "x"}),
        Update("p", "s", {"state": 1}, {"b": 2}, {"n": 1}, {"m": {1}}, ("zone",)),
        Delete("p", "s"),
    ],
)
def test_what_the_real_table_sends_is_right(operation: Operation) -> None:
    requests = TableRequests()
    requests.write(operation)
    requests.transact([operation])
    assert len(requests.shapes) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"prefix": "a"},
        {"since": "a"},
        {"until": "b", "limit": 3},
        {"since": "a", "until": "b", "newest_first": True},
        {"prefix": "a", "index": ("by_time", "time_pk", "time_sk")},
    ],
)
def test_what_the_real_table_asks_is_right(asked: dict[str, Any]) -> None:
    requests = TableRequests()
    requests.query("p", **asked)
    assert len(requests.shapes) == 1


def test_an_attribute_that_no_placeholder_can_be_called_after_is_refused() -> None:
    with pytest.raises(ClientError, match="is no placeholder"):
        FakeTable().write(Update("p", "s", assign={"by-hand": 1}))


def test_the_requests_of_a_whole_run_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of the fake goes past the check, so that every test of a step is one of its
    expressions, too."""
    requests = TableRequests()
    monkeypatch.setattr(fake_table, "REQUESTS", requests)
    with World(max_records=2) as world:
        run = world.processed(sample_csv(5))
        assert world.problems(run.run_id) == []
    ways = {shape[0] for shape in requests.shapes if isinstance(shape, tuple)}
    assert ways == {"write", "transact", "query"}
    assert len(requests.shapes) > 25


def test_the_fake_has_no_way_to_write_of_its_own() -> None:
    """A new method of the table needs its check in the fake."""
    public = {name for name in vars(Table) if not name.startswith("_")}
    assert public == {
        *("get", "get_many", "query", "write", "transact", "put_many", "delete_many"),
    }
