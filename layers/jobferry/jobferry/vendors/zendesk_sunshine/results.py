"""Reading the results of a Sunshine job: one verdict per record, in the order sent.

The forms are those of https://developer.zendesk.com/rest_api/docs/sunshine/jobs. A result
carries no index: its place in the list is all that says which record it belongs to, so a list
is read by position only while its length, and the ids that it names, speak for it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import usable_id
from jobferry.vendors.operation import Operation
from jobferry.vendors.results import NOTHING_DONE, SAYS_NOTHING, failed, one_per_record
from jobferry.vendors.zendesk.errors import errors_of

ABORTED = "aborted"
FAILED = "failed"


def read_results(
    operation: Operation,
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """One result per record, in the order sent; what the vendor did not say is `unknown`.

    Args:
        raw: the job, what stands in `data` of the vendor's answer.
        count: how many records the job carried.
        records: gives these records, for operations whose records carry the vendor's ids.
    """
    listed = raw.get("results")
    items = [
        item if isinstance(item, dict) else {}
        for item in (listed if isinstance(listed, list) else [])
    ]
    if raw.get("job_status") == ABORTED and not items:
        return [NOTHING_DONE] * count
    placed = _placed(operation, raw, items, count, records)
    return one_per_record(count, placed, verdict_of)


def id_of(item: JsonObject) -> str | None:
    """The id of the record that a result names."""
    data = item.get("data")
    identity = data.get("id") if isinstance(data, dict) else None
    return usable_id(identity)


def _placed(
    operation: Operation,
    raw: JsonObject,
    items: Sequence[JsonObject],
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> dict[int, JsonObject]:
    """Position in the request → its result."""
    # A job that failed on its way lists what it had done by then; any other lists all.
    complete = len(items) == count or (raw.get("job_status") == FAILED and len(items) < count)
    if "id" not in operation.match_on:
        return dict(enumerate(items)) if complete else {}
    sent = [str(record.get("id")) for record in records()]
    in_order = all(id_of(item) in (None, ours) for item, ours in zip(items, sent, strict=False))
    if complete and in_order:
        return dict(enumerate(items))
    return _placed_by_id(items, sent)


def _placed_by_id(items: Sequence[JsonObject], sent: Sequence[str]) -> dict[int, JsonObject]:
    free: dict[str | None, deque[int]] = defaultdict(deque)
    for position, identity in enumerate(sent):
        free[identity].append(position)
    return {free[id_of(item)].popleft(): item for item in items if free[id_of(item)]}


def verdict_of(item: JsonObject) -> RecordResult:
    """What one result says about its record. Only a plain `success` without errors is one."""
    success, errors = item.get("success"), item.get("errors")
    if success is False or errors:
        code, text = errors_of(errors if isinstance(errors, list) else [errors])
        return failed(id_of(item), code, text)
    if success is True:
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=id_of(item))
    return SAYS_NOTHING
