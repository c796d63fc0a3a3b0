"""A submission whose answer was lost: all that a search for its job has to go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobferry.domain.types import JsonObject

TAKEN_WITHIN = 660.0
"""Seconds after which a vendor neither takes a request that was over, nor shows its job any more:
ten minutes, and one to spare."""


@dataclass(frozen=True, slots=True)
class LostSubmission:
    """What we know about a submission without an answer.

    Attributes:
        token: the token the submission carried, if the vendor can carry one
        sent_at: epoch seconds, just before the request left
        lost_at: epoch seconds, when the request was over on our side
        known_jobs: ids of jobs of this connection that belong to other chunks
        ended_before: those of them whose results were read in the hour before this was sent: a list
            of recent jobs still has them, and one that goes by the ends of jobs has nothing below
            them that ended later
    """

    token: str
    sent_at: float
    records: Sequence[JsonObject]
    known_jobs: frozenset[str]
    ended_before: frozenset[str] = frozenset()
    lost_at: float = 0.0
