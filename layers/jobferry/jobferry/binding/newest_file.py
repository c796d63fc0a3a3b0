"""The newest file below a prefix: what a schedule sends that names a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from jobferry.domain.inbox import suffix_of
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.store.objects import Objects, Stored

MOST_LISTED = 10_000
"""Objects below a prefix that are looked at. S3 lists them by name, and not by age."""

DELIVERED_WITHIN = 60.0
"""Seconds after which a firing that names no moment is taken for another one."""


class NoFileError(Exception):
    """There is no newest file below a prefix. Its text says why, and what to do."""


def newest_of(found: Iterable[Stored], where: str) -> Stored:
    """The file that was stored last; of several stored in one second the last by name.

    Args:
        where: the prefix, as people write it.

    Raises:
        NoFileError: no object is a file that can be processed, or there are too many to tell.
    """
    newest: Stored | None = None
    for number, each in enumerate(found, 1):
        if number > MOST_LISTED:
            raise NoFileError(
                f"More than {MOST_LISTED:,} objects lie below {where}, so that nobody can tell the "
                "newest in time. Move old ones away, or name a longer prefix."
            )
        if suffix_of(each.key) is None:
            continue
        if newest is None or (newest.stored_at, newest.key) < (each.stored_at, each.key):
            newest = each
    if newest is None:
        raise NoFileError(
            f"There is no .csv, .tsv, .csv.gz or .tsv.gz below {where}. "
            "Whatever makes the file has not put it there, or has put it elsewhere."
        )
    return newest


def newest_below(bucket: str, prefix: str, objects: Objects) -> Stored:
    """The newest file below a prefix of a bucket.

    Raises:
        NoFileError: there is none.
        DeniedError: S3 does not let us list it.
    """
    return newest_of(objects.stored(bucket, prefix), f"s3://{bucket}/{prefix}")


def of_file(request: RunRequest, file: Stored) -> RunRequest:
    """What is asked for, of this very file."""
    return replace(request, key=file.key, version_id=None, newest=False)


def of_nothing(request: RunRequest, execution: str) -> RunRequest:
    """The request of a firing that found nothing: a run of its own, however often it is delivered.

    Args:
        execution: tells firings apart whose input does not say when they were.
    """
    fired_at = request.fired_at if _moment(request.fired_at) is not None else None
    firing = request.firing or fired_at or execution
    return replace(request, newest=False, firing=firing)


def sent_before(request: RunRequest, earlier: Run, execution: str, asked_at: float) -> bool:
    """Whether the run of a file was there before this firing, so that it has found nothing new.

    A run that began when the schedule had fired already is this firing's own, which was delivered
    twice, or is tried again.

    Args:
        earlier: the run that there is of the file.
        execution: that asks.
        asked_at: when it began (epoch seconds), for a firing that does not say when it was.
    """
    if request.firing is not None or earlier.execution == execution:
        return False
    fired_at = _moment(request.fired_at)
    return earlier.started_at < (asked_at - DELIVERED_WITHIN if fired_at is None else fired_at)


def _moment(text: str | None) -> float | None:
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
