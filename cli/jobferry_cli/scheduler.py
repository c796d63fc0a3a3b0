"""Schedules of the stack in EventBridge Scheduler, all in one group of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler puts the moment of the firing in its place ("Context attributes")."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A file that is carried again and again.

    expression  `cron(…)` or `rate(…)`
    source      `s3://bucket/key`
    every_time  carry the file at every firing, even one that has not changed
    """

    name: str
    expression: str
    timezone: str
    profile: str
    source: str
    every_time: bool
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Schedules:
    """The stack's schedule group, and what its schedules start.

    target  the run state machine
    role    what a schedule assumes to start it
    queue   where a firing goes that could not
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
        return Schedule(
            name=name,
            expression=found["ScheduleExpression"],
            timezone=found.get("ScheduleExpressionTimezone", "UTC"),
            profile=processed.get("profile", ""),
            source=processed.get("source", ""),
            every_time="scheduled_at" in processed,
            enabled=found.get("State") != "DISABLED",
        )

    def all(self) -> Iterator[Schedule]:
        """Every schedule of the group, by name."""
        pages = self.client.get_paginator("list_schedules").paginate(GroupName=self.group)
        names = [entry["Name"] for page in pages for entry in page["Schedules"]]
        for name in sorted(names):
            found = self.get(name)
            if found is not None:
                yield found

    def delete(self, name: str) -> None:
        self.client.delete_schedule(Name=name, GroupName=self.group)


def _input_of(schedule: Schedule) -> dict[str, str]:
    """What the state machine is given (docs/triggers.md)."""
    document = {
        "profile": schedule.profile,
        "source": schedule.source,
        # The run says that it was started by this schedule.
        "schedule": schedule.name,
    }
    return {**document, "scheduled_at": SCHEDULED_TIME} if schedule.every_time else document
