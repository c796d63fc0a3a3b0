"""What a vendor brings to the scenarios: its own words for the named situations, and a client.

A bench is one class per vendor. The scenarios of the kit ask it for everything that differs from
vendor to vendor, and name no vendor themselves.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.outcome import RecordResult as Result
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Accepted, JobPhase
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor, VendorClient
from vendorsim import ManualClock, RunningSimulator
from vendorsim.simulator import Simulator

JOB_SECONDS = 2.0
"""How long a job of the simulator takes."""


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


class Bench(ABC):
    """A client of the adapter and the simulator that it talks to."""

    title: ClassVar[str]
    """What the vendor is called in the table of scenarios."""
    vendor: ClassVar[Vendor]
    simulator: ClassVar[type[Simulator]] = Simulator
    credentials: ClassVar[Mapping[str, str]]
    wrong_credentials: ClassVar[Mapping[str, str]]
    secrets: ClassVar[tuple[str, ...]]
    """Texts that must never be seen."""

    create: ClassVar[Operation]
    """An operation that is not repeatable."""

    write: ClassVar[JsonObject]
    """Which requests submit `create`, as a fault matches them; the others are reads of jobs, all
    of them or of one kind, and the harmless request."""
    readers: ClassVar[JsonObject]
    harmless: ClassVar[JsonObject]

    changes: ClassVar[Operation | None] = None
    """An operation that changes what `create` has made, by its id, and whose records can be read in
    batches; None: there is none."""
    change: ClassVar[JsonObject] = {}
    """What a record of `changes` says besides its id."""
    look_up: ClassVar[JsonObject] = {}
    """Which requests read such records, as a fault matches them."""
    absent_id: ClassVar[int | str] = ""
    """An id that no record has."""

    replies: ClassVar[Mapping[str, JsonObject]]
    """The vendor's own words for a situation that the kit names."""
    differences: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Name of a `Job` of the kit → those of its fields that are different at this vendor."""
    words: ClassVar[tuple[str, str, str]]
    """Status of a job that works, that waits for its turn, that has ended well."""
    lacks: ClassVar[Mapping[str, str]] = {}
    """Name of a scenario that cannot be played with this vendor → why not."""

    def __init__(self, sim: RunningSimulator, clock: ManualClock | None = None) -> None:
        self.sim = sim
        self._clock = clock
        self.secret = Secret([self.credentials])
        self.client: VendorClient = self.vendor.client(sim.url, self.secret, reach=LOOPBACK)

    @abstractmethod
    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for `create`, each with an external id of its own."""

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
