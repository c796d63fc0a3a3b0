"""Outcome blocks: the outcomes of many rows as one item, of the order of a kilobyte for 100 rows.

A block holds what one transaction has decided, within one partition of rows. Blocks of the same
partition may interleave, as retried rows are decided later than their neighbours, but no row is in
two blocks that say different things.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import keys
from jobferry.store.operations import Item

BLOCK_BYTES = 300_000
"""In a block before it is compressed: an item may have 400 kB."""

CHUNK_BYTES = 3_000_000
"""In the blocks of one chunk: a transaction may have 4 MB."""

_LETTERS = {
    OutcomeStatus.SUCCEEDED: "s",
    OutcomeStatus.FAILED: "f",
    OutcomeStatus.REJECTED: "r",
    OutcomeStatus.SKIPPED: "k",
    OutcomeStatus.UNKNOWN: "u",
}
_STATUSES = {letter: status for status, letter in _LETTERS.items()}


def split_in_blocks(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Outcomes as they go into blocks: by partition, in order of row, none of them too large."""
    in_order = sorted(outcomes, key=lambda outcome: outcome.row)
    for _, partition in groupby(in_order, lambda outcome: keys.partition_of(outcome.row)):
        block: list[Outcome] = []
        held = 0
        for outcome in partition:
            size = text_bytes(outcome)
            if block and held + size > BLOCK_BYTES:
                yield block
                block, held = [], 0
            block.append(outcome)
            held += size
        yield block


def text_bytes(outcome: Outcome) -> int:
    """Bytes that an outcome takes in a block before it is compressed, some to spare."""
    texts = (outcome.vendor_id, outcome.error_code, outcome.error)
    return 16 + sum(len(text.encode()) for text in texts if text)


def fitted(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """The outcomes of one chunk with error texts so short that one transaction takes them all."""
    if sum(map(text_bytes, outcomes)) <= CHUNK_BYTES:
        return outcomes
    most = CHUNK_BYTES // (16 * len(outcomes))
    return [
        replace(outcome, error=outcome.error[:most] if outcome.error else outcome.error)
        for outcome in outcomes
    ]


@dataclass
class BlockSize:
    """How much the blocks of some chunks take together; never less than they do.

    Attributes:
        size: bytes before they are compressed.
    """

    size: int = 0
    _partitions: set[int] = field(default_factory=set)

    def add(self, outcomes: Iterable[Outcome]) -> BlockSize:
        """With these outcomes, too; self stays as it is."""
        more, partitions = 0, set(self._partitions)
        for outcome in outcomes:
            more += text_bytes(outcome)
            partitions.add(keys.partition_of(outcome.row))
        return BlockSize(self.size + more, partitions)

    @property
    def blocks(self) -> int:
        return len(self._partitions) + 2 * self.size // BLOCK_BYTES


def block_item(run_id: str, block: Sequence[Outcome], expires_at: int) -> Item:
    """The item of a block.

    Args:
        block: outcomes of one partition, in order of row.
        expires_at: when the table forgets it (epoch seconds).
    """
    first = block[0].row
    return {
        "pk": keys.outcomes(run_id, keys.partition_of(first)),
        "sk": keys.outcome_block(first),
        "outcomes": encode(block),
        "version": 1,
        "expires_at": expires_at,
    }


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """Outcomes in order of row, compressed. `decode` gives the same again."""
    errors: dict[tuple[str | None, str | None], list[int]] = {}
    for position, outcome in enumerate(outcomes):
        if outcome.error_code is not None or outcome.error is not None:
            errors.setdefault((outcome.error_code, outcome.error), []).append(position)
    document: dict[str, Any] = {
        "rows": _runs_of_numbers([outcome.row for outcome in outcomes]),
        "status": "".join([_LETTERS[outcome.status] for outcome in outcomes]),
        "jobs": [
            [*job, len(list(same))]
            for job, same in groupby(outcomes, lambda o: (o.job_id, o.attempts))
        ],
        "errors": [[code, text, positions] for (code, text), positions in errors.items()],
    }
    if any(outcome.vendor_id is not None for outcome in outcomes):
        document["ids"] = [outcome.vendor_id for outcome in outcomes]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return zlib.compress(text.encode(), 9)


def decode(data: bytes) -> list[Outcome]:
    """The outcomes of a block, in order of row."""
    document = json.loads(zlib.decompress(data))
    rows = [row for first, count in document["rows"] for row in range(first, first + count)]
    jobs = [(job, attempts) for job, attempts, count in document["jobs"] for _ in range(count)]
    ids = document.get("ids") or [None] * len(rows)
    codes: list[str | None] = [None] * len(rows)
    texts: list[str | None] = [None] * len(rows)
    for code, text, positions in document["errors"]:
        for position in positions:
            codes[position], texts[position] = code, text
    return [
        Outcome(row, _STATUSES[letter], vendor_id, code, text, job, attempts)
        for row, letter, vendor_id, code, text, (job, attempts) in zip(
            rows, document["status"], ids, codes, texts, jobs, strict=True
        )
    ]


def _runs_of_numbers(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as [first, how many]."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs
