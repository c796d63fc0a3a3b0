"""What a vendor may do to a submission, to a poll and to a job, and what its adapter must answer.

The lists are data and name no vendor. A vendor joins with a bench: its own words for the named
situations, and where its requests go.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from jobferry.model import JsonObject, OutcomeStatus
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    JobPhase,
    PollAnswer,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
)
from tests.contract.zendesk_support.bench import ZendeskBench
from vendorsim import ManualClock, RunningSimulator, start

BENCHES = {"zendesk_support": ZendeskBench}

READ_SECONDS = 0.1
HANG = {"hang": 0.25}
MAX_ANSWER_BYTES = 20_000
LARGE = {"body": "x" * (MAX_ANSWER_BYTES + 1)}
HTML_SUCCESS = {"status": 200, "html": True}
REDIRECTS = (301, 302, 303, 307, 308)


# The benches


@pytest.fixture(params=BENCHES, ids=str)
def make_bench(request: pytest.FixtureRequest) -> Callable[..., ZendeskBench]:
    return BENCHES[request.param]


@pytest.fixture
def bench(
    make_bench: Callable[..., ZendeskBench], sim: RunningSimulator, clock: ManualClock
) -> ZendeskBench:
    """A vendor whose clock the test moves."""
    sim.change_settings(requests_per_minute=0)
    return make_bench(sim, clock)


@pytest.fixture(scope="module")
def _timed() -> Iterator[RunningSimulator]:
    with start(latency=0.001, requests_per_minute=0) as simulator:
        yield simulator


@pytest.fixture
def prompt_bench(make_bench: Callable[..., ZendeskBench], _timed: RunningSimulator) -> ZendeskBench:
    """A vendor on the machine's clock, so that it can hang; its jobs end at once."""
    _timed.reset()
    return make_bench(_timed)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[JsonObject], None]:
    """Bounds that a behaviour is meant to break, and no others are likely to."""

    def set_bounds(does: JsonObject) -> None:
        monkeypatch.setattr("jobferry.vendors.http.MAX_ANSWER_BYTES", MAX_ANSWER_BYTES)
        if "hang" in does:
            monkeypatch.setattr("jobferry.vendors.http.READ_SECONDS", READ_SECONDS)

    return set_bounds


@pytest.fixture(autouse=True)
def no_secret_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level("DEBUG")
    yield
    for bench in BENCHES.values():
        assert not [secret for secret in bench.secrets if secret in caplog.text]


# Submitting


@dataclass(frozen=True)
class Write:
    """One behaviour towards a submission, and the answer it must get.

    does    the effect on the request; `reply` names one of the bench's own replies instead
    must    the answer: its type, and those of its fields that matter
    done    the vendor carried the request out nevertheless
    times   how often the behaviour befalls the request
    sent    how often the request goes out
    """

    name: str
    must: type[SubmitAnswer]
    fields: Mapping[str, Any] = field(default_factory=dict)
    does: JsonObject = field(default_factory=dict)
    reply: str | None = None
    done: bool = False
    times: int | None = None
    sent: int = 1

    def __str__(self) -> str:
        return self.name


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
    Write("accepted", Accepted, done=True),
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
    ambiguous(
        "job id that is a path",
        does={"body": {"job_status": {"id": "../users/1"}}, "after": True},
        done=True,
    ),
    ambiguous("answer too large", does={**LARGE, "after": True}, done=True),
    *(
        refused(f"redirect {code}", does={"status": code}, fields=RUN | {"http_status": code})
        for code in REDIRECTS
    ),
)


@pytest.mark.parametrize("case", WRITES, ids=str)
def test_a_submission_is_answered_by_what_the_vendor_did(
    case: Write, prompt_bench: ZendeskBench, little_patience: Callable[[JsonObject], None]
) -> None:
    bench = prompt_bench
    effect = _effect(bench, case.reply, case.does)
    little_patience(case.does)
    if effect:
        bench.befall(bench.write, case.times, **effect)

    answer = bench.client.submit(bench.create, bench.records(3), "token")

    assert isinstance(answer, case.must), answer
    assert {name: getattr(answer, name) for name in case.fields} == case.fields
    assert len(bench.jobs()) == case.done
    assert bench.client.requests_made == case.sent
    if "hang" not in case.does:
        assert bench.writes() == case.sent
    bench.show_no_secret(answer)


