"""What a step must know of a run beyond its ledger entry: profile, vendor, and its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.mapping import RowMapping
from jobferry.csvfile.records import read_records
from jobferry.ledger.chunks import Chunk
from jobferry.ledger.runs import Run
from jobferry.model import JsonObject, Profile
from jobferry.steps.binding import bind_columns
from jobferry.steps.deps import Deps
from jobferry.vendors import vendor_named
from jobferry.vendors.base import Operation, Vendor


@dataclass(frozen=True)
class RunContext:
    """A planned run with everything its rows need to become records.

    read  reads a byte range of the pinned source: (offset, length) → bytes
    """

    run: Run
    profile: Profile
    vendor: Vendor
    operation: Operation
    read: Callable[[int, int], bytes]

    @cached_property
    def dialect(self) -> Dialect:
        if self.run.plan.dialect is None:
            raise LookupError(f"run {self.run.run_id} is not planned yet")
        return Dialect.from_json(dict(self.run.plan.dialect))

    @cached_property
    def mapping(self) -> RowMapping:
        return bind_columns(self.profile, self.operation, self.dialect.header)

    def records(self, chunk: Chunk) -> list[JsonObject]:
        """The records of a chunk in the order sent, read afresh from the source."""
        first, last = chunk.spans[0], chunk.spans[-1]
        data = self.read(first.offset, last.offset + last.length - first.offset)
        numbered = read_records(data, first.offset, chunk.spans, self.dialect, self.mapping)
        return [record for _, record in numbered]


def load_context(run: Run, deps: Deps) -> RunContext:
    """The context of a run, with the profile revision that the run was opened with.

    Raises:
        LookupError: the profile revision or the vendor is gone; nobody deletes either.
    """
    found = deps.ledger.config.profile(run.profile, run.revision)
    connection = deps.ledger.config.connection(run.connection)
    if found is None or connection is None:
        raise LookupError(f"the profile or the connection of run {run.run_id} is gone")
    profile = Profile.from_document(found[1], found[0])
    vendor = vendor_named(connection.vendor)
    operation = vendor.operation(profile.operation)
    if operation is None:
        raise LookupError(f"{vendor.name} has no operation {profile.operation}")
    return RunContext(
        run=run,
        profile=profile,
        vendor=vendor,
        operation=operation,
        read=lambda offset, length: deps.objects.read_range(run.source, offset, length),
    )
