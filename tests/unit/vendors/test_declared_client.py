"""What a document may ask of its client besides the plain submit and poll."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState, JobPhase, Throttled
from jobferry.vendors.declarative import client as client_module
from jobferry.vendors.declarative.adapter import headers_of, vendor_from
from jobferry.vendors.declarative.client import DeclaredClient
from jobferry.vendors.declarative.document import KeyHeader
from jobferry.vendors.declarative.loading import read_document
from jobferry.vendors.declarative.validation import validate
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from jobferry.vendors.lost_submission import JobIds, LostSubmission
from tests.contract.documents.bench import FOLDER, read

PRESS = read(FOLDER / "press.yaml")
SENT_AT = 1_767_225_600.0
TOKEN = "run.1.1"


class Site(HttpClient):
    """Answers by path; what is not there is unknown.

    bodies  the body of each request that had one
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._base_url = "https://press.example"
        self.requests_made = 0
        self.asked: list[str] = []
        self.bodies: list[JsonObject] = []
        self._answers = answers

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        self.requests_made += 1
        self.asked.append(path)
        if body is not None:
            self.bodies.append(json.loads(body))
        answer = self._answers.get(path, 404)
        if isinstance(answer, Answer):
            return answer
        if isinstance(answer, int):
            return Answer(answer, {}, b"{}")
        return Answer(200, {}, json.dumps(answer).encode())


def client_of(site: Site, document: JsonObject = PRESS) -> DeclaredClient:
    return DeclaredClient(site, read_document(document))


def without(document: JsonObject, section: str, **changes: Any) -> JsonObject:
    """A document with keys of a section changed; None takes one away."""
    changed = deepcopy(document)
    for key, value in changes.items():
        if value is None:
            changed[section].pop(key, None)
        else:
            changed[section][key] = value
    return validate(changed)


def ended(url: object) -> JsonObject:
    return {"number": "J1", "state": "printed", "links": {"labels": url}}


def statuses(document: JsonObject, raw: JsonObject | None, count: int) -> list[str]:
    vendor = vendor_from(document)
    operation = next(iter(vendor.operations.values()))
    results = vendor.read_results(operation, raw or {}, count, lambda: [{}] * count)
    return [result.status.value for result in results]


class TestResultsApart:
    @pytest.mark.parametrize(
        "url",
        ["/r/1?x=2", "https://press.example/r/1?x=2", "HTTPS://Press.Example:443/r/1?x=2"],
    )
    def test_they_are_read_from_the_address_that_the_job_names(self, url: str) -> None:
        lines = [{"number": "L1", "status": "ok"}, {"error": {"code": "jam"}}]
        site = Site({"/api/orders/J1": ended(url), "/r/1?x=2": {"labels": lines}})

        reading = client_of(site).poll(["J1"]).readings["J1"]

        assert reading.phase is JobPhase.ENDED
        assert site.asked == ["/api/orders/J1", "/r/1?x=2"]
        assert statuses(PRESS, reading.raw, 2) == ["succeeded", "failed"]

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/r/1",
            "//evil.example/r/1",
            "https://press.example.evil.example/r/1",
            "https://press.example@evil.example/r/1",
            "https://press.example:8443/r/1",
            "http://press.example/r/1",
            "http://press.example:443/r/1",
            "https://press.example",
            "https://[/r/1",
            "https://press.example:x/r/1",
            "/r/1#x",
            "/\\evil.example/r/1",
            "r/1",
            "/r/1 HTTP/1.1\r\nHost: evil.example",
            7,
            None,
        ],
    )
    def test_no_other_host_is_ever_asked(self, url: object) -> None:
        site = Site({"/api/orders/J1": ended(url)})

        reading = client_of(site).poll(["J1"]).readings["J1"]

        assert site.asked == ["/api/orders/J1"]
        assert reading.phase is JobPhase.ENDED
        assert statuses(PRESS, reading.raw, 2) == ["unknown", "unknown"]

    def test_pages_are_read_to_the_last(self) -> None:
        pages = {
            "/r/1": {"labels": [{"number": "L1", "status": "ok"}], "more": "https://e.x/?p=2"},
            "/r/1?p=2": {"labels": [{"number": "L2", "status": "ok"}]},
        }
        site = Site({"/api/orders/J1": ended("/r/1"), **pages})

        reading = client_of(site).poll(["J1"]).readings["J1"]

        assert site.asked[1:] == ["/r/1", "/r/1?p=2"]
        assert statuses(PRESS, reading.raw, 2) == ["succeeded", "succeeded"]

    @pytest.mark.parametrize("answer", [502, 404, Answer(200, {}, b"<html>")])
    def test_a_job_has_not_ended_while_they_cannot_be_read(self, answer: Any) -> None:
        site = Site({"/api/orders/J1": ended("/r/1"), "/r/1": answer})

        polled = client_of(site).poll(["J1"])

        assert not polled.readings
        assert polled.problem

    def test_all_pages_together_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100)
        page = {"labels": [{"number": "L" * 40}], "more": "?p=2"}
        site = Site({"/api/orders/J1": ended("/r/1"), "/r/1": page, "/r/1?p=2": page})

        assert not client_of(site).poll(["J1"]).readings
        assert len(site.asked) == 3

    def test_they_may_have_a_path_of_their_own(self) -> None:
        document = without(PRESS, "results", url=None, path="/orders/{id}/labels")
        lines = {"labels": [{"number": "L1", "status": "ok"}]}
        site = Site({"/api/orders/J1": ended(None), "/api/orders/J1/labels": lines})

        reading = client_of(site, document).poll(["J1"]).readings["J1"]

        assert statuses(document, reading.raw, 1) == ["succeeded"]


