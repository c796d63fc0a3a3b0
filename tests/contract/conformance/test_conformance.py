"""Every vendor plays every scenario that it can; `plays` says which ones a test is for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.profile import ColumnType
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    FoundState,
    JobPhase,
    PollAnswer,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import RecordReader
from jobferry.vendors.record_snapshot import kept_of
from tests.contract.conformance.bench import Bench
from tests.contract.conformance.benches import BENCHES
from tests.contract.conformance.scenarios import (
    LOST,
    READS,
    SCENARIOS,
    SHOWN,
    TWINS,
    Job,
    Lost,
    Read,
    ReadRecords,
    Redirect,
    Words,
    Write,
)
from tests.contract.lost import Search
from vendorsim import start


def plays(group: str, *names: str) -> pytest.MarkDecorator:
    """Runs a test for each vendor and each scenario of a group, or those of these names alone."""
    chosen = [case for case in SCENARIOS[group] if not names or case.name in names]
    assert chosen, names
    pairs = [(bench, case) for case in chosen for bench in BENCHES if case.why_not(bench) is None]
    return pytest.mark.parametrize(
        ("make_bench", "case"),
        [
            pytest.param(
                bench,
                case,
                id=f"{bench.title}: {case}",
                marks=pytest.mark.scenario(vendor=bench.title, group=group, name=case.name),
            )
            for bench, case in pairs
        ],
    )


@pytest.fixture(autouse=True)
def no_secret_in_any_log(
    make_bench: type[Bench], caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Every library may log what it likes: the credentials are not in it."""
    caplog.set_level("DEBUG")
    yield
    assert not [secret for secret in make_bench.secrets if secret in caplog.text]


# Submitting


@plays("Submitting")
def test_a_submission_is_answered_by_what_the_vendor_did(
    case: Write, prompt_bench: Bench, tight_bounds: Callable[[JsonObject], None]
) -> None:
    bench = prompt_bench
    effect = _effect(bench, case)
    tight_bounds(case.does)
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


def _effect(bench: Bench, case: Write | Read) -> JsonObject:
    return case.does if case.reply is None else bench.replies[case.reply]


@plays("Refusals")
def test_a_refusal_carries_the_vendors_words(case: Words, bench: Bench) -> None:
    bench.befall(bench.write, **bench.replies[case.reply])

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Refused)
    assert answer.code
    assert case.words in answer.message


