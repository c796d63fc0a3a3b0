"""Reading the results of a Zendesk Support job: one verdict per record, in the order sent.

The forms of `results` and the verdict rule are those of recorded traffic, not only of the
documentation: https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/
The job's own status never decides a row: a "completed" job may hold failures only, and a
"failed" one still lists what happened to each record.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import MAX_DEPTH, plain, usable_id, whole, word
from jobferry.vendors.operation import Operation
from jobferry.vendors.results import NOT_LISTED, SAYS_NOTHING, failed, one_per_record

_SAYS = frozenset({"status", "action", "success", "error", "errors"})
"""Fields of which a result has at least one where it says what became of its record."""

_TRIMMED = frozenset({"email"})
"""Fields that the vendor keeps without the blanks around them."""

_WORST_FIRST = (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN, OutcomeStatus.SUCCEEDED)

_PARTLY_FAILED = RecordResult(
    OutcomeStatus.UNKNOWN,
    code="job_partly_failed",
    text="The vendor says only that not every row of this job was carried out. Look the record "
    "up there; with batch_size: 1 in the profile each row has its own answer.",
)


def read_results(
    operation: Operation,
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """One result per record, in the order sent; what the vendor did not say is `unknown`.

    Args:
        raw: the job status object.
        count: how many records the job carried.
        records: gives these records, when results must be matched by id or external id.
    """
    results = raw.get("results")
    if isinstance(results, dict):
        return _shared(operation, results, raw, count, records)
    if not isinstance(results, list):
        return [_without_results(raw)] * count
    items = [item if isinstance(item, dict) else {} for item in results]
    if operation.max_records == count == 1:
        return [_of_one(operation, items, raw, records()[0])]
    placed = _place(operation, items, count, records)
    return one_per_record(count, placed, lambda item: _verdict(operation, item, raw))


def _of_one(
    operation: Operation, items: Sequence[JsonObject], raw: JsonObject, record: JsonObject
) -> RecordResult:
    """The verdict on a job's only record, of which it may list several parts.

    It succeeded where every part did. What carries no index and names another record is no part.
    """
    named = {None, *(_key(operation, record, name) for name in operation.match_on)}
    parts = [
        _verdict(operation, item, raw)
        for item in items
        if "index" in item or _key(operation, item, "id") in named
    ]
    worst = min(parts, key=lambda part: _WORST_FIRST.index(part.status), default=NOT_LISTED)
    return replace(worst, vendor_id=_key(operation, record, "id"))


def _place(
    operation: Operation,
    items: Sequence[JsonObject],
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> dict[int, JsonObject]:
    """Position in the request → its result: by index, by key, and only at the last by order."""
    placed: dict[int, JsonObject] = {}
    unplaced: list[JsonObject] = []
    for item in items:
        index = whole(item.get("index"))
        if index is not None and index < count and index not in placed:
            placed[index] = item
        else:
            unplaced.append(item)
    sent: Sequence[JsonObject] = ()
    if unplaced and operation.match_on:
        sent = records()
        unplaced = _place_by_key(operation, unplaced, sent, placed)
    if unplaced and len(items) == count and _in_order(operation, items, sent, placed, unplaced):
        # No index, no key: recorded jobs list their results in the order of the request.
        return dict(enumerate(items))
    return placed


def _in_order(
    operation: Operation,
    items: Sequence[JsonObject],
    sent: Sequence[JsonObject],
    placed: Mapping[int, JsonObject],
    unplaced: Sequence[JsonObject],
) -> bool:
    """Whether nothing speaks against the order: no index, no placed row, no key of another."""
    if any("index" in item for item in unplaced):
        return False
    if any(items[position] is not item for position, item in placed.items()):
        return False
    return not any(
        (ours := _key(operation, record, name)) is not None
        and (theirs := _named_key(operation, item, name)) is not None
        and ours != theirs
        for record, item in zip(sent, items, strict=False)
        for name in operation.match_on
    )


def _place_by_key(
    operation: Operation,
    items: Sequence[JsonObject],
    records: Sequence[JsonObject],
    placed: dict[int, JsonObject],
) -> list[JsonObject]:
    """Place what names its record; returns what names none."""
    free: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for position, record in enumerate(records):
        for name in operation.match_on:
            if (key := _key(operation, record, name)) is not None:
                free[name, key].append(position)
    left: list[JsonObject] = []
    for item in items:
        for name in operation.match_on:
            positions = free.get((name, _named_key(operation, item, name) or ""), deque())
            while positions and positions[0] in placed:
                positions.popleft()
            if positions:
                placed[positions.popleft()] = item
                break
        else:
            left.append(item)
    return left


def _named_key(operation: Operation, item: JsonObject, name: str) -> str | None:
    """What a result names its record by."""
    if name == "id" and operation.says_status and not _SAYS.intersection(item):
        # The bare number of a user that could not be taken is its place and no id.
        return None
    return _key(operation, item, name)


def _key(operation: Operation, record: Mapping[str, Any], name: str) -> str | None:
    text = plain(record.get(name))
    if name in _TRIMMED:
        text = text.strip()
    return (text.casefold() if name in operation.folded else text) or None


def _shared(
    operation: Operation,
    result: JsonObject,
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """The one object that permanent deletion answers with, for the job as a whole.

    The vendor carries on past tickets that fail, so that a "no" leaves open which ones did.
    """
    verdict = _verdict(operation, result, raw)
    if verdict.status is OutcomeStatus.FAILED and count > 1:
        return [_PARTLY_FAILED] * count
    if verdict.status is not OutcomeStatus.SUCCEEDED or "id" not in operation.match_on:
        return [verdict] * count
    return [replace(verdict, vendor_id=_key(operation, record, "id")) for record in records()]


def is_refusal(item: JsonObject) -> bool:
    """Whether one result says that its record was not carried out."""
    said_failed = any(part in word(item.get("status")).casefold() for part in ("fail", "error"))
    return bool(
        item.get("success") is False or item.get("error") or item.get("errors") or said_failed
    )


def _verdict(operation: Operation, item: JsonObject, raw: JsonObject) -> RecordResult:
    """What one result says about its record; see the verdict rule in docs/vendors.md."""
    status = word(item.get("status"))
    vendor_id = usable_id(item.get("id"))
    if is_refusal(item):
        return failed(vendor_id, *error_of_item(item, raw))
    proven = vendor_id is not None and (status or not operation.says_status)
    if proven or item.get("success") is True:
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=vendor_id)
    return SAYS_NOTHING


def error_of_item(item: JsonObject, raw: JsonObject) -> tuple[str, str]:
    """(code, text) of a result that says that its record failed, as the vendor wrote them."""
    return _error_code(item) or word(item.get("status")), _error_text(item, raw)


def _error_code(item: JsonObject) -> str:
    error = item.get("error")
    if isinstance(error, dict):
        error = error.get("title") or error.get("code")
    return error if isinstance(error, str) else ""


def _error_text(item: JsonObject, raw: JsonObject) -> str:
    for name in ("details", "errors", "description", "message", "title", "error"):
        text = _words(item.get(name))
        if text:
            return text
    return _words(raw.get("message"))


def _words(value: Any, depth: int = MAX_DEPTH) -> str:
    """Whatever form an error takes, as one line of text."""
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, dict) else value
    if depth == 0 or not isinstance(value, dict | list):
        return ""
    return "; ".join(filter(None, (_words(each, depth - 1) for each in inner)))


def _without_results(raw: JsonObject) -> RecordResult:
    status = word(raw.get("status"))
    return RecordResult(
        OutcomeStatus.UNKNOWN,
        code="job_without_results",
        text=f"The job ended as {status!r} and lists no results; look the record up at the vendor.",
    )
