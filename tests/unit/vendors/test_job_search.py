"""What a search for a lost job concludes: never a wrong find, never a false absence."""

from __future__ import annotations

from collections import Counter

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors import job_search
from jobferry.vendors.answers import FoundState
from jobferry.vendors.job_search import (
    CLOCK_SKEW_SECONDS,
    Made,
    Match,
    RecordLookup,
    RecordReader,
    SearchResult,
    decide,
    examined,
    match_of_results,
    may_be_of_that_time,
    moment,
)
from jobferry.vendors.lost_submission import LostSubmission

FOUND, ABSENT, PENDING, UNDECIDABLE = (
    FoundState.FOUND,
    FoundState.ABSENT,
    FoundState.PENDING,
    FoundState.UNDECIDABLE,
)
TRUSTED = 3_600.0


def result(*matches: Match, complete: bool = True) -> SearchResult:
    return SearchResult(None, Counter(matches), complete)


@pytest.mark.parametrize(
    ("searched", "age", "state", "readable"),
    [
        (SearchResult("j"), 1.0, FOUND, True),
        (SearchResult(unreadable=True), 1.0, PENDING, False),
        (result(Match.UNREADABLE, Match.RUNNING), 1.0, PENDING, False),
        (result(Match.RUNNING, Match.DOUBTFUL), 1.0, PENDING, True),
        (result(Match.DOUBTFUL), 1.0, UNDECIDABLE, True),
        (result(Match.VANISHED), 1.0, UNDECIDABLE, True),
        (result(Match.NOT_OURS, complete=False), 1.0, UNDECIDABLE, True),
        (result(Match.NOT_OURS), TRUSTED + 1, UNDECIDABLE, True),
        (result(Match.NOT_OURS), TRUSTED, ABSENT, True),
        (result(), 1.0, ABSENT, True),
    ],
)
def test_the_jobs_decide_what_they_can(
    searched: SearchResult, age: float, state: FoundState, readable: bool
) -> None:
    found = searched.conclusion(age, TRUSTED)

    assert (found.state, found.readable) == (state, readable)
    assert bool(found.reason) == (state in (PENDING, UNDECIDABLE))


@pytest.mark.parametrize(
    ("searched", "lookup", "state"),
    [
        # None of the records is there: that decides where all were looked for.
        (result(Match.DOUBTFUL), RecordLookup(Made.NONE, whole=True), ABSENT),
        (result(Match.DOUBTFUL), RecordLookup(Made.NONE), UNDECIDABLE),
        (result(complete=False), RecordLookup(Made.NONE, whole=True), ABSENT),
        (result(), RecordLookup(Made.NONE), ABSENT),
        # Some are there: a job made them, and none that was seen.
        (result(), RecordLookup(Made.SOME), PENDING),
        (result(Match.DOUBTFUL), RecordLookup(Made.SOME), UNDECIDABLE),
        (result(), RecordLookup(Made.UNREADABLE), PENDING),
        (result(Match.DOUBTFUL), RecordLookup(Made.UNREADABLE), PENDING),
        (result(), RecordLookup(Made.NO_LOOK_UP), ABSENT),
        (result(Match.DOUBTFUL), RecordLookup(Made.NO_LOOK_UP), UNDECIDABLE),
    ],
)
def test_the_records_have_the_last_word(
    searched: SearchResult, lookup: RecordLookup, state: FoundState
) -> None:
    assert decide(searched, 1.0, TRUSTED, lambda _absent: lookup).state is state


@pytest.mark.parametrize(
    "searched",
    [
        SearchResult("j"),
        result(Match.RUNNING),
        SearchResult(unreadable=True),
        result(Match.VANISHED),
    ],
)
def test_records_are_not_looked_up_where_that_decides_nothing(searched: SearchResult) -> None:
    def look_up(_absent: bool) -> RecordLookup:
        pytest.fail("looked up")

    assert decide(searched, 1.0, TRUSTED, look_up) == searched.conclusion(1.0, TRUSTED)


