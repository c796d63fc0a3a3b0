"""What a vendor may do to a submission, to a poll and to a job, and what its adapter must answer.

The lists are data and name no vendor; a vendor's `Bench` says what of it is different there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    FoundState,
    JobPhase,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from tests.contract.conformance.bench import Bench

READ_SECONDS = 0.1
HANG = {"hang": 0.25}
MAX_ANSWER_BYTES = 20_000
LARGE = {"body": "x" * (MAX_ANSWER_BYTES + 1)}
HTML_SUCCESS = {"status": 200, "html": True}
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Case:
    """A scenario by its name, as the table shows it. With a `reply`, the vendor must have one."""

    name: str

    def __str__(self) -> str:
        return self.name

    def why_not(self, bench: type[Bench]) -> str | None:
        """Why it cannot be played with a vendor; None where it can."""
        reply = getattr(self, "reply", None)
        unheard = "no such answer is known" if reply and reply not in bench.replies else None
        return bench.lacks.get(self.name, unheard)


@dataclass(frozen=True)
class Write(Case):
    """One behaviour towards a submission, and the answer it must get.

    does    the effect on the request; `reply` names one of the bench's own replies instead
    must    the answer: its type, and those of its fields that matter
    done    the vendor carried the request out nevertheless
    times   how often the behaviour befalls the request
    sent    how often the request goes out
    """

    must: type[SubmitAnswer] = Accepted
    fields: Mapping[str, Any] = field(default_factory=dict)
    does: JsonObject = field(default_factory=dict)
    reply: str | None = None
    done: bool = False
    times: int | None = None
    sent: int = 1


refused = partial(Write, must=Refused)
throttled = partial(Write, must=Throttled)
ambiguous = partial(Write, must=Ambiguous)

CHUNK = {"scope": RefusalScope.CHUNK}
RUN = {"scope": RefusalScope.RUN}
RATE = {"reason": ThrottleReason.RATE}
SLOTS = {"reason": ThrottleReason.SLOTS}


def _date_in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


WRITES = (
    Write("accepted", Accepted, done=True, fields={"warnings": ()}),
    Write(
        "accepted with a warning",
        Accepted,
        does={"headers": {"Warning": '299 - "the field subjet was ignored"'}},
        done=True,
        fields={"warnings": ("the field subjet was ignored",)},
    ),
    refused("invalid record", reply="invalid record", fields=CHUNK | {"http_status": 422}),
    refused("malformed request", reply="malformed request", fields=CHUNK | {"http_status": 400}),
    refused("too many records", reply="too many records", fields=CHUNK | {"http_status": 400}),
    refused("body too large", reply="body too large", fields=CHUNK | {"http_status": 413}),
    refused("address too long", reply="address too long", fields=CHUNK | {"http_status": 414}),
    refused("unauthorized", reply="unauthorized", fields=RUN | {"http_status": 401}, sent=2),
    Write("unauthorized once", Accepted, reply="unauthorized", times=1, done=True, sent=2),
    refused("forbidden", reply="forbidden", fields=RUN | {"http_status": 403}),
    throttled(
        "throttled for seconds",
        does={"rate_limited": "json", "retry_after": 7},
        fields=RATE | {"retry_after": 7.0},
    ),
    throttled(
        "throttled until a date",
        does={"rate_limited": "json", "retry_after": _date_in(7_200)},
        fields=RATE | {"retry_after": pytest.approx(7_200, abs=3_600)},
    ),
    throttled(
        "throttled in plain text",
        does={"rate_limited": "plain", "retry_after": 7},
        fields=RATE | {"retry_after": 7.0},
    ),
    *(
        throttled(
            f"throttled without end, {form}",
            does={"rate_limited": form},
            fields=RATE | {"retry_after": None},
        )
        for form in ("json", "plain", "edge")
    ),
    throttled("too many jobs", reply="too many jobs", fields=SLOTS),
    throttled("too many jobs as 400", reply="too many jobs as 400", fields=SLOTS),
    throttled("too many jobs as 422", reply="too many jobs as 422", fields=SLOTS),
    throttled("database conflict", reply="database conflict", fields=RATE),
    throttled("deadlock", reply="deadlock", fields=RATE),
    throttled("update conflict", reply="update conflict", fields=RATE),
    refused("another conflict", does={"status": 409, "body": {}}, fields=CHUNK),
    *(ambiguous(f"{code} before", does={"status": code}) for code in (408, 500, 502, 503, 504)),
    *(
        ambiguous(f"{code} after", does={"status": code, "after": True}, done=True)
        for code in (408, 500, 502, 503, 504)
    ),
    ambiguous("503 with Retry-After", does={"status": 503, "retry_after": 9}),
    ambiguous("HTML error", does={"html": True}),
    ambiguous("reset before", does={"reset": True}),
    ambiguous("reset after", does={"reset": True, "after": True}, done=True),
    ambiguous("time-out before", does={**HANG, "status": 504}),
    ambiguous("time-out after", does={**HANG, "after": True}, done=True),
    ambiguous("truncated success", does={"truncated": True}, done=True),
    ambiguous("malformed success", does={"malformed": True}, done=True),
    ambiguous("HTML success", does={**HTML_SUCCESS, "after": True}, done=True),
    ambiguous("success that names no job", does={"body": {}, "after": True}, done=True),
    ambiguous("success that is a list", does={"body": [], "after": True}, done=True),
    ambiguous("job id that is a path", reply="job id that is a path", done=True),
    ambiguous("answer too large", does={**LARGE, "after": True}, done=True),
    *(
        refused(f"redirect {code}", does={"status": code}, fields=RUN | {"http_status": code})
        for code in REDIRECTS
    ),
)


@dataclass(frozen=True)
class Read(Case):
    """One behaviour of every reader of job statuses, and what a poll must say of it.

    The poll learns nothing, claims nothing of the job, and says why in `throttled` (with these
    fields), `refused` (with this scope) or `problem`.
    """

    does: JsonObject = field(default_factory=dict)
    reply: str | None = None
    throttled: Throttled | None = None
    refused: RefusalScope | None = None


READS = (
    Read(
        "throttled for seconds",
        does={"rate_limited": "json", "retry_after": 7},
        throttled=Throttled(ThrottleReason.RATE, 7.0),
    ),
    *(
        Read(
            f"throttled without end, {form}",
            does={"rate_limited": form},
            throttled=Throttled(ThrottleReason.RATE),
        )
        for form in ("json", "plain", "edge")
    ),
    Read("unauthorized", reply="unauthorized", refused=RefusalScope.RUN),
    Read("forbidden", reply="forbidden", refused=RefusalScope.RUN),
    Read("redirect", does={"status": 302}, refused=RefusalScope.RUN),
    *(Read(f"{code}", does={"status": code}) for code in (408, 500, 502, 503, 504)),
    Read("HTML error", does={"html": True}),
    Read("reset", does={"reset": True}),
    Read("time-out", does=HANG),
    Read("truncated", does={"truncated": True}),
    Read("answer too large", does=LARGE),
    Read("malformed success", does={"malformed": True}),
    Read("HTML success", does=HTML_SUCCESS),
    Read("success that is a list", does={"body": []}),
)


@dataclass(frozen=True)
class ReadRecords(Read):
    """The same of what reads the records that are to be changed."""

    def why_not(self, bench: type[Bench]) -> str | None:
        if bench.changes is None:
            return "records cannot be read in batches before they are changed"
        return super().why_not(bench)


SHOWN = "as they are, in the order asked for, and absent ones as absent"
RECORD_READS = (
    ReadRecords(SHOWN),
    *(
        ReadRecords(read.name, read.does, read.reply, read.throttled, read.refused)
        for read in READS
    ),
)


@dataclass(frozen=True)
class Job(Case):
    """One end of a job of four rows, and what poll and results must say once its time is up.

    rows    the outcome of each row; None: the job has not ended
    status  the vendor's own word, where it matters
    """

    does: JsonObject = field(default_factory=dict)
    phase: JobPhase = JobPhase.ENDED
    rows: str | None = "++++"
    status: str | None = None


ACTIVE = JobPhase.ACTIVE
GONE = JobPhase.GONE

JOBS = (
    Job("some rows failed", {"fail_rows": {"indexes": [1, 3]}}, rows="+-+-", status="completed"),
    Job("all rows failed", {"fail_rows": {"probability": 1}}, rows="----", status="failed"),
    Job("results null", {"results": "null"}, rows="????"),
    Job("results short", {"results": "short"}, rows="+++?"),
    Job("results re-ordered", {"results": "reordered"}),
    Job("results without index", {"results": "no_index"}),
    Job("results short, without index", {"results": ["short", "no_index"]}, rows="????"),
    Job(
        "failures short, re-ordered",
        {"results": ["short", "reordered"], "fail_rows": {"indexes": [0, 1]}},
        rows="--+?",
    ),
    Job("the job died at once", {"fail_job": True}, rows="????", status="failed"),
    Job("the job died half-way", {"fail_job": {"after_rows": 2}}, rows="????", status="failed"),
    Job("killed with results", {"status_word": "killed"}, status="killed"),
    Job(
        "killed without results",
        {"status_word": "killed", "results": "null"},
        rows="????",
        status="killed",
    ),
    Job("unknown word", {"status_word": "active"}, ACTIVE, rows=None, status="active"),
    Job("stuck", {"stuck": True}, ACTIVE, rows=None),
    Job("unknown by id, still listed", {"vanish": True}),
    Job("only ever listed", {"list_only": True}),
    Job("the job was called off", {"status_word": "aborted"}, status="aborted"),
    Job("gone", {"gone": True}, GONE, rows=None),
)


LOST_ANSWER = {"reset": True, "after": True}
NEVER_TAKEN = {"reset": True}


@dataclass(frozen=True)
class Lost(Case):
    """A submission whose answer is lost, and what the search for its job must say.

    does       what befalls the submission, and the job that it starts
    during     what befalls every request of the search
    strangers  jobs of others at that time, of one record fewer, as many, and one more
    after      seconds from the submission to the search; None: until the vendor has forgotten
    readable   whether the vendor could be read
    """

    does: JsonObject = field(default_factory=lambda: LOST_ANSWER)
    during: JsonObject = field(default_factory=dict)
    strangers: bool = False
    after: float | None = 120.0
    must: FoundState = FoundState.FOUND
    readable: bool = True


NO_RECORD = "undecidable where the job names no record"

UNREADABLE: dict[str, dict[str, Any]] = {
    "the gateway fails": {"status": 502},
    "the account is refused": {"status": 401},
    "the vendor is throttled": {"rate_limited": "edge"},
    "answers are unreadable": {"html": True, "status": 200},
    "connections break": {"reset": True},
}
"""What keeps a search from reading the vendor."""

LOST = (
    Lost("found"),
    Lost("found among the jobs of others", strangers=True),
    Lost("found though some rows were refused", LOST_ANSWER | {"fail_rows": {"indexes": [0]}}),
    Lost("pending while it runs", after=1, must=FoundState.PENDING),
    Lost("pending while it is stuck", LOST_ANSWER | {"stuck": True}, must=FoundState.PENDING),
    *(
        Lost(f"pending while {what}", during=fault, must=FoundState.PENDING, readable=False)
        for what, fault in UNREADABLE.items()
    ),
    Lost(
        "pending where the job is hidden and its records are not",
        LOST_ANSWER | {"gone": True},
        must=FoundState.PENDING,
    ),
    Lost("absent where it was never taken", NEVER_TAKEN, after=1, must=FoundState.ABSENT),
    Lost(
        "absent where only others' jobs ran",
        NEVER_TAKEN,
        strangers=True,
        must=FoundState.ABSENT,
    ),
    Lost(
        "absent where every row was refused",
        LOST_ANSWER | {"fail_rows": {"probability": 1}},
        must=FoundState.ABSENT,
    ),
    Lost(
        NO_RECORD,
        LOST_ANSWER | {"results": "null"},
        must=FoundState.UNDECIDABLE,
    ),
    Lost(
        "undecidable once the vendor may have forgotten",
        after=None,
        must=FoundState.UNDECIDABLE,
    ),
)

BY_TOKEN = {
    name: {"must": FoundState.FOUND}
    for name in (
        "pending while it runs",
        "pending while it is stuck",
        "absent where every row was refused",
        NO_RECORD,
    )
}
"""What is different where a job is found by its token, whatever it did."""

TWINS = "two of the same size are distinguished"
UNSEEN = "pending where the job is hidden and its records are not"


@dataclass(frozen=True)
class Words(Case):
    """A refusal, and words of the vendor that people must get to see."""

    reply: str = ""
    words: str = ""


WORDS = (
    Words("invalid record, in words", reply="invalid record", words="cannot be blank"),
    Words("malformed request, in words", reply="malformed request", words="not so"),
    Words("forbidden, in words", reply="forbidden", words="Bulk import is off"),
)


@dataclass(frozen=True)
class Redirect(Case):
    """A redirect of every request to another host, which must never be visited."""

    code: int = 302


REDIRECTED = tuple(Redirect(f"redirect {code} to another host", code) for code in REDIRECTS)

CONDUCT = tuple(
    map(
        Case,
        (
            "a vendor that is not there was sent nothing",
            "a redirect to no address is an answer",
            "good credentials are welcomed",
            "an empty row is unknown and no other",
            "a status may go back",
            "a job may take a moment to be seen",
            "a job is forgotten when its time is up",
            "nothing to poll takes no request",
            "a changed secret is read afresh once",
            "a wrong secret stops the run",
        ),
    )
)
"""Scenarios of which each has a test of its own."""

SCENARIOS: Mapping[str, tuple[Case, ...]] = {
    "Submitting": (*WRITES,),
    "Refusals": WORDS,
    "Redirects": REDIRECTED,
    "Polling": (*READS,),
    "Testing a connection": (*READS,),
    "Reading records before a change": RECORD_READS,
    "Jobs": (*JOBS,),
    "Lost submissions": (*LOST, Case(TWINS)),
    "Conduct": CONDUCT,
}
"""Every scenario there is, in the order of the table."""