def _effect(bench: ZendeskBench, reply: str | None, does: JsonObject) -> JsonObject:
    if reply is not None and reply not in bench.replies:
        pytest.skip(f"{bench.vendor.title} has no answer for {reply!r}")
    return does if reply is None else bench.replies[reply]


@pytest.mark.parametrize("reply", ["invalid record", "malformed request", "forbidden"])
def test_a_refusal_carries_the_vendors_words(bench: ZendeskBench, reply: str) -> None:
    bench.befall(bench.write, **_effect(bench, reply, {}))

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Refused)
    assert answer.code
    words = {"invalid record": "cannot be blank", "malformed request": "not so"}
    assert words.get(reply, "Bulk import is off") in answer.message


def test_a_vendor_that_is_not_there_was_sent_nothing(
    make_bench: Callable[..., ZendeskBench], sim: RunningSimulator
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    bench = make_bench(sim)
    client = bench.vendor.client(f"http://127.0.0.1:{port}", bench.secret, allow_loopback_http=True)

    submitted = client.submit(bench.create, bench.records(1), "token")
    polled = client.poll(["V3-1"])

    assert submitted == Throttled(ThrottleReason.RATE)
    assert not polled.readings
    assert polled.throttled or polled.problem
    bench.show_no_secret(submitted, polled)


@pytest.mark.parametrize("code", REDIRECTS)
def test_a_redirect_to_another_host_is_never_followed(bench: ZendeskBench, code: int) -> None:
    with start() as elsewhere:
        location = {"Location": f"{elsewhere.url}/api/v2/users/me"}
        bench.befall({}, status=code, headers=location)

        answers = (
            bench.client.test(),
            bench.client.submit(bench.create, bench.records(1), "token"),
            bench.client.poll(["V3-1"]).refused,
        )
        visits = elsewhere.effects()["requests"]["by_path"]

    assert [getattr(answer, "scope", None) for answer in answers] == [RefusalScope.RUN] * 3
    assert visits == {}


@pytest.mark.parametrize("location", ["http://[", "https://[::1/api"])
def test_a_redirect_to_no_address_is_an_answer(bench: ZendeskBench, location: str) -> None:
    bench.befall(bench.write, status=302, headers={"Location": location})

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Refused)


# Polling


@dataclass(frozen=True)
class Read:
    """One behaviour of every reader of job statuses, and what a poll must say of it.

    The poll learns nothing, claims nothing of the job, and says why in `throttled` (with these
    fields), `refused` (with this scope) or `problem`.
    """

    name: str
    does: JsonObject = field(default_factory=dict)
    reply: str | None = None
    throttled: Throttled | None = None
    refused: RefusalScope | None = None

    def __str__(self) -> str:
        return self.name


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


@pytest.mark.parametrize("case", READS, ids=str)
def test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
    case: Read,
    prompt_bench: ZendeskBench,
    little_patience: Callable[[JsonObject], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = prompt_bench
    job_id = bench.submitted(bench.records(2))
    bench.befall(bench.readers, **_effect(bench, case.reply, case.does))
    little_patience(case.does)

    answer = bench.client.poll([job_id])
    monkeypatch.undo()
    bench.heal()
    healed = bench.client.poll([job_id])

    assert not answer.readings
    assert answer.throttled == case.throttled
    assert (answer.refused.scope if answer.refused else None) == case.refused
    assert (answer.problem is not None) == (not case.throttled and not case.refused)
    assert healed.readings[job_id].phase is JobPhase.ENDED
    assert healed.problem is None
    bench.show_no_secret(answer)


@pytest.mark.parametrize("case", READS, ids=str)
def test_the_harmless_request_is_judged_like_any_other(
    case: Read, prompt_bench: ZendeskBench, little_patience: Callable[[JsonObject], None]
) -> None:
    bench = prompt_bench
    bench.befall(bench.harmless, **_effect(bench, case.reply, case.does))
    little_patience(case.does)

    answer = bench.client.test()

    if case.throttled:
        assert answer == case.throttled
    elif case.refused:
        assert isinstance(answer, Refused)
        assert answer.scope is case.refused
    else:
        assert isinstance(answer, Ambiguous)
    assert bench.writes() == 0


def test_the_harmless_request_welcomes_good_credentials(bench: ZendeskBench) -> None:
    assert bench.client.test() is None
    assert bench.client.requests_made == 1


# Jobs


@dataclass(frozen=True)
class Job:
    """One fate of a job of four rows, and what poll and results must say once its time is up.

    rows    the outcome of each row; None: the job has not ended
    status  the vendor's own word, where it matters
    """

    name: str
    does: JsonObject
    phase: JobPhase = JobPhase.ENDED
    rows: str | None = "++++"
    status: str | None = None

    def __str__(self) -> str:
        return self.name


_OUTCOMES = {
    "+": OutcomeStatus.SUCCEEDED,
    "-": OutcomeStatus.FAILED,
    "?": OutcomeStatus.UNKNOWN,
}

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
    Job("gone", {"gone": True}, GONE, rows=None),
)


