"""How large a result file may become."""

from __future__ import annotations

from jobferry.reporting.result_files import part_bytes
from jobferry.store.objects import PART_BYTES

GB = 10**9


def test_ten_thousand_parts_are_half_a_terabyte_and_none_fills_the_memory() -> None:
    sizes = [part_bytes(parts) for parts in range(10_000)]
    assert sizes[0] == sizes[999] == PART_BYTES
    assert sizes == sorted(sizes)
    assert max(sizes) <= 64 * 1024 * 1024
    # The largest file that may be taken, and a kilobyte of outcome for each of its rows.
    assert sum(sizes) > 53 * GB + 100_000_000 * 1_000
    assert sum(sizes) > 500 * GB
