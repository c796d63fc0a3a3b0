"""The bytes of one chunk → the records to send."""

from __future__ import annotations

from collections.abc import Container, Sequence
from io import BytesIO

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.reader import read_rows
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.domain.chunk import Span
from jobferry.domain.types import JsonObject


class SourceChanged(Exception):
    """The bytes do not hold the rows that were planned: this is not the file that was read."""

    def __init__(self, span: Span) -> None:
        super().__init__(f"rows from {span.first_row} on are not as they were planned")


def read_records(
    data: bytes, base_offset: int, spans: Sequence[Span], dialect: Dialect, mapping: RowMapping
) -> list[tuple[int, JsonObject]]:
    """Row number and record of every row of a chunk, in order.

    data         the file from byte `base_offset` on, at least to the end of the last span

    Raises SourceChanged when a span does not hold as many good rows as planned.
    """
    records: list[tuple[int, JsonObject]] = []
    for span in spans:
        start = span.offset - base_offset
        part = data[start : start + span.length]
        rows = list(read_rows(BytesIO(part), dialect, offset=span.offset, row=span.first_row - 1))
        whole = len(part) == span.length and len(rows) == span.rows
        if not whole or any(row.problem or mapping.check(row.cells) for row in rows):
            raise SourceChanged(span)
        records.extend((row.number, mapping.record(row.cells)) for row in rows)
    return records


def cut(
    data: bytes,
    base_offset: int,
    spans: Sequence[Span],
    dialect: Dialect,
    keep: Container[int],
) -> tuple[Span, ...]:
    """The spans of some rows of a chunk, neighbours together.

    Args:
        data: the file from byte `base_offset` on, at least to the end of the last span.
        keep: the numbers of the rows that are wanted.
    """
    found: list[Span] = []
    for span in spans:
        start = span.offset - base_offset
        part = data[start : start + span.length]
        for row in read_rows(BytesIO(part), dialect, offset=span.offset, row=span.first_row - 1):
            if row.number not in keep:
                continue
            last = found[-1] if found else None
            if (
                last is not None
                and last.offset + last.length == row.offset
                and last.first_row + last.rows == row.number
            ):
                found[-1] = last._replace(length=last.length + row.length, rows=last.rows + 1)
            else:
                found.append(Span(row.offset, row.length, row.number, 1))
    return tuple(found)
