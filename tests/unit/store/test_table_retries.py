"""A table that is busy: how many requests one call makes, the SDK's retries and ours together.

The client is the one that functions have; only what it would send to DynamoDB is answered here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError

from jobferry.runtime import wiring
from jobferry.store.operations import Delete, Update
from jobferry.store.table import (
    MOST_REQUESTS,
    SDK_ATTEMPTS,
    BusyTableError,
    ConditionFailedError,
    Table,
)

THROTTLED = "ProvisionedThroughputExceededException"
CANCELLED = "TransactionCanceledException"
ITEM = {"pk": {"S": "p"}, "sk": {"S": "1"}}
OTHER = {"pk": {"S": "p"}, "sk": {"S": "2"}}


@dataclass(frozen=True)
class Trouble:
    """An error as DynamoDB answers it: code, and for a cancelled transaction why."""

    code: str
    reasons: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        reasons = [{"Code": reason} for reason in self.reasons]
        return {
            "__type": f"com.amazonaws.dynamodb.v20120810#{self.code}",
            "message": self.code,
            **({"CancellationReasons": reasons} if reasons else {}),
        }


CONFLICT = Trouble(CANCELLED, ("None", "TransactionConflict"))

Answer = Trouble | dict[str, Any] | Exception


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class Endpoint:
    """Answers each request with the next of what it was given, the last ones for ever.

    waits  seconds that the SDK waited between its own requests
    """

    answers: list[Answer]
    last: int = 1
    requests: list[dict[str, Any]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        at = len(self.requests)
        if at >= len(self.answers):
            at = len(self.answers) - self.last + (at - len(self.answers)) % self.last
        self.requests.append(json.loads(request.body))
        answer = self.answers[at]
        if isinstance(answer, Exception):
            raise answer
        status, body = (400, answer.body) if isinstance(answer, Trouble) else (200, answer)
        raw = _Body(json.dumps(body).encode())
        return AWSResponse(request.url, status, {}, raw)  # type: ignore[arg-type]


Made = tuple[Table, Endpoint, list[float]]
Make = Callable[..., Made]


@pytest.fixture
def table_of() -> Iterator[Make]:
    """(table, what answers it, the waits of ours) for these answers; `last` of them for ever."""
    with mock.patch("botocore.endpoint.time.sleep") as sleep:

        def make(*answers: Answer, last: int = 1) -> Made:
            endpoint, waits = Endpoint(list(answers), last), list[float]()
            sleep.side_effect = endpoint.waits.append
            client = boto3.client(
                "dynamodb",
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=wiring._BOTO,
            )
            client.meta.events.register("before-send.dynamodb.*", endpoint.answer)
            return Table(client, "table", waits.append), endpoint, waits

        yield make


CALLS: dict[str, Callable[[Table], object]] = {
    "get": lambda table: table.get("p", "1"),
    "get_many": lambda table: table.get_many([("p", "1")]),
    "query": lambda table: list(table.query("p")),
    "write": lambda table: table.write(Delete("p", "1")),
    "transact": lambda table: table.transact([Delete("p", "1"), Update("p", "2", add={"n": 1})]),
    "put_many": lambda table: table.put_many([{"pk": "p", "sk": "1"}]),
    "delete_many": lambda table: table.delete_many([("p", "1")]),
}


@pytest.fixture(params=CALLS.values(), ids=CALLS)
def call(request: pytest.FixtureRequest) -> Callable[[Table], object]:
    given: Callable[[Table], object] = request.param
    return given


@pytest.mark.parametrize(
    "code",
    [THROTTLED, "ThrottlingException", "RequestLimitExceeded", "TransactionInProgressException"],
)
def test_a_throttle_that_lasts_takes_the_requests_of_the_sdk_and_no_more(
    table_of: Make, call: Callable[[Table], object], code: str
) -> None:
    table, endpoint, waits = table_of(Trouble(code))
    with pytest.raises(BusyTableError):
        call(table)
    assert (len(endpoint.requests), waits) == (SDK_ATTEMPTS, [])
    assert len(endpoint.waits) == SDK_ATTEMPTS - 1
    assert sum(endpoint.waits) <= 31


def test_a_connection_that_breaks_each_time_is_retried_by_the_sdk(
    table_of: Make, call: Callable[[Table], object]
) -> None:
    """It is told as it is: the table may not be there at all."""
    table, endpoint, waits = table_of(ConnectionClosedError(endpoint_url="x"))
    with pytest.raises(ConnectionClosedError):
        call(table)
    assert (len(endpoint.requests), waits) == (SDK_ATTEMPTS, [])


def test_a_throttle_that_passes_is_waited_out(table_of: Make) -> None:
    table, endpoint, waits = table_of(Trouble(THROTTLED), Trouble(THROTTLED), {})
    table.write(Delete("p", "s"))
    assert (len(endpoint.requests), len(endpoint.waits), waits) == (3, 2, [])


def test_what_does_not_pass_is_not_waited_for(
    table_of: Make, call: Callable[[Table], object]
) -> None:
    table, endpoint, waits = table_of(Trouble("AccessDeniedException"))
    with pytest.raises(ClientError, match="AccessDenied"):
        call(table)
    assert (len(endpoint.requests), endpoint.waits, waits) == (1, [], [])


class TestOtherTransactions:
    @pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", THROTTLED[:-9]])
    def test_a_transaction_goes_again(self, table_of: Make, reason: str) -> None:
        conflict = Trouble(CANCELLED, ("None", reason))
        table, endpoint, waits = table_of(conflict, conflict, {})
        table.transact([Delete("p", "a"), Update("p", "b", add={"n": 1})])
        assert (len(endpoint.requests), len(waits), endpoint.waits) == (3, 2, [])

    def test_a_single_write_goes_again(self, table_of: Make) -> None:
        table, endpoint, waits = table_of(Trouble("TransactionConflictException"), {})
        table.write(Delete("p", "a"))
        assert (len(endpoint.requests), len(waits)) == (2, 1)

    @pytest.mark.parametrize("name", ["write", "transact"])
    def test_in_the_way_for_too_long(self, table_of: Make, name: str) -> None:
        trouble = Trouble("TransactionConflictException") if name == "write" else CONFLICT
        table, endpoint, waits = table_of(trouble)
        with pytest.raises(BusyTableError, match="in the way"):
            CALLS[name](table)
        assert (len(endpoint.requests), len(waits)) == (MOST_REQUESTS, MOST_REQUESTS - 1)
        assert max(waits) <= 1.0
        assert sum(waits[-3:]) > sum(waits[:3])

    def test_throttles_in_between_count_too(self, table_of: Make) -> None:
        """The worst that can be: each try of ours takes all that the SDK has."""
        throttles = [Trouble(THROTTLED)] * (SDK_ATTEMPTS - 1)
        table, endpoint, waits = table_of(*throttles, CONFLICT, last=SDK_ATTEMPTS)
        with pytest.raises(BusyTableError):
            CALLS["transact"](table)
        assert (len(endpoint.requests), len(waits)) == (3 * SDK_ATTEMPTS, 2)
        assert len(endpoint.requests) < MOST_REQUESTS + SDK_ATTEMPTS

    def test_a_condition_that_failed_beside_a_conflict_is_told_at_once(
        self, table_of: Make
    ) -> None:
        failed = Trouble(CANCELLED, ("TransactionConflict", "ConditionalCheckFailed"))
        table, endpoint, _ = table_of(failed)
        with pytest.raises(ConditionFailedError) as told:
            CALLS["transact"](table)
        assert (told.value.failed, len(endpoint.requests)) == ((1,), 1)

    def test_a_transaction_that_is_cancelled_for_good(self, table_of: Make) -> None:
        table, endpoint, _ = table_of(Trouble(CANCELLED, ("ValidationError", "None")))
        with pytest.raises(ClientError, match=CANCELLED):
            CALLS["transact"](table)
        assert len(endpoint.requests) == 1


class TestBatches:
    PUT: dict[str, Any] = {"PutRequest": {"Item": ITEM}}  # noqa: RUF012

    def test_what_was_left_out_is_written_again(self, table_of: Make) -> None:
        table, endpoint, _ = table_of({"UnprocessedItems": {"table": [self.PUT]}}, {})
        table.put_many([{"pk": "p", "sk": str(n)} for n in range(2)])
        assert [len(r["RequestItems"]["table"]) for r in endpoint.requests] == [2, 1]
        assert endpoint.requests[1]["RequestItems"]["table"] == [self.PUT]

    @pytest.mark.parametrize("name", ["put_many", "delete_many"])
    def test_one_that_is_never_written(self, table_of: Make, name: str) -> None:
        table, endpoint, waits = table_of({"UnprocessedItems": {"table": [self.PUT]}})
        with pytest.raises(BusyTableError, match="1 items could not be written"):
            CALLS[name](table)
        assert (len(endpoint.requests), len(waits)) == (MOST_REQUESTS, MOST_REQUESTS - 1)

    def test_what_a_read_left_out_is_read_again(self, table_of: Make) -> None:
        table, endpoint, _ = table_of(
            {"Responses": {"table": [ITEM]}, "UnprocessedKeys": {"table": {"Keys": [OTHER]}}},
            {"Responses": {"table": [OTHER]}},
        )
        assert [item["sk"] for item in table.get_many([("p", "1"), ("p", "2")])] == ["1", "2"]
        assert endpoint.requests[1]["RequestItems"]["table"]["Keys"] == [OTHER]

    def test_a_read_that_is_never_complete(self, table_of: Make) -> None:
        table, endpoint, _ = table_of(
            {"Responses": {}, "UnprocessedKeys": {"table": {"Keys": [ITEM]}}}
        )
        with pytest.raises(BusyTableError, match="1 items could not be read"):
            table.get_many([("p", "1")])
        assert len(endpoint.requests) == MOST_REQUESTS

    def test_each_batch_has_its_own_requests(self, table_of: Make) -> None:
        left: list[Answer] = [{"UnprocessedItems": {"table": [self.PUT]}}] * (MOST_REQUESTS - 1)
        table, endpoint, _ = table_of(*left, {}, *left, {})
        table.put_many([{"pk": "p", "sk": str(n)} for n in range(26)])
        assert len(endpoint.requests) == 2 * MOST_REQUESTS


def test_a_query_reads_every_page(table_of: Make) -> None:
    pages: list[Answer] = [
        {"Items": [{"n": {"N": "1"}}, {"n": {"N": "2"}}], "LastEvaluatedKey": {"sk": {"S": "2"}}},
        {"Items": [{"n": {"N": "3"}}]},
    ]
    table, endpoint, _ = table_of(*pages)
    assert [item["n"] for item in table.query("p")] == [1, 2, 3]
    assert endpoint.requests[1]["ExclusiveStartKey"] == {"sk": {"S": "2"}}
    table, endpoint, _ = table_of(*pages)
    assert [item["n"] for item in table.query("p", limit=2)] == [1, 2]
    assert len(endpoint.requests) == 1
