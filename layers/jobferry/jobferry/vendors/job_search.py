"""Finding the job of a submission whose answer was lost: the same steps for every vendor.

1. Candidates: listed jobs that are not known to belong to other chunks, and were made when ours can
   have been made.
2. Proof that a candidate is ours, or is not: by the token that it shows, or by the records that it
   made (`match_of_results`).
3. What follows from all of them (`SearchResult.conclusion`): ABSENT only of a list that is complete
   and still shows jobs of that time.
4. The last word, where the vendor can be asked for it: whether records with our ids were made since
   (`decide`).

A vendor brings the requests; what they mean together is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

from jobferry.domain.error_codes import may_have_been_done
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.http.limits import REQUEST_SECONDS
from jobferry.vendors.lost_submission import TAKEN_WITHIN, LostSubmission

CANDIDATES = 200
"""Jobs that are examined, each for one request or more."""

CLOCK_SKEW_SECONDS = 300.0
"""How far the vendor's clock may be from ours."""

READ_BACK = 3
"""Records of a job that are read back at the most; mostly the first one decides."""


class Match(Enum):
    """What a search makes of one job."""

    OURS = auto()
    NOT_OURS = auto()
    """Another's, or one that did nothing: be it ours or not, its rows may be sent."""
    DOUBTFUL = auto()
    """It may be ours; whether our records are there decides."""
    VANISHED = auto()
    """What it made is gone: it may be ours, and nothing can tell any more."""
    UNREADABLE = auto()
    RUNNING = auto()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What examining the candidates brought.

    Attributes:
        job_id: the job that is ours, if one is
        matches: what the others are, how many of each
        complete: no job of the time in question can have been missed
        unreadable: the list of jobs could not be read
    """

    job_id: str | None = None
    matches: Counter[Match] = field(default_factory=Counter)
    complete: bool = False
    unreadable: bool = False

    @property
    def vanished(self) -> bool:
        """Whether a job that may be ours made records that are gone."""
        return self.matches[Match.VANISHED] > 0

    def conclusion(self, age: float, trusted: float) -> Found:
        """What it means.

        Args:
            age: seconds since the submission.
            trusted: seconds for which the list surely shows a job.
        """
        if self.job_id is not None:
            return Found(FoundState.FOUND, self.job_id)
        if self.unreadable:
            return pending("the list of jobs could not be read", readable=False)
        if self.matches[Match.UNREADABLE]:
            return pending("a job or its records could not be read", readable=False)
        if self.matches[Match.RUNNING]:
            return pending("a job that may be this one is still running")
        if self.vanished:
            return undecidable("a job ran at that time and what it made is gone")
        if self.matches[Match.DOUBTFUL]:
            return undecidable("a job ran at that time and its records cannot be distinguished")
        if not self.complete:
            return undecidable("the list of recent jobs does not reach back to it")
        if age > trusted:
            return undecidable("the vendor may have forgotten the job")
        return Found(FoundState.ABSENT)


def pending(reason: str, *, readable: bool = True) -> Found:
    return Found(FoundState.PENDING, reason=reason, readable=readable)


def undecidable(reason: str) -> Found:
    return Found(FoundState.UNDECIDABLE, reason=reason)


def examined(
    candidates: Sequence[JsonObject],
    examine: Callable[[JsonObject], tuple[Match, str]],
    *,
    complete: bool,
    stopped: Callable[[], bool] = lambda: False,
) -> SearchResult:
    """Examine jobs until one is ours.

    Args:
        candidates: jobs as they are listed.
        examine: a job's match and id; may send requests.
        complete: the list showed every job of the time in question.
        stopped: the vendor wants no more requests for now.
    """
    if len(candidates) > CANDIDATES:
        return SearchResult(None, Counter({Match.DOUBTFUL: len(candidates)}), complete)
    matches: Counter[Match] = Counter()
    for job in candidates:
        if stopped():
            return SearchResult(unreadable=True)
        match, job_id = examine(job)
        if match is Match.OURS:
            return SearchResult(job_id, matches, complete)
        matches[match] += 1
    return SearchResult(None, matches, complete)


# The last word


class Made(Enum):
    """Whether records of a submission were made since it was sent."""

    NONE = auto()
    SOME = auto()
    UNREADABLE = auto()
    """They could not be looked up; it may work later."""
    NO_LOOK_UP = auto()
    """They cannot be looked up."""


@dataclass(frozen=True, slots=True)
class RecordLookup:
    """What looking for records brought.

    Attributes:
        whole: every record of the submission was looked for
    """

    made: Made
    whole: bool = False


def decide(
    result: SearchResult,
    age: float,
    trusted: float,
    look_up: Callable[[bool], RecordLookup],
) -> Found:
    """What became of the submission, by its jobs first and then by its records.

    None of the records being there decides also where the list of jobs does not, if all were looked
    for.

    Args:
        age, trusted: as `SearchResult.conclusion`.
        look_up: asked only where the jobs leave something to say; with whether they say "absent".
    """
    found = result.conclusion(age, trusted)
    if found.state in (FoundState.FOUND, FoundState.PENDING) or result.vanished:
        return found
    absent = found.state is FoundState.ABSENT
    lookup = look_up(absent)
    match lookup.made:
        case Made.UNREADABLE:
            return pending("the records could not be looked up", readable=False)
        case Made.SOME if absent:
            return pending(
                "records with these external ids were made since, by no job that was seen"
            )
        case Made.NONE if lookup.whole:
            return Found(FoundState.ABSENT)
    return found


# Time


def moment(value: object) -> float | None:
    """Epoch seconds of a time as vendors write it: ISO 8601, or seconds; None for anything else.

    A time without a zone is UTC.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        read = datetime.fromisoformat(str(value))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def may_be_of_that_time(created: float | None, lost: LostSubmission) -> bool:
    """Whether a job that was made at this moment can be that of the submission."""
    if created is None:
        return True
    latest = lost.sent_at + REQUEST_SECONDS + TAKEN_WITHIN + CLOCK_SKEW_SECONDS
    return lost.sent_at - CLOCK_SKEW_SECONDS <= created <= latest


