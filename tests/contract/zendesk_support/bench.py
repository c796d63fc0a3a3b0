"""How to make the simulated Zendesk Support behave as a scenario of the adapter kit wants."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobferry.model import JsonObject, OutcomeStatus
from jobferry.model import RecordResult as Result
from jobferry.vendors.base import Accepted, JobPhase, Operation, Vendor, VendorClient
from jobferry.vendors.zendesk_support import ZENDESK_SUPPORT
from vendorsim import ManualClock, RunningSimulator

JOB_SECONDS = 2.0
"""How long a job of the simulator takes."""

_EMAIL_AND_TOKEN = ("agent@example.com", "sim-token")


def _error(status: int, error: Any, description: str = "") -> JsonObject:
    return {"status": status, "body": {"error": error, "description": description}}


@dataclass
class Secret:
    """Credentials, and a note of how they were asked for."""

    values: list[Mapping[str, str]]
    """What is given out in turn; the last one stays."""
    asked: list[bool] = field(default_factory=list)

    def __call__(self, refresh: bool) -> Mapping[str, str]:
        self.asked.append(refresh)
        fresh = sum(self.asked)
        return self.values[min(fresh, len(self.values) - 1)]


class ZendeskBench:
    """A client of the adapter and the simulator that it talks to."""

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
    """Texts that must never be seen."""

    create: ClassVar[Operation] = ZENDESK_SUPPORT.operations["tickets.create"]
    """An operation that is not repeatable."""

    write: ClassVar[JsonObject] = {"method": "POST", "path": "tickets/create_many$"}
    readers: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses"}
    by_id: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses/"}
    listing: ClassVar[JsonObject] = {"method": "GET", "path": "job_statuses$"}
    look_up: ClassVar[JsonObject] = {"method": "GET", "path": "tickets/show_many$"}
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
    }
    """The vendor's own words for a situation that the kit names; what it lacks is not run."""

    def __init__(self, sim: RunningSimulator, clock: ManualClock | None = None) -> None:
        self.sim = sim
        self._clock = clock
        self.secret = Secret([self.credentials])
        self.client: VendorClient = self.vendor.client(
            sim.url, self.secret, allow_loopback_http=True
        )

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

    def befall(self, match: JsonObject, times: int | None = None, **effect: object) -> None:
        """Set a fault besides those that are set."""
        self.sim.set_faults({"match": match, "times": times, "effect": effect}, add=True)

    def heal(self) -> None:
        """Take all faults away."""
        self.sim.set_faults()

    def submitted(self, records: list[JsonObject], operation: Operation | None = None) -> str:
        """The id of a job that was accepted."""
        answer = self.client.submit(operation or self.create, records, "token")
        assert isinstance(answer, Accepted), answer
        return answer.job_id

    def pass_time(self, seconds: float = JOB_SECONDS) -> None:
        """Let time go by at the vendor; by default as long as a job takes."""
        assert self._clock is not None, "this simulator runs on the machine's clock"
        self._clock.advance(seconds)

    def now(self) -> float:
        """Epoch seconds at the vendor."""
        assert self._clock is not None, "this simulator runs on the machine's clock"
        return self._clock.now()

    def effects_of(self, job_id: str) -> dict[int, JsonObject]:
        """What a job really did: position in the request → effect."""
        done = self.sim.effects()["effects"]
        return {effect["index"]: effect for effect in done if effect["job_id"] == job_id}

    def results(self, operation: Operation, job_id: str, sent: list[JsonObject]) -> list[Result]:
        """The outcomes of a job that has ended, checked against what it really did.

        A success was done, under the id it names; a failure was not done.
        """
        reading = self.client.poll([job_id]).readings[job_id]
        assert reading.phase is JobPhase.ENDED
        stored = json.loads(json.dumps(reading.raw))
        results = self.vendor.read_results(operation, stored, len(sent), lambda: sent)
        done = self.effects_of(job_id)
        for position, result in enumerate(results):
            if result.status is OutcomeStatus.SUCCEEDED:
                assert result.vendor_id == str(done[position]["id"])
            elif result.status is OutcomeStatus.FAILED:
                assert position not in done
                assert result.code
                assert result.text
        return results

    def show_no_secret(self, *seen: object) -> None:
        """Fail if what an answer, the client or an error shows of itself holds a secret."""
        shown = " ".join(repr(each) for each in (*seen, self.client, vars(self.client)))
        assert not [secret for secret in self.secrets if secret in shown]

    def jobs(self) -> list[JsonObject]:
        """Every job that the vendor took."""
        taken: list[JsonObject] = self.sim.effects()["jobs"]
        return taken

    def writes(self) -> int:
        """How often a job was submitted, taken or not."""
        return int(self.sim.effects()["requests"]["submit"])
