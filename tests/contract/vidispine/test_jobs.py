"""Jobs of Vidispine from the row to its outcome: what is sent, how they are read, what they say."""

from __future__ import annotations

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobPhase, PollAnswer, RefusalScope, Refused, Throttled
from tests.contract.vidispine.bench import VidispineBench

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


def outcome(bench: VidispineBench, job_id: str) -> RecordResult:
    """The row's outcome, checked against what the job really did."""
    (result,) = bench.results(bench.create, job_id, bench.records(1))
    return result


def polled(bench: VidispineBench, job_ids: list[str]) -> tuple[PollAnswer, dict[str, int]]:
    """One poll, and the requests that it took by path."""
    before = bench.requests_by_path()
    answer = bench.client.poll(job_ids)
    after = bench.requests_by_path()
    return answer, {
        path: n - before.get(path, 0) for path, n in after.items() if n != before.get(path)
    }


# What is sent


def test_fields_travel_where_they_belong(bench: VidispineBench) -> None:
    record = {
        "type": "IMPORT",
        "priority": "high",
        "jobmetadata": {"library": "VX*7", "a": {"b": "x=y&z, ü"}},
        "notification": "VX-9",
        "notificationData": "told & done",
        "external_id": "E-1",
        "nested": {"deep": ["one", 2, True]},
        "empty": None,
    }

    job_id = bench.started(record)
    bench.pass_time()

    (done,) = bench.effects_of(job_id).values()
    assert done["fields"] == {
        "type": "IMPORT",
        "library": "VX*7",
        "a.b": "x=y&z, ü",
        "external_id": "E-1",
        "nested.deep": "one,2,true",
        "jobferry": "token",
        "jobferry-job": "true",
    }
    assert bench.send("GET", f"/job/{job_id}")["priority"] == "HIGH"
    assert bench.requests_by_path()["POST /API/job"] == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"jobmetadata": {"jobferry": "mine"}}, "reserved_field"),
        ({"jobferry": "mine"}, "reserved_field"),
        ({"jobferry-job": "mine"}, "reserved_field"),
        ({"jobmetadata": {"a=b": "c"}}, "bad_jobmetadata"),
        ({"jobmetadata": "a=b"}, "bad_jobmetadata"),
    ],
)
def test_what_would_hide_the_token_is_not_sent(
    bench: VidispineBench, fields: JsonObject, code: str
) -> None:
    answer = bench.client.submit(bench.create, bench.rows(1, **fields), "token")

    assert isinstance(answer, Refused)
    assert (answer.code, answer.scope) == (code, RefusalScope.CHUNK)
    assert bench.client.requests_made == 0


@pytest.mark.parametrize("count", [0, 2])
def test_a_job_carries_one_row(bench: VidispineBench, count: int) -> None:
    answer = bench.client.submit(bench.create, bench.rows(count), "token")

    assert isinstance(answer, Refused)
    assert bench.client.requests_made == 0


@pytest.mark.parametrize("fields", [{"type": "NO_SUCH_TYPE"}, {"type": ""}, {"priority": "urgent"}])
def test_what_the_vendor_does_not_know_is_refused(
    bench: VidispineBench, fields: JsonObject
) -> None:
    answer = bench.client.submit(bench.create, bench.rows(1, **fields), "token")

    assert isinstance(answer, Refused)
    assert (answer.code, answer.http_status) == ("invalidInput", 400)
    assert bench.jobs() == []


def test_a_record_too_long_for_an_address_is_refused(bench: VidispineBench) -> None:
    record = bench.rows(1, jobmetadata={"long": "x" * 9_000})

    answer = bench.client.submit(bench.create, record, "token")

    assert isinstance(answer, Refused)
    assert answer.http_status == 414


# What becomes of it


@pytest.mark.parametrize(
    ("does", "ending", "status", "code", "text"),
    [
        ({}, None, SUCCEEDED, None, None),
        ({}, "warn", SUCCEEDED, "FINISHED_WARNING", "Simulated warning"),
        ({}, "fail", FAILED, "FAILED_TOTAL", "Simulated failure"),
        (
            {"fail_rows": {"marker": "title 0", "details": "No such file"}},
            None,
            FAILED,
            "FAILED_TOTAL",
            "No such file",
        ),
        ({"fail_job": True, "results": "null"}, None, FAILED, "FAILED_TOTAL", "gave no reason"),
        (
            {"status_word": "ABORTED", "fail_job": True},
            None,
            FAILED,
            "ABORTED",
            "Simulated failure",
        ),
    ],
    ids=["good", "warning", "failed", "marked", "failed without a word", "aborted there"],
)
def test_a_job_is_read_for_what_became_of_it(
    bench: VidispineBench,
    does: JsonObject,
    ending: str | None,
    status: OutcomeStatus,
    code: str | None,
    text: str | None,
) -> None:
    if does:
        bench.befall(bench.write, **does)
    metadata = {"sim-fate": ending} if ending else {}
    job_id = bench.started(bench.rows(1, jobmetadata=metadata)[0])
    bench.pass_time()

    result = outcome(bench, job_id)

    assert (result.status, result.code) == (status, code)
    assert (text is None and result.text is None) or (text and text in (result.text or ""))


