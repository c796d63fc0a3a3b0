"""What records are before they are changed: read by the ids of the change, many at a time.

`show_many` takes `ids` or `external_ids` of tickets, users and organizations, and the list of
custom object records `filter[ids]`; each leaves out what is not there:
https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#show-multiple-tickets
https://developer.zendesk.com/api-reference/ticketing/users/users/#show-many-users
https://developer.zendesk.com/api-reference/ticketing/organizations/organizations/#show-many-organizations
https://developer.zendesk.com/api-reference/custom-data/custom-objects/custom_object_records/#list-custom-object-records
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, Problem, RecordsRead
from jobferry.vendors.operation import Operation
from jobferry.vendors.record_matching import matched, naming_field
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API
from jobferry.vendors.zendesk_support.requests import READABLE

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account


def read_records(
    account: Account, operation: Operation, records: Sequence[JsonObject]
) -> RecordsRead:
    """What the account holds of the records that are to be changed."""
    names = list(operation.read_by)
    shown: list[JsonObject] = []
    requests = 0
    for name, most in operation.read_by.items():
        asked = [str(r[name]) for r in records if naming_field(r, names) == name]
        # A text with a comma would name two records, and is no id that a change could name.
        wanted = [text for text in dict.fromkeys(asked) if "," not in text]
        left = [wanted[start : start + most] for start in range(0, len(wanted), most)]
        while left:
            batch = left.pop()
            found = _read(account, operation, name, batch)
            requests += 1
            if found is _TOO_LARGE and len(batch) > 1:
                half = len(batch) // 2
                left += [batch[:half], batch[half:]]
            elif not isinstance(found, list):
                return RecordsRead(problem=found, requests=requests)
            else:
                shown += found
    return RecordsRead(matched(records, shown, names, operation.folded), requests=requests)


_TOO_LARGE = Ambiguous("the answer was too large")


def _read(
    account: Account, operation: Operation, name: str, wanted: Sequence[str]
) -> list[JsonObject] | Problem:
    """The records with these ids, or external ids, as far as they are there."""
    from jobferry.vendors.http.client import NoAnswer

    kind, *parts = operation.name.split(".")
    listed = ",".join(wanted)
    if kind in READABLE:
        path, plural, params = f"/{kind}/show_many", kind, {f"{name}s": listed}
    else:
        path, plural = f"/custom_objects/{parts[0]}/records", "custom_object_records"
        params = {f"filter[{name}s]": listed, "page[size]": "100"}
    answer = account.request("GET", API + path, params=params)
    if isinstance(answer, NoAnswer) and answer.too_large:
        return _TOO_LARGE
    problem = problem_of(answer)
    if problem is not None:
        return problem
    document = json_object(answer)
    found = document.get(plural)
    if not isinstance(found, list):
        return Ambiguous("the answer lists no records")
    if _has_more(document):
        return Ambiguous("the answer lists only a part of the records")
    return [each for each in found if isinstance(each, dict)]


def _has_more(document: JsonObject) -> bool:
    meta = document.get("meta")
    return bool(document.get("next_page") or (isinstance(meta, dict) and meta.get("has_more")))
