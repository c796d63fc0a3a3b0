"""Reading what records are before they are changed: by which ids, in how many requests."""

from __future__ import annotations

from typing import cast

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import RecordReader
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.zendesk_support.bench import ZendeskBench


def operation(name: str) -> Operation:
    found = ZENDESK_SUPPORT.operation(name)
    assert found is not None
    return found


def made(bench: ZendeskBench, name: str, records: list[JsonObject]) -> list[int]:
    job_id = bench.submitted(records, operation(name))
    bench.pass_time()
    done = bench.effects_of(job_id)
    return [done[position]["id"] for position in range(len(records))]


def users(count: int) -> list[JsonObject]:
    return [{"name": f"User {n}", "external_id": f"U{n}"} for n in range(count)]


def narrow_client(bench: ZendeskBench, monkeypatch: pytest.MonkeyPatch) -> RecordReader:
    """A client that takes small answers only."""
    monkeypatch.setattr("jobferry.vendors.http.client.MAX_ANSWER_BYTES", 20_000)
    client = bench.vendor.client(bench.sim.url, bench.secret, reach=LOOPBACK)
    return cast("RecordReader", client)


def test_users_are_read_by_either_id(bench: ZendeskBench) -> None:
    ids = made(bench, "users.create", users(60))
    client = cast("RecordReader", bench.client)
    asked: list[JsonObject] = [
        *({"id": each, "name": "x"} for each in ids[:3]),
        *({"external_id": f"u{n}", "name": "x"} for n in range(3, 60)),
        {"external_id": "nobody", "name": "x"},
        {"external_id": "U4,U5", "name": "x"},
        {"name": "x"},
    ]

    read = client.read_records(operation("users.update"), asked)

    assert [None if r is None else r["id"] for r in read.records] == [*ids, None, None, None]
    assert read.requests == 1 + 2


def test_an_answer_that_would_be_too_large_is_asked_for_in_parts(
    bench: ZendeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = made(bench, "users.create", [{**u, "notes": "x" * 5_000} for u in users(10)])
    asked: list[JsonObject] = [{"id": each, "name": "x"} for each in ids]
    client = narrow_client(bench, monkeypatch)

    read = client.read_records(operation("users.update"), asked)

    assert [record and record["id"] for record in read.records] == ids
    assert read.requests > 2


def test_a_record_that_is_too_large_by_itself_is_a_problem(
    bench: ZendeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = made(bench, "users.create", [{**users(1)[0], "notes": "x" * 50_000}])
    client = narrow_client(bench, monkeypatch)

    read = client.read_records(operation("users.update"), [{"id": ids[0], "name": "x"}])

    assert isinstance(read.problem, Ambiguous)
