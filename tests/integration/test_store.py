"""The store on a DynamoDB API. Beside what is here, all tests of `tests/unit/store` that ask for a
table are collected again (see `conftest.py`), so that none can be left out."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobferry.store import Store
from tests.integration.conftest import ENGINES, TABLE, UNIT_STORE, is_on_an_engine, store_tests
from tests.unit.store.samples import EXPIRES, a_run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MEMORY_ONLY = {
    "test_chunks.py": "its state machine opens a table for each of its walks",
    "test_connection_limits.py": "it stops lanes between the writes of others",
    "test_fake_table.py": "it is about the table in memory",
    "test_transitions.py": "it watches each change of an item",
}
"""Modules that make a table in memory themselves, beside the tests that ask for one, and why."""


def asking_for_a_table(path: Path) -> Iterator[str]:
    """The names of the test functions of a module that have a table among their arguments."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        if TABLE & {argument.arg for argument in node.args.args}:
            yield node.name


def test_every_test_of_a_table_runs_on_every_engine(request: pytest.FixtureRequest) -> None:
    collector = store_tests(request.node.parent.parent)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in request.session.genitems(collector):
        assert isinstance(item, pytest.Function)
        if is_on_an_engine(item):
            engine: str = item.callspec.params["engine"]
            found[engine, item.path.name].append(item.originalname)
    modules = sorted(UNIT_STORE.glob("test_*.py"))
    assert sum(len(set(asking_for_a_table(path))) for path in modules) > 200
    for engine in ENGINES:
        for path in modules:
            assert set(asking_for_a_table(path)) <= set(found[engine, path.name])
            assert found[engine, path.name] == found[ENGINES[0], path.name]


def test_a_module_that_makes_its_own_table_says_why() -> None:
    texts = {path.name: path.read_text() for path in UNIT_STORE.glob("test_*.py")}
    own = {name for name, text in texts.items() if "fake_store(" in text or "FakeTable(" in text}
    assert own == set(MEMORY_ONLY)


def test_a_store_is_built_from_a_client_and_a_name(dynamodb: DynamoDBClient, store: Store) -> None:
    name = next(name for name in reversed(dynamodb.list_tables()["TableNames"]))
    built = Store(dynamodb, name, 7)
    built.runs.create(a_run("built"))
    assert built.retention == 7 * 86_400
    item = dynamodb.get_item(TableName=name, Key={"pk": {"S": "RUN#built"}, "sk": {"S": "META"}})[
        "Item"
    ]
    assert item["kept_until"]["N"] == str(EXPIRES)