def test_a_job_may_be_its_own_only_result() -> None:
    document = deepcopy(PRESS)
    document["poll"] = {"path": "/orders/{id}", "status": "state", "ended": ["printed", "jammed"]}
    document["results"] = {
        "rows": "[@]",
        "succeeded": "state == 'printed'",
        "failed": "state == 'jammed'",
        "id": "label",
    }
    del document["search"]
    document["limits"]["max_records"] = 1
    document = validate(document)
    site = Site(
        {"/api/orders/J1": {"state": "printed", "label": 7}, "/api/orders/J2": {"state": "x"}}
    )

    readings = client_of(site, document).poll(["J1", "J2", "J3"]).readings

    assert [readings[each].phase for each in ("J1", "J2", "J3")] == [
        JobPhase.ENDED,
        JobPhase.ACTIVE,
        JobPhase.GONE,
    ]
    assert statuses(document, readings["J1"].raw, 1) == ["succeeded"]


@pytest.mark.parametrize(
    ("headers", "said", "seconds", "absurd"),
    [
        ({}, 30, 30.0, False),
        ({}, "30", 30.0, False),
        ({"retry-after": "5"}, 30, 5.0, False),
        ({}, None, None, False),
        ({}, "soon", None, False),
        ({}, -1, 0.0, False),
        ({}, 10**9, None, True),
    ],
)
def test_a_wait_may_stand_in_the_body(
    headers: dict[str, str], said: object, seconds: float | None, absurd: bool
) -> None:
    body = json.dumps({"errors": [{"code": "slow", "text": "x", "seconds": said}]}).encode()
    vendor = vendor_from(PRESS)
    site = Site({"/api/orders": Answer(429, headers, body)})

    answer = client_of(site).submit(vendor.operations["labels.print"], [{"address": "a"}], TOKEN)

    assert isinstance(answer, Throttled)
    assert (answer.retry_after, answer.absurd_hint) == (seconds, absurd)


def test_a_key_goes_into_its_header_and_other_credentials_into_theirs() -> None:
    header = KeyHeader("X-Api-Key", "Key ")

    assert headers_of({"api_key": "k"}, header) == {"X-Api-Key": "Key k"}
    assert headers_of({"bearer": "b"}, header) == {"Authorization": "Bearer b"}


def test_the_token_goes_with_the_submission_and_weighs_nothing_more_than_planned() -> None:
    vendor = vendor_from(PRESS)
    operation = vendor.operations["labels.print"]
    site = Site({"/api/orders": {"order": {"number": "J1"}}})

    client_of(site).submit(operation, [{"address": "a"}], TOKEN)

    assert site.bodies == [{"kind": "print", "reference": TOKEN, "labels": [{"address": "a"}]}]
    assert len(vendor.encode(operation, [{"address": "a"}])) > len(json.dumps(site.bodies[0]))


# Searching


