"""The events that start a run, in all the shapes that AWS and people send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from jobferry.steps.open_run import RunRequest

INBOX = "inbox/"


class TriggerError(ValueError):
    """An input that names no file to carry."""


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Carry on a run; `previous` is the execution that was carrying it."""

    run_id: str
    previous: str


def read_trigger(event: Mapping[str, Any], inbox_bucket: str) -> RunRequest | ResumeRequest:
    """What an execution's input asks for.

    One of: EventBridge's `Object Created` of an upload to `inbox/<profile>/`; a schedule's or a
    person's `{"profile", "source": "s3://bucket/key"[, "version_id"][, "scheduled_at"]}`;
    the sweep's `{"resume", "previous"}`.

    Raises:
        TriggerError: none of these.
    """
    if event.get("detail-type") == "Object Created":
        detail = event["detail"]
        key = detail["object"]["key"]
        return RunRequest(
            profile=profile_of(key),
            bucket=detail["bucket"]["name"],
            key=key,
            version_id=detail["object"].get("version-id"),
        )
    if "resume" in event:
        return ResumeRequest(event["resume"], event["previous"])
    if "profile" not in event or "source" not in event:
        raise TriggerError('An input needs "profile" and "source" ("s3://bucket/key").')
    bucket, key = split_source(event["source"])
    return RunRequest(
        profile=event["profile"],
        bucket=bucket or inbox_bucket,
        key=key,
        version_id=event.get("version_id"),
        firing=event.get("scheduled_at"),
    )


def moment_of(time: object) -> float | None:
    """Epoch seconds of a time as Step Functions writes it; None where there is none."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None


def resume_input(run_id: str, previous: str) -> str:
    """The input of an execution that carries a run on."""
    return json.dumps({"resume": run_id, "previous": previous})


def request_input(request: RunRequest) -> str:
    """The input of an execution that opens a run for a file."""
    return json.dumps(
        {
            "profile": request.profile,
            "source": f"s3://{request.bucket}/{request.key}",
            "version_id": request.version_id,
        }
    )


def profile_of(key: str) -> str:
    """The profile that an upload's key names: `inbox/<profile>/….csv`."""
    parts = key.split("/")
    if not key.startswith(INBOX) or len(parts) < 3:
        raise TriggerError(f"{key} does not lie in inbox/<profile>/.")
    return parts[1]


def split_source(source: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`."""
    if not source.startswith("s3://"):
        raise TriggerError("A source looks like s3://bucket/key.")
    parts = urlsplit(source, allow_fragments=False)
    key = source[len("s3://") + len(parts.netloc) + 1 :]
    return parts.netloc, key
