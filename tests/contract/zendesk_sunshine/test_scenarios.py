"""The scenarios that every adapter passes, and the fates that only a job of Sunshine has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobferry.model import JsonObject
from jobferry.vendors.base import Accepted, Ambiguous, JobPhase, RefusalScope, Refused
from tests.contract import test_adapter_scenarios as kit
from tests.contract.test_adapter_scenarios import READS, WRITES, Job, Read, Write
from tests.contract.zendesk_sunshine.bench import SunshineBench

ACTIVE = JobPhase.ACTIVE


OWN_WRITES = [case for case in WRITES if case.reply in (None, *SunshineBench.replies)]
"""Without the situations that Sunshine has no words for: nothing tells of its conflicts."""


@pytest.mark.parametrize("case", OWN_WRITES, ids=str)
def test_a_submission_is_answered_by_what_the_vendor_did(
    case: Write, prompt_bench: SunshineBench, little_patience: Callable[[JsonObject], None]
) -> None:
    kit.test_a_submission_is_answered_by_what_the_vendor_did(case, prompt_bench, little_patience)


@pytest.mark.parametrize("reply", ["invalid record", "malformed request", "forbidden"])
def test_a_refusal_carries_the_vendors_words(bench: SunshineBench, reply: str) -> None:
    kit.test_a_refusal_carries_the_vendors_words(bench, reply)


def test_a_job_id_that_is_a_path_names_no_job(bench: SunshineBench) -> None:
    bench.befall(bench.write, body={"data": {"id": "../objects/records/1"}}, after=True)

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Ambiguous)


@pytest.mark.parametrize("case", READS, ids=str)
def test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
    case: Read,
    prompt_bench: SunshineBench,
    little_patience: Callable[[JsonObject], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kit.test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
        case, prompt_bench, little_patience, monkeypatch
    )


@pytest.mark.parametrize("case", READS, ids=str)
def test_the_harmless_request_is_judged_like_any_other(
    case: Read, prompt_bench: SunshineBench, little_patience: Callable[[JsonObject], None]
) -> None:
    kit.test_the_harmless_request_is_judged_like_any_other(case, prompt_bench, little_patience)


def test_the_harmless_request_welcomes_good_credentials(bench: SunshineBench) -> None:
    kit.test_the_harmless_request_welcomes_good_credentials(bench)


@pytest.mark.parametrize("code", kit.REDIRECTS)
def test_a_redirect_to_another_host_is_never_followed(bench: SunshineBench, code: int) -> None:
    kit.test_a_redirect_to_another_host_is_never_followed(bench, code)


def test_a_secret_that_was_changed_is_read_afresh_once(bench: SunshineBench) -> None:
    kit.test_a_secret_that_was_changed_is_read_afresh_once(bench)


def test_a_secret_that_stays_wrong_stops_the_run(bench: SunshineBench) -> None:
    kit.test_a_secret_that_stays_wrong_stops_the_run(bench)


def test_one_token_opens_every_api_of_the_account(bench: SunshineBench) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "sim-client",
        "client_secret": "sim-secret",
    }
    granted = bench.sim.request("POST", "/oauth/tokens", json=form).json()
    bench.secret.values[:] = [{"bearer": granted["access_token"]}]

    assert bench.client.test() is None


# The account's limits


@pytest.mark.parametrize("name", ["resources.post", "resources.external_id_set"])
def test_a_full_account_stops_the_run(bench: SunshineBench, name: str) -> None:
    bench.sim.change_settings(sunshine_max_records=0)

    for _ in range(2):
        answer = bench.client.submit(bench.operation(name), bench.records(2), "token")

        assert isinstance(answer, Refused)
        assert (answer.scope, answer.code) == (RefusalScope.RUN, "vendor_quota_exceeded")
        assert "maximum number of resources" in answer.message
        bench.pass_time(3_600)
    assert bench.jobs() == []


def test_a_full_account_can_still_be_emptied(bench: SunshineBench) -> None:
    (record_id,) = bench.made(bench.records(1))
    bench.sim.change_settings(sunshine_max_records=0)

    answer = bench.client.submit(bench.operation("resources.delete"), [{"id": record_id}], "t")

    assert isinstance(answer, Accepted)


def test_an_account_that_fills_up_fails_the_rows_beyond(bench: SunshineBench) -> None:
    bench.sim.change_settings(sunshine_max_records=2)
    records = bench.records(3)
    job_id = bench.submitted(records)
    bench.pass_time()

    results = bench.results(bench.create, job_id, records)

    assert [result.status for result in results] == ["succeeded", "succeeded", "failed"]
    assert (results[2].code, results[2].text) == (
        "TooManyRequests",
        "You have exceeded the maximum number of resources for this account",
    )


# Jobs

JOBS = (
    Job("some rows failed", {"fail_rows": {"indexes": [1, 3]}}, rows="+-+-", status="completed"),
    Job("all rows failed", {"fail_rows": {"probability": 1}}, rows="----", status="completed"),
    Job("no results", {"results": "null"}, rows="????", status="completed"),
    Job("results short", {"results": "short"}, rows="????"),
    Job("the job failed at once", {"fail_job": True}, rows="????", status="failed"),
    Job("the job failed half-way", {"fail_job": {"after_rows": 2}}, rows="++??", status="failed"),
    Job(
        "the job failed half-way, some rows too",
        {"fail_job": {"after_rows": 3}, "fail_rows": {"indexes": [1]}},
        rows="+-+?",
        status="failed",
    ),
    Job(
        "the job failed half-way and does not say where",
        {"fail_job": {"after_rows": 2}, "results": "null"},
        rows="????",
        status="failed",
    ),
    Job("aborted", {"status_word": "aborted"}, rows="----", status="aborted"),
    Job(
        "aborted, only ever listed",
        {"status_word": "aborted", "list_only": True},
        rows="----",
        status="aborted",
    ),
    Job("unknown word", {"status_word": "active"}, ACTIVE, rows=None, status="active"),
    Job("stuck", {"stuck": True}, ACTIVE, rows=None),
    Job("unknown by id, still listed", {"vanish": True}, ACTIVE, rows=None, status="completed"),
    Job("only ever listed", {"list_only": True}, ACTIVE, rows=None, status="completed"),
    Job("gone", {"gone": True}, JobPhase.GONE, rows=None),
)


@pytest.mark.parametrize("case", JOBS, ids=str)
def test_a_job_is_read_for_what_became_of_it(case: Job, bench: SunshineBench) -> None:
    kit.test_a_job_is_read_for_what_became_of_it(case, bench)


def test_the_rows_of_an_aborted_job_can_be_sent_again(bench: SunshineBench) -> None:
    records = bench.records(2)
    bench.befall(bench.write, 1, status_word="aborted")
    job_id = bench.submitted(records)
    bench.pass_time()

    aborted = bench.results(bench.create, job_id, records)
    again = bench.submitted(records)
    bench.pass_time()

    assert {result.code for result in aborted} == {"job_aborted"}
    assert {result.status for result in bench.results(bench.create, again, records)} == {
        "succeeded"
    }


def test_an_empty_row_is_unknown_and_no_other(bench: SunshineBench) -> None:
    kit.test_an_empty_row_is_unknown_and_no_other(bench)


def test_a_status_may_go_back(bench: SunshineBench) -> None:
    bench.befall(bench.write, regress=True)
    job_id = bench.submitted(bench.records(1))

    def seen() -> tuple[str, JobPhase]:
        reading = bench.client.poll([job_id]).readings[job_id]
        return reading.status, reading.phase

    bench.pass_time(1.5)
    assert [seen(), seen()] == [("processing", ACTIVE), ("queued", ACTIVE)]
    bench.pass_time()
    assert seen() == ("completed", JobPhase.ENDED)


def test_a_job_may_take_a_moment_to_be_seen(bench: SunshineBench) -> None:
    kit.test_a_job_may_take_a_moment_to_be_seen(bench)


def test_a_job_is_forgotten_when_its_time_is_up(bench: SunshineBench) -> None:
    kit.test_a_job_is_forgotten_when_its_time_is_up(bench)


def test_nothing_to_poll_takes_no_request(bench: SunshineBench) -> None:
    kit.test_nothing_to_poll_takes_no_request(bench)
