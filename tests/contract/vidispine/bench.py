"""How to make the simulated Vidispine behave as a scenario of the adapter kit wants."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.vidispine.adapter import VIDISPINE
from jobferry.vendors.vidispine.client import VidispineClient
from tests.contract.conformance.bench import Bench
from tests.contract.conformance.scenarios import BY_TOKEN, NO_RECORD, UNSEEN

ERROR_KEYS = (
    "notFound",
    "internalServer",
    "forbidden",
    "notYetImplemented",
    "conflict",
    "invalidInput",
    "licenseFault",
    "fileAlreadyExists",
    "notAuthorized",
)


def error(status: int, key: str, explanation: str, value: str | None = None) -> JsonObject:
    """A refusal in the vendor's own form: nine keys, one of which says something."""
    details = {"context": "job", "id": None, "explanation": explanation, "value": value}
    body = {name: details if name == key else None for name in ERROR_KEYS}
    return {"status": status, "body": body}


class VidispineBench(Bench):
    """A client of the adapter and the simulator that it talks to."""

    title: ClassVar[str] = "Vidispine"
    vendor: ClassVar[Vendor] = VIDISPINE
    credentials: ClassVar[Mapping[str, str]] = {"username": "admin", "password": "admin"}
    wrong_credentials: ClassVar[Mapping[str, str]] = {"username": "admin", "password": "not-it"}
    secrets: ClassVar[tuple[str, ...]] = (
        "not-it",
        base64.b64encode(b"admin:admin").decode(),
        base64.b64encode(b"admin:not-it").decode(),
    )

    create: ClassVar[Operation] = VIDISPINE.operations["jobs.create"]
    client: VidispineClient

    write: ClassVar[JsonObject] = {"method": "POST", "path": "API/job$"}
    readers: ClassVar[JsonObject] = {"method": "GET", "path": "API/job(/|$)"}
    by_id: ClassVar[JsonObject] = {"method": "GET", "path": "API/job/"}
    listing: ClassVar[JsonObject] = {"method": "GET", "path": "API/job$"}
    harmless: ClassVar[JsonObject] = {"method": "GET", "path": "API/jobtype$"}

    replies: ClassVar[Mapping[str, JsonObject]] = {
        "invalid record": error(422, "invalidInput", "cannot be blank", "type"),
        "malformed request": error(400, "invalidInput", "this is not so"),
        "too many records": error(400, "invalidInput", "No more of that type is accepted"),
        "body too large": {"status": 413, "html": True},
        "address too long": {"status": 414, "html": True},
        "unauthorized": {"status": 401, "html": True},
        "forbidden": error(403, "forbidden", "Bulk import is off"),
        "job id that is a path": {"body": {"jobId": "../item/VX-1"}, "after": True},
    }
    differences: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "all rows failed": {"status": "FAILED_TOTAL"},
        "the job died at once": {"rows": "-", "status": "FAILED_TOTAL"},
        "the job was called off": {
            "does": {"status_word": "ABORTED", "fail_job": True},
            "rows": "-",
            "status": "ABORTED",
        },
        **{name: difference for name, difference in BY_TOKEN.items() if name != NO_RECORD},
        # A site keeps its jobs until somebody purges them.
        "undecidable once the vendor may have forgotten": {"must": FoundState.FOUND},
    }
    words: ClassVar[tuple[str, str, str]] = ("STARTED", "READY", "FINISHED")
    lacks: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("too many jobs", "too many jobs as 400", "too many jobs as 422"),
            "jobs are queued without limit",
        ),
        **dict.fromkeys(
            ("database conflict", "deadlock", "update conflict"), "no such answer is documented"
        ),
        UNSEEN: "records cannot be looked up",
        **dict.fromkeys(
            (
                "some rows failed",
                "results short",
                "results re-ordered",
                "results without index",
                "results short, without index",
                "failures short, re-ordered",
                "the job died half-way",
                "an empty row is unknown and no other",
            ),
            "one record a job: nothing to cut short or to re-order",
        ),
        "results null": "no list of results: the state of the job is that of its record",
        **dict.fromkeys(
            ("killed with results", "killed without results"),
            "no job is killed on its way; it fails or is called off",
        ),
        "a job is forgotten when its time is up": "the site keeps jobs until somebody purges them",
    }

    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for one job, which carries no more than one."""
        return self.rows(min(count, self.create.max_records), prefix=prefix)

    def rows(self, count: int, *, prefix: str = "E", **fields: object) -> list[JsonObject]:
        """Good records for as many jobs, each with an external id of its own."""
        return [
            {"type": "IMPORT", "external_id": f"{prefix}-{n}", "title": f"{prefix} title {n}"}
            | fields
            for n in range(count)
        ]

    def effects_of(self, job_id: str) -> dict[int, JsonObject]:
        """What a job did to items; what was done to the job itself is not its work."""
        done = self.sim.effects(kind="item")["effects"]
        return {effect["index"]: effect for effect in done if effect["job_id"] == job_id}

    def started(self, record: JsonObject | None = None) -> str:
        """The id of a job that was accepted."""
        return self.submitted([record or self.rows(1)[0]])

    def send(self, method: str, path: str, **headers: str) -> Any:
        """A request past the adapter, as somebody else at the site might make it."""
        basic = base64.b64encode(b"admin:admin").decode()
        known = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        answer = self.sim.request(method, f"/API{path}", headers=known | headers)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def requests_by_path(self) -> dict[str, int]:
        by_path: dict[str, int] = self.sim.effects()["requests"]["by_path"]
        return by_path
