"""Looking for a submission whose answer was lost: never a wrong find, never a false absence.

Found is adopted and absent is sent again, so either one said wrongly loses rows or makes
duplicates. Where the vendor cannot say, `undecidable` ends the search and `pending` repeats it.
What every vendor does alike, the kit plays (`tests/contract/conformance`, "Lost submissions").
"""

from __future__ import annotations

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState
from tests.contract.lost import LOST, NEVER_TAKEN, Search
from tests.contract.zendesk_sunshine.bench import SunshineBench


@pytest.fixture
def search(bench: SunshineBench) -> Search:
    return Search(bench)


def anonymous(records: list[JsonObject]) -> list[JsonObject]:
    return [{k: v for k, v in record.items() if k != "external_id"} for record in records]


def links(ids: list[str]) -> list[JsonObject]:
    return [
        {"relationship_type": "next_to", "source": each, "target": "zen:ticket:1"} for each in ids
    ]


# Found


def test_found_by_external_ids(bench: SunshineBench, search: Search) -> None:
    job_id = search.submit(bench.records(3))
    before = bench.client.requests_made

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)
    assert found.requests == bench.client.requests_made - before == 3


def test_found_by_attributes_where_there_are_no_external_ids(
    bench: SunshineBench, search: Search
) -> None:
    job_id = search.submit(anonymous(bench.records(3)))

    assert search.find().job_id == job_id


def test_links_are_found_by_their_ends(bench: SunshineBench) -> None:
    search = Search(bench, bench.operation("relationships.post"))
    ids = bench.made(bench.records(4))
    others = bench.submitted(links(ids[:2]), search.operation)
    job_id = search.submit(links(ids[2:]))

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)
    assert job_id != others


def test_found_though_the_job_failed_half_way(bench: SunshineBench, search: Search) -> None:
    job_id = search.submit(bench.records(4), **LOST, fail_job={"after_rows": 2})

    assert search.find().job_id == job_id


@pytest.mark.parametrize("named", [True, False], ids=["external ids", "attributes"])
def test_found_though_its_results_lack_a_row(
    bench: SunshineBench, search: Search, named: bool
) -> None:
    records = bench.records(3) if named else anonymous(bench.records(3))
    job_id = search.submit(records, **LOST, results="short")

    assert search.find().job_id == job_id


def test_found_though_a_record_is_gone_since(bench: SunshineBench, search: Search) -> None:
    job_id = search.submit(bench.records(3))
    bench.pass_time()
    gone = [{"id": bench.effects_of(str(job_id))[0]["id"]}]
    deletion = bench.submitted(gone, bench.operation("resources.delete"))

    assert search.find(known=[deletion]).job_id == job_id


def test_found_among_many_jobs_of_other_times(bench: SunshineBench, search: Search) -> None:
    for n in range(20):
        bench.submitted(bench.records(3, prefix=f"before{n}"))
    bench.pass_time(3_600)
    job_id = search.submit(bench.records(3))
    bench.pass_time(3_600)
    for n in range(20):
        bench.submitted(bench.records(3, prefix=f"after{n}"))

    found = search.find()

    assert found.job_id == job_id
    assert found.requests == 3


@pytest.mark.parametrize("name", ["resources.post", "relationships.post"])
def test_found_though_results_are_reordered(bench: SunshineBench, name: str) -> None:
    search = Search(bench, bench.operation(name))
    rows = (
        bench.records(4) if name == "resources.post" else links([f"zen:user:{n}" for n in "1234"])
    )
    job_id = search.submit(rows, **LOST, results="reordered")

    assert search.find().job_id == job_id


def test_one_record_alike_does_not_make_a_job_ours(bench: SunshineBench, search: Search) -> None:
    ours, theirs = anonymous(bench.records(3)), anonymous(bench.records(3, prefix="other"))
    search.submit(ours, **NEVER_TAKEN)
    bench.submitted([ours[0], *theirs[1:]])

    assert search.find().state is FoundState.UNDECIDABLE


