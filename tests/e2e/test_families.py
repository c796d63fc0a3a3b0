"""A run for each family of operations of each vendor, several of an account at once.

The profiles are the samples of `examples/`. Every file holds rows that are good, rows that are
rejected before sending, and rows that the vendor refuses; each outcome is held against what
really happened in the account.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pytest

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry_cli.local.samples import SAMPLES
from tests.e2e.conftest import Desk, Stack, csv_of, open_desk
from tests.examples import EXAMPLES

AT_ONCE = 3
"""Runs in flight together. Each needs a worker of its own for every function, and starting the
workers takes far longer than the runs themselves."""

ITS_JOB = "its job"
"""Stands for the id of the row's own job, which no test can foresee."""


class Row(NamedTuple):
    """A row of a file, and what must become of it."""

    cells: tuple[str, ...]
    status: OutcomeStatus
    code: str | None = None
    vendor_id: str | None = None
    """Of a row that was not carried out; that of a good row is the id of its effect."""


def good(*cells: str, code: str | None = None) -> Row:
    return Row(cells, OutcomeStatus.SUCCEEDED, code)


def rejected(code: str, *cells: str) -> Row:
    return Row(cells, OutcomeStatus.REJECTED, code)


def refused(code: str, *cells: str, vendor_id: str | None = None) -> Row:
    return Row(cells, OutcomeStatus.FAILED, code, vendor_id)


