"""Triggers: every shape of event that starts a run, and what is none."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.run_request import ResumeRequest, RunRequest
from jobferry.runtime.triggers import TriggerError, read_trigger, split_source, upload_input

INBOX = "inbox-bucket"


def upload(key: str, **more: str) -> dict[str, Any]:
    return {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": "other-bucket"}, "object": {"key": key, **more}},
    }


@pytest.mark.parametrize(
    ("event", "request_"),
    [
        (
            upload("inbox/things/a b+ü.csv", **{"version-id": "v1"}),
            RunRequest("things", "other-bucket", "inbox/things/a b+ü.csv", "v1"),
        ),
        (
            upload("inbox/things/2026/01/a.csv"),
            RunRequest("things", "other-bucket", "inbox/things/2026/01/a.csv"),
        ),
        (
            {"profile": "p", "source": "s3://b/k/e/y.csv", "scheduled_at": "2026-01-01T06:00:00Z"},
            RunRequest("p", "b", "k/e/y.csv", firing="2026-01-01T06:00:00Z"),
        ),
        (
            {"profile": "p", "source": "s3://b/k.csv", "version_id": "v7"},
            RunRequest("p", "b", "k.csv", "v7"),
        ),
        ({"profile": "p", "source": "s3:///k.csv"}, RunRequest("p", INBOX, "k.csv")),
        ({"resume": "run-1", "previous": "arn"}, ResumeRequest("run-1", "arn")),
        (upload("inbox/a.csv"), RunRequest("unknown", "other-bucket", "inbox/a.csv")),
        (upload("inbox/../a.csv"), RunRequest("unknown", "other-bucket", "inbox/../a.csv")),
        (upload("inbox/things/"), RunRequest("things", "other-bucket", "inbox/things/")),
    ],
)
def test_what_an_event_asks_for(event: dict[str, Any], request_: object) -> None:
    assert read_trigger(event, INBOX) == request_


@pytest.mark.parametrize("profile", ["a/../../x", "", "my things", "x" * 49, "\ud83d", "a\0"])
def test_a_profile_that_is_no_name_is_refused_with_the_file(profile: str) -> None:
    request = read_trigger({"profile": profile, "source": "s3://b/k.csv"}, INBOX)
    assert isinstance(request, RunRequest)
    assert request.profile == "unknown"
    assert "is no profile's name" in (request.problem or "")
    (request.problem or "").encode()


SOURCE = {"profile": "p", "source": "s3://b/k"}
UPLOAD = {"detail-type": "Object Created"}


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "profile",
        7,
        {},
        {"profile": "p"},
        {"source": "s3://b/k"},
        {"profile": "p", "source": "https://b/k"},
        {"profile": ["x"], "source": "s3://b/k"},
        {"profile": "p", "source": ["s3://b/k"]},
        {"profile": None, "source": None},
        {"profile": "p", "source": "s3://b"},
        {"profile": "p", "source": "s3://b/"},
        {"profile": "p", "source": "s3://[b/k"},
        {"profile": "p", "source": "s3://b/" + "k" * 1_025},
        {"profile": "p", "source": "s3://b/" + "ä" * 513},
        {"profile": "p", "source": "s3://b/\ud83d"},
        {**SOURCE, "version_id": ""},
        {**SOURCE, "version_id": 7},
        {**SOURCE, "scheduled_at": ["2026"]},
        {**SOURCE, "scheduled_at": "\udc00"},
        {"resume": "r"},
        {"resume": "r", "previous": None},
        {"resume": ["r"], "previous": "arn"},
        {"resume": "a/../b", "previous": "arn"},
        {"resume": "r" * 3_000, "previous": "arn"},
        upload("elsewhere/things/a.csv"),
        UPLOAD,
        {**UPLOAD, "detail": None},
        {**UPLOAD, "detail": {"bucket": "b", "object": {"key": "inbox/p/a.csv"}}},
        {**UPLOAD, "detail": {"bucket": {"name": "b"}, "object": "inbox/p/a.csv"}},
        {**UPLOAD, "detail": {"bucket": {"name": 7}, "object": {"key": "inbox/p/a.csv"}}},
        {**UPLOAD, "detail": {"bucket": {"name": "b"}, "object": {"key": ["inbox/p/a.csv"]}}},
        upload("inbox/things/a.csv", **{"version-id": ""}),
    ],
)
def test_what_names_no_file(event: object) -> None:
    with pytest.raises(TriggerError):
        read_trigger(event, INBOX)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
WORDS = ("profile", "source", "version_id", "scheduled_at", "resume", "previous", "detail")


@given(st.dictionaries(st.sampled_from(WORDS), JSON | st.just("s3://b/k")), st.booleans())
def test_no_input_breaks_the_reader(event: dict[str, Any], uploaded: bool) -> None:
    with suppress(TriggerError):
        found = read_trigger({**event, **(UPLOAD if uploaded else {})}, INBOX)
        assert isinstance(found, RunRequest | ResumeRequest)


@given(st.text(min_size=1, max_size=60).map("inbox/".__add__))
def test_the_sweep_asks_for_what_the_event_would_have_asked_for(key: str) -> None:
    asked = read_trigger(upload(key, **{"version-id": "v1"}), INBOX)
    assert isinstance(asked, RunRequest)
    found = read_trigger(json.loads(upload_input(asked)), INBOX)
    assert found == replace(asked, uploader="sweep")


@given(st.from_regex(r"[a-z0-9.-]{3,20}", fullmatch=True), st.text(min_size=1, max_size=30))
def test_any_key_can_be_named(bucket: str, key: str) -> None:
    assert split_source(f"s3://{bucket}/{key}") == (bucket, key)