@plays("Conduct", "a vendor that is not there was sent nothing")
def test_a_vendor_that_is_not_there_was_sent_nothing(
    bench: Bench,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    client = bench.vendor.client(f"http://127.0.0.1:{port}", bench.secret, reach=LOOPBACK)

    submitted = client.submit(bench.create, bench.records(1), "token")
    polled = client.poll(["V3-1"])

    assert submitted == Throttled(ThrottleReason.UNREACHABLE)
    assert not polled.readings
    assert polled.throttled or polled.problem
    bench.show_no_secret(submitted, polled)


@plays("Redirects")
def test_a_redirect_to_another_host_is_never_followed(case: Redirect, bench: Bench) -> None:
    with start() as elsewhere:
        location = {"Location": f"{elsewhere.url}/api/v2/users/me"}
        bench.befall({}, status=case.code, headers=location)

        answers = (
            bench.client.test(),
            bench.client.submit(bench.create, bench.records(1), "token"),
            bench.client.poll(["V3-1"]).refused,
        )
        visits = elsewhere.effects()["requests"]["by_path"]

    assert [getattr(answer, "scope", None) for answer in answers] == [RefusalScope.RUN] * 3
    assert visits == {}


@plays("Conduct", "a redirect to no address is an answer")
def test_a_redirect_to_no_address_is_an_answer(bench: Bench) -> None:
    for location in ("http://[", "https://[::1/api"):
        bench.befall(bench.write, 1, status=302, headers={"Location": location})

        answer = bench.client.submit(bench.create, bench.records(1), "token")

        assert isinstance(answer, Refused), location


# Polling


@plays("Polling")
def test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
    case: Read,
    prompt_bench: Bench,
    tight_bounds: Callable[[JsonObject], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = prompt_bench
    job_id = bench.submitted(bench.records(2))
    bench.befall(bench.readers, **_effect(bench, case))
    tight_bounds(case.does)

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


# Reading records before a change


def _reader(bench: Bench) -> tuple[RecordReader, Operation]:
    assert bench.changes is not None
    return cast("RecordReader", bench.client), bench.changes


@plays("Reading records before a change", SHOWN)
def test_records_are_shown_as_they_are_before_they_are_changed(
    case: ReadRecords, bench: Bench
) -> None:
    client, operation = _reader(bench)
    sent = bench.records(3)
    job_id = bench.submitted(sent)
    bench.pass_time()
    ids = [result.vendor_id for result in bench.results(bench.create, job_id, sent)]
    asked = [{"id": each, **bench.change} for each in (ids[2], bench.absent_id, ids[0])]

    before = client.read_records(operation, asked)
    bench.submitted([{"id": _id(bench, each), **bench.change} for each in ids], operation)
    bench.pass_time()
    after = client.read_records(operation, asked)

    assert before.problem is None
    assert before.requests == 1
    shown = [None if each is None else str(each["id"]) for each in before.records]
    assert shown == [ids[2], None, ids[0]]
    kept = [kept_of(operation, s, b) for s, b in zip(asked, before.records, strict=True)]
    changed = [kept_of(operation, s, b) for s, b in zip(asked, after.records, strict=True)]
    assert kept[0].fields != changed[0].fields
    assert kept[1].record_id is None
    bench.show_no_secret(before)


def _id(bench: Bench, vendor_id: str | None) -> int | str | None:
    """An id as a row of the change sends it."""
    assert bench.changes is not None
    whole = bench.changes.types.get("id") is ColumnType.INTEGER
    return int(vendor_id or "") if whole else vendor_id


@plays("Reading records before a change", *[case.name for case in READS])
def test_a_read_of_records_that_learns_nothing_says_why(
    case: ReadRecords, prompt_bench: Bench, tight_bounds: Callable[[JsonObject], None]
) -> None:
    bench = prompt_bench
    client, operation = _reader(bench)
    bench.befall(bench.look_up, **_effect(bench, case))
    tight_bounds(case.does)

    read = client.read_records(operation, [{"id": bench.absent_id, **bench.change}])

    assert not read.records
    if case.throttled:
        assert read.problem == case.throttled
    elif case.refused:
        assert isinstance(read.problem, Refused)
        assert read.problem.scope is case.refused
    else:
        assert isinstance(read.problem, Ambiguous)
    assert not bench.jobs()
    bench.show_no_secret(read)


@plays("Testing a connection")
def test_the_harmless_request_is_judged_like_any_other(
    case: Read, prompt_bench: Bench, tight_bounds: Callable[[JsonObject], None]
) -> None:
    bench = prompt_bench
    bench.befall(bench.harmless, **_effect(bench, case))
    tight_bounds(case.does)

    answer = bench.client.test()

    if case.throttled:
        assert answer == case.throttled
    elif case.refused:
        assert isinstance(answer, Refused)
        assert answer.scope is case.refused
    else:
        assert isinstance(answer, Ambiguous)
    assert bench.writes() == 0


@plays("Conduct", "good credentials are welcomed")
def test_the_harmless_request_welcomes_good_credentials(bench: Bench) -> None:
    assert bench.client.test() is None
    assert bench.client.requests_made == 1


# Jobs


_OUTCOMES = {
    "+": OutcomeStatus.SUCCEEDED,
    "-": OutcomeStatus.FAILED,
    "?": OutcomeStatus.UNKNOWN,
}


@plays("Jobs")
def test_a_job_is_read_for_what_became_of_it(case: Job, bench: Bench) -> None:
    read_for_what_became_of_it(replace(case, **bench.differences.get(case.name, {})), bench)


def read_for_what_became_of_it(case: Job, bench: Bench) -> None:
    """Play one end of a job; a vendor's own tests play ends that only its jobs have."""
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
    assert [result.status for result in results] == [
        _OUTCOMES[sign] for sign in case.rows[: len(records)]
    ]


@plays("Conduct", "an empty row is unknown and no other")
def test_an_empty_row_is_unknown_and_no_other(bench: Bench) -> None:
    records = bench.records(4)
    bench.befall(bench.write, results="empty_row")
    job_id = bench.submitted(records)
    bench.pass_time()

    results = bench.results(bench.create, job_id, records)

    assert sorted(result.status for result in results) == ["succeeded"] * 3 + ["unknown"]


@plays("Conduct", "a status may go back")
def test_a_status_may_go_back(bench: Bench) -> None:
    working, queued, completed = bench.words
    bench.befall(bench.write, regress=True)
    job_id = bench.submitted(bench.records(1))

    def seen() -> tuple[str, JobPhase]:
        reading = bench.client.poll([job_id]).readings[job_id]
        return reading.status, reading.phase

    bench.pass_time(1.5)
    assert [seen(), seen()] == [(working, JobPhase.ACTIVE), (queued, JobPhase.ACTIVE)]
    bench.pass_time()
    assert seen() == (completed, JobPhase.ENDED)


@plays("Conduct", "a job may take a moment to be seen")
def test_a_job_may_take_a_moment_to_be_seen(bench: Bench) -> None:
    bench.befall(bench.write, not_yet_visible=10)
    job_id = bench.submitted(bench.records(1))

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.GONE
    bench.pass_time(10)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED


@plays("Conduct", "a job is forgotten when its time is up")
def test_a_job_is_forgotten_when_its_time_is_up(bench: Bench) -> None:
    job_id = bench.submitted(bench.records(1))

    bench.pass_time(bench.vendor.capabilities.retention_seconds - 1)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED
    bench.pass_time(2)
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.GONE


@plays("Conduct", "nothing to poll takes no request")
def test_nothing_to_poll_takes_no_request(bench: Bench) -> None:
    assert bench.client.poll([]) == PollAnswer(requests=0)
    assert bench.client.requests_made == 0


# Lost submissions


@plays("Lost submissions", *[case.name for case in LOST])
def test_the_job_of_a_lost_submission_is_looked_for(case: Lost, bench: Bench) -> None:
    case = replace(case, **bench.differences.get(case.name, {}))
    count = min(3, bench.create.max_records)
    search = Search(bench)
    job_id = search.submit(bench.records(count), **case.does)
    if case.strangers:
        for number in {1, count - 1, count, count + 1} & set(
            range(1, bench.create.max_records + 1)
        ):
            bench.submitted(bench.records(number, prefix=f"other{number}"))
    if case.during:
        bench.befall({"method": "GET"}, **case.during)
    forgotten = bench.vendor.capabilities.retention_seconds + 60.0
    before = bench.client.requests_made

    found = search.find(after=forgotten if case.after is None else case.after)

    assert (found.state, found.readable) == (case.must, case.readable), found.reason
    assert found.job_id == (job_id if found.state is FoundState.FOUND else None)
    assert found.requests == bench.client.requests_made - before
    if not case.readable:
        bench.heal()
        assert search.find().job_id == job_id
    bench.show_no_secret(found)


@plays("Lost submissions", TWINS)
def test_two_lost_submissions_of_the_same_size_are_told_apart(bench: Bench) -> None:
    count = min(3, bench.create.max_records)
    one, other = Search(bench, token="run.1.1"), Search(bench, token="run.11.1")
    first = one.submit(bench.records(count, prefix="A"))
    second = other.submit(bench.records(count, prefix="B"))

    assert one.find().job_id == first
    assert other.find().job_id == second


# Credentials


@plays("Conduct", "a changed secret is read afresh once")
def test_a_secret_that_was_changed_is_read_afresh_once(bench: Bench) -> None:
    bench.secret.values[:] = [bench.wrong_credentials, bench.credentials]

    answer = bench.client.submit(bench.create, bench.records(2), "token")

    assert isinstance(answer, Accepted)
    assert bench.secret.asked == [False, True]
    assert len(bench.jobs()) == 1
    bench.show_no_secret(answer)


@plays("Conduct", "a wrong secret stops the run")
def test_a_secret_that_stays_wrong_stops_the_run(bench: Bench) -> None:
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