@dataclass(frozen=True)
class Family:
    """A file for one of the sample profiles.

    sample   name of the profile
    effect   what happens to the vendor's records: kind and action
    key      header of the column that tells a row from the others
    changes  what differs from the sample
    """

    sample: str
    effect: tuple[str, str]
    key: str
    rows: tuple[Row, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def profile(self) -> dict[str, Any]:
        """The profile's document."""
        document = EXAMPLES[self.sample].document
        return {"row_key": None, **document, **self.changes}

    @property
    def csv(self) -> bytes:
        return csv_of(self.profile["columns"], [row.cells for row in self.rows])

    def key_of(self, row: Row) -> str:
        return row.cells[list(self.profile["columns"]).index(self.key)]

    def key_in(self, effect: Mapping[str, Any]) -> str:
        """The same key, as the vendor got it."""
        column = self.profile["columns"][self.key]
        name = column if isinstance(column, str) else column["field"]
        return str(effect["fields"][name.removeprefix("jobmetadata.")])


SUPPORT = (
    Family(
        "update-tickets",
        ("ticket", "updated"),
        "Ticket",
        (
            good("1001", "solved", "", "done|paid"),
            good("1002", "", "urgent", ""),
            rejected("not_an_integer", "#1003", "solved", "", ""),
            rejected("not_allowed", "1003", "asap", "", ""),
            refused("TicketUpdateFailed", "9999", "solved", "", "", vendor_id="9999"),
            good("1003", "pending", "low", ""),
        ),
    ),
    Family(
        "delete-tickets",
        ("ticket", "deleted"),
        "Ticket",
        (
            good("1004"),
            rejected("not_an_integer", "ticket 1003"),
            refused("TicketDeleteFailed", "9998", vendor_id="9998"),
            good("1005"),
        ),
    ),
    Family(
        "update-users",
        ("user", "updated"),
        "Id",
        (
            good("u-101", "Ada B. Example", "Prefers e-mail", "vip"),
            refused("UserUpdateFailed", "u-404", "Nobody", "", ""),
            rejected("missing_row_key", "", "Nameless", "", ""),
            good("U-102", "", "", "vip|de"),
        ),
    ),
    Family(
        "new-organizations",
        ("organization", "created"),
        "Id",
        (
            good("o-201", "Example Bikes", "bikes.example.com|bikes.example.org"),
            rejected("missing_value", "o-202", "", "nameless.example.com"),
            refused("OrganizationCreateFailed", "o-203", "EXAMPLE BOOKS", ""),
            good("o-204", "Größe & Söhne", ""),
        ),
    ),
    Family(
        "new-organization-members",
        ("organization_membership", "created"),
        "User",
        (
            good("501", "701"),
            refused("OrganizationMembershipCreateFailed", "502", "999"),
            rejected("not_an_integer", "u-503", "701"),
            good("503", "702"),
        ),
    ),
    Family(
        "new-group-members",
        ("group_membership", "created"),
        "Agent",
        (
            rejected("missing_value", "504", ""),
            good("504", "801"),
            refused("GroupMembershipCreateFailed", "999", "801"),
            good("505", "801"),
        ),
    ),
    Family(
        "agent-skills",
        ("user", "updated"),
        "Agent",
        (
            good("504"),
            # Known, but no agent.
            refused("AgentUpdateFailed", "503", vendor_id="503"),
            rejected("not_an_integer", "agent 505"),
            good("505"),
        ),
    ),
    Family(
        "new-vehicles",
        ("custom_object_record", "created"),
        "Name",
        (
            good("B-EX 101", "Van 1", "Transporter", "3"),
            rejected("not_an_integer", "B-EX 102", "Van 2", "Transporter", "three"),
            refused("CustomObjectRecordCreateFailed", "B-EX 101", "Van 3", "Caddy", "5"),
            good("B-EX 104", "Van 4", "Caddy", ""),
        ),
        # A plate that repeats is for Zendesk to refuse.
        {"row_key": None},
    ),
)

SUNSHINE = (
    Family(
        "sunshine-new-products",
        ("resource", "created"),
        "Sku",
        (
            good("gum-001", "Strawberry gum", "1.20", "fruit|new"),
            rejected("not_a_number", "gum-002", "Coffee gum", "about one", ""),
            refused("UnprocessableEntity", "gum-501", "Mint gum", "1", ""),
            good("gum-003", "Größe XL gum", "2", ""),
        ),
    ),
    Family(
        "sunshine-update-products",
        ("resource", "updated"),
        "Id",
        (
            good("prod-502", "Garden chair"),
            refused("NotFound", "prod-404", "Garden gnome"),
            rejected("missing_value", "prod-503", ""),
            good("prod-504", "Garden table"),
        ),
    ),
    Family(
        "sunshine-links",
        ("relationship", "created"),
        "From",
        (
            good("zen:user:501", "zen:organization:71"),
            rejected("missing_value", "zen:user:502", ""),
            refused("UnprocessableEntity", "no-such-record", "zen:organization:71"),
            good("zen:user:503", "zen:organization:71"),
        ),
    ),
)

VIDISPINE = (
    Family(
        "vidispine-imports",
        ("item", "created"),
        "Tape",
        (
            good("tape-001", "IMPORT", "file:///media/001.mxf", "Harbour at dawn", "high", ""),
            rejected("not_allowed", "tape-002", "IMPORT", "file:///media/002.mxf", "", "asap", ""),
            refused(
                "invalidInput", "tape-003", "NO_SUCH_TYPE", "file:///media/003.mxf", "", "", ""
            ),
            refused(
                "FAILED_TOTAL",
                "tape-004",
                "RAW_IMPORT",
                "file:///media/004.mxf",
                "",
                "",
                "fail",
                vendor_id=ITS_JOB,
            ),
            good(
                "tape-005",
                "RAW_IMPORT",
                "file:///media/005.mxf",
                "Ærø Straße 東京",
                "",
                "warn",
                code="FINISHED_WARNING",
            ),
            rejected("missing_value", "tape-006", "", "file:///media/006.mxf", "", "", ""),
        ),
        {
            "columns": {
                "Tape": "external_id",
                "Job": "type",
                "File": "jobmetadata.uri",
                "Title": {"field": "title", "optional": True},
                "Priority": {"field": "priority", "optional": True, "enum": ["low", "high"]},
                "Fate": {"field": "jobmetadata.sim-fate", "optional": True},
            },
            "constants": {},
        },
    ),
)

FAMILIES = (*SUPPORT, *SUNSHINE, *VIDISPINE)

HELD: dict[str, dict[str, list[dict[str, Any]]]] = {
    "zendesk_support": {
        "tickets": [{"id": number, "subject": f"Ticket {number}"} for number in range(1001, 1006)],
        "users": [
            {"id": 501, "external_id": "u-101", "name": "Ada", "email": "ada@example.com"},
            {"id": 502, "external_id": "u-102", "name": "Grace", "email": "grace@example.com"},
            {"id": 503, "external_id": "u-103", "name": "Alan", "email": "alan@example.com"},
            {"id": 504, "name": "Barbara", "email": "barbara@example.com", "role": "agent"},
            {"id": 505, "name": "Edsger", "email": "edsger@example.com", "role": "agent"},
        ],
        "organizations": [
            {"id": 701, "external_id": "o-101", "name": "Example Books"},
            {"id": 702, "external_id": "o-102", "name": "Example Boats"},
        ],
        "groups": [{"id": 801, "name": "Second line"}],
    },
    "zendesk_sunshine": {
        "resources": [
            {"type": "product", "id": f"prod-{number}", "external_id": f"gum-{number}"}
            for number in range(501, 505)
        ],
    },
    "vidispine": {},
}
"""What the accounts hold before the runs."""


@dataclass(frozen=True)
class Started:
    """A run that was started."""

    desk: Desk
    run_id: str

    def ended(self) -> tuple[dict[str, Any], list[Outcome]]:
        """Wait for its end; returns the status document and the outcomes."""
        return self.desk.wait(self.run_id), self.desk.outcomes(self.run_id)


Runs = dict[str, Started]


@pytest.fixture(scope="module")
def runs(stack: Stack) -> Iterator[Runs]:
    """A run of every family, by the name of its sample; those of a vendor share an account."""
    with ExitStack() as accounts:
        desks = {
            sample.connection: accounts.enter_context(
                open_desk(
                    stack,
                    f"{sample.connection}-{secrets.token_hex(3)}",
                    sample.vendor,
                    sample.credentials,
                    HELD[sample.vendor],
                )
            )
            for sample in SAMPLES
        }
        started: list[Started] = []
        for number, family in enumerate(FAMILIES):
            if number >= AT_ONCE:
                started[number - AT_ONCE].ended()
            document = family.profile
            desk = replace(desks[document.pop("connection")], profile=family.sample)
            desk.put_profile(**document)
            started.append(Started(desk, desk.upload(family.csv)))
        yield {run.desk.profile: run for run in started}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.sample)