def test_a_success_without_a_product_names_the_job(bench: VidispineBench) -> None:
    bench.befall(bench.write, results="null")
    job_id = bench.started()
    bench.pass_time()
    raw = bench.client.poll([job_id]).readings[job_id].raw

    (result,) = bench.vendor.read_results(bench.create, raw or {}, 1, lambda: bench.records(1))

    assert result == RecordResult(SUCCEEDED, vendor_id=job_id)


@pytest.mark.parametrize("word", ["HOLD", "VIDINET_JOB", "ABORT_PENDING", "ABORTED_PENDING", "NEW"])
def test_other_words_are_no_end(bench: VidispineBench, word: str) -> None:
    bench.befall(bench.write, status_word=word)
    job_id = bench.started()
    bench.pass_time()

    reading = bench.client.poll([job_id]).readings[job_id]

    assert (reading.phase, reading.status) == (JobPhase.ACTIVE, word)


def test_a_running_job_tells_how_far_it_is(bench: VidispineBench) -> None:
    job_id = bench.started()

    def seen() -> tuple[str, int | None, int | None]:
        reading = bench.client.poll([job_id]).readings[job_id]
        return reading.status, reading.progress, reading.total

    assert seen() == ("READY", None, None)
    bench.pass_time(1.5)
    assert seen() == ("STARTED", 1, 3)
    bench.pass_time()
    assert seen() == ("FINISHED", 3, 3)


def test_a_job_that_sticks_stays_active(bench: VidispineBench) -> None:
    bench.befall(bench.write, stuck=True)
    job_id = bench.started()
    bench.pass_time(86_400 * 3)

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ACTIVE


def test_a_status_may_go_back(bench: VidispineBench) -> None:
    bench.befall(bench.write, regress=True)
    job_id = bench.started()
    bench.pass_time(1.5)

    seen = [bench.client.poll([job_id]).readings[job_id].status for _ in range(3)]

    assert seen == ["STARTED", "READY", "STARTED"]


def test_a_waiting_job_says_what_it_needs(bench: VidispineBench) -> None:
    problem = {"type": "storage", "requirement": "10 GB of room"}
    bench.sim.change_settings(vidispine_problems=[problem])
    job_id = bench.started()
    bench.pass_time()

    waiting = bench.client.poll([job_id]).readings[job_id]
    bench.sim.change_settings(vidispine_problems=[])
    bench.client.poll([job_id])
    bench.pass_time()
    then = bench.client.poll([job_id]).readings[job_id]

    assert (waiting.phase, waiting.status) == (JobPhase.ACTIVE, "WAITING")
    assert waiting.waiting_for == "10 GB of room (storage)"
    assert (then.phase, then.waiting_for) == (JobPhase.ENDED, None)
    assert outcome(bench, job_id).status is SUCCEEDED


# How it is read


def test_many_jobs_take_one_request(bench: VidispineBench) -> None:
    jobs = [bench.started(row) for row in bench.rows(150)]
    bench.pass_time()

    answer, requests = polled(bench, jobs)

    assert {reading.phase for reading in answer.readings.values()} == {JobPhase.ENDED}
    assert set(answer.readings) == set(jobs)
    assert requests == {"GET /API/job": 1}
    assert answer.requests == 1


def test_jobs_of_others_are_neither_shown_nor_in_the_way(bench: VidispineBench) -> None:
    ours = bench.started()
    for _ in range(3):
        bench.send("POST", "/job?type=IMPORT", RunAs="somebody")
    bench.pass_time()

    answer, requests = polled(bench, [ours])

    assert set(answer.readings) == {ours}
    assert requests == {"GET /API/job": 1}


def test_jobs_of_an_earlier_user_are_ours_still(bench: VidispineBench) -> None:
    job = bench.send("POST", "/job?type=IMPORT&jobmetadata=jobferry-job%3Dtrue", RunAs="former")[
        "jobId"
    ]

    answer, requests = polled(bench, [job])

    assert set(answer.readings) == {job}
    assert requests == {"GET /API/job": 1}


