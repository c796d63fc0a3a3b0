"""Schedules of the stack in EventBridge Scheduler, all in one group of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobferry.domain.run_request import FAIL

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler puts the moment of the firing in its place ("Context attributes")."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A file that is run at set times.

    Attributes:
        expression: `cron(…)` or `rate(…)`
        source: `s3://bucket/key`, or what keys begin with
        every_time: run the file at every firing, even one that has not changed
        newest: the newest file below `source` is meant
        nothing_new: what a firing leaves that finds no new file there: `fail` or `ignore`
        put_at: when it was put last (epoch seconds); None: not known
    """

    name: str
    expression: str
    timezone: str
    profile: str
    source: str
    every_time: bool
    enabled: bool = True
    newest: bool = False
    nothing_new: str = FAIL
    put_at: float | None = None


@dataclass(frozen=True, slots=True)
class Schedules:
    """The stack's schedule group, and what its schedules start.

    Attributes:
        target: the run state machine
        role: what a schedule assumes to start it
        queue: where a firing goes that could not
    """

    client: EventBridgeSchedulerClient
    group: str
    target: str
    role: str
    queue: str

    def put(self, schedule: Schedule) -> None:
        """Make a schedule, or replace the one of this name."""
        request: Any = {
            "Name": schedule.name,
            "GroupName": self.group,
            "ScheduleExpression": schedule.expression,
            "ScheduleExpressionTimezone": schedule.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": self.target,
                "RoleArn": self.role,
                "DeadLetterConfig": {"Arn": self.queue},
                "Input": json.dumps(_input_of(schedule)),
            },
        }
        try:
            self.client.create_schedule(**request)
        except ClientError as error:
            if error.response["Error"].get("Code") != "ConflictException":
                raise
            self.client.update_schedule(**request)

    def get(self, name: str) -> Schedule | None:
        """The schedule of this name; None when there is none."""
        try:
            found = self.client.get_schedule(Name=name, GroupName=self.group)
        except ClientError as error:
            if error.response["Error"].get("Code") == "ResourceNotFoundException":
                return None
            raise
        processed = json.loads(found["Target"].get("Input", "{}"))
        source = processed.get("source", "")
        put_at = found.get("LastModificationDate") or found.get("CreationDate")
        return Schedule(
            name=name,
            expression=found["ScheduleExpression"],
            timezone=found.get("ScheduleExpressionTimezone", "UTC"),
            profile=processed.get("profile", ""),
            source=source,
            every_time="scheduled_at" in processed,
            enabled=found.get("State") != "DISABLED",
            newest=source.endswith("/") or processed.get("newest") is True,
            nothing_new=processed.get("nothing_new", FAIL),
            put_at=put_at.timestamp() if put_at else None,
        )

    def all(self) -> Iterator[Schedule]:
        """Every schedule of the group, by name."""
        pages = self.client.get_paginator("list_schedules").paginate(GroupName=self.group)
        names = [entry["Name"] for page in pages for entry in page["Schedules"]]
        for name in sorted(names):
            found = self.get(name)
            if found is not None:
                yield found

    def switch(self, name: str, *, on: bool) -> None:
        """Let a schedule fire, or not. All the rest of it stays as it is."""
        found: Any = self.client.get_schedule(Name=name, GroupName=self.group)
        kept = {key: found[key] for key in _SETTINGS if found.get(key) is not None}
        self.client.update_schedule(**kept, State="ENABLED" if on else "DISABLED")

    def delete(self, name: str) -> None:
        self.client.delete_schedule(Name=name, GroupName=self.group)


_SETTINGS = (
    "Name",
    "GroupName",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "FlexibleTimeWindow",
    "StartDate",
    "EndDate",
    "Description",
    "KmsKeyArn",
    "ActionAfterCompletion",
    "Target",
)
"""What an update must say again: whatever it leaves out goes back to its default."""


def _input_of(schedule: Schedule) -> dict[str, Any]:
    """What the state machine is given (docs/triggers.md)."""
    document: dict[str, Any] = {
        "profile": schedule.profile,
        "source": schedule.source,
        # The run says that it was started by this schedule.
        "schedule": schedule.name,
    }
    if schedule.newest:
        # So that a firing that finds nothing new is told from one that is delivered twice.
        document |= {"newest": True, "fired_at": SCHEDULED_TIME}
    if schedule.nothing_new != FAIL:
        document["nothing_new"] = schedule.nothing_new
    return {**document, "scheduled_at": SCHEDULED_TIME} if schedule.every_time else document
