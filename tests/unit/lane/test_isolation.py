"""One bad answer costs its own rows their outcome, and nobody else.

The account in memory answers the steps directly, so nothing that it says has passed an adapter's
checks: what holds here holds whatever an adapter lets through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.row_verdict import ANSWER_UNUSABLE
from jobferry.domain.types import JsonObject
from jobferry.lane.isolation import keep_evidence, poll_each
from jobferry.lane.poller import UNREADABLE_FOR
from jobferry.store.objects import Objects
from jobferry.vendors.answers import (
    DATA_ERRORS,
    Accepted,
    JobPhase,
    JobReading,
    PollAnswer,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import VendorClient
from virtual.objects import FakeObjects
from virtual.vendor import Behaviour, Job, read_results
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED
UNKNOWN = OutcomeStatus.UNKNOWN

ROWS, BAD = 25, 13
"""One row a job; the answer about the job of row 13 is bad."""

HUGE = "x" * 300_000


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = {"details": [value]}
    return value


def is_bad(job: Job) -> bool:
    return job.records[0]["ref"] == f"r{BAD}"


@pytest.fixture
def world() -> Iterator[World]:
    with World(max_records=1, max_jobs=ROWS) as made:
        yield made


def with_raw(world: World, raw_of: Callable[[JsonObject], object]) -> None:
    """What the vendor says of the bad job, made of what it should say."""
    plain = world.account.raw

    def raw(job: Job) -> JsonObject:
        said = plain(job)
        return cast("JsonObject", raw_of(said)) if is_bad(job) else said

    world.account.raw = raw  # type: ignore[method-assign]


def processed(world: World) -> dict[int, Outcome]:
    """Carry the file; whatever was said of row 13, the others have succeeded and the run ends."""
    run = world.processed(sample_csv(ROWS))
    assert world.problems(run.run_id) == []
    outcomes = world.outcomes(run.run_id)
    others = {row: outcome for row, outcome in outcomes.items() if row != BAD}
    assert {o.status for o in others.values()} == {SUCCEEDED}
    assert {o.vendor_id for o in others.values()} == {f"id-r{row}" for row in others}
    assert set(world.account.received.values()) == {1}
    return outcomes


def unusable(world: World) -> None:
    outcome = processed(world)[BAD]
    status, code, text = ANSWER_UNUSABLE
    assert (outcome.status, outcome.error_code, outcome.error) == (status, code, text)


def texts_kept(world: World) -> list[bytes]:
    """What is kept and is no JSON with jobs in it."""
    kept = [world.objects.get(key) for key in world.objects.keys("evidence/")]
    return [body for body in kept if b'"polled_at"' not in body]


class TestEvidence:
    @pytest.mark.parametrize(
        ("poison", "kept"),
        [
            pytest.param("half \ud800", b"half \\ud800", id="half a character"),
            pytest.param({"\udfff": 1}, b"\\udfff", id="half a character in a name"),
            pytest.param(10**5000, b"dict", id="a number with 5000 digits"),
            pytest.param(nested(100_000), b"dict", id="nested too deep"),
            pytest.param({1, 2}, b"{1, 2}", id="a set"),
            pytest.param(b"\xff", b"xff", id="bytes"),
        ],
    )
    def test_what_is_no_json_is_kept_as_it_came(
        self, world: World, poison: object, kept: bytes
    ) -> None:
        with_raw(world, lambda said: {**said, "note": poison})
        unusable(world)
        (body,) = texts_kept(world)
        assert kept in body
        assert body.isascii()

    def test_the_good_answers_of_the_same_look_are_kept_as_json(self, world: World) -> None:
        with_raw(world, lambda said: {**said, "note": "\ud800"})
        unusable(world)
        kept: set[str] = set()
        for key in world.objects.keys("evidence/"):
            body = world.objects.get(key)
            kept |= json.loads(body)["jobs"].keys() if b'"polled_at"' in body else set()
        bad = next(job.job_id for job in world.account.jobs.values() if is_bad(job))
        assert kept == world.account.jobs.keys() - {bad}

    def test_together_where_all_are_good(self) -> None:
        objects = FakeObjects()
        stored = keep_evidence("+".join, {"b": {"x": 1}, "a": None}, 5.0, objects)
        assert stored.keys == {"a": "a+b", "b": "a+b"}
        assert stored.unusable == frozenset()
        assert objects.get_json("a+b") == {"polled_at": 5.0, "jobs": {"b": {"x": 1}, "a": None}}

    def test_nothing_is_stored_of_nothing(self) -> None:
        objects = FakeObjects()
        assert not keep_evidence("+".join, {}, 5.0, objects).keys
        assert objects.keys("") == []

    def test_a_bucket_that_fails_is_no_bad_answer(self) -> None:
        class Broken(FakeObjects):
            def put(self, key: str, body: bytes, content_type: str) -> None:
                raise OSError("no bucket")

        with pytest.raises(OSError, match="no bucket"):
            keep_evidence("+".join, {"a": {}}, 5.0, cast("Objects", Broken()))


class TestResults:
    @pytest.mark.parametrize(
        "results",
        [
            pytest.param(None, id="null"),
            pytest.param({"a": 1}, id="an object"),
            pytest.param([["succeeded", "1"], ["succeeded", "2"]], id="one too many"),
            pytest.param([7], id="a number"),
            pytest.param([["wonderful", "1"]], id="no status"),
            pytest.param([["succeeded", {}]], id="an id that is an object"),
            pytest.param([["succeeded", []]], id="an id that is a list"),
            pytest.param([["succeeded", False]], id="an id that is false"),
            pytest.param([["succeeded", -1]], id="an id that is a number"),
            pytest.param([["failed", None, {"code": 1}, "No."]], id="a code that is an object"),
            pytest.param([["failed", None, 422, "No."]], id="a code that is a number"),
            pytest.param([["failed", None, "Invalid", nested(3)]], id="a text that is an object"),
        ],
    )
    def test_what_is_no_result_decides_nothing(self, world: World, results: object) -> None:
        with_raw(world, lambda said: {**said, "results": results})
        if results == [["succeeded", "1"], ["succeeded", "2"]]:
            # The fake's reader takes no more than were sent, so the surplus is shown to settle.
            with_vendor(world, surplus)
        unusable(world)

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            pytest.param(HUGE, HUGE, id="300 kB"),
            pytest.param("Half \ud800", "Half \udfff", id="half a character"),
            pytest.param("Nul \0", "Nul \0", id="NUL"),
            pytest.param("", "", id="nothing"),
            pytest.param("𝒳" * 300_000, "𝒳" * 300_000, id="300,000 wide characters"),
        ],
    )
    def test_a_refusal_in_odd_words_is_a_refusal(self, world: World, code: str, text: str) -> None:
        def odd(
            operation: Operation,
            raw: JsonObject,
            sent: int,
            records: Callable[[], Sequence[JsonObject]],
        ) -> list[RecordResult]:
            if raw.get("odd"):
                return [RecordResult(FAILED, code=code, text=text)]
            return read_results(operation, raw, sent, records)

        with_raw(world, lambda said: {**said, "odd": True})
        with_vendor(world, odd)
        outcome = processed(world)[BAD]
        assert outcome.status is FAILED
        assert len(outcome.error_code or "") <= 100
        assert len(outcome.error or "") <= 500

    @pytest.mark.parametrize("error", DATA_ERRORS)
    def test_a_reader_that_fails_fails_for_its_own_job(
        self, world: World, error: type[Exception]
    ) -> None:
        with_raw(world, lambda said: {**said, "odd": True})
        with_vendor(world, failing_reader(error))
        unusable(world)

    def test_a_reader_that_goes_too_deep_fails_for_its_own_job(self, world: World) -> None:
        with_raw(world, lambda said: {**said, "odd": True})
        with_vendor(world, failing_reader(RecursionError))
        unusable(world)


def failing_reader(error: type[Exception]) -> Any:
    def read(
        operation: Operation,
        raw: JsonObject,
        sent: int,
        records: Callable[[], Sequence[JsonObject]],
    ) -> list[RecordResult]:
        if raw.get("odd"):
            raise error("odd")
        return read_results(operation, raw, sent, records)

    return read


def surplus(
    operation: Operation,
    raw: JsonObject,
    sent: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    return read_results(operation, raw, max(sent, len(raw["results"])), records)


def with_vendor(world: World, reader: Any) -> None:
    """Read results so."""
    world.vendor = replace(world.vendor, read_results=reader)


class TestLooks:
    @pytest.mark.parametrize("error", [*DATA_ERRORS, RecursionError, UnicodeEncodeError])
    def test_an_answer_over_which_the_adapter_fails_costs_its_own_job(
        self, world: World, error: type[Exception]
    ) -> None:
        poll = world.account.poll

        def failing(job_ids: Sequence[str]) -> PollAnswer:
            answer = poll(job_ids)
            for job_id, reading in answer.readings.items():
                if reading.phase is JobPhase.ENDED and is_bad(world.account.jobs[job_id]):
                    raise made(error)
            return answer

        world.account.poll = failing  # type: ignore[method-assign]
        unusable(world)

    def test_a_running_job_with_odd_answers_for_a_while_gets_its_outcome(
        self, world: World
    ) -> None:
        poll, odd_until = world.account.poll, world.clock.now() + UNREADABLE_FOR - 10.0

        def failing(job_ids: Sequence[str]) -> PollAnswer:
            if world.clock.now() < odd_until and any(
                is_bad(world.account.jobs[job_id]) for job_id in job_ids
            ):
                raise ValueError("odd")
            return poll(job_ids)

        world.account.poll = failing  # type: ignore[method-assign]
        assert processed(world)[BAD].status is SUCCEEDED

    @pytest.mark.parametrize(
        ("progress", "total"),
        [(10**400, 10**401), (-1, 5), (0, 0), (True, False), (1, 10**400), (5, 1)],
    )
    def test_no_count_of_progress_is_too_odd(self, world: World, progress: int, total: int) -> None:
        poll = world.account.poll

        def counting(job_ids: Sequence[str]) -> PollAnswer:
            answer = poll(job_ids)
            told = {
                job_id: replace(reading, progress=progress, total=total)
                for job_id, reading in answer.readings.items()
            }
            return replace(answer, readings=told)

        world.account.poll = counting  # type: ignore[method-assign]
        assert processed(world)[BAD].status is SUCCEEDED


def made(error: type[Exception]) -> Exception:
    if error is UnicodeEncodeError:
        return UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    return error("odd")


class Polled:
    """A client whose poll fails wherever one of these jobs is among those asked for."""

    def __init__(self, bad: set[str]) -> None:
        self.bad = bad
        self.requests_made = 0
        self.asked: list[tuple[str, ...]] = []

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        self.asked.append(tuple(job_ids))
        self.requests_made += 1
        if self.bad & set(job_ids):
            raise ValueError("odd")
        return PollAnswer(
            {i: JobReading(i, JobPhase.ACTIVE, "working") for i in job_ids},
            refused=Refused("403", "No.") if "refused" in job_ids else None,
            throttled=Throttled(ThrottleReason.RATE, 7.0) if "throttled" in job_ids else None,
        )


class TestPollEach:
    IDS: Sequence[str] = [f"job-{i}" for i in range(25)]

    @pytest.mark.parametrize(
        "bad", [set(), {"job-0"}, {"job-24"}, {"job-12", "job-13"}, set(IDS)], ids=len
    )
    def test_those_to_blame_stand_alone(self, bad: set[str]) -> None:
        client = Polled(bad)
        polled = poll_each(cast("VendorClient", client), self.IDS)
        assert polled.unusable == bad
        assert polled.answer.readings.keys() == set(self.IDS) - bad
        assert polled.answer.requests == client.requests_made == len(client.asked)

    def test_one_bad_answer_among_many_costs_few_requests(self) -> None:
        client = Polled({"job-7"})
        poll_each(cast("VendorClient", client), self.IDS)
        assert len(client.asked) <= 11

    def test_what_the_vendor_asks_for_meanwhile_is_not_lost(self) -> None:
        ids = ["throttled", "job-1", "refused", "job-2"]
        answer = poll_each(cast("VendorClient", Polled({"job-1"})), ids).answer
        assert answer.throttled == Throttled(ThrottleReason.RATE, 7.0)
        assert answer.refused == Refused("403", "No.")

    def test_a_failing_network_is_no_bad_answer(self) -> None:
        class Cut(Polled):
            def poll(self, job_ids: Sequence[str]) -> PollAnswer:
                raise ConnectionError("cut")

        with pytest.raises(ConnectionError):
            poll_each(cast("VendorClient", Cut(set())), self.IDS)


class TestSubmissions:
    @pytest.mark.parametrize("error", [*DATA_ERRORS, RecursionError, UnicodeEncodeError])
    def test_an_answer_over_which_the_adapter_fails_is_looked_for(
        self, world: World, error: type[Exception]
    ) -> None:
        submit = world.account.submit

        def failing(operation: Operation, records: Sequence[JsonObject], token: str) -> Any:
            answer = submit(operation, records, token)
            if records[0]["ref"] == f"r{BAD}":
                raise made(error)
            return answer

        world.account.submit = failing  # type: ignore[method-assign]
        assert processed(world)[BAD].vendor_id == f"id-r{BAD}"

    @pytest.mark.parametrize(
        ("code", "message"),
        [("x" * 100_000, "y" * 100_000), ("Nul \0", "Nul \0"), ("", ""), ("\ud800", "\udfff")],
        ids=["200 kB", "NUL", "nothing", "half a character"],
    )
    def test_a_refusal_in_odd_words_is_a_refusal(
        self, world: World, code: str, message: str
    ) -> None:
        submit = world.account.submit

        def refusing(operation: Operation, records: Sequence[JsonObject], token: str) -> Any:
            if records[0]["ref"] == f"r{BAD}":
                world.account.will_reply(Behaviour.REFUSE)
                submit(operation, records, token)
                return Refused(code, message, http_status=409)
            return submit(operation, records, token)

        world.account.submit = refusing  # type: ignore[method-assign]
        assert processed(world)[BAD].status is FAILED

    @pytest.mark.parametrize(
        "wait", [1e12, 1_800_000_000.0, 31_536_000.0, -1.0, float("inf"), float("nan")]
    )
    @pytest.mark.parametrize("reason", [ThrottleReason.RATE, ThrottleReason.SLOTS])
    def test_no_wait_is_longer_than_an_hour(
        self, world: World, wait: float, reason: ThrottleReason
    ) -> None:
        submit, asked = world.account.submit, []

        def throttling(operation: Operation, records: Sequence[JsonObject], token: str) -> Any:
            asked.append(world.clock.now())
            if len(asked) == 1:
                return Throttled(reason, wait)
            return submit(operation, records, token)

        world.account.submit = throttling  # type: ignore[method-assign]
        run = world.processed(sample_csv(ROWS))
        assert world.statuses(run.run_id) == [SUCCEEDED] * ROWS
        assert asked[1] - asked[0] <= 3_700
        assert world.store.limits.get(CONNECTION).in_flight == 0

    @pytest.mark.parametrize(
        "job_id",
        [HUGE, "half \ud800", "Nul \0", "", "  ", {}, True, -1],
        ids=lambda i: repr(i)[:12],
    )
    def test_a_job_named_by_what_is_no_id_stops_nobody(self, world: World, job_id: Any) -> None:
        submit = world.account.submit

        def naming(operation: Operation, records: Sequence[JsonObject], token: str) -> Any:
            answer = submit(operation, records, token)
            return Accepted(job_id) if records[0]["ref"] == f"r{BAD}" else answer

        world.account.submit = naming  # type: ignore[method-assign]
        outcome = processed(world)[BAD]
        assert outcome.status in (SUCCEEDED, UNKNOWN)
