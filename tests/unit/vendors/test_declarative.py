"""A vendor from a document: what is sent, how results are read, and what is said of faults."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import ColumnType
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Accepted, FoundState, JobPhase, Refused
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import validate
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from jobferry.vendors.zendesk_sunshine.results import read_results as read_sunshine
from tests.contract.declared_sunshine.bench import DECLARED_SUNSHINE, DeclaredSunshineBench
from tests.contract.documents.bench import DOCUMENT
from vendorsim import ManualClock, start

SHELF: JsonObject = yaml.safe_load(DOCUMENT.read_text())


def changed(path: str, value: Any) -> JsonObject:
    """Shelf's document with one value changed; None takes it away."""
    document = deepcopy(SHELF)
    *parents, last = path.split("/")
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value
    return document


def shelf(path: str, value: Any) -> Vendor:
    return vendor_from(validate(changed(path, value)))


def read(vendor: Vendor, raw: JsonObject, sent: list[JsonObject]) -> list[RecordResult]:
    (operation, *_) = vendor.operations.values()
    return vendor.read_results(operation, raw, len(sent), lambda: sent)


# The document


def test_it_declares_what_every_vendor_declares() -> None:
    vendor = vendor_from(changed("operations/books.add/types", {"pages": "integer"}))

    operation = vendor.operations["books.add"]
    assert (vendor.name, vendor.title, vendor.base_path) == ("shelf", "Shelf", "/v1")
    assert vendor.credential_forms == (frozenset({"bearer"}),)
    assert (operation.max_records, operation.max_bytes) == (100, 1_000_000)
    assert (operation.repeatable, operation.required) == (False, (("title",),))
    assert operation.types == {"pages": ColumnType.INTEGER}
    assert (vendor.capabilities.poll_batch, vendor.capabilities.max_jobs) == (50, 20)
    assert not vendor.capabilities.token_search


def test_what_adds_something_each_time_is_declared() -> None:
    vendor = shelf("operations/books.add/adds", ["remark"])

    assert vendor.operations["books.add"].adds == {"remark"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


# What is sent


@pytest.mark.parametrize("name", ZENDESK_SUNSHINE.operations)
def test_a_declared_request_is_that_of_the_module(name: str) -> None:
    records: list[JsonObject] = [{"id": "a", "type": "product", "external_id": "ü"}, {"id": "b"}]
    ours, theirs = DECLARED_SUNSHINE.operations[name], ZENDESK_SUNSHINE.operations[name]

    assert DECLARED_SUNSHINE.encode(ours, records) == ZENDESK_SUNSHINE.encode(theirs, records)
    # A document does not say how records are read before a change.
    assert ours == replace(theirs, read_by={}, cannot_undo=ours.cannot_undo)
    assert bool(ours.cannot_undo) == bool(theirs.cannot_undo)


def test_a_job_of_one_record_holds_the_record_itself() -> None:
    document = changed("operations/books.add/body", {"book": "$record", "kind": ["new", 1]})
    document["operations"]["books.add"]["max_records"] = 1
    vendor = vendor_from(document)

    sent = vendor.encode(vendor.operations["books.add"], [{"title": "A"}])

    assert json.loads(sent) == {"book": {"title": "A"}, "kind": ["new", 1]}


# What came of it


@pytest.mark.parametrize(
    ("lines", "signs"),
    [
        ([{"index": 0, "book": "a"}, {"index": 1, "why": {"kind": "x", "text": "y"}}], "+-"),
        ([{"index": 1, "book": "a"}, {"index": 0, "why": {"kind": "x"}}], "-+"),
        ([{"index": 0, "book": "a", "why": {"kind": "x"}}, {"index": 1}], "-?"),
        ([{"index": 0, "book": "a"}, {"index": 0, "book": "b"}], "??"),
        ([{"index": 2, "book": "a"}, {"index": -1, "book": "b"}, {"index": True}], "??"),
        ([{"index": "0", "book": "a"}, "book"], "??"),
        ("lines", "??"),
        (None, "??"),
    ],
)
def test_a_result_counts_for_the_record_that_it_names(lines: Any, signs: str) -> None:
    vendor = vendor_from(SHELF)

    results = read(vendor, {"id": "imp-1", "state": "done", "lines": lines}, [{}, {}])

    wanted = {"+": "succeeded", "-": "failed", "?": "unknown"}
    assert [result.status for result in results] == [wanted[sign] for sign in signs]
    assert all(result.code and result.text for result in results if result.status != "succeeded")


_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "success": st.sampled_from([True, False, None]),
        "data": st.sampled_from([{"id": "a"}, {"id": "b"}, {"id": "c"}, {}, None]),
        "errors": st.lists(
            st.fixed_dictionaries({"code": st.just("C"), "detail": st.just("no")}), max_size=2
        ),
    },
)


