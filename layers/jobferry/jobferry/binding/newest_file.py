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
    firing = request.firing or request.fired_at or execution
    return replace(request, newest=False, firing=firing)


def sent_before(request: RunRequest, earlier: Run, execution: str) -> bool:
    """Whether the run of a file was there before this firing, so that it has found nothing new.

    A run that began when the schedule had fired already is this firing's own, which was delivered
    twice, or is tried again.

    Args:
        earlier: the run that there is of the file.
        execution: that asks.
    """
    if request.firing is not None or request.fired_at is None:
        return False
    try:
        fired_at = datetime.fromisoformat(request.fired_at).timestamp()
    except ValueError:
        return False
    return earlier.execution != execution and earlier.started_at < fired_at