def found(
    site: Site, document: JsonObject = PRESS, records: list[JsonObject] | None = None
) -> FoundState:
    operation = next(iter(vendor_from(document).operations.values()))
    lost = LostSubmission(
        TOKEN, SENT_AT, records or [{"address": "a"}], JobIds(frozenset({"KNOWN"}))
    )
    return client_of(site, document).find(operation, lost, SENT_AT + 120).state


def listed(*jobs: JsonObject) -> Site:
    return Site({"/api/orders?size=500": {"orders": list(jobs)}})


def order(**fields: Any) -> JsonObject:
    return {"number": "J1", "state": "printed", "ordered_at": "2026-01-01T00:00:01Z", **fields}


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (order(reference=TOKEN), FoundState.FOUND),
        (order(reference=TOKEN, state="printing"), FoundState.FOUND),
        (order(reference="run.11.1"), FoundState.ABSENT),
        (order(), FoundState.UNDECIDABLE),
        (order(state="printing"), FoundState.PENDING),
        (order(state="cancelled"), FoundState.ABSENT),
        (order(number="KNOWN"), FoundState.ABSENT),
        (order(number="../x"), FoundState.UNDECIDABLE),
        (order(ordered_at="2025-12-31T00:00:00Z"), FoundState.ABSENT),
        (order(ordered_at="lately"), FoundState.UNDECIDABLE),
    ],
)
def test_a_job_is_found_by_its_token(job: JsonObject, state: FoundState) -> None:
    assert found(listed(job)) is state


def test_absence_needs_a_list_that_is_complete() -> None:
    assert found(listed()) is FoundState.ABSENT
    document = without(PRESS, "search", complete=None)
    assert found(listed(), document) is FoundState.UNDECIDABLE


def test_absence_needs_a_list_that_goes_back_so_far() -> None:
    document = without(PRESS, "search", kept_seconds=60)

    assert found(listed(), document) is FoundState.UNDECIDABLE


def test_the_vendor_may_search_by_the_token() -> None:
    document = without(PRESS, "search", path="/orders?reference={token}", jobs="orders")
    site = Site({"/api/orders?reference=run.1.1": {"orders": [order(reference=TOKEN)]}})

    assert found(site, document) is FoundState.FOUND
    # One that shows others does not search by it.
    site = Site({"/api/orders?reference=run.1.1": {"orders": [order()]}})
    assert found(site, document) is FoundState.UNDECIDABLE


LOOK_UP = {
    "path": "/labels?size={size}&refs={ids}",
    "records": "labels",
    "field": "external_id",
    "batch": 2,
    "created": "at",
}
SENT: list[JsonObject] = [{"external_id": f"e{n}", "size": "A 4"} for n in range(3)]
NEW = {"external_id": "e2", "at": "2026-01-01T00:00:02Z"}
OLD = {"external_id": "e2", "at": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ({"labels": []}, {"labels": []}, FoundState.ABSENT),
        ({"labels": []}, {"labels": [OLD]}, FoundState.ABSENT),
        ({"labels": []}, {"labels": [NEW]}, FoundState.PENDING),
        ({"labels": []}, {"labels": [{"external_id": "e2"}]}, FoundState.PENDING),
        ({"labels": []}, 502, FoundState.PENDING),
        ({"labels": []}, {}, FoundState.PENDING),
        # Not asked for what we wanted to know, or not allowed: the list of jobs is the proof.
        ({"labels": [{"external_id": "z"}]}, {"labels": []}, FoundState.ABSENT),
        (403, {"labels": []}, FoundState.ABSENT),
    ],
)
def test_records_are_looked_up_in_parts(first: Any, second: Any, state: FoundState) -> None:
    document = without(PRESS, "search", look_up=LOOK_UP)
    site = Site(
        {
            "/api/orders?size=500": {"orders": []},
            "/api/labels?size=A%204&refs=e0,e1": first,
            "/api/labels?size=A%204&refs=e2": second,
        }
    )

    assert found(site, document, SENT) is state


@pytest.mark.parametrize("identity", ["", "a,b"])
def test_a_record_that_cannot_be_asked_for_leaves_doubt(identity: str) -> None:
    document = without(PRESS, "search", look_up={**LOOK_UP, "path": "/labels?refs={ids}"})
    site = Site({"/api/orders?size=500": {"orders": [order()]}})

    assert found(site, document, [{"external_id": identity}]) is FoundState.UNDECIDABLE
