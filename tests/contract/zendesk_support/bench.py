"""How to make the simulated Zendesk Support behave as a scenario of the adapter kit wants."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.conformance.bench import Bench

_EMAIL_AND_TOKEN = ("agent@example.com", "sim-token")


def _error(status: int, error: Any, description: str = "") -> JsonObject:
    return {"status": status, "body": {"error": error, "description": description}}


class ZendeskBench(Bench):
    """A client of the adapter and the simulator that it talks to."""

    title: ClassVar[str] = "Zendesk Support"
    vendor: ClassVar[Vendor] = ZENDESK_SUPPORT
    credentials: ClassVar[Mapping[str, str]] = dict(
        zip(("email", "token"), _EMAIL_AND_TOKEN, strict=True)
    )
    wrong_credentials: ClassVar[Mapping[str, str]] = {"bearer": "not-the-token"}
    secrets: ClassVar[tuple[str, ...]] = (
        "sim-token",
        "not-the-token",
        base64.b64encode("{}/token:{}".format(*_EMAIL_AND_TOKEN).encode()).decode(),
    )

    create: ClassVar[Operation] = ZENDESK_SUPPORT.operations["tickets.create"]

    write: ClassVar[JsonObject] = {"method": "POST", "path": "tickets/create_many$"}
    readers: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses"}
    by_id: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses/"}
    listing: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses$"}
    look_up: ClassVar[JsonObject] = {"method": "GET", "path": "tickets/show_many$"}
    changes: ClassVar[Operation | None] = ZENDESK_SUPPORT.operations["tickets.update"]
    change: ClassVar[JsonObject] = {"subject": "changed", "priority": "high"}
    absent_id: ClassVar[int | str] = 999_999_999
    harmless: ClassVar[JsonObject] = {"method": "GET", "path": "users/me$"}

    replies: ClassVar[Mapping[str, JsonObject]] = {
        "invalid record": {
            "status": 422,
            "body": {
                "error": "RecordInvalid",
                "description": "Record validation errors",
                "details": {"subject": [{"description": "cannot be blank", "error": "BlankValue"}]},
            },
        },
        "malformed request": _error(400, {"title": "Invalid attribute", "message": "not so"}),
        "too many records": _error(400, "TooManyValues", "cannot specify more than 100 values"),
        "body too large": {"status": 413, "html": True},
        "address too long": {"status": 414, "html": True},
        "unauthorized": _error(401, "Couldn't authenticate you"),
        "forbidden": _error(403, {"title": "Forbidden", "message": "Bulk import is off"}),
        "database conflict": _error(409, "DatabaseConflict", "Database collision"),
        "deadlock": _error(409, "DatabaseDeadlock", "Deadlock found"),
        "update conflict": _error(409, "UpdateConflict", "outdated ticket data"),
        "too many jobs": {"too_many_jobs": True},
        "too many jobs as 400": _error(400, "TooManyJobs", "Too many jobs are running."),
        "too many jobs as 422": _error(422, "TooManyJobs", "Too many jobs are running."),
        "job id that is a path": {"body": {"job_status": {"id": "../users/1"}}, "after": True},
    }
    words: ClassVar[tuple[str, str, str]] = ("working", "queued", "completed")
    lacks: ClassVar[Mapping[str, str]] = {
        "the job was called off": "jobs cannot be called off; the service kills some",
    }

    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for `create`, each with an external id of its own."""
        return [
            {
                "subject": f"{prefix} subject {n}",
                "comment": {"body": "text"},
                "external_id": f"{prefix}-{n}",
            }
            for n in range(count)
        ]