def test_found_though_the_list_does_not_say_when(bench: SunshineBench, search: Search) -> None:
    job_id = search.submit(bench.records(2))
    bench.befall(
        bench.listing,
        body={"data": [{"id": job_id, "job_status": "completed", "created_at": "lately"}]},
    )

    assert search.find().job_id == job_id


# Absent


def test_absent_where_strangers_made_other_things(bench: SunshineBench, search: Search) -> None:
    search.submit(anonymous(bench.records(2)), **NEVER_TAKEN)
    cars = [{**record, "type": "car"} for record in anonymous(bench.records(2))]
    bench.submitted(cars)
    bench.submitted(anonymous([{**r, "attributes": {"name": "else"}} for r in bench.records(2)]))

    assert search.find().state is FoundState.ABSENT


def test_a_job_that_was_called_off_is_as_good_as_none(bench: SunshineBench, search: Search) -> None:
    search.submit(bench.records(3), **LOST, status_word="aborted")

    assert search.find().state is FoundState.ABSENT
    assert bench.sim.effects()["effects"] == []


def test_jobs_that_belong_to_other_chunks_are_not_ours(
    bench: SunshineBench, search: Search
) -> None:
    twin = bench.submitted(anonymous(bench.records(3)))
    search.submit(anonymous(bench.records(3)), **NEVER_TAKEN)

    assert search.find(known=[twin]).state is FoundState.ABSENT


def test_records_that_were_there_before_are_not_ours(bench: SunshineBench, search: Search) -> None:
    bench.submitted(bench.records(3))
    bench.pass_time(3_600)
    search.submit(bench.records(3), **NEVER_TAKEN)

    assert search.find().state is FoundState.ABSENT


def test_absent_without_a_look_up_that_the_account_lacks(
    bench: SunshineBench, search: Search
) -> None:
    search.submit(bench.records(3), **NEVER_TAKEN)
    bench.befall(bench.look_up, status=404)

    assert search.find().state is FoundState.ABSENT


def test_many_external_ids_are_asked_for_in_parts(bench: SunshineBench, search: Search) -> None:
    search.submit(bench.records(100), **NEVER_TAKEN)

    found = search.find()

    assert found.state is FoundState.ABSENT
    assert found.requests == 1 + 2


def test_links_are_absent_without_a_look_up(bench: SunshineBench) -> None:
    search = Search(bench, bench.operation("relationships.post"))
    search.submit(links(["zen:user:1"]), **NEVER_TAKEN)

    found = search.find()

    assert (found.state, found.requests) == (FoundState.ABSENT, 1)


# Pending


UNREADABLE = pytest.mark.parametrize(
    "effect",
    [{"status": 502}, {"rate_limited": "edge"}, {"html": True, "status": 200}, {"reset": True}],
    ids=["gateway", "throttled", "unreadable", "reset"],
)


@UNREADABLE
@pytest.mark.parametrize("reader", ["by_id", "look_up"])
def test_pending_while_something_cannot_be_read(
    bench: SunshineBench, search: Search, effect: JsonObject, reader: str
) -> None:
    search.submit(bench.records(3))
    bench.befall(getattr(bench, reader), **effect)

    found = search.find()
    assert (found.state, found.readable) == (FoundState.PENDING, False)
    bench.heal()
    assert search.find().state is FoundState.FOUND


@UNREADABLE
def test_pending_while_absence_cannot_be_proven(
    bench: SunshineBench, search: Search, effect: JsonObject
) -> None:
    search.submit(bench.records(3), **NEVER_TAKEN)
    bench.befall(bench.look_up, **effect)

    assert search.find().state is FoundState.PENDING


# Undecidable


