"""What the headers of an answer tell of limits, and where the reading goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.answers import Accepted, PollAnswer, RateReading, Throttled
from jobferry.vendors.http.client import Answer
from jobferry.vendors.operation import compact_json
from jobferry.vendors.zendesk.rate_headers import limits_of
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE, ZendeskSunshineClient
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT, ZendeskSupportClient
from tests.unit.vendors.script import Script

REQUESTS = RateReading(requests_limit=700, requests_remaining=699, resets_in=41.0)
JOBS = RateReading(jobs_limit=30, jobs_remaining=29)
IN_FLIGHT = "total=30; remaining=29; resets=60"
HEADERS = {"ratelimit-limit": "700", "ratelimit-remaining": "3", "ratelimit-reset": "9"}
READ = RateReading(700, 3, 9.0)


@pytest.mark.parametrize(
    ("headers", "reading"),
    [
        (
            {"ratelimit-limit": "700", "ratelimit-remaining": "699", "ratelimit-reset": "41"},
            REQUESTS,
        ),
        (
            {"rate-limit": "700", "rate-limit-remaining": "699", "rate-limit-reset": "41"},
            REQUESTS,
        ),
        (
            {"X-Rate-Limit": "700", "X-RATE-LIMIT-Remaining": " 699 ", "RateLimit-Reset": "41"},
            REQUESTS,
        ),
        ({"X-Rate-Limit": "700"}, RateReading(requests_limit=700)),
        ({"Zendesk-RateLimit-Inflight-Jobs": IN_FLIGHT}, JOBS),
        ({"zendesk-rate-limit-inflight-jobs": "Remaining = 29;total=30"}, JOBS),
        (
            {"zendesk-ratelimit-inflight-jobs": "total=x; remaining=0"},
            RateReading(jobs_remaining=0),
        ),
        ({"ratelimit-limit": "many", "x-rate-limit": "700"}, RateReading(requests_limit=700)),
        # A moment is no duration, and a limit of one endpoint is not the account's.
        ({"ratelimit-reset": "1700000000"}, None),
        ({"zendesk-ratelimit-tickets-update": "total=100; remaining=0; resets=41"}, None),
        ({"ratelimit-remaining": "-1", "ratelimit-limit": "7e2"}, None),
        ({"ratelimit-remaining": "", "zendesk-ratelimit-inflight-jobs": ";"}, None),
        ({}, None),
    ],
)
def test_every_spelling_is_read(headers: dict[str, str], reading: RateReading | None) -> None:
    assert limits_of(headers) == reading


NAMES = st.sampled_from([*HEADERS, "X-Rate-Limit", "rate-limit", "zendesk-ratelimit-inflight-jobs"])


@given(st.dictionaries(NAMES, st.text() | st.just(IN_FLIGHT)))
def test_whatever_stands_there_is_a_reading_of_small_numbers(headers: dict[str, str]) -> None:
    reading = limits_of(headers) or RateReading()

    numbers = (
        reading.requests_limit,
        reading.requests_remaining,
        reading.resets_in,
        reading.jobs_limit,
        reading.jobs_remaining,
    )
    assert all(number is None or 0 <= number < 1e9 for number in numbers)


def one_answer(status: int, document: object) -> Script:
    return Script(Answer(status, HEADERS, compact_json(document)))


CREATE = ZENDESK_SUPPORT.operations["tickets.create"]
POST = ZENDESK_SUNSHINE.operations["resources.post"]
CLIENTS = [
    pytest.param(ZendeskSupportClient, CREATE, {"job_status": {"id": "V3-1"}}, id="support"),
    pytest.param(ZendeskSunshineClient, POST, {"data": {"id": "a"}}, id="sunshine"),
]
Client = type[ZendeskSupportClient] | type[ZendeskSunshineClient]


@pytest.mark.parametrize(("client", "operation", "accepted"), CLIENTS)
def test_a_reading_comes_with_each_answer(
    client: Client, operation: object, accepted: object
) -> None:
    taken = client(one_answer(200, accepted)).submit(operation, [{}], "t")  # type: ignore[arg-type]
    throttled = client(one_answer(429, {})).submit(operation, [{}], "t")  # type: ignore[arg-type]
    polled = client(one_answer(200, {"job_statuses": [], "data": []})).poll(["a"])

    assert isinstance(taken, Accepted)
    assert isinstance(throttled, Throttled)
    assert isinstance(polled, PollAnswer)
    assert [taken.limits, throttled.limits, polled.limits] == [READ] * 3


def test_too_many_jobs_tells_too() -> None:
    busy = {"errors": [{"code": "X", "message": "Too many concurrent jobs"}]}

    refused = ZendeskSunshineClient(one_answer(429, busy)).submit(POST, [{}], "t")

    assert isinstance(refused, Throttled)
    assert refused.limits == READ


def test_a_poll_without_a_request_has_no_reading() -> None:
    client = ZendeskSupportClient(one_answer(200, {"job_status": {"id": "V3-1"}}))
    client.submit(CREATE, [{}], "t")

    assert client.poll([]).limits is None


def test_answers_are_compared_and_matched_without_their_readings() -> None:
    match Accepted("V3-1", READ):
        case Accepted(job_id):
            assert job_id == "V3-1"
    assert Accepted("V3-1", READ) == Accepted("V3-1")
