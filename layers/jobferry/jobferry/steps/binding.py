"""How a profile, an operation and a file fit together: columns bound, chunks bounded."""

from __future__ import annotations

from collections.abc import Sequence

from jobferry.csvfile.mapping import RowMapping, compile_mapping
from jobferry.csvfile.planner import ChunkLimits
from jobferry.model import Profile
from jobferry.vendors.base import Operation, Vendor


def bind_columns(profile: Profile, operation: Operation, header: Sequence[str]) -> RowMapping:
    """What the profile makes of a file's columns for this operation.

    Raises:
        FileRefused: the header does not fit the profile.
    """
    return compile_mapping(profile, header, folded=operation.folded, types=operation.types)


def chunk_limits(profile: Profile, operation: Operation, vendor: Vendor) -> ChunkLimits:
    """How much one job carries: the vendor's limits, or less where the profile says so."""
    return ChunkLimits(
        max_records=min(operation.max_records, profile.batch_size or operation.max_records),
        max_bytes=operation.max_bytes,
        body_overhead=len(vendor.encode(operation, [])),
    )
