"""Reading many jobs: the list spares requests, ids bring results, each makes up for the other."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobPhase
from jobferry.vendors.poll_collector import MAX_TRANSIENT_ERRORS, READERS
from tests.contract.zendesk_sunshine.bench import SunshineBench
from vendorsim import start

BY_ID = "GET /api/sunshine/jobs/{id}"
LISTED = "GET /api/sunshine/jobs"


def submitted(bench: SunshineBench, count: int, prefix: str = "J") -> list[str]:
    return [bench.submitted(bench.records(1, prefix=f"{prefix}{n}")) for n in range(count)]


def phases(bench: SunshineBench, job_ids: list[str]) -> list[JobPhase | None]:
    readings = bench.client.poll(job_ids).readings
    return [readings[each].phase if each in readings else None for each in job_ids]


def test_jobs_that_are_not_done_take_two_requests_however_many(bench: SunshineBench) -> None:
    waiting = submitted(bench, 30)
    bench.pass_time(1.5)
    waiting += submitted(bench, 30, prefix="K")

    answer = bench.client.poll(waiting)

    assert set(answer.readings) == set(waiting)
    assert {reading.status for reading in answer.readings.values()} == {"queued", "processing"}
    assert {reading.phase for reading in answer.readings.values()} == {JobPhase.ACTIVE}
    assert answer.requests == 2


def test_a_job_that_ended_takes_one_request_more(bench: SunshineBench) -> None:
    ended = submitted(bench, 5)
    bench.pass_time()
    waiting = submitted(bench, 20, prefix="K")

    answer = bench.client.poll([*waiting, *ended])

    assert {each for each, r in answer.readings.items() if r.phase is JobPhase.ENDED} == set(ended)
    assert answer.requests == 2 + len(ended)
    assert bench.requests_by_path() == {
        "POST /api/sunshine/jobs": 25,
        LISTED: 2,
        BY_ID: len(ended),
    }


@pytest.mark.parametrize("count", [1, 2])
def test_few_jobs_are_asked_for_without_a_list(bench: SunshineBench, count: int) -> None:
    job_ids = submitted(bench, count)

    assert bench.client.poll(job_ids).requests == count
    bench.pass_time()
    assert bench.client.poll(job_ids).requests == count


def test_100_ended_jobs_keep_their_own_results(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 100)
    bench.pass_time()

    answer = bench.client.poll(job_ids)

    assert answer.requests == 102
    for job_id in job_ids:
        raw = answer.readings[job_id].raw
        assert raw
        (result,) = raw["results"]
        assert result["data"]["id"] == bench.effects_of(job_id)[0]["id"]


def test_a_poll_reads_so_many_and_the_next_one_goes_on(
    bench: SunshineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.adapter.READS_PER_POLL", 5)
    job_ids = submitted(bench, 8)
    bench.pass_time()

    first = bench.client.poll(job_ids)
    second = bench.client.poll([each for each in job_ids if each not in first.readings])

    assert list(first.readings) == job_ids[:5]
    assert list(second.readings) == job_ids[5:]
    assert first.problem is second.problem is None


def test_the_list_is_read_page_by_page(
    bench: SunshineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.jobs.PER_PAGE", 10)
    job_ids = submitted(bench, 25)

    answer = bench.client.poll(job_ids)

    assert set(answer.readings) == set(job_ids)
    assert answer.requests == 3 + 1


def test_a_job_that_moves_on_between_two_looks_is_not_missed(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 5)
    # The look at the queued ones answers as if all were processing already.
    bench.befall({"path": "sunshine/jobs$", "method": "GET", "nth": 1}, body={"data": []})
    bench.pass_time(1.5)

    answer = bench.client.poll(job_ids)

    assert set(answer.readings) == set(job_ids)
    assert answer.requests == 2


def test_a_list_that_disregards_the_filter_hides_no_end(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 5)
    bench.pass_time()
    everything = bench.sim.request("GET", "/api/sunshine/jobs").json()
    bench.befall(bench.listing, body=everything)

    assert phases(bench, job_ids) == [JobPhase.ENDED] * 5


def test_jobs_of_others_are_left_out(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 5)

    assert set(bench.client.poll(job_ids[:3]).readings) == set(job_ids[:3])


# When one reader fails


@pytest.mark.parametrize(
    "effect", [{"status": 502}, {"status": 404}, {"html": True, "status": 200}], ids=str
)
def test_without_the_list_every_job_is_read_by_id(bench: SunshineBench, effect: Any) -> None:
    ended = submitted(bench, 3)
    bench.pass_time()
    waiting = submitted(bench, 3, prefix="K")
    bench.befall(bench.listing, **effect)

    answer = bench.client.poll([*ended, *waiting])

    assert [answer.readings[each].phase for each in ended] == [JobPhase.ENDED] * 3
    assert [answer.readings[each].phase for each in waiting] == [JobPhase.ACTIVE] * 3
    assert answer.problem
    assert answer.refused is None


def test_unknown_by_id_and_listed_is_not_gone(bench: SunshineBench) -> None:
    bench.befall(bench.write, 3, vanish=True)
    job_ids = submitted(bench, 6)

    assert phases(bench, job_ids) == [JobPhase.ACTIVE] * 6
    bench.pass_time()
    assert phases(bench, job_ids) == [JobPhase.ACTIVE] * 3 + [JobPhase.ENDED] * 3


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        ({"status": 502}, "problem"),
        ({"html": True, "status": 200}, "problem"),
        ({"rate_limited": "json", "retry_after": 4}, "throttled"),
        ({"status": 403}, "refused"),
    ],
    ids=["gateway", "unreadable", "throttled", "forbidden"],
)
def test_a_job_is_gone_only_when_the_whole_list_was_seen(
    bench: SunshineBench, effect: JsonObject, told: str
) -> None:
    bench.befall(bench.write, gone=True)
    (job_id,) = submitted(bench, 1)
    bench.befall(bench.listing, **effect)

    answer = bench.client.poll([job_id])
    bench.heal()

    assert not answer.readings
    assert getattr(answer, told)
    assert phases(bench, [job_id]) == [JobPhase.GONE]


def test_a_list_that_is_too_long_proves_nothing(
    bench: SunshineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.jobs.PER_PAGE", 1)
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.jobs.LIST_PAGES", 2)
    submitted(bench, 3)
    bench.befall(bench.write, gone=True)
    (job_id,) = submitted(bench, 1, prefix="K")

    assert not bench.client.poll([job_id]).readings


def test_one_job_that_cannot_be_read_keeps_none_from_being_read(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 40)
    bench.pass_time()
    bench.befall({"path": f"jobs/{job_ids[0]}$"}, status=500)

    answer = bench.client.poll(job_ids)

    assert set(answer.readings) == set(job_ids[1:])
    assert answer.problem


def test_a_vendor_in_trouble_is_not_hammered(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 100)
    bench.pass_time()
    bench.befall(bench.by_id, status=502)

    answer = bench.client.poll(job_ids)

    assert answer.problem
    assert not answer.readings
    assert answer.requests < 2 + MAX_TRANSIENT_ERRORS + READERS


@pytest.mark.parametrize(
    "effect", [{"rate_limited": "json", "retry_after": 3}, {"status": 503, "retry_after": 3}]
)
def test_a_throttle_ends_the_round_and_keeps_what_was_read(
    bench: SunshineBench, effect: JsonObject
) -> None:
    ended = submitted(bench, 60)
    bench.pass_time()
    waiting = submitted(bench, 5, prefix="K")
    bench.befall({**bench.by_id, "nth": list(range(10, 70))}, **effect)

    answer = bench.client.poll([*waiting, *ended])

    assert answer.throttled
    assert answer.throttled.retry_after == 3.0
    assert set(waiting) < set(answer.readings)
    assert answer.requests < 2 + 10 + READERS


def test_a_throttled_list_ends_the_round(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 5)
    bench.befall(bench.listing, rate_limited="plain", retry_after=4)

    answer = bench.client.poll(job_ids)

    assert answer.throttled
    assert answer.throttled.retry_after == 4.0
    assert answer.requests == 1


def test_the_address_of_a_next_page_is_never_followed(bench: SunshineBench) -> None:
    job_ids = submitted(bench, 1)
    with start() as elsewhere:
        following = f"{elsewhere.url}/api/sunshine/jobs?cursor=1"
        bench.befall({**bench.listing, "nth": 1}, body={"data": [], "links": {"next": following}})
        unknown = {"errors": [{"code": "NotFound", "title": "Job not found"}]}
        bench.befall(bench.by_id, status=404, body=unknown)

        bench.client.poll(job_ids)
        visits = elsewhere.effects()["requests"]["by_path"]

    assert visits == {}
    assert bench.requests_by_path()[LISTED] == 2
