"""Chunks: rows submitted as one vendor job, and what happens to them on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from jobferry.domain.outcome import Outcome, OutcomeStatus, Verdict


class ChunkState(StrEnum):
    """planned → claimed → submitted → finished → settled, or split where rows are sent again.

    `store.transitions` has every move.
    """

    PLANNED = "planned"
    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    SETTLED = "settled"
    SPLIT = "split"


class Span(NamedTuple):
    """Consecutive good rows of the source file, known by where they lie.

    Attributes:
        offset, length: bytes in the source object
        first_row: number of its first row (1 = the first after the header)
        rows: how many rows it holds
    """

    offset: int
    length: int
    first_row: int
    rows: int


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """A chunk as planning cut it, before anybody claimed it."""

    number: int
    spans: tuple[Span, ...]

    @property
    def rows(self) -> int:
        return sum(span.rows for span in self.spans)


_IN_FLIGHT = frozenset({ChunkState.CLAIMED, ChunkState.SUBMITTED, ChunkState.FINISHED})


class Attempt(NamedTuple):
    """A submission of rows that was proven never to have been taken.

    Attributes:
        spans: the rows that it held; a chunk made of some of them keeps it
        lost_at: when the request was over on our side
    """

    token: str
    sent_at: float
    lost_at: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows processed as one vendor job.

    Attributes:
        attempt: how often its rows have been sent, this time included, as far as it counts
        sendings: how often it has been sent, whatever counted: tells its tokens apart
        token: goes with the submission, to find the job again
        sending_at: when the request left; absent: nothing was ever sent
        lost_at: when it was clear that no clear answer would come
        lost_times: how many of its submissions got no clear answer
        unseen_at: the first search for its job that saw everything, and nothing of ours
        readable_at: since when each search for its job could read the vendor
        searched_at: the last search for its job
        finished_at: when it was found that its job had ended, or never will have
        ended_at: when the job probably ended: a while before somebody looked
        evidence: archive key of the vendor's raw answer that ended the job
        verdict: (status, code, text) for all rows, when no results decide them one by one
        maybe_applied: an earlier attempt may have been applied (and may be repeated)
        bisect: the vendor refused it as a whole, which one of its rows may be to blame for
        not_before: epoch seconds before which it is not sent (again)
        last: (code, text) of what its rows failed with before, where they are tried again
        earlier: submissions of its rows before this one that were proven never to have been taken
        twice: a job that turned out to have been made by one of these all the same
        settled_rows: rows whose outcome it decided; the rest went into other chunks
        holds_slot: a slot of the connection is taken for it
        claim: the claim that it belongs to, named within its run and lane; empty: it is in none, or
            was claimed by a version that wrote a pointer for each chunk
        unwritten: only its claim and the plan know of it; the next write makes its own item. With
            `sending_at` it may have been sent since then
        end_asked: the vendor was asked to end its job
        priority_asked: the priority that its job was last told
    """

    run_id: str
    number: int
    lane: int
    state: ChunkState
    spans: tuple[Span, ...]
    attempt: int = 0
    token: str = ""
    claimed_at: float = 0.0
    sending_at: float | None = None
    lost_at: float | None = None
    unseen_at: float | None = None
    readable_at: float | None = None
    searched_at: float | None = None
    submitted_at: float | None = None
    finished_at: float | None = None
    ended_at: float | None = None
    settled_at: float | None = None
    job_id: str | None = None
    evidence: str | None = None
    verdict: Verdict | None = None
    maybe_applied: bool = False
    bisect: bool = False
    not_before: float = 0.0
    last: tuple[str, str] | None = None
    lost_times: int = 0
    sendings: int = 0
    earlier: tuple[Attempt, ...] = ()
    twice: str | None = None
    settled_rows: int | None = None
    holds_slot: bool = True
    claim: str = ""
    unwritten: bool = False
    expires_at: int = 0
    end_asked: bool = False
    priority_asked: str | None = None

    @property
    def in_flight(self) -> bool:
        """Claimed and not settled."""
        return self.state in _IN_FLIGHT

    @property
    def rows(self) -> int:
        return sum(span.rows for span in self.spans)

    @property
    def source_bytes(self) -> int:
        """From its first row in the file to its last: what is read for it."""
        first, last = self.spans[0], self.spans[-1]
        return last.offset + last.length - first.offset

    def row_numbers(self) -> list[int]:
        """The numbers of its rows, in the order sent."""
        return [span.first_row + i for span in self.spans for i in range(span.rows)]