@given(
    st.lists(_ITEM, max_size=4),
    st.sampled_from(["completed", "failed", "aborted"]),
    st.sampled_from(["resources.post", "resources.update"]),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True),
)
def test_declared_results_are_read_as_the_module_reads_them(
    items: list[JsonObject], status: str, name: str, ids: list[str]
) -> None:
    raw = {"id": "j", "job_status": status, "results": items}
    sent: list[JsonObject] = [{"id": each} for each in ids]

    ours = DECLARED_SUNSHINE.read_results(
        DECLARED_SUNSHINE.operations[name], raw, len(sent), lambda: sent
    )
    theirs = read_sunshine(ZENDESK_SUNSHINE.operations[name], raw, len(sent), lambda: sent)

    for declared, coded in zip(ours, theirs, strict=True):
        # Two results that claim one record are nobody's here; the module takes the first.
        assert declared.status in (coded.status, OutcomeStatus.UNKNOWN)
        if declared.status is coded.status:
            assert declared.vendor_id == coded.vendor_id


@given(_JSON, st.integers(0, 4))
def test_whatever_a_job_holds_there_is_one_result_a_record(rows: Any, count: int) -> None:
    for vendor, place in ((vendor_from(SHELF), "lines"), (DECLARED_SUNSHINE, "results")):
        raw = {"id": "j", "state": "done", "job_status": "completed", place: rows}

        assert len(read(vendor, raw, [{"id": str(n)} for n in range(count)])) == count


# The client


def test_the_second_reader_follows_its_pages_and_no_other_address() -> None:
    document = yaml.safe_load(
        (DOCUMENT.parent.parent / "declared_sunshine" / "sunshine.yaml").read_text()
    )
    document["poll"]["list"]["path"] = "/jobs?per_page=2"
    clock = ManualClock()
    with start(clock=clock, requests_per_minute=0) as sim:
        bench = DeclaredSunshineBench(sim, clock)
        client = vendor_from(document).client(sim.url, bench.secret, reach=LOOPBACK)
        bench.client = client
        bench.befall(bench.write, list_only=True)
        jobs = [bench.submitted(bench.records(1, prefix=f"E{n}")) for n in range(5)]

        answer = client.poll([*jobs, "unheard-of", "../users"])

    assert [answer.readings[job].phase for job in jobs] == [JobPhase.ACTIVE] * 5
    assert answer.readings["unheard-of"].phase is JobPhase.GONE
    assert answer.readings["../users"].phase is JobPhase.GONE
    assert answer.requests == 6 + 3


@pytest.mark.parametrize("fault", [{"status": 502}, {"body": {"data": "?"}}], ids=str)
def test_a_job_is_not_gone_while_the_second_reader_cannot_say(fault: JsonObject) -> None:
    clock = ManualClock()
    with start(clock=clock, requests_per_minute=0) as sim:
        bench = DeclaredSunshineBench(sim, clock)
        bench.befall(bench.listing, **fault)

        answer = bench.client.poll(["unheard-of"])

    assert not answer.readings
    assert answer.problem


def test_a_job_of_no_records_or_too_many_is_not_sent() -> None:
    clock = ManualClock()
    with start(clock=clock) as sim:
        bench = DeclaredSunshineBench(sim, clock)

        answers = [bench.client.submit(bench.create, bench.records(n), "t") for n in (0, 101)]

        assert all(isinstance(answer, Refused) for answer in answers)
        assert bench.client.requests_made == 0


@pytest.mark.parametrize("end", ["", "/", "/api/sunshine", "/api/sunshine/"])
def test_the_address_may_name_the_base_path(end: str) -> None:
    clock = ManualClock()
    with start(clock=clock) as sim:
        bench = DeclaredSunshineBench(sim, clock)
        client = bench.vendor.client(sim.url + end, bench.secret, reach=LOOPBACK)

        assert isinstance(client.submit(bench.create, bench.records(1), "t"), Accepted)


def test_a_lost_job_is_never_guessed() -> None:
    clock = ManualClock()
    with start(clock=clock) as sim:
        bench = DeclaredSunshineBench(sim, clock)
        lost = LostSubmission("t", clock.now(), bench.records(1))
        vendor = vendor_from(SHELF)
        client = vendor.client(sim.url, bench.secret, reach=LOOPBACK)

        found = client.find(vendor.operations["books.add"], lost, clock.now() + 60)

    assert (found.state, found.requests) == (FoundState.UNDECIDABLE, 0)
    assert found.reason
