"""The one small protocol that every vendor module implements.

A vendor is two halves. Its *client* talks HTTP and answers with data, never by raising for
anything a vendor may do: the four answers to a submission are `Accepted`, `Refused`,
`Throttled` and `Ambiguous`. Its *reading* of a job's results is a pure function of the stored
answer, so settling needs neither network nor secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from jobferry.domain.outcome import RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Found,
    JobProblem,
    PollAnswer,
    Problem,
    RecordsRead,
    SubmitAnswer,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Capabilities, Operation, RecordRules, no_record_rules


class Meter(Protocol):
    """Pays for requests from what all that use a connection share."""

    def take(self) -> bool:
        """Take one request; False when none is left for now, so that it must not be sent."""
        ...


class VendorClient(Protocol):
    """The half that talks to the vendor. One instance per connection and warm Lambda."""

    meter: Meter | None
    """Asked before each request of any kind; None: requests are free."""

    @property
    def requests_made(self) -> int:
        """Requests sent so far, of every kind."""
        ...

    def drop_idle_connections(self) -> None:
        """Called once before each use: connections that idled too long are dropped."""
        ...

    def test(self) -> Problem | None:
        """One harmless authenticated request; None when the vendor welcomed us."""
        ...

    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer:
        """Send one job, once. Never repeats a request by itself."""
        ...

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read many jobs in as few requests as the vendor allows, with its second reader."""
        ...

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for the job of a lost submission; how late it may show itself, the caller weighs."""
        ...


class JobControl(VendorClient, Protocol):
    """A client whose vendor lets jobs be changed; `Capabilities` says which calls work.

    None is "done". Nothing here is repeated by itself.
    """

    def abort(
        self, job_id: str, *, reason: str | None = None, cleanup: bool = True
    ) -> Problem | None:
        """Ask for the end of a job. It may take a while: the next polls tell."""
        ...

    def set_priority(self, job_id: str, priority: str) -> Problem | None: ...

    def delete(self, job_ids: Sequence[str]) -> Problem | None:
        """Remove the vendor's records of jobs; one that is not there counts as removed."""
        ...

    def problems(self, job_id: str | None = None) -> Sequence[JobProblem] | Problem:
        """What jobs wait for: all of them, or one job."""
        ...


class RecordReader(VendorClient, Protocol):
    """A client whose vendor shows many records at once; `Operation.read_by` says of which."""

    def read_records(self, operation: Operation, records: Sequence[JsonObject]) -> RecordsRead:
        """What the vendor holds of the records that are to be changed. Repeats no request."""
        ...


ReadResults = Callable[
    [Operation, JsonObject, int, Callable[[], Sequence[JsonObject]]], list[RecordResult]
]
"""(operation, raw job, number of records, the records if matching needs them) → one result per
record, in the order sent; what the vendor did not say is UNKNOWN."""

BuildClient = Callable[..., VendorClient]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A registry entry: declared data, the pure reading, and how to make the client."""

    name: str
    title: str
    operations: Mapping[str, Operation]
    capabilities: Capabilities
    read_results: ReadResults
    client: BuildClient
    encode: Callable[[Operation, Sequence[JsonObject]], bytes]
    """The request body as it is sent, so that planning can weigh it."""
    credential_forms: tuple[frozenset[str], ...]
    """Sets of keys that a credentials document may have."""
    base_path: str = ""
    """A path that people write behind the site's root; the client leaves it off."""
    find_operation: Callable[[str], Operation | None] | None = None
    """For names with a part that only the account knows (`custom_objects.<key>.create`)."""
    record_rules: Callable[[Operation, Set[str]], RecordRules] = no_record_rules
    """What an operation's requests ask of single records that may fill these fields, so that
    planning can keep to it."""

    def operation(self, name: str, filled: Iterable[str] = ()) -> Operation | None:
        """The operation of this name, as it is for a profile.

        Args:
            filled: the fields that the profile fills.
        """
        found = self.operations.get(name)
        if found is None and self.find_operation is not None:
            found = self.find_operation(name)
        if found is None or found.adds.isdisjoint(filled):
            return found
        return replace(found, repeatable=False)