@dataclass(frozen=True, slots=True)
class Pool:
    """What is left to claim: numbers from `cursor` to `end` (not included), and `released` ones.

    Attributes:
        again: numbers of chunks made of rows that may be tried again
        made: how many such chunks there have been; they are numbered on from the plan's
    """

    cursor: int
    end: int
    released: frozenset[int]
    again: frozenset[int] = frozenset()
    made: int = 0

    @property
    def left(self) -> int:
        return self.end - self.cursor + len(self.released) + len(self.again)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended: with evidence to read, or with one verdict for all its rows."""

    number: int
    evidence: str | None = None
    verdict: Verdict | None = None
    bisect: bool = False
    """One of its rows may be to blame for all of them."""
    ended_at: float | None = None
    """When the job probably ended."""
    twice: str | None = None
    """Another job that has the same rows: see `Chunk.twice`."""


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """The outcomes of a finished chunk: of all its rows, or of those that do not go again.

    Attributes:
        failures: its failed rows by error code; letters, digits and `_` only
    """

    chunk: Chunk
    outcomes: Sequence[Outcome]
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[OutcomeStatus, int]:
        """How many rows there are of each status."""
        return Counter(outcome.status for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class RetryChunk:
    """Rows of finished chunks that go again as a chunk of their own.

    Attributes:
        attempt: how often they have been sent already
        maybe_applied: that may have been applied (and may be repeated)
        not_before: epoch seconds before which they are left alone
        last: (code, text) of what happened to them
        earlier: their submissions that were proven never to have been taken
    """

    spans: tuple[Span, ...]
    attempt: int
    maybe_applied: bool
    not_before: float
    last: tuple[str, str]
    earlier: tuple[Attempt, ...] = ()


SEND_WINDOW = 50.0
"""Seconds after the intent during which its request may still be in flight somewhere: a request may
take 35 (`vendors.http.limits.REQUEST_SECONDS`), and 15 to spare. A test holds the two together."""

EARLIER_KEPT = 4
"""Submissions of the same rows that are remembered as never taken: each costs a search."""


def lost_from(chunk: Chunk) -> float:
    """The moment from which a sent chunk without a job counts as lost."""
    if chunk.sending_at is None:
        return float("inf")
    return chunk.lost_at if chunk.lost_at is not None else chunk.sending_at + SEND_WINDOW


def token_of(run_id: str, number: int, sending: int) -> str:
    """What goes with a submission, to find its job by; `sending` counts from 1."""
    return f"{run_id}.{number}.{sending}"


def before_sending(sent: Chunk) -> Chunk:
    """A chunk with whose submission the vendor did nothing, as it was before."""
    attempt, sendings = sent.attempt - 1, sent.sendings - 1
    return replace(sent, attempt=attempt, sendings=sendings, token="", sending_at=None)


def attempts_of(chunk: Chunk) -> tuple[Attempt, ...]:
    """The submissions of its rows that were never taken, when the last one was not, either."""
    own = Attempt(chunk.token, chunk.sending_at or 0.0, lost_from(chunk), chunk.spans)
    return (*chunk.earlier, own)[-EARLIER_KEPT:]


def finished(chunk: Chunk, job_end: JobEnd, now: float) -> Chunk:
    """The chunk when it is noted how its job ended."""
    return replace(
        chunk,
        state=ChunkState.FINISHED,
        finished_at=now,
        ended_at=job_end.ended_at,
        evidence=job_end.evidence,
        verdict=job_end.verdict,
        bisect=job_end.bisect,
        twice=job_end.twice,
    )
