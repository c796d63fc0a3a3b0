"""The Zendesk Support client before any answer at all: it answers with data and never raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    JobPhase,
    PollAnswer,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.client import Answer, NoAnswer
from jobferry.vendors.lost_submission import JobIds, LostSubmission
from jobferry.vendors.operation import compact_json
from jobferry.vendors.zendesk_support.adapter import ZendeskSupportClient
from jobferry.vendors.zendesk_support.operations import OPERATIONS
from tests.unit.vendors.script import Script

CREATE = OPERATIONS["tickets.create"]
RECORDS: list[JsonObject] = [{"subject": "s", "comment": {"body": "b"}}]


def client(*answers: Answer | NoAnswer) -> ZendeskSupportClient:
    return ZendeskSupportClient(Script(*answers))


def answer(status: int = 200, document: Any = None) -> Answer:
    return Answer(status, {}, compact_json(document))


def job(**fields: Any) -> JsonObject:
    return {"id": "V3-1", "status": "completed", "results": [], **fields}


# Which answers mean what


@pytest.mark.parametrize(
    "document", [{"job_status": {"id": "V3-a"}}, {"id": "V3-a"}], ids=["wrapped", "bare"]
)
def test_a_job_is_named_in_either_form(document: JsonObject) -> None:
    assert client(answer(202, document)).submit(CREATE, RECORDS, "t") == Accepted("V3-a")


@pytest.mark.parametrize(
    "job_id", [None, 7, "", "a/b", "a?b", "a,b", "../x", "a b", "a\n", "x" * 81, ["V3-1"], {}]
)
def test_a_job_id_that_could_lead_elsewhere_is_none(job_id: Any) -> None:
    submitted = client(answer(200, {"job_status": {"id": job_id}})).submit(CREATE, RECORDS, "t")

    assert isinstance(submitted, Ambiguous)


@pytest.mark.parametrize(
    ("sent", "expected"), [(False, Throttled(ThrottleReason.UNREACHABLE)), (True, Ambiguous("why"))]
)
def test_no_answer_counts_by_what_was_sent(sent: bool, expected: object) -> None:
    assert client(NoAnswer(sent, "why")).submit(CREATE, RECORDS, "t") == expected


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ({"error": "E", "description": "d"}, "E", "d"),
        ({"error": "E", "message": "m"}, "E", "m"),
        ({"error": {"title": "T", "message": "m"}}, "T", "m"),
        ({"error": "E", "details": {"a": [{"description": "d"}, {}, 7], "b": "x"}}, "E", "a: d"),
        ({"error": ["x"]}, "http_422", "Zendesk refused the request with HTTP 422."),
        ([], "http_422", "Zendesk refused the request with HTTP 422."),
        (None, "http_422", "Zendesk refused the request with HTTP 422."),
    ],
)
def test_the_words_of_a_refusal(document: Any, code: str, message: str) -> None:
    refused = client(answer(422, document)).submit(CREATE, RECORDS, "t")

    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == (code, message)


@pytest.mark.parametrize("document", [{}, {"user": None}, {"user": {"id": None}}])
def test_an_anonymous_welcome_is_none(document: Any) -> None:
    welcome = client(answer(200, document)).test()

    assert isinstance(welcome, Refused)
    assert welcome.code == "vendor_unauthorized"


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("queued", JobPhase.ACTIVE),
        ("working", JobPhase.ACTIVE),
        ("active", JobPhase.ACTIVE),
        ("Completed?", JobPhase.ACTIVE),
        (None, JobPhase.ACTIVE),
        ("completed", JobPhase.ENDED),
        ("failed", JobPhase.ENDED),
        ("killed", JobPhase.ENDED),
    ],
)
def test_the_phase_of_each_word(status: Any, phase: JobPhase) -> None:
    shown = answer(200, {"job_statuses": [job(status=status)]})

    assert client(shown).poll(["V3-1"]).readings["V3-1"].phase is phase


@pytest.mark.parametrize("value", [None, "3", 1.5, [], {}])
def test_a_count_that_is_none_is_left_out(value: Any) -> None:
    shown = answer(200, {"job_statuses": [job(progress=value, total=value)]})
    reading = client(shown).poll(["V3-1"]).readings["V3-1"]

    assert (reading.progress, reading.total) == (None, None)


@pytest.mark.parametrize(
    "meta", [None, [], {}, {"has_more": True}, {"has_more": True, "after_cursor": ""}]
)
def test_a_list_ends_where_it_names_no_next_page(meta: Any) -> None:
    empty = answer(200, {"job_statuses": [], "meta": meta})
    polled = client(empty).poll(["V3-1"])

    assert polled.readings["V3-1"].phase is JobPhase.GONE
    assert polled.requests == 2


def test_a_list_without_end_is_left_at_last() -> None:
    page = answer(200, {"job_statuses": [], "meta": {"has_more": True, "after_cursor": "c"}})
    polled = client(page).poll(["V3-1"])

    assert polled.readings == {}
    assert polled.requests == 21


def test_waking_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(Script, "drop_idle_connections", lambda _: woken.append(True))

    client().drop_idle_connections()

    assert woken == [True]


@pytest.mark.parametrize(
    "stored",
    [
        [{"id": 9, "subject": "other"}],
        [{"id": 9, "subject": "s"}, "x", {"id": 8}, {}],
        [{"id": 8, "subject": "s"}],
        [7],
        [],
        {},
    ],
)
@pytest.mark.parametrize("index", [0, 5, "0", None])
def test_found_only_by_a_record_that_is_ours(stored: Any, index: Any) -> None:
    shown = job(total=1, results=[{"id": 9, "index": index}, 7, {"id": None}])
    found = client(
        answer(200, {"job_statuses": [shown, 7]}),
        answer(200, {"tickets": stored}),
    ).find(CREATE, LostSubmission("t", 0.0, RECORDS), 120.0)

    ours = {"id": 9, "subject": "s"} in list(stored)
    assert (found.state is FoundState.FOUND) == ours


def test_a_job_with_an_odd_id_is_never_asked_for_and_leaves_doubt() -> None:
    found = client(answer(200, {"job_statuses": [job(id="../users/me", results=None)]})).find(
        CREATE, LostSubmission("t", 0.0, RECORDS), 120.0
    )

    assert (found.state, found.requests) == (FoundState.UNDECIDABLE, 1)


# Any answer at all

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.text(max_size=6))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.one_of(st.just("V3-1"), SCALARS)
STATUS_WORDS = st.one_of(st.sampled_from(["completed", "working", "failed"]), JSON)
ROWS = st.fixed_dictionaries({}, optional={"id": SCALARS, "index": JSON, "error": JSON})
JOBS = st.fixed_dictionaries(
    {},
    optional={
        "id": NAMES,
        "status": STATUS_WORDS,
        "total": JSON,
        "results": st.one_of(st.lists(ROWS, max_size=3), JSON),
    },
)
DOCUMENTS = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "job_status": st.one_of(JOBS, JSON),
            "job_statuses": st.one_of(st.lists(st.one_of(JOBS, JSON), max_size=3), JSON),
            "meta": st.one_of(
                st.fixed_dictionaries({"has_more": st.booleans(), "after_cursor": JSON}), JSON
            ),
            "tickets": st.one_of(st.lists(st.one_of(ROWS, JSON), max_size=3), JSON),
            "user": JSON,
            "error": st.one_of(st.just("TooManyJobs"), JSON),
            "description": JSON,
            "details": JSON,
        },
    ),
)
ANSWERS = st.one_of(
    st.builds(
        answer, st.sampled_from([200, 201, 302, 400, 401, 404, 409, 422, 429, 502]), DOCUMENTS
    ),
    st.builds(Answer, st.integers(200, 599), st.just({}), st.binary(max_size=20)),
    st.builds(NoAnswer, st.booleans(), st.just("why")),
)


@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_whatever_is_answered_the_client_answers(answers: list[Answer | NoAnswer]) -> None:
    lost = LostSubmission("t", 0.0, RECORDS)

    assert isinstance(
        client(*answers).submit(CREATE, RECORDS, "t"), Accepted | Refused | Throttled | Ambiguous
    )
    assert isinstance(client(*answers).test(), Refused | Throttled | Ambiguous | None)
    polled = client(*answers).poll(["V3-1", "V3-2"])
    assert isinstance(polled, PollAnswer)
    assert set(polled.readings) <= {"V3-1", "V3-2"}
    assert isinstance(client(*answers).find(CREATE, lost, 120.0), Found)


@pytest.mark.parametrize("job_id", [[], {}])
def test_a_job_whose_id_is_no_text_is_passed_over(job_id: Any) -> None:
    listed = answer(200, {"job_statuses": [job(id=job_id)]})

    assert client(listed).poll(["V3-1"]).readings["V3-1"].phase is JobPhase.GONE


# What the fuzz of answers found


@pytest.mark.parametrize("status", [[[]], {"status": "working"}, [], 7])
def test_a_status_that_is_no_word_neither_ends_nor_goes_on(status: Any) -> None:
    page = {
        "job_statuses": [job(id="V3-9", status=status), job(id="V3-1", total=9)],
        "meta": {"has_more": True, "after_cursor": "c"},
    }
    lost = LostSubmission("t", 0.0, RECORDS, JobIds(ended=frozenset({"V3-1"})))

    assert isinstance(client(answer(200, page)).find(CREATE, lost, 120.0), Found)


@pytest.mark.parametrize("action", [[{}], {}, ["update"], None])
def test_an_action_that_is_no_word_changes_nothing(action: Any) -> None:
    imported: list[JsonObject] = [{"subject": "s", "created_at": "2020-01-01T00:00:00Z"}]
    shown = job(total=1, results=[{"id": 9, "index": 0, "action": action}])
    found = client(
        answer(200, {"job_statuses": [shown]}),
        answer(200, {"tickets": [{"id": 9, "subject": "s"}]}),
    ).find(OPERATIONS["tickets.import"], LostSubmission("t", 0.0, imported), 120.0)

    assert isinstance(found, Found)


@pytest.mark.parametrize("job_id", ["0001-01-01T00:00:00", "a b", "../x", "é"])
def test_a_job_that_cannot_be_asked_for_is_not_found(job_id: str) -> None:
    shown = job(id=job_id, total=1, results=[{"id": 9, "index": 0}])
    found = client(
        answer(200, {"job_statuses": [shown]}),
        answer(200, {"tickets": [{"id": 9, "subject": "s"}]}),
    ).find(CREATE, LostSubmission("t", 0.0, RECORDS), 120.0)

    assert (found.state, found.job_id) == (FoundState.UNDECIDABLE, None)
