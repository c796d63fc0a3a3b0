"""A table that is busy: passing troubles are waited out, lasting ones are said."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobferry.store.operations import Delete, Update
from jobferry.store.table import BusyTableError, Table

THROTTLED = "ProvisionedThroughputExceededException"


def trouble(code: str, *reasons: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}}
    if reasons:
        response["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(response, "test")


class Client:
    """Answers each call with the next of what it was given, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return self._answer

    def _answer(self, **request: Any) -> Any:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def table_of(client: Client) -> tuple[Table, list[float]]:
    waits: list[float] = []
    return Table(client, "table", waits.append), waits  # type: ignore[arg-type]


def test_a_throttle_is_waited_out() -> None:
    client = Client(trouble(THROTTLED), trouble(THROTTLED), {})
    table, waits = table_of(client)
    table.write(Delete("p", "s"))
    assert (len(client.requests), len(waits)) == (3, 2)


def test_waits_grow_and_end() -> None:
    table, waits = table_of(Client(trouble(THROTTLED)))
    with pytest.raises(BusyTableError):
        table.write(Delete("p", "s"))
    assert max(waits) <= 1.0
    assert sum(waits[-3:]) > sum(waits[:3])


def test_what_does_not_pass_is_not_waited_for() -> None:
    client = Client(trouble("AccessDeniedException"))
    table, waits = table_of(client)
    for call in (table.write, lambda operation: table.transact([operation])):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(Delete("p", "s"))
    assert waits == []


def test_a_transaction_in_the_way_of_another_goes_again() -> None:
    conflict = trouble("TransactionCanceledException", "None", "TransactionConflict")
    client = Client(conflict, conflict, {})
    table, waits = table_of(client)
    table.transact([Delete("p", "a"), Update("p", "b", add={"n": 1})])
    assert (len(client.requests), len(waits)) == (3, 2)


def test_transactions_in_the_way_for_too_long() -> None:
    table, _ = table_of(Client(trouble("TransactionCanceledException", "TransactionConflict")))
    with pytest.raises(BusyTableError):
        table.transact([Delete("p", "a")])


def test_what_a_batch_left_out_is_written_again() -> None:
    left = [{"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": "1"}}}}]
    client = Client({"UnprocessedItems": {"table": left}}, {})
    table, _ = table_of(client)
    table.put_many([{"pk": "p", "sk": str(n)} for n in range(2)])
    assert [len(r["RequestItems"]["table"]) for r in client.requests] == [2, 1]
    assert client.requests[1]["RequestItems"]["table"] == left


def test_a_batch_that_is_never_written() -> None:
    table, _ = table_of(
        Client({"UnprocessedItems": {"table": [{"DeleteRequest": {"Key": {"pk": {"S": "p"}}}}]}})
    )
    with pytest.raises(BusyTableError):
        table.delete_many([("p", "s")])


def test_what_a_read_left_out_is_read_again() -> None:
    one = {"pk": {"S": "p"}, "sk": {"S": "1"}}
    two = {"pk": {"S": "p"}, "sk": {"S": "2"}}
    client = Client(
        {"Responses": {"table": [one]}, "UnprocessedKeys": {"table": {"Keys": [two]}}},
        {"Responses": {"table": [two]}},
    )
    table, _ = table_of(client)
    assert [item["sk"] for item in table.get_many([("p", "1"), ("p", "2")])] == ["1", "2"]


def test_a_read_that_is_never_complete() -> None:
    table, _ = table_of(Client({"Responses": {}, "UnprocessedKeys": {"table": {"Keys": [{}]}}}))
    with pytest.raises(BusyTableError):
        table.get_many([("p", "1")])


def test_a_query_reads_every_page() -> None:
    pages = [
        {"Items": [{"n": {"N": "1"}}, {"n": {"N": "2"}}], "LastEvaluatedKey": {"sk": {"S": "2"}}},
        {"Items": [{"n": {"N": "3"}}]},
    ]
    client = Client(*pages)
    table, _ = table_of(client)
    assert [item["n"] for item in table.query("p")] == [1, 2, 3]
    assert client.requests[1]["ExclusiveStartKey"] == {"sk": {"S": "2"}}
    client = Client(*pages)
    table, _ = table_of(client)
    assert [item["n"] for item in table.query("p", limit=2)] == [1, 2]
    assert len(client.requests) == 1
