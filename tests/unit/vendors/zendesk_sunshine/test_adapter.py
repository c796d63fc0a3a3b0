"""The Zendesk Sunshine client before any answer at all: it answers with data and never raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import check_against
from jobferry.domain.profile import Profile
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    FoundState,
    PollAnswer,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.client import Answer, NoAnswer
from jobferry.vendors.lost_submission import JobIds, LostSubmission
from jobferry.vendors.operation import compact_json
from jobferry.vendors.zendesk_sunshine.adapter import (
    OPERATIONS,
    ZENDESK_SUNSHINE,
    ZendeskSunshineClient,
    encode,
)
from tests.unit.vendors.script import Script

POST = OPERATIONS["resources.post"]
RECORDS: list[JsonObject] = [{"type": "product", "external_id": "1", "attributes": {"name": "n"}}]


def client(*answers: Answer | NoAnswer) -> ZendeskSunshineClient:
    return ZendeskSunshineClient(Script(*answers))


def answer(status: int = 200, document: Any = None, **headers: str) -> Answer:
    return Answer(status, headers, compact_json(document))


def refusal(status: int, message: str) -> Answer:
    return answer(status, {"errors": [{"code": "TooManyRequests", "message": message}]})


# What is sent


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_a_body_names_type_and_action(name: str) -> None:
    records: list[JsonObject] = [{"id": "a", "n": "ü"}, {"id": 2}]
    job_type, action = name.split(".")

    body = json.loads(encode(OPERATIONS[name], records))

    data = ["a", "2"] if action == "delete" else records
    assert body == {"type": job_type, "action": action, "data": data}


def test_only_creations_are_not_repeatable() -> None:
    assert {name for name, each in OPERATIONS.items() if not each.repeatable} == {
        "resources.post",
        "relationships.post",
    }


def test_zendesk_is_held_to_what_it_publishes() -> None:
    assert ZENDESK_SUNSHINE.capabilities.max_jobs == 1_000
    assert ZENDESK_SUNSHINE.capabilities.retention_seconds == 86_400
    assert ZENDESK_SUNSHINE.capabilities.poll_batch == 1


PROFILES = sorted((Path(__file__).parents[4] / "profiles").glob("sunshine-*.yaml"))


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: file.stem)
def test_a_sample_profile_fits_its_operation_and_its_sample(file: Path) -> None:
    profile = Profile.from_document(validate(yaml.safe_load(file.read_text())), 1)

    operation = check_against(profile, ZENDESK_SUNSHINE)

    header = (PROFILES[0].parents[1] / "events" / f"{file.stem}.csv").read_text().splitlines()[0]
    assert profile.name == file.stem
    assert profile.columns is not None
    assert list(profile.columns) == header.split(",")
    documented = {field.partition("<")[0] for field in operation.fields}
    for column in profile.columns.values():
        assert any(column.field.startswith(field) for field in documented)


# Which answers mean what


@pytest.mark.parametrize(
    "job_id", [None, 7, "", "a/b", "a?b", "a,b", "../x", "a b", "a\n", "x" * 81, ["a"], {}]
)
def test_a_job_id_that_could_lead_elsewhere_is_none(job_id: Any) -> None:
    submitted = client(answer(201, {"data": {"id": job_id}})).submit(POST, RECORDS, "t")

    assert isinstance(submitted, Ambiguous)


def test_the_documented_success_is_accepted() -> None:
    job_id = "8b72559ae838-c9a0-11e7-abc4-cec278b6b50a6e6"
    document = {"data": {"id": job_id, "job_status": "queued", "results": []}}

    assert client(answer(201, document)).submit(POST, RECORDS, "t") == Accepted(job_id)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("You have exceeded the maximum number of resources for this account", None),
        ("You have exceeded the maximum number of relationship records", None),
        ("You have exceeded the maximum number of concurrent jobs for this account", "slots"),
        ("Too many jobs", "slots"),
        ("You have exceeded the maximum number of requests per minute", "rate"),
        ("Number of allowed API requests per minute exceeded", "rate"),
        ("", "rate"),
    ],
)
def test_a_full_account_is_told_from_a_busy_one(message: str, reason: str | None) -> None:
    submitted = client(refusal(429, message)).submit(POST, RECORDS, "t")

    if reason is None:
        assert submitted == Refused("vendor_quota_exceeded", message, RefusalScope.RUN, 429)
    else:
        assert submitted == Throttled(ThrottleReason(reason))


def test_a_limit_of_a_request_is_no_full_account() -> None:
    message = "data must not exceed the maximum number of records"

    submitted = client(refusal(400, message)).submit(POST, RECORDS, "t")

    assert isinstance(submitted, Refused)
    assert submitted.scope is RefusalScope.CHUNK


def test_the_seconds_to_wait_for_a_slot_are_kept() -> None:
    busy = Answer(429, {"retry-after": "4"}, refusal(429, "Too many concurrent jobs").body)

    assert client(busy).submit(POST, RECORDS, "t") == Throttled(ThrottleReason.SLOTS, 4.0)


def test_an_id_that_is_none_is_never_part_of_a_path() -> None:
    http = Script(answer(200, {"data": []}))

    ZendeskSunshineClient(http).poll(["../users/1"])

    assert http.asked == [("/api/sunshine/jobs", {"per_page": "1000"})]


def test_a_next_page_that_is_the_same_page_ends() -> None:
    endless = answer(200, {"data": [], "links": {"next": "https://elsewhere.example/?cursor=1"}})
    http = Script(endless)

    found = ZendeskSunshineClient(http).poll(["a", "b", "c"])

    assert not found.readings
    assert http.requests_made < 100
    assert {path.split("/")[3] for path, _ in http.asked} == {"jobs"}


@pytest.mark.parametrize(
    ("following", "asked"),
    [
        ("/api/sunshine/jobs?cursor=b%2Fc&per_page=1000", {"cursor": "b/c", "per_page": "1000"}),
        ("https://elsewhere.example/x?cursor=2#y", {"cursor": "2", "per_page": "1000"}),
        ("http://[?cursor=2", {"cursor": "2", "per_page": "1000"}),
    ],
)
def test_of_the_next_page_only_the_query_is_used(following: str, asked: dict[str, str]) -> None:
    http = Script(answer(200, {"data": [], "links": {"next": following}}), answer(404))

    ZendeskSunshineClient(http).poll(["a", "b", "c"])

    assert http.asked[1] == ("/api/sunshine/jobs", {"status": "queued", **asked})


@pytest.mark.parametrize("following", [None, "", "/api/sunshine/jobs", 7, {}])
def test_without_a_next_page_the_list_ends(following: Any) -> None:
    http = Script(answer(200, {"data": [], "links": {"next": following}}), answer(404))

    assert ZendeskSunshineClient(http).test() is None
    assert http.requests_made == 1


# Whatever comes


_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id", "job_status", "results", "links", "next", "errors", "created_at"]
            ),
            inner
            | st.sampled_from(
                ["j-1", "completed", "queued", "aborted", "/?cursor=2", "http://[", "2"]
            ),
            max_size=4,
        )
    ),
    max_leaves=12,
)
_answers = st.one_of(
    st.builds(answer, st.sampled_from([200, 201, 302, 400, 401, 404, 429, 500]), _documents),
    st.builds(Answer, st.just(200), st.just({}), st.binary(max_size=8)),
    st.builds(NoAnswer, st.booleans(), st.just("no answer")),
)
_scripts = st.lists(_answers, min_size=1, max_size=6)


@given(_scripts)
def test_a_submission_never_raises(script: list[Answer | NoAnswer]) -> None:
    submitted = client(*script).submit(POST, RECORDS, "t")

    assert isinstance(submitted, Accepted | Refused | Throttled | Ambiguous)


@given(_scripts, st.lists(st.sampled_from(["j-1", "j-2", "j-3", "j-4"]), unique=True))
def test_a_poll_never_raises_and_speaks_of_what_was_asked(
    script: list[Answer | NoAnswer], job_ids: list[str]
) -> None:
    http = Script(*script)

    polled = ZendeskSunshineClient(http).poll(job_ids)

    assert isinstance(polled, PollAnswer)
    assert set(polled.readings) <= set(job_ids)
    assert all(job_id == each.job_id for job_id, each in polled.readings.items())
    assert polled.requests == http.requests_made


@given(_scripts)
def test_a_test_never_raises(script: list[Answer | NoAnswer]) -> None:
    tested = client(*script).test()

    assert tested is None or isinstance(tested, Refused | Throttled | Ambiguous)


@given(_scripts, st.sampled_from(["resources.post", "relationships.post"]))
def test_a_search_never_raises(script: list[Answer | NoAnswer], name: str) -> None:
    http = Script(*script)
    lost = LostSubmission("t", 1_000.0, RECORDS, JobIds(frozenset({"j-2"})))

    found = ZendeskSunshineClient(http).find(OPERATIONS[name], lost, 2_000.0)

    assert isinstance(found, Found)
    assert found.requests == http.requests_made
    assert (found.job_id is not None) == (found.state is FoundState.FOUND)
    assert found.job_id != "j-2"
