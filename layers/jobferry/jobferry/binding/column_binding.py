"""How a profile, an operation and a file fit together: columns bound, chunks bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobferry.domain.profile import Profile
from jobferry.vendors.operation import Operation, most_records
from jobferry.vendors.protocol import Vendor

if TYPE_CHECKING:
    from jobferry.csvfile.row_mapping import RowMapping

from typing import TYPE_CHECKING

from jobferry.binding.external_ids import added_field, most_added_bytes
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.row_mapping import RowMapping

if TYPE_CHECKING:
    from jobferry.csvfile.plan_items import ChunkLimits, Rules, Superseded


def bind_columns(
    profile: Profile, operation: Operation, vendor: Vendor, header: Sequence[str]
) -> RowMapping:
    """What the profile makes of a file's columns for this operation.

    Raises:
        FileRefused: the header does not fit the profile.
    """
    return compile_mapping(
        profile,
        header,
        folded=operation.folded,
        types=operation.types,
        required=operation.required,
        judge=vendor.record_rules(operation, profile.fills(header)).judge,
    )


def plan_rules(
    profile: Profile,
    operation: Operation,
    vendor: Vendor,
    mapping: RowMapping,
    superseded: Superseded | None = None,
) -> Rules:
    """What else decides which rows are sent, and with which others.

    Args:
        mapping: of the file.
        superseded: where the last of several rows with a key counts: all but these.
    """
    from jobferry.csvfile.plan_items import Rules

    group_of = vendor.record_rules(operation, mapping.filled).group_of
    return Rules(profile.on_duplicate, superseded, profile.max_rejected, group_of)


def chunk_limits(
    profile: Profile,
    operation: Operation,
    vendor: Vendor,
    mapping: RowMapping,
    job_rows: int | None = None,
) -> ChunkLimits:
    """How much one job carries.

    Args:
        job_rows: less than the most records, where that was learned to be better.
    """
    # Late, as the planner opens SQLite, which binding columns for a submission does not need.
    from jobferry.csvfile.plan_items import ChunkLimits

    added = most_added_bytes(added_field(profile, operation, mapping))
    return ChunkLimits(
        max_records=min(most_records(profile, operation), job_rows or operation.max_records),
        max_bytes=operation.max_bytes,
        body_overhead=len(vendor.encode(operation, [])),
        record_overhead=added,
        max_record_bytes=operation.max_record_bytes and operation.max_record_bytes - added,
    )
