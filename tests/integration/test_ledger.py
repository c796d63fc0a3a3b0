"""The tests of the ledger once more, against a DynamoDB API: what the table in memory promises is
what the real one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobferry.store import Store
from tests.unit.store.samples import EXPIRES, a_run
from tests.unit.store.test_chunks import (
    TestClaim,
    TestFinish,
    TestGiveBack,
    TestOthersAtWork,
    TestPool,
    TestSending,
    TestSettle,
)
from tests.unit.store.test_config import TestConnections, TestProfiles
from tests.unit.store.test_connection_limits import (
    TestDemands,
    TestLatencies,
    TestRequests,
    TestSlots,
)
from tests.unit.store.test_rows import TestRows
from tests.unit.store.test_runs import TestClose, TestNewest, TestPlan, TestRuns
from tests.unit.store.test_table import (
    TestItems,
    TestQueries,
    TestTransactions,
    TestUpdates,
    test_conditions,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "TestClaim",
    "TestClose",
    "TestConnections",
    "TestDemands",
    "TestFinish",
    "TestGiveBack",
    "TestItems",
    "TestLatencies",
    "TestNewest",
    "TestOthersAtWork",
    "TestPlan",
    "TestPool",
    "TestProfiles",
    "TestQueries",
    "TestRequests",
    "TestRows",
    "TestRuns",
    "TestSending",
    "TestSettle",
    "TestSlots",
    "TestTransactions",
    "TestUpdates",
    "test_conditions",
]


def test_a_store_is_built_from_a_client_and_a_name(dynamodb: DynamoDBClient, store: Store) -> None:
    name = next(name for name in reversed(dynamodb.list_tables()["TableNames"]))
    built = Store(dynamodb, name, 7)
    built.runs.create(a_run("built"))
    assert built.retention == 7 * 86_400
    item = dynamodb.get_item(TableName=name, Key={"pk": {"S": "RUN#built"}, "sk": {"S": "META"}})[
        "Item"
    ]
    assert item["kept_until"]["N"] == str(EXPIRES)
