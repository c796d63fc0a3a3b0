"""Reading many jobs: in few requests, from two readers, and only from the vendor's own host."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobPhase, Throttled
from tests.contract.zendesk_support.bench import ZendeskBench

BY_ID = "GET /api/v2/job_statuses/show_many"
LISTED = "GET /api/v2/job_statuses"


@pytest.fixture
def many(bench: ZendeskBench) -> list[str]:
    """250 jobs of one row."""
    bench.sim.change_settings(max_jobs=0)
    return submitted(bench, 250)


def submitted(bench: ZendeskBench, count: int) -> list[str]:
    return [bench.submitted(bench.records(1, prefix=f"J{n}")) for n in range(count)]


def requests_by_path(bench: ZendeskBench) -> dict[str, int]:
    by_path: dict[str, int] = bench.sim.effects()["requests"]["by_path"]
    return by_path


def test_thirty_jobs_take_one_request(bench: ZendeskBench) -> None:
    job_ids = submitted(bench, 30)
    bench.pass_time()

    answer = bench.client.poll(job_ids)

    assert list(answer.readings) == job_ids
    assert {reading.phase for reading in answer.readings.values()} == {JobPhase.ENDED}
    assert answer.requests == 1


def test_250_jobs_take_three_requests(bench: ZendeskBench, many: list[str]) -> None:
    bench.pass_time()

    answer = bench.client.poll(many)

    assert set(answer.readings) == set(many)
    assert answer.requests == requests_by_path(bench)[BY_ID] == 3
    assert LISTED not in requests_by_path(bench)


def test_250_jobs_that_are_only_listed_take_three_pages(bench: ZendeskBench) -> None:
    bench.sim.change_settings(max_jobs=0)
    bench.befall(bench.write, list_only=True)
    job_ids = submitted(bench, 250)
    bench.pass_time()

    answer = bench.client.poll(job_ids)

    assert {answer.readings[job_id].phase for job_id in job_ids} == {JobPhase.ENDED}
    assert requests_by_path(bench)[LISTED] == 3


def test_a_poll_of_working_jobs_says_how_far_they_are(bench: ZendeskBench) -> None:
    job_id = bench.submitted(bench.records(4))
    bench.pass_time(1.5)

    reading = bench.client.poll([job_id]).readings[job_id]

    assert (reading.status, reading.progress, reading.total) == ("working", 2, 4)


def test_jobs_of_others_are_left_out(bench: ZendeskBench) -> None:
    ours, _ = submitted(bench, 2)

    assert list(bench.client.poll([ours]).readings) == [ours]


def test_a_throttle_ends_the_round_and_keeps_what_was_read(
    bench: ZendeskBench, many: list[str]
) -> None:
    second = {"path": "show_many$", "nth": 2}
    bench.befall(second, rate_limited="json", retry_after=3)

    answer = bench.client.poll(many)

    assert isinstance(answer.throttled, Throttled)
    assert set(answer.readings) == set(many[:100])
    assert answer.requests == 2


def test_a_broken_batch_is_made_up_from_the_list(bench: ZendeskBench, many: list[str]) -> None:
    bench.befall({"path": "show_many$", "nth": 2}, status=502)

    answer = bench.client.poll(many)

    assert answer.problem
    assert {answer.readings[job_id].phase for job_id in many} == {JobPhase.ACTIVE}


def test_no_reader_by_id_leaves_the_list(bench: ZendeskBench) -> None:
    job_id = bench.submitted(bench.records(1))
    bench.pass_time()
    bench.befall({"path": "show_many$"}, status=404, body={"error": "RecordNotFound"})

    answer = bench.client.poll([job_id])

    assert answer.readings[job_id].phase is JobPhase.ENDED
    assert answer.refused is None


def test_a_throttled_list_claims_nothing(bench: ZendeskBench) -> None:
    bench.befall(bench.write, list_only=True)
    job_id = bench.submitted(bench.records(1))
    bench.befall(bench.listing, rate_limited="plain", retry_after=4)

    answer = bench.client.poll([job_id])

    assert answer.throttled
    assert answer.throttled.retry_after == 4.0
    assert not answer.readings


UNREADABLE_LISTS: dict[str, JsonObject] = {
    "gateway": {"status": 502},
    "forbidden": {"status": 403},
    "not JSON": {"status": 200, "html": True},
}


@pytest.mark.parametrize("effect", UNREADABLE_LISTS.values(), ids=UNREADABLE_LISTS)
def test_a_list_that_cannot_be_read_proves_nothing(bench: ZendeskBench, effect: Any) -> None:
    bench.befall(bench.write, list_only=True)
    job_id = bench.submitted(bench.records(1))
    bench.befall(bench.listing, **effect)

    assert not bench.client.poll([job_id]).readings


@pytest.mark.parametrize("effect", UNREADABLE_LISTS.values(), ids=UNREADABLE_LISTS)
def test_a_list_that_cannot_be_read_is_told(bench: ZendeskBench, effect: Any) -> None:
    bench.befall(bench.write, list_only=True)
    job_id = bench.submitted(bench.records(1))
    bench.befall(bench.listing, **effect)

    answer = bench.client.poll([job_id])

    assert answer.problem or answer.refused


def test_a_read_that_is_asked_to_wait_says_how_long(bench: ZendeskBench) -> None:
    bench.befall(bench.readers, status=503, retry_after=9)

    answer = bench.client.poll(["V3-1"])

    assert answer.throttled
    assert answer.throttled.retry_after == 9.0


def test_an_unreadable_reader_proves_nothing(bench: ZendeskBench) -> None:
    job_id = bench.submitted(bench.records(1))
    bench.befall({"path": "show_many$"}, status=200, html=True)
    bench.befall(bench.listing, body={"job_statuses": [], "meta": {"has_more": False}})

    assert not bench.client.poll([job_id]).readings


def test_short_items_are_completed_before_rows_are_decided(bench: ZendeskBench) -> None:
    bench.sim.change_settings(job_items="id_and_status")
    records = bench.records(3)
    job_id = bench.submitted(records)
    bench.pass_time()

    results = bench.results(bench.create, job_id, records)

    assert [result.status for result in results] == ["succeeded"] * 3


def test_short_items_of_the_list_are_completed_by_id(bench: ZendeskBench) -> None:
    bench.sim.change_settings(job_items="id_and_status")
    records = bench.records(3)
    job_id = bench.submitted(records)
    bench.pass_time()
    bench.befall({"path": "show_many$"}, status=404, body={"error": "RecordNotFound"})

    results = bench.results(bench.create, job_id, records)

    assert [result.status for result in results] == ["succeeded"] * 3


def test_a_short_item_that_cannot_be_completed_has_not_ended(bench: ZendeskBench) -> None:
    bench.sim.change_settings(job_items="id_and_status")
    bench.befall(bench.write, list_only=True)
    job_id = bench.submitted(bench.records(3))
    bench.pass_time()

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ACTIVE


def test_the_address_in_a_job_is_never_followed(
    bench: ZendeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[object] = set()
    resolve = socket.getaddrinfo

    def note(host: Any, *rest: Any, **named: Any) -> Any:
        asked.add(host)
        return resolve(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    bench.befall(bench.write, list_only=True)
    job_id = bench.submitted(bench.records(1))
    bench.pass_time()

    reading = bench.client.poll([job_id]).readings[job_id]

    assert reading.raw
    assert reading.raw["url"].startswith("https://sim-account.zendesk.com/")
    assert asked == {"127.0.0.1"}
