"""A schedule as it stands: when it fires, what it has started, and what keeps it from working."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from jobferry.binding.newest_file import NoFileError, newest_below
from jobferry.domain.inbox import INBOX, suffix_of
from jobferry.domain.run import Run
from jobferry.domain.timestamps import timestamp
from jobferry.domain.who import schedule_named
from jobferry.operator.firings import ExpressionError, Firings, firings
from jobferry.store.objects import DeniedError, ObjectMissingError
from jobferry_cli.scheduler import Schedule
from jobferry_cli.stack import Stack

RUNS_SEARCHED = 500
"""The newest runs, among which those that schedules have started are looked for."""

_ASLEEP = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that give nothing back until it is asked for, hours before."""


def firings_of(schedule: Schedule, now: float) -> Firings:
    """When it fires; nothing is known of an expression that only AWS can read."""
    try:
        found = firings(schedule.expression, schedule.timezone, now, schedule.put_at)
    except ExpressionError:
        return Firings()
    return found if schedule.enabled else Firings(last=found.last)


def schedule_document(schedule: Schedule, now: float, last_run: Run | None) -> dict[str, Any]:
    """A schedule as scripts read it."""
    fires = firings_of(schedule, now)
    return {
        "name": schedule.name,
        "expression": schedule.expression,
        "timezone": schedule.timezone,
        "profile": schedule.profile,
        "source": schedule.source,
        "newest": schedule.newest,
        "nothing_new": schedule.nothing_new,
        "every_time": schedule.every_time,
        "enabled": schedule.enabled,
        "next_firing": None if fires.next is None else timestamp(fires.next),
        "last_firing": None if fires.last is None else timestamp(fires.last),
        "last_run": None if last_run is None else last_run.run_id,
    }


def last_runs(stack: Stack, names: Iterable[str]) -> dict[str, Run]:
    """The newest run of each schedule, as far as it is among the newest of the stack."""
    wanted = {schedule_named(name): name for name in names}
    found: dict[str, Run] = {}
    for _, run in islice(stack.deps.store.runs.newest(limit=RUNS_SEARCHED), RUNS_SEARCHED):
        name = wanted.get(run.by.get("started"))
        if name is not None:
            found.setdefault(name, run)
    return found


def doubts(stack: Stack, schedule: Schedule, bucket: str, key: str) -> list[str]:
    """What keeps a schedule from doing what was meant, as far as it can be seen now.

    Args:
        key: of the file, or what keys begin with.
    """
    found = _of_source(stack, schedule, bucket, key)
    if key.startswith(INBOX):
        found.append(
            f"Files below {INBOX} start a run when they are put there. Put what a schedule sends "
            "elsewhere, such as below scheduled/."
        )
    try:
        fires = firings(schedule.expression, schedule.timezone, stack.deps.now(), stack.deps.now())
    except ExpressionError as error:
        return [*found, f"When it fires is not known: {error}."]
    return found if fires.next is not None else [*found, "It never fires: no such moment comes."]


def _of_source(stack: Stack, schedule: Schedule, bucket: str, key: str) -> list[str]:
    where = schedule.source
    try:
        if schedule.newest:
            key = newest_below(bucket, key, stack.deps.objects).key
        else:
            stack.deps.objects.head(bucket, key, None)
    except NoFileError as error:
        return [str(error)]
    except ObjectMissingError:
        return [f"There is no file {where} yet; until it is there, every run of it fails."]
    except DeniedError:
        return [f"Whether there is a file {where} is not known: you may not see it."]
    found = [] if suffix_of(key) else [f"{key} is named neither .csv, .tsv, .csv.gz nor .tsv.gz."]
    return [*found, *_unreadable(stack, key)]


def _unreadable(stack: Stack, key: str) -> list[str]:
    """Why the stack's functions cannot read a file of the inbox that is there."""
    try:
        found: Any = stack.inbox.client.head_object(Bucket=stack.inbox.bucket, Key=key)
    except ClientError:
        return []
    reasons = []
    if found.get("StorageClass") in _ASLEEP and 'ongoing-request="false"' not in str(
        found.get("Restore")
    ):
        reasons.append(
            f"{key} is archived ({found['StorageClass']}); restore it before it is sent."
        )
    its_key = found.get("SSEKMSKeyId")
    if its_key and its_key != stack.secrets.kms_key:
        reasons.append(
            f"{key} is encrypted with {its_key}: unless that is AWS's own key of S3, the stack's "
            "functions may not read the file."
        )
    return reasons
