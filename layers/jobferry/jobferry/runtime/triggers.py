"""The events that start a run, in all the shapes that AWS and people send."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobferry.domain.inbox import INBOX, MOST_KEY_BYTES, UNKNOWN, no_name, profile_of
from jobferry.domain.names import is_name, is_run_id
from jobferry.domain.run_request import FAIL, NOTHING_NEW, ResumeRequest, RunRequest
from jobferry.domain.who import SWEEP, name_of, schedule_named, uploader

_UPLOADED = "Object Created"
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")


class TriggerError(ValueError):
    """An input that names no file to carry. Its text says what an input must be."""


def read_trigger(event: object, inbox_bucket: str) -> RunRequest | ResumeRequest:
    """What an execution's input asks for.

    One of: EventBridge's `Object Created` of an upload below `inbox/`; a schedule's or a
    person's `{"profile", "source": "s3://bucket/key"[, "version_id"][, "scheduled_at"]}`, with
    the name of the `schedule` or of who asks (`by`), which is only shown; a source that ends with
    "/", or beside `"newest": true`, means the newest file below it, `fired_at` and `nothing_new`
    what a firing does that finds none; the sweep's `{"resume", "previous"}`.

    Returns:
        The request. One that names a file, but no profile that can be, is for the profile
        `unknown` and has a `problem`.

    Raises:
        TriggerError: none of these.
    """
    if not isinstance(event, Mapping):
        raise TriggerError('An input is a JSON object with "profile" and "source".')
    if event.get("detail-type") == _UPLOADED:
        return _upload(event)
    if "resume" in event:
        run_id, previous = event["resume"], event.get("previous")
        if not is_run_id(run_id) or not isinstance(previous, str):
            raise TriggerError('To go on, an input needs "resume" (a run) and "previous".')
        return ResumeRequest(run_id, previous)
    profile, source = event.get("profile"), event.get("source")
    if not isinstance(profile, str) or not isinstance(source, str):
        raise TriggerError('An input needs "profile" and "source" ("s3://bucket/key").')
    bucket, key = split_source(source)
    named = is_name(profile)
    return RunRequest(
        profile=profile if named else UNKNOWN,
        bucket=_bucket(bucket or inbox_bucket),
        key=_key(key),
        version_id=_text(event.get("version_id"), "version_id"),
        firing=_text(event.get("scheduled_at"), "scheduled_at"),
        problem=None if named else no_name(profile),
        by=name_of(event.get("by")) or schedule_named(event.get("schedule")),
        newest=key.endswith("/") or _is(event.get("newest"), (True, False), "newest") is True,
        fired_at=_text(event.get("fired_at"), "fired_at"),
        nothing_new=_is(event.get("nothing_new"), NOTHING_NEW, "nothing_new") or FAIL,
    )


def _upload(event: Mapping[str, Any]) -> RunRequest:
    try:
        detail = event["detail"]
        bucket, uploaded = detail["bucket"]["name"], detail["object"]
        key, version_id = uploaded["key"], uploaded.get("version-id")
        requester = detail.get("requester")
    except (KeyError, TypeError, AttributeError):
        raise TriggerError(f'An "{_UPLOADED}" event names a bucket and an object.') from None
    if not isinstance(key, str) or not key.startswith(INBOX):
        raise TriggerError(f"Only uploads below {INBOX} start runs.")
    return RunRequest(
        profile=profile_of(key),
        bucket=_bucket(bucket),
        key=_key(key),
        version_id=_text(version_id, "version-id"),
        uploader=uploader(requester),
    )


def _bucket(name: object) -> str:
    if not isinstance(name, str) or not _BUCKET.fullmatch(name):
        raise TriggerError("The bucket's name is none that a bucket can have.")
    return name


def _key(key: str) -> str:
    size = len(_encoded(key, "source"))
    if not 0 < size <= MOST_KEY_BYTES:
        raise TriggerError(f"The key of an object has 1 to {MOST_KEY_BYTES:,} bytes.")
    return key


def _text(value: object, name: str) -> str | None:
    """A text that may be left out."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise TriggerError(f'"{name}" must be a text that is not empty, or be left out.')
    _encoded(value, name)
    return value


def _is(value: Any, known: Sequence[Any], name: str) -> Any:
    """One of a few words that may be left out."""
    if value is None or any(value is each or value == each for each in known):
        return value
    raise TriggerError(f'"{name}" must be one of {json.dumps(list(known))}, or be left out.')


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise TriggerError(f'"{name}" holds half a character.') from None


def moment_of(time: object) -> float | None:
    """Epoch seconds of a time as Step Functions writes it; None where there is none."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None


def resume_input(run_id: str, previous: str) -> str:
    """The input of an execution that goes on with a run."""
    return json.dumps({"resume": run_id, "previous": previous})


def upload_input(request: RunRequest) -> str:
    """The input of an execution that opens a run for an upload whose event was lost.

    It is what the event would have been, in the name of the sweep: it does not know the uploader.
    """
    return json.dumps(
        {
            "detail-type": _UPLOADED,
            "detail": {
                "bucket": {"name": request.bucket},
                "object": {"key": request.key, "version-id": request.version_id},
                "requester": SWEEP,
            },
        }
    )


def split_source(source: str) -> tuple[str, str]:
    """(bucket, key) of `s3://bucket/key`."""
    if not source.startswith("s3://"):
        raise TriggerError("A source looks like s3://bucket/key.")
    bucket, _, key = source.removeprefix("s3://").partition("/")
    return bucket, key
