"""Triggers: every shape of event that starts a run, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.steps.open_run import RunRequest
from jobferry.triggers import ResumeRequest, TriggerError, read_trigger, split_source

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
    ],
)
def test_what_an_event_asks_for(event: dict[str, Any], request_: object) -> None:
    assert read_trigger(event, INBOX) == request_


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"profile": "p"},
        {"source": "s3://b/k"},
        {"profile": "p", "source": "https://b/k"},
        upload("elsewhere/things/a.csv"),
        upload("inbox/a.csv"),
    ],
)
def test_what_names_no_file(event: dict[str, Any]) -> None:
    with pytest.raises(TriggerError):
        read_trigger(event, INBOX)


@given(st.from_regex(r"[a-z0-9.-]{3,20}", fullmatch=True), st.text(min_size=1, max_size=30))
def test_any_key_can_be_named(bucket: str, key: str) -> None:
    assert split_source(f"s3://{bucket}/{key}") == (bucket, key)
