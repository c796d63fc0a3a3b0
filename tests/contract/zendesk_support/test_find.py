"""Looking for a submission whose answer was lost: never a wrong find, never a false absence.

Found is adopted and absent is sent again, so either one said wrongly loses rows or makes
duplicates. Where the vendor cannot say, `undecidable` ends the search and `pending` repeats it.
What every vendor does alike, the kit plays (`tests/contract/conformance`, "Lost submissions").
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState
from tests.contract.lost import LOST, NEVER_TAKEN, Search
from tests.contract.zendesk_support.bench import ZendeskBench
from tests.contract.zendesk_support.cases import (
    GROUP,
    Account,
    furnish,
    history,
    member,
    operation_named,
)


@pytest.fixture
def search(bench: ZendeskBench) -> Search:
    return Search(bench)


def without(records: list[JsonObject], *names: str) -> list[JsonObject]:
    return [{k: v for k, v in record.items() if k not in names} for record in records]


def test_found_by_external_ids(bench: ZendeskBench, search: Search) -> None:
    job_id = search.submit(bench.records(3))
    before = bench.client.requests_made

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)
    # The list shows the job whole; one more request reads its records back.
    assert found.requests == bench.client.requests_made - before == 2


def test_found_by_subjects_where_there_are_no_external_ids(
    bench: ZendeskBench, search: Search
) -> None:
    job_id = search.submit(without(bench.records(3), "external_id"))

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)


def test_users_are_found_by_address(bench: ZendeskBench) -> None:
    search = Search(bench, bench.vendor.operations["users.create_or_update"])
    users = [{"name": f"n{n}", "email": f"Ada{n}@Example.org"} for n in range(3)]
    job_id = search.submit(users)

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)


def test_organizations_are_found_by_name(bench: ZendeskBench) -> None:
    search = Search(bench, operation_named(bench, "organizations.create"))
    job_id = search.submit([{"name": f"Org {n}"} for n in range(3)])

    assert search.find().job_id == job_id


def test_new_users_are_found_by_external_id(bench: ZendeskBench) -> None:
    search = Search(bench, operation_named(bench, "users.create"))
    job_id = search.submit([{"name": "n", "external_id": f"U{n}"} for n in range(3)])

    assert search.find().job_id == job_id


def imported(count: int) -> list[JsonObject]:
    return [history(f"I-{n}", created_at="2019-05-01T10:00:00Z") for n in range(count)]


def test_imported_tickets_are_found_however_old_they_say_they_are(bench: ZendeskBench) -> None:
    search = Search(bench, operation_named(bench, "tickets.import"))
    job_id = search.submit(imported(3))

    assert search.find().job_id == job_id


def test_a_change_of_imported_tickets_is_no_import(bench: ZendeskBench) -> None:
    operation = operation_named(bench, "tickets.import")
    earlier = bench.submitted(imported(2), operation)
    bench.pass_time()
    ids = [effect["id"] for effect in bench.effects_of(earlier).values()]
    bench.pass_time(3_600)
    search = Search(bench, operation)
    search.submit(imported(2), **NEVER_TAKEN)
    assert search.find(known=[earlier]).state is FoundState.ABSENT
    bench.submitted(
        [{"id": each, "status": "open"} for each in ids], operation_named(bench, "tickets.update")
    )

    # Changed since, they might be ours as far as anybody can tell.
    assert search.find(known=[earlier]).state is FoundState.PENDING


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "organization_memberships.create",
            lambda there: [
                member(each, organization_id=there.organizations[2]) for each in there.users
            ],
        ),
        ("group_memberships.create", lambda there: [member(there.agents[1], group_id=GROUP)]),
        ("custom_objects.<key>.create", lambda _: [{"name": f"n{n}"} for n in range(4)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_back_is_not_decided(
    bench: ZendeskBench, name: str, rows: Callable[[Account], list[JsonObject]]
) -> None:
    there = furnish(bench)
    others = [job["job_id"] for job in bench.jobs()]
    operation = operation_named(bench, name)
    taken, refused = Search(bench, operation), Search(bench, operation)
    taken.submit(rows(there))

    assert taken.find(others, after=1).state is FoundState.PENDING
    assert taken.find(others).state is FoundState.UNDECIDABLE
    refused.submit([*rows(there), {}], **NEVER_TAKEN)
    assert refused.find(others).state is FoundState.ABSENT


def test_found_where_the_list_shows_id_and_status_only(bench: ZendeskBench, search: Search) -> None:
    bench.sim.change_settings(job_items="id_and_status")
    job_id = search.submit(bench.records(3))

    assert search.find().job_id == job_id


def test_found_behind_several_pages_of_other_jobs(bench: ZendeskBench, search: Search) -> None:
    bench.sim.change_settings(max_jobs=0)
    job_id = search.submit(bench.records(2))
    bench.pass_time()
    others = [bench.submitted(bench.records(1, prefix=f"O{n}")) for n in range(120)]

    found = search.find(known=others[1:])

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)
    assert bench.sim.effects()["requests"]["by_path"]["GET /api/v2/job_statuses"] == 2


def test_jobs_that_belong_to_other_chunks_are_not_ours(bench: ZendeskBench, search: Search) -> None:
    ours = without(bench.records(3), "external_id")
    search.submit(ours, **NEVER_TAKEN)
    twin = bench.submitted(ours)

    assert search.find(known=[twin]).state is FoundState.ABSENT


def test_pending_where_another_chunk_made_records_with_our_external_ids(
    bench: ZendeskBench, search: Search
) -> None:
    search.submit(bench.records(3), **NEVER_TAKEN)
    twin = bench.submitted(bench.records(3))

    found = search.find(known=[twin])

    assert (found.state, found.readable) == (FoundState.PENDING, True)


def test_a_job_that_made_records_of_another_kind_is_not_ours(
    bench: ZendeskBench, search: Search
) -> None:
    search.submit(bench.records(2), **NEVER_TAKEN)
    for name, rows in {
        "users.create_or_update": [{"name": f"n{n}", "email": f"u{n}@example.org"} for n in "12"],
        "organizations.create": [{"name": f"Org {n}"} for n in "12"],
    }.items():
        bench.submitted(rows, operation_named(bench, name))

    assert search.find().state is FoundState.ABSENT


def test_pending_while_it_cannot_be_read_what_a_job_made(
    bench: ZendeskBench, search: Search
) -> None:
    search.submit(bench.records(1), **NEVER_TAKEN)
    bench.submitted([{"name": "Org"}], operation_named(bench, "organizations.create"))
    bench.befall({"method": "GET", "path": "organizations/show_many"}, status=502)

    assert search.find().state is FoundState.PENDING


@pytest.mark.parametrize(
    "effect",
    [{"fail_job": {"after_rows": 1}}, {"results": "null"}],
    ids=["died", "no results"],
)
def test_undecidable_where_a_job_of_the_size_names_no_record(
    bench: ZendeskBench, search: Search, effect: JsonObject
) -> None:
    search.submit(bench.records(3), **LOST, **effect)

    found = search.find()

    assert found.state is FoundState.UNDECIDABLE
    assert found.reason


def test_undecidable_without_anything_to_compare(bench: ZendeskBench, search: Search) -> None:
    search.submit(without(bench.records(3), "external_id", "subject"))

    assert search.find().state is FoundState.UNDECIDABLE


def test_undecidable_where_the_records_are_gone(bench: ZendeskBench, search: Search) -> None:
    job_id = search.submit(bench.records(2))
    bench.pass_time()
    ids = [{"id": effect["id"]} for effect in bench.effects_of(str(job_id)).values()]
    deletion = bench.submitted(ids, bench.vendor.operations["tickets.delete"])

    assert search.find(known=[deletion]).state is FoundState.UNDECIDABLE


def test_undecidable_where_the_list_is_too_long(
    bench: ZendeskBench, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.zendesk_support.job_statuses.LIST_PAGES", 1)
    bench.sim.change_settings(max_jobs=0)
    search.submit(without(bench.records(2), "external_id"), **NEVER_TAKEN)
    others = [bench.submitted(bench.records(1, prefix=f"O{n}")) for n in range(101)]

    assert search.find(known=others).state is FoundState.UNDECIDABLE


# What would make duplicates, lose rows, or give up too early


@pytest.mark.parametrize(
    "effect",
    [{"status": 502}, {"rate_limited": "json", "retry_after": 5}, {"reset": True}],
    ids=["gateway", "throttled", "reset"],
)
def test_pending_while_a_candidate_cannot_be_read(
    bench: ZendeskBench, search: Search, effect: JsonObject
) -> None:
    job_id = search.submit(bench.records(3))
    bench.sim.change_settings(job_items="id_and_status")
    bench.befall({"method": "GET", "path": f"job_statuses/{job_id}$"}, **effect)

    assert search.find().state is FoundState.PENDING


def test_found_though_unknown_by_id(bench: ZendeskBench, search: Search) -> None:
    job_id = search.submit(bench.records(3), **LOST, vanish=True)

    found = search.find()

    assert (found.state, found.job_id) == (FoundState.FOUND, job_id)


def test_found_though_results_are_reordered_and_without_index(
    bench: ZendeskBench, search: Search
) -> None:
    job_id = search.submit(bench.records(4), **LOST, results=["reordered", "no_index"])

    assert search.find().job_id == job_id


def test_a_record_that_was_changed_since_is_no_proof_of_absence(
    bench: ZendeskBench, search: Search
) -> None:
    job_id = search.submit(without(bench.records(3), "external_id"))
    bench.pass_time()
    ticket = bench.effects_of(str(job_id))[0]["id"]
    change = [{"id": ticket, "subject": "somebody was quicker"}]
    update = bench.submitted(change, bench.vendor.operations["tickets.update"])

    assert search.find(known=[update]).state is not FoundState.ABSENT


def test_records_that_were_there_before_are_not_ours(bench: ZendeskBench, search: Search) -> None:
    bench.submitted(bench.records(3))
    bench.pass_time(3_600)
    search.submit(bench.records(3), **NEVER_TAKEN)

    assert search.find().state is not FoundState.FOUND


@pytest.mark.parametrize(
    "effect", [{"status": 502}, {"rate_limited": "json"}], ids=["gateway", "throttled"]
)
def test_pending_while_the_records_cannot_be_read(
    bench: ZendeskBench, search: Search, effect: JsonObject
) -> None:
    search.submit(bench.records(3))
    bench.befall(bench.look_up, **effect)

    assert search.find().state is FoundState.PENDING


@pytest.mark.parametrize(
    ("effect", "named", "state"),
    [
        (LOST, True, FoundState.UNDECIDABLE),
        (LOST, False, FoundState.UNDECIDABLE),
        (NEVER_TAKEN, False, FoundState.UNDECIDABLE),
        (NEVER_TAKEN, True, FoundState.ABSENT),
    ],
    ids=["made", "made without ids", "never taken without ids", "never taken"],
)
def test_a_list_that_lacks_jobs_of_the_last_hour_leaves_it_to_the_records(
    bench: ZendeskBench, search: Search, effect: JsonObject, named: bool, state: FoundState
) -> None:
    """Accounts have been seen that list their last hundred jobs and no more."""
    ended = [bench.submitted(bench.records(2, prefix="O"))]
    bench.pass_time()
    ours = bench.records(3)
    search.submit(ours if named else without(ours, "external_id"), **effect)
    newer = [bench.submitted(bench.records(2, prefix="N"))]
    page = {
        "job_statuses": [{"id": newer[0], "status": "completed", "total": 2, "results": []}],
        "meta": {"has_more": False},
    }
    bench.befall({"method": "GET", "path": "job_statuses$"}, status=200, body=page)

    assert search.find(newer, ended=ended).state is state


def sparse(records: list[JsonObject]) -> list[JsonObject]:
    """The first has an external id, the others have none."""
    return [*records[:1], *without(records[1:], "external_id")]


def test_a_row_without_external_id_leaves_doubt(bench: ZendeskBench, search: Search) -> None:
    """The one that has an external id was refused: what was made has none."""
    search.submit(sparse(bench.records(3)), **LOST, fail_rows={"indexes": [0]})

    assert search.find().state is FoundState.UNDECIDABLE


def test_found_though_somebody_changed_an_external_id_since(
    bench: ZendeskBench, search: Search
) -> None:
    job_id = search.submit(bench.records(4))
    bench.pass_time()
    first = bench.effects_of(str(job_id))[0]["id"]
    change = bench.submitted(
        [{"id": first, "external_id": "synchronised"}], operation_named(bench, "tickets.update")
    )

    assert search.find([change]).job_id == job_id


@pytest.mark.parametrize("names", [("external_id",), ()], ids=["subjects", "external ids"])
def test_what_stands_in_several_rows_tells_nothing_apart(
    bench: ZendeskBench, names: tuple[str, ...]
) -> None:
    """Two chunks of one file, alike in all that can be compared: neither gets the other's job."""
    alike = without(
        [{**each, "subject": "Survey", "external_id": "S"} for each in bench.records(3)], *names
    )
    never, done = Search(bench), Search(bench)
    never.submit(alike, **NEVER_TAKEN)
    done.submit(alike)

    assert never.find().state is FoundState.UNDECIDABLE


