"""Reading the results of a job as a document says: one per record, in the order sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import plain, usable_id, whole
from jobferry.vendors.declarative.answers import status_of, text_at
from jobferry.vendors.declarative.document import Document, Extractor, Results
from jobferry.vendors.operation import Operation
from jobferry.vendors.results import NOTHING_DONE, SAYS_NOTHING, failed, one_per_record

JOB, PAGES = "job", "results"
"""Keys of what is kept of a job whose results stand apart from it."""


def results_of(
    document: Document,
    operation: Operation,
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],
) -> list[RecordResult]:
    """One result per record, in the order sent."""
    results = document.results
    items = items_in(results, raw)
    status = status_of(document.polling, job_in(results, raw))
    if not items and status in results.nothing_done:
        return [NOTHING_DONE] * count
    complete = len(items) == count or (status in results.partial and len(items) < count)
    if results.index is not None:
        placed = _by_index(items, results.index, count)
    elif results.key is not None and operation.match_on:
        placed = _by_key(items, results.key, operation, records(), complete=complete)
    else:
        placed = dict(enumerate(items)) if complete else {}
    return one_per_record(count, placed, lambda item: verdict_of(item, results))


def job_in(results: Results, raw: JsonObject) -> JsonObject:
    """The job as the vendor shows it, in what is kept of it."""
    job = raw.get(JOB) if results.are_apart else raw
    return job if isinstance(job, dict) else {}


def items_in(results: Results, raw: JsonObject) -> list[Any]:
    """The results of a job, as the vendor writes them."""
    if not results.are_apart:
        return _listed(results.rows(raw))
    pages = raw.get(PAGES)
    return [item for page in _listed(pages) for item in _listed(results.rows(page))]


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _by_index(items: Sequence[Any], index: Extractor, count: int) -> dict[int, Any]:
    """Position in the request → its result. A place that two results claim is left empty."""
    places = [(whole(index(item)), item) for item in items]
    claims = Counter(place for place, _ in places)
    return {
        place: item
        for place, item in places
        if place is not None and place < count and claims[place] == 1
    }


def _by_key(
    items: Sequence[Any],
    key: Extractor,
    operation: Operation,
    records: Sequence[JsonObject],
    *,
    complete: bool,
) -> dict[int, Any]:
    """By order while no result names another record; otherwise by what they name."""
    sent = [_folded(operation, record.get(operation.match_on[0])) for record in records]
    named = [_folded(operation, key(item)) for item in items]
    if complete and all(name in ("", ours) for name, ours in zip(named, sent, strict=False)):
        return dict(enumerate(items))
    asked, claims = Counter(sent), Counter(named)
    places = {name: at for at, name in enumerate(sent) if name and asked[name] == 1}
    return {
        places[name]: item
        for name, item in zip(named, items, strict=True)
        if name in places and claims[name] == 1
    }


def _folded(operation: Operation, value: Any) -> str:
    text = plain(value)
    return text.casefold() if operation.match_on[0] in operation.folded else text


def verdict_of(item: Any, results: Results) -> RecordResult:
    """What one result says of its record; failure outweighs success."""
    identity = results.id(item) if results.id else None
    vendor_id = usable_id(identity)
    if results.failed(item):
        return failed(vendor_id, text_at(results.code, item), text_at(results.text, item))
    if _states(results.succeeded(item), identity):
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id)
    return SAYS_NOTHING


def _states(found: Any, identity: Any) -> bool:
    """Whether what a document looks for states a success. What should be an id and is none, or a
    number that counts nothing, does not."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found > 0
    unusable = found is identity and not isinstance(found, bool) and usable_id(found) is None
    return bool(found) and not unusable
