"""The real adapters that scenarios are run with: what the harness needs to know of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.vidispine.adapter import VIDISPINE
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT
from tests.chaos.adapter_scenarios import VendorFaultKind


@dataclass(frozen=True)
class Work:
    """An operation as scenarios use it, and the field that the row's name goes into."""

    operation: str
    name: str
    constants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """A vendor's adapter.

    path      what follows the vendor's address
    submits   paths of submissions, as a regular expression
    create    the operation that must not be repeated
    upsert    the one that may be; None: the vendor has none
    kinds     what its operations make, in the simulator's words
    max_jobs  the setting of the simulator that bounds jobs in flight; empty: there is none
    ends      what can go wrong with a job there
    list_has_results  the list of jobs shows their results, too
    job_names_row     a job without results is what its row is known by
    changes           rows that are not repeatable change tickets that are there
    """

    vendor: Vendor
    credentials: Mapping[str, str]
    submits: str
    create: Work
    upsert: Work | None
    kinds: frozenset[str]
    ends: Sequence[VendorFaultKind]
    path: str = ""
    max_jobs: str = ""
    list_has_results: bool = True
    job_names_row: bool = False
    changes: bool = False

    def work(self, *, repeatable: bool) -> Work:
        return self.upsert if repeatable and self.upsert is not None else self.create

    @property
    def max_records(self) -> int:
        return self.vendor.operations[self.create.operation].max_records


_COMMON_ENDS = (
    VendorFaultKind.ROW_REFUSED,
    VendorFaultKind.DIES_AT_ONCE,
    VendorFaultKind.STUCK,
    VendorFaultKind.LATE,
    VendorFaultKind.UNKNOWN_BY_ID,
    VendorFaultKind.FORGOTTEN,
    VendorFaultKind.STEPS_BACK,
)

_SUPPORT = Adapter(
    vendor=ZENDESK_SUPPORT,
    credentials={"email": "agent@example.com", "token": "sim-token"},
    submits="(create_many|create_or_update_many)$",
    create=Work("tickets.create", "subject", {"comment.body": "As agreed."}),
    upsert=Work("users.create_or_update", "name"),
    kinds=frozenset({"ticket", "user"}),
    max_jobs="max_jobs",
    ends=(
        *_COMMON_ENDS,
        VendorFaultKind.ROW_IN_CONFLICT,
        VendorFaultKind.NO_RESULTS,
        VendorFaultKind.SHORT_RESULTS,
        VendorFaultKind.SHUFFLED_RESULTS,
        VendorFaultKind.EMPTY_RESULT,
        VendorFaultKind.DIES,
        VendorFaultKind.KILLED,
    ),
)

_SUNSHINE = Adapter(
    vendor=ZENDESK_SUNSHINE,
    credentials={"bearer": "sim-token"},
    submits="sunshine/jobs$",
    create=Work("resources.post", "attributes.name", {"type": "product"}),
    upsert=Work("resources.external_id_set", "attributes.name", {"type": "product"}),
    kinds=frozenset({"resource"}),
    max_jobs="sunshine_max_jobs",
    list_has_results=False,
    ends=(
        *_COMMON_ENDS,
        VendorFaultKind.NO_RESULTS,
        VendorFaultKind.SHORT_RESULTS,
        VendorFaultKind.EMPTY_RESULT,
        VendorFaultKind.DIES,
        VendorFaultKind.ABORTED,
    ),
)

_VIDISPINE = Adapter(
    vendor=VIDISPINE,
    credentials={"username": "admin", "password": "admin"},
    path="/API",
    submits="API/job$",
    create=Work("jobs.create", "title", {"type": "IMPORT"}),
    upsert=None,
    kinds=frozenset({"item"}),
    job_names_row=True,
    ends=(*_COMMON_ENDS, VendorFaultKind.NO_RESULTS),
)

ADAPTERS: Mapping[str, Adapter] = {
    "zendesk_support": _SUPPORT,
    "zendesk_sunshine": _SUNSHINE,
    "vidispine": _VIDISPINE,
    "zendesk_comments": replace(
        _SUPPORT,
        submits="(update_many|create_or_update_many)$",
        create=Work("tickets.update", "comment.body"),
        changes=True,
    ),
}
"""By the name that a scenario gives to its adapter."""


def ticket_of(file: int, row: int) -> int:
    """The id of the ticket that a row changes, where rows change tickets."""
    return 100 * (file + 1) + row


TICKETS = range(100, 1_000)
"""Tickets that were there long before any scenario."""


def row_name(fields: JsonObject, known: frozenset[str]) -> str | None:
    """Which row of the scenario a record came from: its name stands in one of the fields."""
    for value in fields.values():
        if isinstance(value, str) and value in known:
            return value
        found = row_name(value, known) if isinstance(value, dict) else None
        if found is not None:
            return found
    return None