# Proof by records


@dataclass(frozen=True, slots=True)
class RecordReader:
    """How the records of a job are read back and recognised.

    Attributes:
        read: id → the record; None where it is gone, UNREADABLE where it could not be read
        key: what tells a record from all others, in ours and in theirs; None where it has none
        resemble: ours and theirs, where ours has no key
    """

    read: Callable[[str], JsonObject | Match | None]
    key: Callable[[JsonObject], Hashable | None]
    resemble: Callable[[JsonObject, JsonObject], Match] = lambda _ours, _theirs: Match.DOUBTFUL


def match_of_results(
    results: Sequence[RecordResult],
    records: Sequence[JsonObject],
    reader: RecordReader,
    *,
    broke_off: bool,
) -> Match:
    """Whether an ended job is ours, by the records that it made.

    Args:
        results: what the job shows, in the order sent. Fewer than ours are no proof: results may
            lack rows.
        records: ours, in the order sent.
        broke_off: the job may have done more than it shows.
    """
    if len(results) > len(records):
        return Match.NOT_OURS
    made = [
        (ours, result.vendor_id)
        for ours, result in zip(records, results, strict=False)
        if result.status is OutcomeStatus.SUCCEEDED and result.vendor_id
    ]
    if made:
        return _compared(made, records, reader)
    whole = len(results) == len(records) and not broke_off
    return Match.NOT_OURS if whole and all(map(did_nothing, results)) else Match.DOUBTFUL


def did_nothing(result: RecordResult) -> bool:
    """Whether a result says for sure that its row was not carried out.

    An error of the vendor's own is no refusal: it may have struck when the row was done. Nor is one
    that names a record.
    """
    refused = result.status is OutcomeStatus.FAILED and result.vendor_id is None
    return refused and not may_have_been_done(result.code or "", result.text or "")


def _compared(
    made: Sequence[tuple[JsonObject, str]], records: Sequence[JsonObject], reader: RecordReader
) -> Match:
    """Read records back: one that has a key of ours decides, others must agree."""
    keys = {key for record in records if (key := reader.key(record)) is not None}
    matches: set[Match] = set()
    for ours, identity in made[:READ_BACK]:
        stored = reader.read(identity)
        if stored is None:
            continue
        if isinstance(stored, Match):
            return stored
        if reader.key(ours) is not None:
            return Match.OURS if reader.key(stored) in keys else Match.NOT_OURS
        matches.add(reader.resemble(ours, stored))
    if not matches:
        return Match.VANISHED
    return matches.pop() if len(matches) == 1 else Match.DOUBTFUL
