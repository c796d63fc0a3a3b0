"""Whether records with our external ids were made: what proves a submission done, or not done.

Jobs may be hidden or forgotten; the records that they make are not. Facts: `show_many` takes
`external_ids` for users and organizations, 100 at a time, the list of tickets takes one
`external_id`, and the list of custom object records `filter[external_ids]`:
https://developer.zendesk.com/api-reference/ticketing/users/users/#show-many-users
https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/#show-many-organizations
https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#list-tickets-by-external-id
https://developer.zendesk.com/api-reference/custom-data/custom-objects/custom_object_records/#list-custom-object-records
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, Problem, Refused
from jobferry.vendors.job_search import Made, RecordLookup
from jobferry.vendors.operation import Operation
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

CLOCK_TOLERANCE = 120.0
"""Seconds that the vendor's clock may be behind ours."""

SAMPLE = 10
"""Tickets looked up, a request each, where the list of jobs says the same."""

_PER_REQUEST = 50
"""External ids in one request: 255 characters each would still make an address of 8 kB that servers
take, with those that Jobferry gives by far."""

_CREATES = frozenset({"tickets.create", "tickets.import", "users.create", "organizations.create"})
_LACKING = frozenset({400, 403, 404, 405, 422})
"""HTTP statuses of an account that does not have a look-up, or not for us."""


_Read = Callable[["Account", Sequence[str]], "list[JsonObject] | Problem"]


def records_made(
    account: Account,
    operation: Operation,
    records: Sequence[JsonObject],
    sent_at: float,
    *,
    all_of_them: bool,
) -> RecordLookup:
    """Look for records that were made of these since they were sent.

    Args:
        all_of_them: no sample will do, whatever it costs.
    """
    reader = _reader_of(operation.name)
    askable, whole = _external_ids(records)
    if reader is None or not askable:
        return RecordLookup(Made.NO_LOOK_UP)
    per_request, read = reader
    if per_request == 1 and not all_of_them:
        sample = spread(askable, SAMPLE)
        whole = whole and len(sample) == len(askable)
        askable = sample
    age = telling_age(records)
    for start in range(0, len(askable), per_request):
        asked = askable[start : start + per_request]
        found = read(account, asked)
        if isinstance(found, Refused) and found.http_status in _LACKING:
            return RecordLookup(Made.NO_LOOK_UP)
        if not isinstance(found, list):
            return RecordLookup(Made.UNREADABLE)
        wanted = {external_id.casefold() for external_id in asked}
        ours = [each for each in found if str(each.get("external_id")).casefold() in wanted]
        if len(ours) < len(found):
            # It has not been asked for what we wanted to know.
            return RecordLookup(Made.NO_LOOK_UP)
        if any(age is None or made_since(each, sent_at, age) for each in ours):
            return RecordLookup(Made.SOME)
    return RecordLookup(Made.NONE, whole)


def telling_age(records: Sequence[JsonObject]) -> str | None:
    """The field that says how old a record is; None where no field does.

    An import may say itself when its records were made and changed.
    """
    said = {name for record in records for name, value in record.items() if value}
    return next((name for name in ("created_at", "updated_at") if name not in said), None)


def made_since(record: JsonObject, sent_at: float, age: str = "created_at") -> bool:
    """Whether a record may have been made by a request that left at `sent_at`.

    Args:
        age: the field that says when.
    """
    try:
        created = datetime.fromisoformat(str(record.get(age))).timestamp()
    except (ValueError, OverflowError):
        return True
    return created >= sent_at - CLOCK_TOLERANCE


def spread(values: Sequence[str], most: int) -> list[str]:
    """At most so many of them, the first and the last included, and evenly spread between."""
    if len(values) <= most:
        return list(values)
    last = len(values) - 1
    return [values[round(i * last / (most - 1))] for i in range(most)]


def _external_ids(records: Sequence[JsonObject]) -> tuple[list[str], bool]:
    """(the external ids that can be asked for, each once; whether each record has such a one)."""
    named = [str(record.get("external_id") or "") for record in records]
    askable = [each for each in named if each and "," not in each]
    counted = Counter(askable)
    return list(counted), len(askable) == len(records)


def _reader_of(operation: str) -> tuple[int, _Read] | None:
    """(external ids in one request, how they are asked for)."""
    if operation in _CREATES:
        kind = operation.split(".", maxsplit=1)[0]
        if kind == "tickets":
            return 1, _tickets
        return _PER_REQUEST, lambda account, ids: _many(account, kind, ids)
    parts = operation.split(".")
    if len(parts) == 3 and parts[0] == "custom_objects" and parts[2] == "create":
        return _PER_REQUEST, lambda account, ids: _custom(account, parts[1], ids)
    return None


def _tickets(account: Account, external_ids: Sequence[str]) -> list[JsonObject] | Problem:
    (external_id,) = external_ids
    return _listed(account, "/tickets", "tickets", {"external_id": external_id})


def _many(account: Account, kind: str, external_ids: Sequence[str]) -> list[JsonObject] | Problem:
    params = {"external_ids": ",".join(external_ids)}
    return _listed(account, f"/{kind}/show_many", kind, params)


def _custom(account: Account, key: str, external_ids: Sequence[str]) -> list[JsonObject] | Problem:
    return _listed(
        account,
        f"/custom_objects/{key}/records",
        "custom_object_records",
        {"filter[external_ids]": ",".join(external_ids), "page[size]": "100"},
    )


def _listed(
    account: Account, path: str, plural: str, params: Mapping[str, str]
) -> list[JsonObject] | Problem:
    answer = account.request("GET", API + path, params=params)
    problem = problem_of(answer)
    if problem is not None:
        return problem
    found = json_object(answer).get(plural)
    if not isinstance(found, list):
        return Ambiguous("the answer lists no records")
    return [each for each in found if isinstance(each, dict)]