def test_every_row_has_its_outcome_and_every_good_row_its_effect(
    family: Family, runs: Runs
) -> None:
    run = runs[family.sample]
    status, outcomes = run.ended()
    jobs = {outcome.job_id for outcome in outcomes if outcome.job_id}
    made = [effect for effect in run.desk.effects() if effect["job_id"] in jobs]
    ids = {family.key_in(effect): str(effect["id"]) for effect in made}

    assert status["status"] == "completed_with_failures"
    assert status["rows"] == sum(status["outcomes"].values()) == len(family.rows)
    assert Counter(status["outcomes"]) == Counter(row.status.value for row in family.rows)
    assert [_brief(outcome) for outcome in outcomes] == [
        (number, row.status, row.code, _vendor_id(row, outcome, ids.get(family.key_of(row))))
        for number, (row, outcome) in enumerate(zip(family.rows, outcomes, strict=True), start=1)
    ]
    assert Counter(
        (effect["kind"], effect["action"], family.key_in(effect)) for effect in made
    ) == Counter((*family.effect, family.key_of(row)) for row in family.rows if _is_good(row))


@pytest.mark.parametrize("families", [SUPPORT, SUNSHINE, VIDISPINE], ids=list(HELD))
def test_nothing_else_happened_in_the_account(families: tuple[Family, ...], runs: Runs) -> None:
    ended = [runs[family.sample].ended() for family in families]
    told = {outcome.job_id for _, outcomes in ended for outcome in outcomes if outcome.job_id}
    happened = runs[families[0].sample].desk.simulator.effects()

    assert Counter(job["job_id"] for job in happened["jobs"]) == Counter(told)
    assert len(happened["effects"]) == sum(
        _is_good(row) for family in families for row in family.rows
    )
    assert sum(status["jobs"]["finished"] for status, _ in ended) == len(told)


def _is_good(row: Row) -> bool:
    return row.status is OutcomeStatus.SUCCEEDED


def _brief(outcome: Outcome) -> tuple[int, OutcomeStatus, str | None, str | None]:
    return outcome.row, outcome.status, outcome.error_code, outcome.vendor_id


def _vendor_id(row: Row, outcome: Outcome, made: str | None) -> str | None:
    """What the outcome of a row must name, where its effect has the id `made`."""
    if _is_good(row):
        assert made is not None, f"row {outcome.row} has no effect"
        return made
    return outcome.job_id if row.vendor_id == ITS_JOB else row.vendor_id
