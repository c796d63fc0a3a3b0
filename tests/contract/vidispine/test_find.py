"""A submission whose answer was lost is found by the token that it held, and by no other."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, Found, FoundState
from jobferry.vendors.lost_submission import LostSubmission
from tests.contract.vidispine.bench import VidispineBench

LOST = {"reset": True, "after": True}
NEVER_TAKEN = {"reset": True}
TOKEN = "new tapes-5e&1=ü.17.1"


@dataclass
class Search:
    """A submission that got no answer, and the search for it."""

    bench: VidispineBench
    token: str = TOKEN
    records: list[JsonObject] = field(default_factory=list)
    sent_at: float = 0.0

    def submit(self, **effect: object) -> str | None:
        """Send a row and lose the answer: the id of the job if it was taken."""
        bench = self.bench
        self.records, self.sent_at = bench.records(1), bench.now()
        known = {job["job_id"] for job in bench.jobs()}
        bench.befall(bench.write, 1, **effect or LOST)
        answer = bench.client.submit(bench.create, self.records, self.token)
        assert isinstance(answer, Ambiguous)
        return next((j["job_id"] for j in bench.jobs() if j["job_id"] not in known), None)

    def find(self, after: float = 120.0) -> Found:
        """Look for it so many seconds after it was sent."""
        lost = LostSubmission(self.token, self.sent_at, self.records)
        return self.bench.client.find(self.bench.create, lost, self.sent_at + after)


@pytest.fixture
def search(bench: VidispineBench) -> Search:
    return Search(bench)


@pytest.mark.parametrize("seconds", [0.0, 1.5, 10.0], ids=["ready", "running", "ended"])
def test_found_by_its_token_at_any_time(
    bench: VidispineBench, search: Search, seconds: float
) -> None:
    for row in bench.rows(5):
        bench.started(row)
    job_id = search.submit()
    bench.pass_time(seconds)

    found = search.find(after=1)

    assert (found.state, found.job_id, found.requests) == (FoundState.FOUND, job_id, 1)


@pytest.mark.parametrize("difference", ["fail", "warn"])
def test_found_however_it_ended(bench: VidispineBench, search: Search, difference: str) -> None:
    job_id = search.submit(**LOST, **({"fail_job": True} if difference == "fail" else {}))
    bench.pass_time()

    assert search.find().job_id == job_id


def test_the_same_row_of_another_chunk_is_another(bench: VidispineBench) -> None:
    one, other = Search(bench, "run.1.1"), Search(bench, "run.11.1")
    jobs = one.submit(), other.submit()

    assert (one.find().job_id, other.find().job_id) == jobs


def test_a_job_that_was_run_again_is_found_as_the_first(
    bench: VidispineBench, search: Search
) -> None:
    job_id = search.submit()
    bench.pass_time(10)
    bench.send("POST", f"/job/{job_id}/re-run")

    assert search.find().job_id == job_id


def test_found_among_the_jobs_of_an_earlier_user(bench: VidispineBench) -> None:
    search = Search(bench, "token-1", sent_at=bench.now())
    job = bench.send("POST", "/job?type=IMPORT&jobmetadata=jobferry%3Dtoken-1", RunAs="former")

    assert search.find().job_id == job["jobId"]


def test_found_in_xml(bench: VidispineBench, search: Search) -> None:
    job_id = search.submit()
    headers = {"Authorization": f"Basic {bench.secrets[1]}", "Accept": "application/xml"}
    shown = bench.sim.request("GET", "/API/job?metadata=true", headers=headers).text
    bench.befall(bench.listing, body=shown, content_type="application/xml")

    assert search.find().job_id == job_id


def test_absent_where_no_job_carries_the_token(bench: VidispineBench, search: Search) -> None:
    assert search.submit(**NEVER_TAKEN) is None

    assert search.find(after=1).state is FoundState.ABSENT
    assert bench.jobs() == []


@pytest.mark.parametrize(
    "effect",
    [
        {"status": 502},
        {"status": 401},
        {"status": 403},
        {"rate_limited": "edge"},
        {"html": True, "status": 200},
        {"body": {}},
        {"body": "VX-1\r\n", "content_type": "text/plain"},
    ],
    ids=["gateway", "unauthorized", "forbidden", "throttled", "page", "nothing", "ids only"],
)
def test_pending_while_the_list_cannot_be_read(
    bench: VidispineBench, search: Search, effect: JsonObject
) -> None:
    search.submit()
    bench.befall(bench.listing, **effect)

    found = search.find()

    assert (found.state, found.readable) == (FoundState.PENDING, False)
    assert found.reason


def test_found_though_the_site_ignores_the_filter(bench: VidispineBench, search: Search) -> None:
    bench.sim.change_settings(vidispine_filters_metadata=False)
    bench.started()
    job_id = search.submit()

    assert search.find().job_id == job_id


def test_undecidable_where_the_site_ignores_the_filter(
    bench: VidispineBench, search: Search
) -> None:
    bench.sim.change_settings(vidispine_filters_metadata=False)
    bench.started()
    search.submit(**NEVER_TAKEN)

    found = search.find()

    assert found.state is FoundState.UNDECIDABLE
    assert found.reason


def test_undecidable_where_the_list_names_no_metadata(
    bench: VidispineBench, search: Search
) -> None:
    job_id = search.submit()
    listed = {"jobId": job_id, "status": "READY", "type": "IMPORT", "priority": "LOW"}
    bench.befall(bench.listing, body={"hits": 1, "job": [listed]})

    assert search.find().state is FoundState.UNDECIDABLE


@pytest.mark.parametrize("job_id", [None, "", "../item/1", ["VX-1"]], ids=str)
def test_undecidable_where_the_job_has_no_usable_id(
    bench: VidispineBench, search: Search, job_id: object
) -> None:
    search.submit()
    data = [{"key": "jobferry", "value": TOKEN}]
    bench.befall(bench.listing, body={"hits": 1, "job": [{"jobId": job_id, "data": data}]})

    assert search.find().state is FoundState.UNDECIDABLE


def test_undecidable_where_the_list_counts_what_it_does_not_show(
    bench: VidispineBench, search: Search
) -> None:
    search.submit()
    bench.befall(bench.listing, body={"hits": 1})

    assert search.find().state is FoundState.UNDECIDABLE


def test_undecidable_once_the_job_may_have_been_purged(
    bench: VidispineBench, search: Search
) -> None:
    search.submit(**NEVER_TAKEN)

    found = search.find(after=bench.vendor.capabilities.retention_seconds + 60)

    assert found.state is FoundState.UNDECIDABLE