def test_a_search_ends_where_the_vendor_asks_for_patience(
    bench: ZendeskBench, search: Search
) -> None:
    search.submit(bench.records(3), **NEVER_TAKEN)
    for n in range(5):
        bench.submitted(bench.records(3, prefix=f"O{n}"))
    bench.befall({"method": "GET", "path": "show_many$"}, rate_limited="json", retry_after=30)

    found = search.find()

    # The list, and the one poll that was refused.
    assert (found.state, found.requests) == (FoundState.PENDING, 2)


def test_undecidable_where_too_many_jobs_may_be_the_one(
    bench: ZendeskBench, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobferry.vendors.job_search.CANDIDATES", 3)
    search.submit(without(bench.records(3), "external_id"), **NEVER_TAKEN)
    for n in range(4):
        bench.submitted(bench.records(3, prefix=f"O{n}"))

    found = search.find()

    assert (found.state, found.requests) == (FoundState.UNDECIDABLE, 1)


class TestManyJobs:
    """More jobs than a search reads ended before the lost one was sent."""

    @pytest.fixture
    def ended(self, bench: ZendeskBench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr("jobferry.vendors.zendesk_support.job_statuses.LIST_PAGES", 2)
        bench.sim.change_settings(max_jobs=0)
        jobs = [bench.submitted(bench.records(3, prefix=f"O{n}")) for n in range(250)]
        bench.pass_time()
        return jobs

    @pytest.mark.parametrize(
        ("effect", "state"), [(LOST, FoundState.FOUND), (NEVER_TAKEN, FoundState.ABSENT)]
    )
    def test_they_are_not_read_where_jobs_that_run_are_listed_first(
        self,
        bench: ZendeskBench,
        search: Search,
        ended: list[str],
        effect: JsonObject,
        state: FoundState,
    ) -> None:
        search.submit(without(bench.records(3), "external_id"), **effect)
        bench.pass_time(118)
        running = bench.submitted(bench.records(2, prefix="R"))

        found = search.find([running], ended=ended, after=1)

        assert found.state is state
        # The list, the job that runs by its id, and the records of the one that was found.
        assert found.requests == (3 if state is FoundState.FOUND else 2)

        again = search.find([running], ended=ended)
        assert (again.state, again.requests) == (state, found.requests - 1)

    def test_undecidable_where_none_runs(
        self, bench: ZendeskBench, search: Search, ended: list[str]
    ) -> None:
        search.submit(without(bench.records(3), "external_id"), **NEVER_TAKEN)

        assert search.find(ended=ended).state is FoundState.UNDECIDABLE

    def test_undecidable_where_no_job_is_known_to_have_ended(
        self, bench: ZendeskBench, search: Search, ended: list[str]
    ) -> None:
        search.submit(without(bench.records(3), "external_id"), **NEVER_TAKEN)
        running = bench.submitted(bench.records(2, prefix="R"))

        found = search.find([running, *ended], after=1)

        assert found.state is FoundState.UNDECIDABLE

    def test_a_job_that_has_ended_meanwhile_proves_nothing(
        self, bench: ZendeskBench, search: Search, ended: list[str]
    ) -> None:
        search.submit(without(bench.records(3), "external_id"), **NEVER_TAKEN)
        bench.pass_time(118)
        running = bench.submitted(bench.records(2, prefix="R"))
        bench.befall(
            {"method": "GET", "path": f"job_statuses/{running}$"},
            status=200,
            body={"job_status": {"id": running, "status": "completed"}},
        )

        found = search.find([running], ended=ended, after=1)

        assert found.state is FoundState.UNDECIDABLE


def test_jobs_of_another_size_cost_no_request(bench: ZendeskBench, search: Search) -> None:
    search.submit(without(bench.records(3), "external_id"), **NEVER_TAKEN)
    for n, size in zip(range(10), itertools.cycle((1, 2))):
        bench.submitted(bench.records(size, prefix=f"O{n}"))

    assert search.find().requests == 1
