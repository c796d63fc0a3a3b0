"""Conditions and updates of the table in memory, held against moto: two readings of the same rules.

Random expressions of the grammar that we use are judged by both, on random items. Left out is what
moto 5.2.5 itself does otherwise than DynamoDB: an order between values of two types (it raises a
TypeError), `NOT NOT` (it cannot read it), `= NULL` for an attribute that is not there (it holds),
and a number written `1.0` (it is not equal to `1`). A condition that it cannot read is a ValueError
to it, and an update that it refuses has changed the item in part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from jobferry.store.operations import Item, Operation, Put, Update
from jobferry.store.table import ConditionFailedError, Table
from tests.thorough import at_most
from virtual.table import FakeTable

KEY = {"pk": "p", "sk": "s"}

TEXTS = st.sampled_from(["", "a", "ab", "b", "ü"])
NUMBERS = st.sampled_from([-1, 0, 1, 2, 2.5, 10])
SETS = st.sets(st.sampled_from([1, 2, 3]), min_size=1)
LISTS = st.lists(st.sampled_from(["a", "b", 1, 2.5]), max_size=3)
MAPS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["a", 1]), max_size=2)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "word": TEXTS,
    "n": NUMBERS,
    "flag": st.booleans(),
    "nothing": st.none(),
    "members": SETS,
    "parts": LISTS,
    "halt": MAPS,
}
"""Attribute → what it holds, where it is there."""

ANYTHING = st.one_of(*VALUES.values())
COMPARED = st.one_of(*(values for name, values in VALUES.items() if name != "nothing"))
RESERVED = {"state": TEXTS, "cursor": NUMBERS}
"""Attributes whose names are words of DynamoDB: only placeholders can name them."""

ATTRIBUTES = {**VALUES, **RESERVED}
ITEMS: st.SearchStrategy[Item] = st.fixed_dictionaries({}, optional=ATTRIBUTES)


@dataclass
class Expression:
    """A condition, and the placeholders that it uses."""

    text: str
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Writer:
    """Draws a condition from left to right."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.made = Expression("")

    def condition(self, depth: int) -> str:
        kind = self._draw(st.sampled_from(["and", "or", "not", "()", "one", "one", "one"]))
        if depth == 0 or kind == "one":
            return self._one()
        if kind == "not":
            negated = self.condition(depth - 1)
            return f"NOT ({negated})" if negated.startswith("NOT") else f"NOT {negated}"
        if kind == "()":
            return f"({self.condition(depth - 1)})"
        return f"{self.condition(depth - 1)} {kind.upper()} {self.condition(depth - 1)}"

    def _one(self) -> str:
        attribute = self._draw(st.sampled_from(sorted(ATTRIBUTES)))
        own = ATTRIBUTES[attribute]
        kinds = ["exists", "not_exists", "=", "<>", "in", "contains"]
        if own in (TEXTS, NUMBERS):
            kinds += ["<", "<=", ">", ">=", "between"]
        if own is TEXTS:
            kinds += ["begins"]
        kind = self._draw(st.sampled_from(kinds))
        name = self._name(attribute)
        match kind:
            case "exists" | "not_exists":
                return f"attribute_{kind}({name})"
            case "contains":
                return f"contains({name}, {self._value(st.one_of(TEXTS, NUMBERS))})"
            case "begins":
                return f"begins_with({name}, {self._value(TEXTS)})"
            case "in":
                members = [self._value(COMPARED) for _ in range(self._draw(st.integers(1, 3)))]
                return f"{name} IN ({', '.join(members)})"
            case "between":
                low, high = sorted([self._draw(own), self._draw(own)])
                return f"{name} BETWEEN {self._kept(low)} AND {self._kept(high)}"
            case "=" | "<>":
                return f"{name} {kind} {self._value(COMPARED)}"
        return f"{name} {kind} {self._value(own)}"

    def _name(self, attribute: str) -> str:
        if attribute in RESERVED or self._draw(st.booleans()):
            placeholder = f"#n_{attribute}"
            self.made.names[placeholder] = attribute
            return placeholder
        return attribute

    def _value(self, values: st.SearchStrategy[Any]) -> str:
        return self._kept(self._draw(values))

    def _kept(self, value: Any) -> str:
        placeholder = f":v{len(self.made.values)}"
        self.made.values[placeholder] = value
        return placeholder


