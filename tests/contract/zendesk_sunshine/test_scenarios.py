"""What only Sunshine does, besides the scenarios that every vendor plays."""

from __future__ import annotations

import pytest

from jobferry.vendors.answers import Accepted, RefusalScope, Refused
from tests.contract.conformance.scenarios import Job
from tests.contract.conformance.test_conformance import read_for_what_became_of_it
from tests.contract.zendesk_sunshine.bench import SunshineBench


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
    Job(
        "called off, only ever listed",
        {"status_word": "aborted", "list_only": True},
        rows="----",
        status="aborted",
    ),
)


@pytest.mark.parametrize("case", JOBS, ids=str)
def test_a_job_is_read_for_what_became_of_it(case: Job, bench: SunshineBench) -> None:
    read_for_what_became_of_it(case, bench)


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
