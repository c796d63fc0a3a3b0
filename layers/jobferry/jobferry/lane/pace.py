"""What the last attempts of a lane have shown, and what an invocation has used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from jobferry.domain.chunk import Pool
from jobferry.scheduler.completion import NO_CORRECTION, Correction
from jobferry.scheduler.others import NO_OTHERS, OthersJobs
from jobferry.scheduler.snapshot import NO_OFFER, Offer


@dataclass
class Pace:
    """What the last attempts have shown of when the next ones make sense. Epoch seconds.

    Attributes:
        last_polled_at: the last poll of all jobs.
        poll_not_before, submit_not_before: no poll, no submission before this.
        search_not_before: no search for a lost submission before this, by chunk.
        operator_from: when to go on with what an operator wants asked; 0 before the first time.
        refused: submissions in a row that found no slot.
        refused_at: when the last of them did.
        correction: what answers since the last poll have proven of the completion estimate.
        others: jobs of other lanes, as far as it can be told.
        answer_seconds: what a submission takes.
        offer: what the lane may claim, as last read.
        pool: from which that was read; None: it has to be read again before anything is claimed.
    """

    last_polled_at: float = 0.0
    poll_not_before: float = 0.0
    submit_not_before: float = 0.0
    search_not_before: dict[int, float] = field(default_factory=dict)
    operator_from: float = 0.0
    refused: int = 0
    refused_at: float = 0.0
    correction: Correction = NO_CORRECTION
    others: OthersJobs = NO_OTHERS
    answer_seconds: float = 0.3
    offer: Offer = NO_OFFER
    pool: Pool | None = None


@dataclass
class Usage:
    """What this invocation has used: counts by name (`domain.run.Figures`), and where they began.

    Attributes:
        uncounted: requests made while no rate limit was known; they are noted at the end.
    """

    began_at: float
    units_before: int
    reads_before: int
    counts: Counter[str] = field(default_factory=Counter)
    uncounted: int = 0
