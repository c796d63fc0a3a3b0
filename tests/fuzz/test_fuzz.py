"""Bad answers to every adapter and call, in short; `make fuzz N=200000` is the long form."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.vendors.answers import Accepted, Ambiguous, Refused
from jobferry.vendors.http.client import Answer
from tests.fuzz import checks
from tests.fuzz.campaign import CALLS, CONTROL, carry_out, play, told
from tests.fuzz.mutations import CANARY, encoded
from tests.fuzz.worlds import ADAPTERS

CASES = 4_000


def test_no_answer_is_too_strange() -> None:
    totals = carry_out(f"short:{number}" for number in range(CASES))

    assert totals.failures == [], "\n\n".join(map(told, totals.failures[:3]))
    played = {tuple(what.split()) for what in totals.calls}
    assert {(name, call) for name in ADAPTERS for call in CALLS} <= played
    assert {("vidispine", call) for call in CONTROL} <= played
    assert totals.mutations > CASES


def test_a_seed_plays_the_same_again() -> None:
    seeds = [f"again:{number}" for number in range(200)]

    first, second = ([play(seed) for seed in seeds] for _ in range(2))

    assert [one.made for one in first] == [one.made for one in second]
    assert [sorted(map(repr, one.answers)) for one in first] == [
        sorted(map(repr, one.answers)) for one in second
    ]


def test_good_answers_are_understood() -> None:
    """The worlds speak as the vendors do: what is mutated would otherwise be an error already."""
    muted = frozenset((key, n) for n in range(3) for key in _requests())
    for number in range(300):
        outcome = play(f"good:{number}", muted)
        assert outcome.failure is None, outcome


def _requests() -> set[str]:
    asked: set[str] = {"raw"}
    for number in range(300):
        asked |= {key for key, _ in play(f"good:{number}").answers}
    return asked


# The checks themselves

OK = [Answer(200, {}, b'{"job_status": {"id": "V3-1"}}')]


@pytest.mark.parametrize(
    "seen",
    [
        Accepted("V3-9"),
        Accepted("a b"),
        Refused("Bad", "x", http_status=422),
        Ambiguous(CANARY),
        Ambiguous("x", 1e12),
        None,
    ],
    ids=repr,
)
def test_a_wrong_answer_to_a_submission_is_seen(seen: Any) -> None:
    with pytest.raises(checks.Broken):
        checks.submitted(seen, OK)


@pytest.mark.parametrize(
    "result",
    [
        RecordResult(OutcomeStatus.SUCCEEDED, "{}\x00"),
        RecordResult(OutcomeStatus.SUCCEEDED, " "),
        RecordResult(OutcomeStatus.SUCCEEDED, "x" * 300),
        RecordResult(OutcomeStatus.FAILED, None, "two words", "x"),
        RecordResult(OutcomeStatus.FAILED, None, "Bad", "cut \ud83d"),
        RecordResult(OutcomeStatus.FAILED, None, "Bad", "x" * 501),
        RecordResult(OutcomeStatus.UNKNOWN),
    ],
    ids=ascii,
)
def test_a_wrong_result_is_seen(result: RecordResult) -> None:
    with pytest.raises(checks.Broken):
        checks._result(result)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_success_that_nobody_stated_is_seen(name: str) -> None:
    said = RecordResult(OutcomeStatus.SUCCEEDED, "1")
    vendor = replace(ADAPTERS[name].vendor, read_results=lambda *given: [said] * given[2])
    case = ADAPTERS[name].case(random.Random(1))
    silent = {"status": "completed", "results": [{"id": {}}], "job_status": "completed"}

    with pytest.raises(checks.Broken):
        checks.results(case, replace(ADAPTERS[name], vendor=vendor), silent)


def test_absurd_documents_are_written_as_a_vendor_might() -> None:
    body = encoded({"a": "@@number@@", "b": "cut \ud83d", "c": float("nan")})

    assert body.startswith(b'{"a": 9999')
    assert rb"\ud83d" in body
    assert b"NaN" in body
    with pytest.raises(ValueError, match="digits"):
        json.loads(body)
