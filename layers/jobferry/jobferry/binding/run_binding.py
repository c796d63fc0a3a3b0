"""What a step must know of a run beyond its item in the table: profile, vendor, and its records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, Span
from jobferry.domain.connection import Connection
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.scheduler import ramp
from jobferry.vendors.operation import Operation, snapshot_reads
from jobferry.vendors.protocol import Vendor

if TYPE_CHECKING:
    from jobferry.csvfile.dialect import Dialect
    from jobferry.csvfile.row_mapping import RowMapping


@dataclass(frozen=True)
class RunContext:
    """A planned run with everything its rows need to become records.

    Attributes:
        read: reads a byte range of the pinned source: (offset, length) → bytes

    What reads CSV is imported when the first record is asked for: settling seldom needs one.
    """

    run: Run
    profile: Profile
    connection: Connection
    vendor: Vendor
    operation: Operation
    read: Callable[[int, int], bytes]

    def for_run(self, run: Run, deps: Deps) -> RunContext:
        """The same for the run as it is now: unpacked, or planned."""
        return _context(run, self.profile, self.connection, self.vendor, deps)

    @property
    def ramps(self) -> bool:
        """Whether the run begins with few jobs."""
        return ramp.applies(self.profile, undoable=bool(self.operation.undone_by))

    @cached_property
    def reads_per_job(self) -> int:
        """Requests that read what the records of a job are before it is sent; 0: none are."""
        return snapshot_reads(self.profile, self.operation, self.dialect.header)

    @cached_property
    def dialect(self) -> Dialect:
        from jobferry.csvfile.dialect import Dialect

        if self.run.plan.dialect is None:
            raise LookupError(f"run {self.run.run_id} is not planned yet")
        return Dialect.from_json(dict(self.run.plan.dialect))

    @cached_property
    def mapping(self) -> RowMapping:
        from jobferry.binding.column_binding import bind_columns

        return bind_columns(self.profile, self.operation, self.vendor, self.dialect.header)

    def cut(self, chunk: Chunk, rows: Sequence[int]) -> tuple[Span, ...]:
        """Where some rows of a chunk lie in the source."""
        from jobferry.csvfile.records import cut

        return cut(self._bytes(chunk), chunk.spans[0].offset, chunk.spans, self.dialect, set(rows))

    def _bytes(self, chunk: Chunk) -> bytes:
        first, last = chunk.spans[0], chunk.spans[-1]
        return self.read(first.offset, last.offset + last.length - first.offset)

    def records(self, chunk: Chunk) -> list[JsonObject]:
        """The records of a chunk in the order sent, read afresh from the source.

        Where the vendor gives new jobs a priority, records that say none get the run's; where
        records may have an external id and the profile sets none, they get one of ours.
        """
        from jobferry.binding.external_ids import add_external_ids, added_field
        from jobferry.csvfile.records import read_records

        first = chunk.spans[0].offset
        numbered = read_records(self._bytes(chunk), first, chunk.spans, self.dialect, self.mapping)
        field = added_field(self.profile, self.operation, self.mapping)
        identified_by = self.operation.identified_by
        records = add_external_ids(numbered, field, self.run.run_id, identified_by=identified_by)
        capabilities = self.vendor.capabilities
        if capabilities.priority_field:
            word = capabilities.priority_word(self.run.priority)
            for record in records:
                record.setdefault(capabilities.priority_field, word)
        return records


def cannot_go_on(error: LookupError) -> str:
    """The reason, for people, of a run whose context cannot be loaded."""
    return f"The run cannot go on: {error.args[0]}."


def load_context(run: Run, deps: Deps) -> RunContext:
    """The context of a run, with the profile revision that the run was opened with.

    Raises:
        LookupError: the profile revision or the vendor is gone; nobody deletes either.
    """
    found = deps.store.config.profile(run.profile, run.revision)
    connection = deps.store.config.connection(run.connection)
    if found is None or connection is None:
        raise LookupError(f"the profile or the connection of run {run.run_id} is gone")
    profile = Profile.from_document(found[1], found[0])
    vendor = deps.vendors.named(connection.vendor)
    return _context(run, profile, connection, vendor, deps)


def _context(
    run: Run, profile: Profile, connection: Connection, vendor: Vendor, deps: Deps
) -> RunContext:
    operation = operation_of(run, profile, vendor)
    if operation is None:
        raise LookupError(f"{vendor.name} has no operation {profile.operation}")
    return RunContext(
        run=run,
        profile=profile,
        connection=connection,
        vendor=vendor,
        operation=operation,
        read=lambda offset, length: deps.objects.read_range(run.file, offset, length),
    )


def operation_of(run: Run, profile: Profile, vendor: Vendor) -> Operation | None:
    """The vendor's operation as it is for this run: the file may say what its profile leaves
    open. None: the vendor has none of this name."""
    header = (run.plan.dialect or {}).get("header", ())
    return vendor.operation(profile.operation, profile.fills(header))
