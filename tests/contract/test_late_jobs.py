"""No row is made twice, however late the vendor takes a lost submission, or shows its job.

Whole runs of the real steps in virtual time, for each adapter and each kind of operation that must
not be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.types import JsonObject
from jobferry.vendors.vidispine.adapter import VIDISPINE
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.contract.simulated import simulated_world
from tests.thorough import some_in

CONNECTION = "late"
BEARER = {"bearer": "sim-token"}
LATE = (0, 20, 55, 61, 90, 119, 180, 300, 599)


def _by_external_id(effect: JsonObject) -> str | None:
    return effect["external_id"] if effect["action"] == "created" else None


def _by_id(effect: JsonObject) -> str | None:
    return str(effect["id"]) if effect["action"] == "updated" else None


def _merged(effect: JsonObject) -> str | None:
    return str(effect["id"]) if "merged_into" in effect["fields"] else None


def _linked(effect: JsonObject) -> str | None:
    return effect["fields"].get("source") if effect["action"] == "created" else None


@dataclass(frozen=True)
class Case:
    """A file of three rows, and how what became of them is told.

    row_of  the row that an effect belongs to, by something of its own; None: of none
    first   (operation, file) of a run that goes before
    """

    vendor: str
    operation: str
    header: str
    line: str
    row_of: Callable[[JsonObject], str | None] = _by_external_id
    constants: Mapping[str, object] = field(default_factory=dict)
    first: tuple[str, str] | None = None
    path: str = ""
    secret: Mapping[str, str] = field(default_factory=lambda: BEARER)
    submit: str = "_many$|/jobs$|/merge$|/job$"

    @property
    def rows(self) -> str:
        return "\n".join([self.header, *(self.line.format(n=n, id=1000 + n) for n in (1, 2, 3))])


TICKETS = "\n".join(["subject,description", *(f"s{n},d" for n in range(1, 8))])
SUPPORT, SUNSHINE = ZENDESK_SUPPORT.name, ZENDESK_SUNSHINE.name

CASES = {
    "tickets": Case(SUPPORT, "tickets.create", "subject,description,external_id", "s{n},d,t-{n}"),
    "tickets without ids": Case(
        SUPPORT,
        "tickets.create",
        "subject,description",
        "s{n},d",
        row_of=lambda effect: effect["fields"].get("subject"),
    ),
    "imports": Case(
        SUPPORT,
        "tickets.import",
        "description,external_id,created_at",
        "d,i-{n},2019-05-01T10:00:00Z",
    ),
    "users": Case(SUPPORT, "users.create", "name,external_id", "n{n},u-{n}"),
    "organizations": Case(SUPPORT, "organizations.create", "name,external_id", "n{n},o-{n}"),
    "custom objects": Case(
        SUPPORT, "custom_objects.vehicle.create", "name,external_id", "n{n},v-{n}"
    ),
    "comments": Case(
        SUPPORT,
        "tickets.update",
        "id,comment.body",
        "{id},said {n}",
        row_of=_by_id,
        first=("tickets.create", TICKETS),
    ),
    "merges": Case(
        SUPPORT,
        "tickets.merge",
        "id,target_id",
        "{id},1007",
        row_of=_merged,
        first=("tickets.create", TICKETS),
    ),
    "objects": Case(
        SUNSHINE,
        "resources.post",
        "external_id,attributes.name",
        "p-{n},n{n}",
        constants={"type": "product"},
    ),
    "links": Case(
        SUNSHINE,
        "relationships.post",
        "source,target",
        "zen:user:{n},zen:ticket:1",
        row_of=_linked,
        constants={"relationship_type": "next_to"},
    ),
    "media": Case(
        VIDISPINE.name,
        "jobs.create",
        "external_id,title",
        "m-{n},t{n}",
        constants={"type": "IMPORT"},
        path="/API",
        secret={"username": "admin", "password": "admin"},
    ),
}


def processed(case: Case, effect: JsonObject) -> tuple[Counter[str | None], list[OutcomeStatus]]:
    """How often each row was done, and their outcomes, where this befalls the first submission."""
    accounts = {CONNECTION: (case.vendor, case.secret)}
    with simulated_world(accounts, latency="2-6", path=case.path) as (world, sim):
        sim.change_settings(requests_per_minute=0)

        def carry(operation: str, rows: str, constants: Mapping[str, object]) -> str:
            profile = {
                "name": "late",
                "connection": CONNECTION,
                "operation": operation,
                "columns": None,
                "constants": dict(constants),
                "row_key": None,
            }
            small = {"batch_size": 2} if "create" in operation or "post" in operation else {}
            world.put_profile({**profile, **small} if case.vendor != VIDISPINE.name else profile)
            run = world.processed(rows, profile="late")
            assert world.problems(run.run_id) == []
            return run.run_id

        if case.first is not None:
            carry(*case.first, {})
        done_before = len(sim.effects()["effects"])
        match = {"method": ["POST", "PUT"], "path": case.submit}
        sim.set_faults({"match": match, "times": 1, "effect": effect})
        run_id = carry(case.operation, case.rows, case.constants)
        done = sim.effects()["effects"][done_before:]
        counted = Counter(case.row_of(each) for each in done)
        counted.pop(None, None)
        return counted, world.statuses(run_id)


@pytest.mark.parametrize(("name", "seconds"), some_in(product(CASES, LATE), 2))
def test_a_job_that_shows_itself_late_is_not_made_twice(name: str, seconds: int) -> None:
    effect = {"reset": True, "after": True, "not_yet_visible": seconds}

    counted, statuses = processed(CASES[name], effect)

    assert (sorted(counted.values()), set(statuses)) == ([1, 1, 1], {OutcomeStatus.SUCCEEDED})


@pytest.mark.parametrize(("name", "seconds"), some_in(product(CASES, LATE[1:]), 3))
def test_a_request_that_is_taken_late_is_not_made_twice(name: str, seconds: int) -> None:
    effect = {"reset": True, "accepted_after": seconds}

    counted, statuses = processed(CASES[name], effect)

    assert (sorted(counted.values()), set(statuses)) == ([1, 1, 1], {OutcomeStatus.SUCCEEDED})


@pytest.mark.parametrize("name", CASES)
def test_what_was_never_taken_is_made_once(name: str) -> None:
    counted, statuses = processed(CASES[name], {"reset": True})

    assert (sorted(counted.values()), set(statuses)) == ([1, 1, 1], {OutcomeStatus.SUCCEEDED})