@pytest.mark.parametrize(
    "effect",
    [
        {"fail_job": {"after_rows": 1}, "results": "null"},
        {"results": "null"},
        {"results": "short", "fail_rows": {"indexes": [0, 1]}},
        {"list_only": True},
    ],
    ids=[
        "failed half-way without results",
        "no results",
        "refused as far as results go",
        "only listed",
    ],
)
def test_undecidable_where_a_job_of_that_time_names_no_record(
    bench: SunshineBench, search: Search, effect: JsonObject
) -> None:
    search.submit(bench.records(3), **LOST, **effect)

    found = search.find()

    assert found.state is FoundState.UNDECIDABLE
    assert found.reason


@pytest.mark.parametrize(
    "effect",
    [
        {"fail_job": True},
        {"fail_job": True, "results": "null"},
        {"fail_rows": {"probability": 1, "error": "InternalServerError"}},
        {"fail_rows": {"probability": 1, "error": "ServiceUnavailable"}},
        {"fail_rows": {"probability": 1, "error": "http_503"}},
    ],
    ids=["failed at once", "no results", "server error", "unavailable", "503"],
)
def test_a_job_in_doubt_is_decided_by_the_records(
    bench: SunshineBench, search: Search, effect: JsonObject
) -> None:
    search.submit(anonymous(bench.records(3)), **LOST, **effect)
    assert search.find().state is FoundState.UNDECIDABLE
    bench.pass_time(3_600)

    search.submit(bench.records(3), **LOST, **effect)

    assert search.find().state is FoundState.ABSENT


def test_undecidable_where_the_records_are_gone(bench: SunshineBench, search: Search) -> None:
    job_id = search.submit(bench.records(2))
    bench.pass_time()
    ids = [{"id": effect["id"]} for effect in bench.effects_of(str(job_id)).values()]
    deletion = bench.submitted(ids, bench.operation("resources.delete"))

    assert search.find(known=[deletion]).state is FoundState.UNDECIDABLE


def test_a_record_that_was_changed_since_is_no_proof_of_absence(
    bench: SunshineBench, search: Search
) -> None:
    records = anonymous(bench.records(1))
    job_id = search.submit(records)
    bench.pass_time()
    made = bench.effects_of(str(job_id))[0]["id"]
    attributes = {"name": "somebody was quicker", "price": 9}
    update = bench.submitted(
        [{"id": made, "attributes": attributes}], bench.operation("resources.update")
    )

    assert search.find(known=[update]).state is FoundState.UNDECIDABLE


def test_an_id_of_a_record_never_leads_elsewhere(bench: SunshineBench, search: Search) -> None:
    search.submit(bench.records(1))
    results = [{"success": True, "data": {"id": "../../v2/users/me"}}]
    bench.befall(bench.by_id, body={"data": {"job_status": "completed", "results": results}})

    assert search.find().state is FoundState.UNDECIDABLE
    assert not [path for path in bench.requests_by_path() if "v2" in path or "records" in path]


def test_undecidable_without_anything_to_compare(bench: SunshineBench, search: Search) -> None:
    search.submit([{"type": "product"}])

    assert search.find().state is FoundState.UNDECIDABLE


def test_undecidable_where_the_list_is_too_long(
    bench: SunshineBench, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.jobs.PER_PAGE", 1)
    monkeypatch.setattr("jobferry.vendors.zendesk_sunshine.jobs.LIST_PAGES", 2)
    others = [bench.submitted(bench.records(1, prefix=f"O{n}")) for n in range(3)]
    search.submit(anonymous(bench.records(2)), **NEVER_TAKEN)

    assert search.find(known=others).state is FoundState.UNDECIDABLE


def test_undecidable_where_too_many_jobs_ran_at_that_time(
    bench: SunshineBench, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.job_search.CANDIDATES", 3)
    search.submit(anonymous(bench.records(2)), **NEVER_TAKEN)
    for n in range(4):
        bench.submitted(bench.records(1, prefix=f"O{n}"))

    found = search.find()

    assert found.state is FoundState.UNDECIDABLE
    assert found.requests == 1
