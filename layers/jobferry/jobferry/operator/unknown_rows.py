"""Rows of a closed run that are `unknown`, and the chunks that left them so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobferry.domain.chunk import Chunk, ChunkState
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.trouble import VENDOR_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class UnknownRows:
    """Rows that are unknown: job id → rows; None: rows of which no job is known."""

    by_job: Mapping[str | None, frozenset[int]]

    def of(self, chunk: Chunk) -> list[int]:
        """Rows that this chunk left unknown."""
        rows = self.by_job.get(chunk.job_id, frozenset())
        if chunk.state is ChunkState.SETTLED:
            rows |= self.by_job.get(None, frozenset())
        return [row for row in chunk.row_numbers() if row in rows]

    def decided_by(self, chunk: Chunk, results: Sequence[RecordResult]) -> list[Outcome]:
        """Outcomes of the chunk's unknown rows that the results of its job decide.

        Args:
            results: of each row of the chunk.
        """
        wanted = set(self.of(chunk))
        return [
            Outcome(
                row=row,
                status=result.status,
                vendor_id=result.vendor_id,
                error_code=result.code,
                error=result.text,
                job_id=chunk.job_id,
                attempts=chunk.attempt,
            )
            for row, result in zip(chunk.row_numbers(), results, strict=True)
            if row in wanted and result.status is not OutcomeStatus.UNKNOWN
        ]


def never_taken(chunk: Chunk, unknown: UnknownRows) -> list[Outcome]:
    """Rows of a submission that is proven not to have arrived."""
    text = "The vendor has not taken the row: a search has found neither its job nor its record."
    return [
        Outcome(row, OutcomeStatus.FAILED, None, VENDOR_UNAVAILABLE, text, None, chunk.attempt)
        for row in unknown.of(chunk)
    ]