@st.composite
def conditions(draw: Any) -> Expression:
    writer = Writer(draw)
    writer.made.text = writer.condition(3)
    return writer.made


@st.composite
def broken(draw: Any) -> Expression:
    """A condition that lost a part, or has a placeholder too many or too few."""
    made: Expression = draw(conditions())
    match draw(st.sampled_from(["part", "value", "name", "reserved"])):
        case "part":
            parts = made.text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()
            del parts[draw(st.integers(0, len(parts) - 1))]
            made.text = " ".join(parts)
        case "value":
            made.values[":more"] = 1
        case "name":
            made.names["#more"] = "more"
        case "reserved":
            made.text = f"state = :reserved AND {made.text}"
            made.values[":reserved"] = "a"
    return made


@st.composite
def updates(draw: Any) -> Update:
    """An update of some attributes, each in one way."""
    names = draw(st.lists(st.sampled_from(sorted(ATTRIBUTES)), unique=True, min_size=1, max_size=4))
    ways: dict[str, dict[str, Any]] = {"assign": {}, "assign_once": {}, "add": {}, "take": {}}
    removed = []
    for name in names:
        way = draw(st.sampled_from([*ways, "remove"]))
        match way:
            case "remove":
                removed.append(name)
            case "add":
                ways[way][name] = draw(st.one_of(NUMBERS, SETS))
            case "take":
                ways[way][name] = draw(SETS)
            case _:
                ways[way][name] = draw(st.one_of(ATTRIBUTES[name], ANYTHING))
    return Update(**KEY, **ways, remove=tuple(removed))


@pytest.fixture(scope="module")
def moto() -> Iterator[Table]:
    """A table of moto, in this process."""
    with mock_aws():
        client = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in KEY],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield Table(client, "table")


def outcome(table: Table, item: Item | None, operation: Operation) -> tuple[str, Item | None]:
    """What became of an operation on an item, and the item after it, if it was done."""
    table.delete_many([("p", "s")])
    if item is not None:
        table.write(Put({**item, **KEY}))
    try:
        table.write(operation)
    except ConditionFailedError:
        said = "refused"
    except ClientError as error:
        return error.response["Error"]["Code"], None
    except ValueError:
        if isinstance(table, FakeTable):
            raise
        return "ValidationException", None
    else:
        said = "done"
    return said, table.get("p", "s")


SETTINGS = settings(
    max_examples=at_most(1_000, 100),
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@SETTINGS
@given(item=st.none() | ITEMS, condition=conditions())
def test_conditions(moto: Table, item: Item | None, condition: Expression) -> None:
    operation = Update(
        **KEY,
        assign={"mark": 1},
        condition=condition.text,
        names=condition.names,
        values=condition.values,
    )
    assert outcome(FakeTable(), item, operation) == outcome(moto, item, operation)


@SETTINGS
@given(item=ITEMS, condition=broken())
def test_what_is_no_condition(moto: Table, item: Item, condition: Expression) -> None:
    operation = Update(
        **KEY,
        assign={"mark": 1},
        condition=condition.text,
        names=condition.names,
        values=condition.values,
    )
    assert outcome(FakeTable(), item, operation) == outcome(moto, item, operation)


@SETTINGS
@given(item=st.none() | ITEMS, update=updates())
def test_updates(moto: Table, item: Item | None, update: Update) -> None:
    assert outcome(FakeTable(), item, update) == outcome(moto, item, update)


@pytest.mark.parametrize("strategy", [conditions(), updates()], ids=["conditions", "updates"])
def test_all_ends_are_met(strategy: st.SearchStrategy[Any]) -> None:
    """The expressions are not all of one kind: some hold, some do not, some are refused."""
    met: Counter[str] = Counter()

    @settings(SETTINGS, max_examples=200)
    @given(item=ITEMS, drawn=strategy)
    def walk(item: Item, drawn: Any) -> None:
        if isinstance(drawn, Expression):
            given_to = {"condition": drawn.text, "names": drawn.names, "values": drawn.values}
            drawn = Update(**KEY, assign={"mark": 1}, **given_to)
        met[outcome(FakeTable(), item, drawn)[0]] += 1

    walk()
    assert sum(count >= 20 for count in met.values()) >= 2
