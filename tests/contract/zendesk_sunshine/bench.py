"""How to make the simulated Zendesk Sunshine behave as a scenario of the adapter kit wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobPhase
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from tests.contract.zendesk_support.bench import ZendeskBench
from vendorsim import ManualClock, RunningSimulator


def error(status: int, text: str, code: str = "Simulated") -> JsonObject:
    """A refusal in Sunshine's own form."""
    entry = {"code": code, "status": str(status), "title": code, "detail": text}
    return {"status": status, "body": {"errors": [entry]}}


_LISTED = {"phase": JobPhase.ACTIVE, "rows": None, "status": "completed"}
_NO_CONFLICTS = "no such answer is documented"


class SunshineBench(ZendeskBench):
    """A client of the adapter and the simulator that it talks to."""

    title: ClassVar[str] = "Zendesk Sunshine"
    vendor: ClassVar[Vendor] = ZENDESK_SUNSHINE
    create: ClassVar[Operation] = ZENDESK_SUNSHINE.operations["resources.post"]

    write: ClassVar[JsonObject] = {"method": "POST", "path": "sunshine/jobs$"}
    readers: ClassVar[JsonObject] = {"method": "GET", "path": "sunshine/jobs"}
    by_id: ClassVar[JsonObject] = {"method": "GET", "path": "sunshine/jobs/"}
    listing: ClassVar[JsonObject] = {"method": "GET", "path": "sunshine/jobs$"}
    look_up: ClassVar[JsonObject] = {"method": "GET", "path": "sunshine/objects/records"}
    changes: ClassVar[Operation | None] = ZENDESK_SUNSHINE.operations["resources.update"]
    change: ClassVar[JsonObject] = {"attributes": {"name": "changed"}}
    absent_id: ClassVar[int | str] = "00000000-0000-0000-0000-000000000000"
    harmless: ClassVar[JsonObject] = {"method": "GET", "path": "sunshine/jobs$"}

    replies: ClassVar[Mapping[str, JsonObject]] = {
        "invalid record": error(422, "name: cannot be blank", "UnprocessableEntity"),
        "malformed request": error(400, "this is not so", "BadRequest"),
        "too many records": error(400, "data must not exceed the maximum number of items"),
        "body too large": {"status": 413, "html": True},
        "address too long": {"status": 414, "html": True},
        # The servers in front answer for all APIs of an account, in their own form.
        "unauthorized": {"status": 401, "body": {"error": "Couldn't authenticate you"}},
        "forbidden": error(403, "Bulk import is off", "Forbidden"),
        "too many jobs": {"too_many_jobs": True},
        "too many jobs as 400": error(400, "Too many concurrent jobs"),
        "too many jobs as 422": error(422, "The limit of 1000 concurrent jobs is reached"),
        "job id that is a path": {"body": {"data": {"id": "../objects/records/1"}}, "after": True},
    }
    differences: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "all rows failed": {"status": "completed"},
        "results short": {"rows": "????"},
        "the job died half-way": {"rows": "++??"},
        "the job was called off": {"rows": "----", "status": "aborted"},
        # The list has no results: the job has not ended until they can be read.
        "unknown by id, still listed": _LISTED,
        "only ever listed": _LISTED,
    }
    words: ClassVar[tuple[str, str, str]] = ("processing", "queued", "completed")
    lacks: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("database conflict", "deadlock", "update conflict"), _NO_CONFLICTS),
        **dict.fromkeys(
            (
                "results re-ordered",
                "results without index",
                "results short, without index",
                "failures short, re-ordered",
            ),
            "results never carry an index: their order is all there is",
        ),
        **dict.fromkeys(
            ("killed with results", "killed without results"),
            "no job is killed on its way; it fails or is called off",
        ),
    }

    def __init__(self, sim: RunningSimulator, clock: ManualClock | None = None) -> None:
        super().__init__(sim, clock)
        sim.change_settings(sunshine_requests_per_minute=0)

    def operation(self, name: str) -> Operation:
        return self.vendor.operations[name]

    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for `create`, each with an external id of its own."""
        return [
            {
                "type": "product",
                "external_id": f"{prefix}-{n}",
                "attributes": {"name": f"{prefix} name {n}", "price": n},
            }
            for n in range(count)
        ]

    def made(self, records: list[JsonObject], operation: str = "resources.post") -> list[str]:
        """The ids of records that a job made."""
        job_id = self.submitted(records, self.operation(operation))
        self.pass_time()
        done = self.effects_of(job_id)
        return [done[position]["id"] for position in range(len(records))]

    def requests_by_path(self) -> dict[str, int]:
        by_path: dict[str, int] = self.sim.effects()["requests"]["by_path"]
        return by_path
