"""Records with our external ids have the last word on a submission whose answer was lost."""

from __future__ import annotations

import itertools

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import FoundState
from jobferry.vendors.zendesk_support.lost_jobs import LIST_TRUSTED
from jobferry.vendors.zendesk_support.lost_records import SAMPLE, spread
from tests.contract.lost import LOST, NEVER_TAKEN, Search
from tests.contract.zendesk_support.bench import ZendeskBench
from tests.contract.zendesk_support.cases import history, operation_named, ticket, user

LOOK_UPS = {
    "tickets.create": "tickets$",
    "tickets.import": "tickets$",
    "users.create": "users/show_many$",
    "organizations.create": "organizations/show_many$",
    "custom_objects.<key>.create": "custom_objects/car/records$",
}
CREATES = pytest.mark.parametrize("name", LOOK_UPS)
HIDDEN = {**LOST, "gone": True}
SERVER_ERRORS = ("InternalServerError", "ServiceUnavailable", "http_503")


def rows(name: str, count: int = 3) -> list[JsonObject]:
    keys = [f"k-{n}" for n in range(count)]
    if name == "tickets.create":
        return [ticket(key) for key in keys]
    if name == "tickets.import":
        return [history(key, created_at="2019-05-01T10:00:00Z") for key in keys]
    return [user(key) for key in keys]


def lost(bench: ZendeskBench, name: str, count: int = 3, **effect: object) -> Search:
    search = Search(bench, operation_named(bench, name))
    search.submit(rows(name, count), **effect)
    return search


@CREATES
def test_what_was_made_by_a_job_that_nobody_shows_is_not_absent(
    bench: ZendeskBench, name: str
) -> None:
    search = lost(bench, name, **HIDDEN)

    found = search.find()

    assert (found.state, found.readable) == (FoundState.PENDING, True)
    assert "external ids" in found.reason


@CREATES
def test_absent_where_no_record_was_made(bench: ZendeskBench, name: str) -> None:
    assert lost(bench, name, **NEVER_TAKEN).find().state is FoundState.ABSENT


@CREATES
def test_records_that_were_there_before_are_not_ours(bench: ZendeskBench, name: str) -> None:
    operation = operation_named(bench, name)
    bench.submitted(rows(name), operation)
    bench.pass_time(3_600)

    assert lost(bench, name, **NEVER_TAKEN).find().state is FoundState.ABSENT


@CREATES
@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_they_decide_when_the_list_of_jobs_is_trusted_no_more(
    bench: ZendeskBench, name: str, made: bool
) -> None:
    search = lost(bench, name, **(HIDDEN if made else NEVER_TAKEN))

    found = search.find(after=LIST_TRUSTED + 60)

    assert found.state is (FoundState.UNDECIDABLE if made else FoundState.ABSENT)


@CREATES
@pytest.mark.parametrize(
    "effect", [{"fail_job": True}, {"fail_job": True, "status_word": "killed", "results": "null"}]
)
def test_a_job_that_says_nothing_did_nothing_where_nothing_was_made(
    bench: ZendeskBench, name: str, effect: JsonObject
) -> None:
    assert lost(bench, name, **LOST, **effect).find().state is FoundState.ABSENT


@CREATES
@pytest.mark.parametrize("code", SERVER_ERRORS)
def test_a_job_whose_rows_met_errors_of_the_vendor_proves_nothing_by_itself(
    bench: ZendeskBench, name: str, code: str
) -> None:
    failing = {"fail_rows": {"probability": 1, "error": code}}
    search = lost(bench, name, **LOST, **failing)
    bench.befall({"method": "GET", "path": LOOK_UPS[name]}, status=404)
    assert search.find().state is FoundState.UNDECIDABLE
    bench.heal()
    assert search.find().state is FoundState.ABSENT


def test_links_whose_rows_met_errors_of_the_vendor_may_have_been_done(
    bench: ZendeskBench,
) -> None:
    made = bench.submitted(bench.records(2))
    bench.pass_time()
    ids = [effect["id"] for effect in bench.effects_of(made).values()]
    for code, state in (
        ("InternalServerError", FoundState.UNDECIDABLE),
        ("RecordInvalid", FoundState.ABSENT),
    ):
        search = Search(bench, operation_named(bench, "group_memberships.create"))
        known = [job["job_id"] for job in bench.jobs()]
        search.submit(
            [{"user_id": each, "group_id": 1} for each in ids],
            **LOST,
            fail_rows={"probability": 1, "error": code},
        )
        assert search.find(known).state is state


@CREATES
@pytest.mark.parametrize("status", [400, 403, 404])
def test_an_account_without_the_look_up_leaves_the_list_as_the_proof(
    bench: ZendeskBench, name: str, status: int
) -> None:
    search = lost(bench, name, **NEVER_TAKEN)
    bench.befall({"method": "GET", "path": LOOK_UPS[name]}, status=status)

    assert search.find().state is FoundState.ABSENT
    assert search.find(after=LIST_TRUSTED + 60).state is FoundState.UNDECIDABLE


@CREATES
@pytest.mark.parametrize(
    "effect",
    [{"status": 502}, {"rate_limited": "json"}, {"reset": True}, {"body": {}}, {"html": True}],
    ids=["gateway", "throttled", "reset", "empty", "page"],
)
def test_pending_while_they_cannot_be_looked_up(
    bench: ZendeskBench, name: str, effect: JsonObject
) -> None:
    search = lost(bench, name, **NEVER_TAKEN)
    bench.befall({"method": "GET", "path": LOOK_UPS[name]}, **effect)

    found = search.find()

    assert (found.state, found.readable) == (FoundState.PENDING, False)


def test_an_account_that_ignores_the_filter_proves_nothing(bench: ZendeskBench) -> None:
    search = lost(bench, "tickets.create", **NEVER_TAKEN)
    bench.befall(
        {"method": "GET", "path": "tickets$"},
        body={"tickets": [{"id": 1, "external_id": None}]},
    )

    assert search.find(after=LIST_TRUSTED + 60).state is FoundState.UNDECIDABLE


def test_of_many_tickets_a_sample_is_looked_up(bench: ZendeskBench) -> None:
    search = lost(bench, "tickets.create", 100, **NEVER_TAKEN)

    assert search.find().requests == 1 + SAMPLE
    # With the list out of date nothing less than all of them will do.
    assert search.find(after=LIST_TRUSTED + 60).requests == 1 + 100


@pytest.mark.parametrize("name", ["users.create", "custom_objects.<key>.create"])
def test_others_are_looked_up_many_at_a_time(bench: ZendeskBench, name: str) -> None:
    assert lost(bench, name, 100, **NEVER_TAKEN).find().requests == 1 + 2


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 57, 100])
def test_a_sample_has_both_ends_and_no_gap(count: int) -> None:
    values = [str(n) for n in range(count)]

    sample = spread(values, SAMPLE)

    assert (sample[0], sample[-1]) == (values[0], values[-1])
    assert len(set(sample)) == len(sample) == min(count, SAMPLE)
    gaps = [int(b) - int(a) for a, b in itertools.pairwise(sample)]
    assert not gaps or max(gaps) <= -(-count // (SAMPLE - 1))
