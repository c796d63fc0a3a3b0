"""CSV files for the tests, and short ways to read and plan them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from unittest import mock

from hypothesis import strategies as st

from jobferry.csvfile import lines, reader
from jobferry.csvfile.dialect import Dialect, detect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.plan_items import ChunkLimits, PlanItem, Rules
from jobferry.csvfile.planner import plan
from jobferry.csvfile.reader import RawRow, read_blocks, read_rows
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.domain.profile import Column, Profile

GENEROUS = ChunkLimits(max_records=100, max_bytes=1_000_000)


def profile(
    columns: dict[str, Column] | None = None,
    *,
    row_key: str | None = None,
    constants: dict[str, object] | None = None,
) -> Profile:
    return Profile(
        name="p",
        connection="c",
        operation="tickets.create",
        columns=columns,
        row_key=row_key,
        constants=constants or {},
    )


def mapping_for(dialect: Dialect, **options: object) -> RowMapping:
    return compile_mapping(profile(**options), dialect.header)  # type: ignore[arg-type]


def csv_text(
    rows: Sequence[Sequence[str]], *, delimiter: str = ",", newline: str = "\n", ends: bool = True
) -> str:
    """RFC 4180, with quotes only where they are needed."""
    special = {delimiter, '"', "\r", "\n"}

    def cell(text: str) -> str:
        plain = not special & set(text) and text.strip() != ""
        return text if plain else '"' + text.replace('"', '""') + '"'

    joined = newline.join(delimiter.join(map(cell, row)) for row in rows)
    return joined + newline if ends else joined


def read(data: bytes, *, encoding: str | None = None) -> tuple[Dialect, list[RawRow]]:
    dialect = detect(data, whole=True, encoding=encoding)
    stream = BytesIO(data[dialect.data_offset :])
    return dialect, list(read_rows(stream, dialect, offset=dialect.data_offset, row=0))


def read_text(text: str) -> list[RawRow]:
    return read(text.encode())[1]


def planned(
    data: bytes,
    mapping: RowMapping,
    dialect: Dialect,
    *,
    limits: ChunkLimits = GENEROUS,
    seen: SeenKeys | None = None,
    offset: int | None = None,
    row: int = 0,
    next_chunk: int = 0,
    cut_after: int | None = None,
    rules: Rules | None = None,
) -> list[PlanItem]:
    start = dialect.data_offset if offset is None else offset
    blocks = read_blocks(BytesIO(data[start:]), dialect, offset=start, row=row)
    items = plan(
        blocks,
        mapping,
        limits,
        seen,
        next_chunk=next_chunk,
        cut_after=cut_after,
        rules=rules or Rules(),
    )
    return list(items)


@contextlib.contextmanager
def small_limits(*, block: int, row: int = 1024 * 1024, cell: int = 128 * 1024) -> Iterator[None]:
    """Blocks and limits so small that short files cross them."""
    kept = min(lines.KEPT_OF_LONG_LINE, row // 4)
    with (
        mock.patch.multiple(lines, BLOCK_BYTES=block, LINE_LIMIT=row, KEPT_OF_LONG_LINE=kept),
        mock.patch.multiple(reader, ROW_LIMIT=row, CELL_LIMIT=cell, KEPT_OF_LONG_LINE=kept),
    ):
        yield


cells = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t\n\r"), max_size=12
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Rows of two to five cells under a header A, B, …"""
    width = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8))
    return [list("ABCDE"[:width]), *rows]


_FRAGMENTS = ("a", "b,c", ",", '"', '""', "\n", "\r\n", "\r", " ", "é", "€", "a,b\n", '"x\ny",z\n')
messy_files = st.lists(st.sampled_from(_FRAGMENTS), max_size=40).map(
    lambda parts: ("A,B\n" + "".join(parts)).encode()
)
"""Files under the header A,B whose rows may be anything, good or broken."""
