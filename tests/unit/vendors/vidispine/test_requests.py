"""From a record to the query and the document that create its job."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Refused
from jobferry.vendors.vidispine.adapter import OPERATIONS
from jobferry.vendors.vidispine.requests import creation_query, encode

OPERATION = OPERATIONS["jobs.create"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEY = TEXT.filter(lambda key: key and "=" not in key and not key.startswith("jobferry"))
PARAMETERS = ("type", "priority", "notification", "notificationData", "jobmetadata")


def pairs_of(record: JsonObject, token: str = "t.1.1") -> list[tuple[str, str]]:
    query = creation_query(record, token)
    assert isinstance(query, str)
    assert query.isascii()
    assert "+" not in query
    return parse_qsl(query, keep_blank_values=True, strict_parsing=True)


def fields_of(record: JsonObject) -> dict[str, str]:
    document = json.loads(encode(OPERATION, [record]))
    return {field["key"]: field["value"] for field in document["field"]}


@given(TEXT, st.dictionaries(KEY, TEXT, max_size=3), TEXT)
def test_any_text_arrives_as_it_is(job_type: str, metadata: dict[str, str], token: str) -> None:
    record = {"type": job_type, "jobmetadata": metadata, "notificationData": token}

    assert pairs_of(record, token) == [
        ("type", job_type),
        ("notificationData", token),
        *(("jobmetadata", f"{key}={value}") for key, value in metadata.items()),
        ("jobmetadata", f"jobferry={token}"),
        ("jobmetadata", "jobferry-job=true"),
    ]


@given(st.dictionaries(TEXT.filter(lambda key: key not in PARAMETERS), TEXT, max_size=4))
def test_other_fields_make_the_document(fields: dict[str, str]) -> None:
    assert fields_of({"type": "IMPORT", "jobmetadata": {"a": "b"}} | fields) == fields


def test_values_become_texts_and_objects_dotted_keys() -> None:
    record = {
        "flag": True,
        "number": 7,
        "share": 0.5,
        "tags": ["a", 2, None, False],
        "deep": {"er": {"est": "x"}, "none": None},
        "none": None,
    }

    assert fields_of(record) == {
        "flag": "true",
        "number": "7",
        "share": "0.5",
        "tags": "a,2,false",
        "deep.er.est": "x",
    }


def test_without_records_the_document_is_empty() -> None:
    assert encode(OPERATION, []) == b'{"field":[]}'


def test_a_priority_may_be_written_small() -> None:
    assert ("priority", "HIGHEST") in pairs_of({"type": "IMPORT", "priority": "highest"})


def test_a_refusal_shows_no_cell() -> None:
    refused = creation_query({"type": "T", "jobmetadata": {"jobferry": "a secret"}}, "t")

    assert isinstance(refused, Refused)
    assert "secret" not in refused.message