@pytest.mark.parametrize("case", JOBS, ids=str)
def test_a_job_is_read_for_what_became_of_it(case: Job, bench: ZendeskBench) -> None:
    records = bench.records(4)
    bench.befall(bench.write, **case.does)
    job_id = bench.submitted(records)
    bench.pass_time()

    reading = bench.client.poll([job_id]).readings[job_id]

    assert reading.phase is case.phase
    assert case.status in (None, reading.status)
    if case.rows is None:
        return
    results = bench.results(bench.create, job_id, records)
    assert [result.status for result in results] == [_OUTCOMES[sign] for sign in case.rows]


def test_an_empty_row_is_unknown_and_no_other(bench: ZendeskBench) -> None:
    records = bench.records(4)
    bench.befall(bench.write, results="empty_row")
    job_id = bench.submitted(records)
    bench.pass_time()

    results = bench.results(bench.create, job_id, records)

    assert sorted(result.status for result in results) == ["succeeded"] * 3 + ["unknown"]


def test_a_status_may_go_back(bench: ZendeskBench) -> None:
    bench.befall(bench.write, regress=True)
    job_id = bench.submitted(bench.records(1))

    def seen() -> tuple[str, JobPhase]:
        reading = bench.client.poll([job_id]).readings[job_id]
        return reading.status, reading.phase

    bench.pass_time(1.5)
    assert [seen(), seen()] == [("working", JobPhase.ACTIVE), ("queued", JobPhase.ACTIVE)]
    bench.pass_time()
    assert seen() == ("completed", JobPhase.ENDED)


def test_a_job_may_take_a_moment_to_be_seen(bench: ZendeskBench) -> None:
    bench.befall(bench.write, not_yet_visible=10)
    job_id = bench.submitted(bench.records(1))

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.GONE
    bench.pass_time(10)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED


def test_a_job_is_forgotten_when_its_time_is_up(bench: ZendeskBench) -> None:
    job_id = bench.submitted(bench.records(1))

    bench.pass_time(bench.vendor.capabilities.retention_seconds - 1)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED
    bench.pass_time(2)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.GONE


def test_nothing_to_poll_takes_no_request(bench: ZendeskBench) -> None:
    assert bench.client.poll([]) == PollAnswer(requests=0)
    assert bench.client.requests_made == 0


# Credentials


def test_a_secret_that_was_changed_is_read_afresh_once(bench: ZendeskBench) -> None:
    bench.secret.values[:] = [bench.wrong_credentials, bench.credentials]

    answer = bench.client.submit(bench.create, bench.records(2), "token")

    assert isinstance(answer, Accepted)
    assert bench.secret.asked == [False, True]
    assert len(bench.jobs()) == 1
    bench.show_no_secret(answer)


def test_a_secret_that_stays_wrong_stops_the_run(bench: ZendeskBench) -> None:
    bench.secret.values[:] = [bench.wrong_credentials]

    submitted = bench.client.submit(bench.create, bench.records(2), "token")
    polled = bench.client.poll(["V3-1"])
    tested = bench.client.test()

    for answer in (submitted, polled.refused, tested):
        assert isinstance(answer, Refused)
        assert (answer.scope, answer.http_status) == (RefusalScope.RUN, 401)
    assert bench.secret.asked == [False, True] * 3
    assert not polled.readings
    assert bench.jobs() == []
    bench.show_no_secret(submitted, polled, tested)
