"""JSON, XML and plain text say the same, and nothing else is taken for an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.http.client import Answer, NoAnswer
from jobferry.vendors.vidispine.answers import document_of, job_of, objects, problem_of
from vendorsim.vidispine.documents import to_xml


def answer(body: bytes | str, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, body.encode() if isinstance(body, str) else body)


TEXT = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)
NAME = st.sampled_from(["jobId", "status", "data", "log", "task", "key", "value"])
DOCUMENT = st.recursive(
    TEXT,
    lambda inner: st.dictionaries(
        NAME, inner | st.lists(inner, min_size=2, max_size=3), min_size=1
    ),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(DOCUMENT)
def test_xml_reads_as_the_json_of_the_same_document(document: JsonObject) -> None:
    in_xml = document_of(answer(to_xml("JobDocument", document)))

    assert in_xml == document == document_of(answer(json.dumps(document)))


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda junk: b"<a>" + junk))
def test_no_body_is_too_strange(body: bytes) -> None:
    given = answer(body)

    assert document_of(given) is None or isinstance(document_of(given), dict)
    job = job_of(given, "VX-1")
    assert job is None or job["jobId"] == "VX-1"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "finished",
        "FINISHED soon",
        "<html><body>FINISHED</body></html>",
        '<!DOCTYPE a [<!ENTITY b "c">]><JobDocument><jobId>VX-1</jobId></JobDocument>',
        "<JobDocument><jobId>VX-1</jobId>",
        '{"jobId": "VX-2", "status": "FINISHED"}',
        "<JobDocument><jobId>VX-2</jobId></JobDocument>",
    ],
)
def test_what_is_no_answer_about_the_job(body: str) -> None:
    assert job_of(answer(body), "VX-1") is None
    assert job_of(NoAnswer(sent=True, reason="broken"), "VX-1") is None


def test_plain_text_is_the_state() -> None:
    assert job_of(answer("FINISHED_WARNING\r\n"), "VX-1") == {
        "jobId": "VX-1",
        "status": "FINISHED_WARNING",
    }


def test_a_list_of_one_may_be_the_one() -> None:
    assert objects([{"a": 1}]) == objects({"a": 1}) == [{"a": 1}]
    assert objects(None) == objects("text") == objects([1, "x"]) == []


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"type": "Job", "id": "VX-1", "context": None}, "There is no such thing: Job VX-1"),
        ({"explanation": "Gone", "value": "VX-1"}, "Gone: VX-1"),
        ({}, "There is no such thing"),
        ("gone", "gone"),
    ],
)
def test_an_error_document_is_put_into_words(details: object, message: str) -> None:
    body = json.dumps({"invalidInput": None, "notFound": details, "forbidden": None})

    assert problem_of(answer(body, 404)) == Refused(
        "notFound", message, RefusalScope.CHUNK, http_status=404
    )


def test_what_was_not_sent_may_be_sent_later() -> None:
    assert problem_of(NoAnswer(sent=False, reason="no route")) == Throttled(
        ThrottleReason.UNREACHABLE
    )
    assert problem_of(NoAnswer(sent=True, reason="no answer")) == Ambiguous("no answer")


def test_the_vendors_patience_is_kept() -> None:
    assert problem_of(answer("", 503, **{"retry-after": "9"})) == Ambiguous(
        "the vendor answered with HTTP 503", 9.0
    )