def test_old_jobs_are_read_one_by_one(
    bench: VidispineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.vidispine.client.LIST_PAGE", 4)
    old = [bench.started() for _ in range(2)]
    bench.pass_time(10)
    new = [bench.started() for _ in range(10)]
    bench.pass_time()

    answer, requests = polled(bench, [*old, new[-1]])

    assert set(answer.readings) == {*old, new[-1]}
    assert requests == {"GET /API/job": 2, "GET /API/job/{id}": 2}


def test_a_site_that_gives_shorter_pages_is_asked_for_the_rest(
    bench: VidispineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.vidispine.client.LIST_PAGE", 4)
    jobs = [bench.started() for _ in range(12)]
    bench.pass_time()

    answer, requests = polled(bench, jobs)

    assert set(answer.readings) == set(jobs)
    assert requests == {"GET /API/job": 3}


def test_a_site_that_ignores_the_filter_is_read_all_the_same(bench: VidispineBench) -> None:
    bench.sim.change_settings(vidispine_filters_metadata=False)
    bench.send("POST", "/job?type=IMPORT")
    job_id = bench.started()
    bench.pass_time()

    assert set(bench.client.poll([job_id]).readings) == {job_id}


@pytest.mark.parametrize("does", [{"vanish": True}, {"list_only": True}], ids=str)
def test_a_job_that_only_the_list_shows_is_read(bench: VidispineBench, does: JsonObject) -> None:
    bench.befall(bench.write, **does)
    job_id = bench.started()
    bench.pass_time()

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED


def test_a_job_that_no_reader_knows_is_gone(bench: VidispineBench) -> None:
    bench.befall(bench.write, 1, gone=True)
    gone, there = bench.started(), bench.started()

    answer, _ = polled(bench, [gone, there, "VX-999", "../item/1"])

    assert {job: reading.phase for job, reading in answer.readings.items()} == {
        gone: JobPhase.GONE,
        there: JobPhase.ACTIVE,
        "VX-999": JobPhase.GONE,
        "../item/1": JobPhase.GONE,
    }


@pytest.mark.parametrize(
    "fault",
    [{"status": 502}, {"reset": True}, {"status": 200, "html": True}, {"status": 403, "body": {}}],
    ids=["gateway", "reset", "unreadable", "forbidden"],
)
def test_where_the_list_fails_jobs_are_read_by_id(bench: VidispineBench, fault: JsonObject) -> None:
    jobs = [bench.started() for _ in range(3)]
    bench.pass_time()
    bench.befall(bench.listing, **fault)

    answer, _ = polled(bench, [*jobs, "VX-999"])

    # One reader is not enough to call a job gone.
    assert set(answer.readings) == set(jobs)
    assert {reading.phase for reading in answer.readings.values()} == {JobPhase.ENDED}
    assert answer.problem or answer.refused


def test_a_healthy_second_reader_makes_good_a_failing_list(bench: VidispineBench) -> None:
    jobs = [bench.started() for _ in range(3)]
    bench.befall(bench.listing, status=502)

    answer, _ = polled(bench, jobs)

    assert set(answer.readings) == set(jobs)
    assert (answer.problem, answer.refused, answer.throttled) == (None, None, None)


def test_a_failing_site_is_not_asked_for_every_job(bench: VidispineBench) -> None:
    jobs = [bench.started() for _ in range(20)]
    bench.befall(bench.readers, status=502)

    answer, requests = polled(bench, jobs)

    assert sum(requests.values()) == 2
    assert not answer.readings
    assert answer.problem


def test_a_throttled_list_ends_the_poll(bench: VidispineBench) -> None:
    jobs = [bench.started() for _ in range(3)]
    bench.befall(bench.listing, rate_limited="json", retry_after=9)

    answer, requests = polled(bench, jobs)

    assert sum(requests.values()) == 1
    assert isinstance(answer.throttled, Throttled)
    assert answer.throttled.retry_after == 9


def test_a_throttle_in_between_keeps_what_was_learned(
    bench: VidispineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.vidispine.client.LIST_PAGE", 2)
    old = [bench.started() for _ in range(2)]
    bench.pass_time(10)
    new = [bench.started() for _ in range(2)]
    bench.befall({"method": "GET", "path": f"job/{old[1]}$"}, rate_limited="plain")
    for _ in range(6):
        bench.started()

    answer, _ = polled(bench, [*old, *new])

    assert set(answer.readings) == {old[0], *new}
    assert isinstance(answer.throttled, Throttled)


def test_an_ended_job_that_is_listed_without_its_reasons_is_read_for_them(
    bench: VidispineBench,
) -> None:
    job_id = bench.started(bench.rows(1, type="SIM_FAIL")[0])
    bench.pass_time()
    listed = {"jobId": job_id, "status": "FAILED_TOTAL", "type": "IMPORT", "priority": "LOW"}
    bench.befall(bench.listing, body={"hits": 1, "job": listed})

    assert outcome(bench, job_id).text == "Simulated failure"
    bench.befall(bench.by_id, status=502)
    assert job_id not in bench.client.poll([job_id]).readings


STRANGE_JOBS = [
    {},
    {"jobId": None, "status": "FINISHED"},
    {"jobId": ["VX-1"], "status": "FINISHED"},
    {"jobId": {"a": 1}},
    {"status": "FINISHED"},
    "VX-1",
    None,
    7,
]


@pytest.mark.parametrize("hits", [8, "8", None, -1, 10**9, [8], "many"])
def test_a_strange_list_harms_nothing(bench: VidispineBench, hits: object) -> None:
    job_id = bench.started()
    bench.pass_time()
    bench.befall(bench.listing, body={"hits": hits, "job": STRANGE_JOBS})

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED


@pytest.mark.parametrize(
    "part",
    [
        {"currentStep": []},
        {"currentStep": {"number": "two"}, "totalSteps": "3"},
        {"waiting": "for ever"},
        {"waiting": {}},
        {"status": None},
        {"status": {"a": "FINISHED"}},
        {"data": "text", "log": 7},
    ],
    ids=str,
)
def test_a_strange_job_is_no_end(bench: VidispineBench, part: JsonObject) -> None:
    job_id = bench.started()
    job = {"jobId": job_id, "status": "STARTED"} | part
    bench.befall(bench.readers, body={"hits": 1, "job": [job]})

    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ACTIVE


# Forms


@pytest.mark.parametrize("single", [False, True], ids=["lists", "single objects"])
def test_lists_of_one_may_be_the_one(bench: VidispineBench, single: bool) -> None:
    bench.sim.change_settings(vidispine_single_objects=single)
    job_id = bench.started(bench.rows(1, type="SIM_FAIL")[0])
    bench.pass_time(1.1)
    assert bench.client.poll([job_id]).readings[job_id].progress == 0
    bench.pass_time()

    assert outcome(bench, job_id).text == "Simulated failure"


@pytest.mark.parametrize("path", ["listing", "by_id"])
def test_xml_is_understood(bench: VidispineBench, path: str) -> None:
    job_id = bench.started(bench.rows(1, type="SIM_FAIL")[0])
    bench.pass_time()
    target = "/job?metadata=true&step=true" if path == "listing" else f"/job/{job_id}"
    shown = xml_of(bench, target)
    if path == "by_id":
        bench.befall(bench.listing, status=502)
    bench.befall(getattr(bench, path), body=shown, content_type="application/xml")

    reading = bench.client.poll([job_id]).readings[job_id]

    assert (reading.phase, reading.progress, reading.total) == (JobPhase.ENDED, 3, 3)
    assert outcome(bench, job_id).text == "Simulated failure"


def xml_of(bench: VidispineBench, path: str) -> str:
    basic = f"Basic {bench.secrets[1]}"
    headers = {"Authorization": basic, "Accept": "application/xml"}
    answer = bench.sim.request("GET", f"/API{path}", headers=headers)
    assert answer.headers["Content-Type"].startswith("application/xml")
    return answer.text


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            404,
            "<ExceptionDocument><notFound><id>VX-1</id></notFound></ExceptionDocument>",
            "notFound",
        ),
        (400, "<E xmlns='x'><invalidInput><value>V</value></invalidInput></E>", "invalidInput"),
        (400, "<!DOCTYPE E [<!ENTITY a 'b'>]><E><invalidInput/></E>", "http_400"),
        (400, "<E><invalidInput>", "http_400"),
    ],
)
def test_a_refusal_in_xml_is_understood(
    bench: VidispineBench, status: int, body: str, code: str
) -> None:
    bench.befall(bench.write, status=status, body=body, content_type="application/xml")

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Refused)
    assert answer.code == code


def test_a_state_alone_is_enough(bench: VidispineBench) -> None:
    job_id = bench.started()
    bench.befall(bench.listing, body=f"{job_id}\r\n", content_type="text/plain")
    bench.befall(bench.by_id, 1, body="STARTED", content_type="text/plain")
    bench.befall(bench.by_id, 1, body="FINISHED\r\n", content_type="text/plain")

    running = bench.client.poll([job_id]).readings[job_id]
    ended = bench.client.poll([job_id]).readings[job_id]

    assert (running.phase, running.status) == (JobPhase.ACTIVE, "STARTED")
    assert ended.phase is JobPhase.ENDED
    (result,) = bench.vendor.read_results(bench.create, ended.raw or {}, 1, list)
    assert result == RecordResult(SUCCEEDED, vendor_id=job_id)


def test_an_answer_about_another_job_is_none(bench: VidispineBench) -> None:
    job_id = bench.started()
    bench.befall(bench.listing, status=502)
    bench.befall(bench.by_id, body={"jobId": "VX-77", "status": "FINISHED"})

    assert bench.client.poll([job_id]).readings == {}