def test_the_search_ends_with_the_job_that_is_ours() -> None:
    seen: list[object] = []

    def examine(job: JsonObject) -> tuple[Match, str]:
        seen.append(job["id"])
        return (Match.OURS if job["id"] == "b" else Match.NOT_OURS), str(job["id"])

    jobs = [{"id": each} for each in "abc"]

    assert examined(jobs, examine, complete=False).job_id == "b"
    assert seen == ["a", "b"]
    assert examined(jobs, examine, complete=True, stopped=lambda: True).unreadable


def test_too_many_candidates_are_not_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_search, "CANDIDATES", 2)

    def examine(_job: JsonObject) -> tuple[Match, str]:
        pytest.fail("examined")

    assert examined([{}] * 3, examine, complete=True).matches[Match.DOUBTFUL] == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:00:00+0100", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        (1_767_225_600, 1_767_225_600.0),
        (True, None),
        ("lately", None),
        (None, None),
        ("", None),
    ],
)
def test_a_moment_is_read_in_the_forms_that_vendors_write(
    text: object, seconds: float | None
) -> None:
    assert moment(text) == seconds


@pytest.mark.parametrize(
    ("created", "may"),
    [
        (None, True),
        (1_000.0, True),
        (1_000.0 - CLOCK_SKEW_SECONDS, True),
        (999.0 - CLOCK_SKEW_SECONDS, False),
        (1_500.0, True),
        (3_000.0, False),
    ],
)
def test_a_job_of_another_time_is_not_ours(created: float | None, may: bool) -> None:
    lost = LostSubmission("t", 1_000.0, [])

    assert may_be_of_that_time(created, lost) is may


OURS: list[JsonObject] = [{"key": "a"}, {"key": "b"}, {"key": "c"}]
DONE = [RecordResult(OutcomeStatus.SUCCEEDED, f"id-{n}") for n in range(3)]
REFUSED = RecordResult(OutcomeStatus.FAILED, None, "invalid", "no")
BROKEN = RecordResult(OutcomeStatus.FAILED, None, "InternalServerError", "it broke")
NAMED = RecordResult(OutcomeStatus.FAILED, "id-9", "invalid", "no")
UNKNOWN = RecordResult(OutcomeStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("results", "stored", "broke_off", "match"),
    [
        (DONE, {"key": "a"}, False, Match.OURS),
        (DONE[:1], {"key": "c"}, True, Match.OURS),
        (DONE, {"key": "z"}, False, Match.NOT_OURS),
        (DONE, {}, False, Match.NOT_OURS),
        (DONE, None, False, Match.VANISHED),
        (DONE, Match.UNREADABLE, False, Match.UNREADABLE),
        ([*DONE, *DONE], {"key": "a"}, False, Match.NOT_OURS),
        ([REFUSED] * 3, None, False, Match.NOT_OURS),
        ([REFUSED] * 3, None, True, Match.DOUBTFUL),
        ([REFUSED] * 2, None, False, Match.DOUBTFUL),
        ([REFUSED, REFUSED, BROKEN], None, False, Match.DOUBTFUL),
        ([REFUSED, REFUSED, NAMED], None, False, Match.DOUBTFUL),
        ([REFUSED, REFUSED, UNKNOWN], None, False, Match.DOUBTFUL),
        ([], None, False, Match.DOUBTFUL),
    ],
)
def test_a_job_is_known_by_the_records_that_it_made(
    results: list[RecordResult],
    stored: JsonObject | Match | None,
    broke_off: bool,
    match: Match,
) -> None:
    reader = RecordReader(lambda _id: stored, lambda record: record.get("key"))

    assert match_of_results(results, OURS, reader, broke_off=broke_off) is match


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ([Match.OURS] * 3, Match.OURS),
        ([Match.NOT_OURS] * 3, Match.NOT_OURS),
        ([Match.OURS, Match.NOT_OURS, Match.OURS], Match.DOUBTFUL),
    ],
)
def test_records_without_a_key_must_agree(said: list[Match], match: Match) -> None:
    answers = iter(said)
    reader = RecordReader(lambda _id: {}, lambda _record: None, lambda _o, _t: next(answers))

    assert match_of_results(DONE, OURS, reader, broke_off=False) is match
