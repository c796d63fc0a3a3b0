"""Reading what became of a Vidispine job, which is what became of its row.

A job carries one row, so there is no list of results: the outcome is the job's state, the
product stands in `data`, and the reasons stand in `data` and in the tasks of `log`
(https://apidoc.vidispine.com, job reference). FINISHED_WARNING is a success with a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import MAX_DEPTH, clipped, usable_id, word
from jobferry.vendors.operation import Operation
from jobferry.vendors.vidispine.answers import objects, pairs

FINISHED = "FINISHED"
FINISHED_WARNING = "FINISHED_WARNING"
FAILED_TOTAL = "FAILED_TOTAL"
ABORTED = "ABORTED"

ENDED = frozenset({FINISHED, FINISHED_WARNING, FAILED_TOTAL, ABORTED})

_ITEM_KEYS = ("item", "itemId")


def read_results(
    operation: Operation,  # noqa: ARG001
    raw: JsonObject,
    count: int,
    records: Callable[[], Sequence[JsonObject]],  # noqa: ARG001
) -> list[RecordResult]:
    """The result of the job's row.

    `vendor_id` is the item that the job made or worked on, as that is what people look up;
    the job's own id where it names no item. The error code is the job's state.

    Args:
        raw: the job document.
        count: how many records the job carried; Vidispine's jobs carry one.
    """
    return [_verdict(raw)] * count


def _verdict(raw: JsonObject) -> RecordResult:
    status = word(raw.get("status"))
    data = pairs(raw.get("data"))
    named = (usable_id(value) for value in (*map(data.get, _ITEM_KEYS), raw.get("jobId")))
    vendor_id = next(filter(None, named), None)
    if status == FINISHED:
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=vendor_id)
    words = _reasons(raw, data)
    if status == FINISHED_WARNING:
        text = words or "Vidispine finished the job with a warning and gave no reason."
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id, status, text)
    if status in ENDED:
        text = words or f"The job ended as {status}; Vidispine gave no reason."
        return RecordResult(OutcomeStatus.FAILED, vendor_id, status, text)
    return RecordResult(
        OutcomeStatus.UNKNOWN,
        vendor_id,
        "job_state_unknown",
        f"The job ended as {status!r}, which says neither success nor failure.",
    )


def _reasons(raw: JsonObject, data: dict[str, str]) -> str:
    """Every error message that the job holds, once each: its own, then those of its tasks."""
    log = raw.get("log")
    found = [data.get("errorMessage", "")]
    found += _messages(log.get("task") if isinstance(log, dict) else None)
    return clipped("; ".join(dict.fromkeys(filter(None, map(str.strip, found)))))


def _messages(tasks: Any, depth: int = MAX_DEPTH) -> Iterator[str]:
    for task in objects(tasks) if depth else ():
        message = task.get("errorMessage")
        if isinstance(message, str):
            yield message
        yield from _messages(task.get("subTask"), depth - 1)
