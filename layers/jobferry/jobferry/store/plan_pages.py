"""Chunks of a plan as they stand in the table: many to an item, spans written as numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from jobferry.domain.chunk import PlannedChunk, Span

CHUNKS_PER_PAGE = 100

PAGE_BYTES = 200 * 1024
"""Of the chunks in one item of the plan. DynamoDB takes 400 KB an item; chunks of which many rows
are rejected are long."""

"""Chunks whose spans share one item: 4 KB as a rule, and at worst (every other row bad) some
260 KB of the 400 KB that an item may have."""


def page_start(number: int) -> int:
    """The first chunk of the page that holds chunk `number`."""
    return number - (number - 1) % CHUNKS_PER_PAGE


def parts_of_page(chunks: Sequence[PlannedChunk]) -> Iterator[Sequence[PlannedChunk]]:
    """A page cut into items of at most `PAGE_BYTES`, always at the same chunks.

    chunks  from the first chunk of the page on
    """
    start, size = 0, 0
    for at, chunk in enumerate(chunks):
        weight = len(encode_chunks([chunk]))
        if at > start and size + weight > PAGE_BYTES:
            yield chunks[start:at]
            start, size = at, 0
        size += weight
    yield chunks[start:]


def encode_chunks(chunks: Sequence[PlannedChunk]) -> str:
    """Compact text: `[[number, [[offset, length, first_row, rows], …]], …]`."""
    return json.dumps([[c.number, c.spans] for c in chunks], separators=(",", ":"))


def decode_chunks(text: str) -> list[PlannedChunk]:
    return [
        PlannedChunk(number, tuple(Span(*span) for span in spans))
        for number, spans in json.loads(text)
    ]
