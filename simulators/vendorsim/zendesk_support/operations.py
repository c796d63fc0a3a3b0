"""Operations: what a kind of job does to one row, and what it says of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vendorsim.effects import Action, Ledger, RecordEffect
from vendorsim.faults import FailRows
from vendorsim.values import JsonObject
from vendorsim.zendesk_support.records import Record, RecordId, Store, Table

VENDOR = "zendesk_support"
ACCOUNT_ID = 9_000_001
CANONICAL_HOST = "https://sim-account.zendesk.com"
"""Job URLs name the account's own host, which is not where the request went."""


class RowRefused(Exception):
    """One row was not carried out.

    field, problem  the vendor's words: `Field: problem`, or the problem alone
    error           the error code, if not the operation's own
    result          the whole result row, where the vendor answers in another form
    """

    def __init__(
        self,
        field: str | None,
        problem: str,
        *,
        error: str | None = None,
        result: JsonObject | None = None,
    ) -> None:
        super().__init__(field, problem)
        self.details = f"{field}: {problem}" if field else problem
        self.error = error
        self.result = result


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a job, while it is done.

    index      position in the request
    record     as it was sent
    new_id     the id it gets if it makes a record
    bulk       the same change for many ids, rather than a record of its own
    queued_at  epoch seconds of the submission
    at         epoch seconds of the job's end
    target     what the path names besides (a ticket to merge into, a custom object's key)
    """

    index: int
    record: JsonObject
    new_id: RecordId
    bulk: bool
    queued_at: float
    at: float
    target: str
    store: Store
    ledger: Ledger
    job_id: str
    request_id: str

    def note(
        self, action: Action, table: Table, record: Record, sent: JsonObject | None = None
    ) -> None:
        """Tell the store what was done to `record`; `sent` if it is not the row's own record."""
        self.ledger.record(
            RecordEffect(
                vendor=VENDOR,
                kind=table.kind,
                action=action,
                id=record.id,
                external_id=record.external_id,
                job_id=self.job_id,
                request_id=self.request_id,
                index=self.index,
                at=self.at,
                fields=self.record if sent is None else sent,
            )
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of job.

    job_type      as the job status shows it
    worker        the job class that a TooManyJobs answer names
    doing         its message while working; `{n}` is the row
    failure       error code of a refused row
    apply         carries out one row and answers with its result; raises RowRefused
    mints         the table that new ids come from
    scattered     new ids are not in the order of the rows (records are made in parallel)
    failure_id    a refused row names the record's id
    summarised    the results are an object, and total and progress stay null
    fields        what a record may set; the rest is left out of it, which a header of the answer
                  tells; None: everything
    """

    name: str
    job_type: str
    worker: str
    doing: str
    failure: str
    apply: Callable[[Row], JsonObject]
    mints: Callable[[Store, str], Table] | None = None
    scattered: bool = False
    failure_id: bool = False
    summarised: bool = False
    fields: frozenset[str] | None = None

    def permitted(self, records: Sequence[JsonObject]) -> tuple[list[JsonObject], list[str]]:
        """The records as they are carried out, and the names of what is left out of them."""
        if self.fields is None:
            return list(records), []
        left_out = dict.fromkeys(
            name for record in records for name in record if name not in self.fields
        )
        kept = [
            {name: value for name, value in record.items() if name in self.fields}
            for record in records
        ]
        return kept, list(left_out)


def outcome(
    operation: Operation, row: Row, fail_rows: FailRows | None, draws: random.Random
) -> tuple[JsonObject, bool]:
    """Carry out one row: its result, and whether it was good."""
    draw = draws.random()
    if fail_rows and fail_rows.hits(row.index, row.record, draw):
        return _failure(operation, row, fail_rows.told_error, fail_rows.told_details), False
    try:
        return operation.apply(row), True
    except RowRefused as refused:
        if refused.result is not None:
            return refused.result, False
        return _failure(operation, row, refused.error, refused.details), False


def _failure(operation: Operation, row: Row, error: str | None, details: Any) -> JsonObject:
    """The result of a refused row: no `success`, no `status`, and an `id` only if it had one."""
    named = {"id": row.record.get("id")} if operation.failure_id else {}
    return {
        "index": row.index,
        **named,
        "error": error or operation.failure,
        "details": details,
    }
