"""The job list: which jobs, in which order, which part of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vendorsim.vidispine import words
from vendorsim.vidispine.errors import invalid_input
from vendorsim.vidispine.job import Job
from vendorsim.vidispine.parameters import Parameters

DEFAULT_NUMBER = 100

_SORT_KEYS: dict[str, Callable[[Job], Any]] = {
    "jobId": lambda job: job.number,
    "type": lambda job: job.type,
    "state": lambda job: job.state,
    "user": lambda job: job.user,
    "startTime": lambda job: job.submitted_at,
    "priority": lambda job: words.PRIORITIES.index(job.priority),
}


def chosen(
    jobs: Iterable[Job], parameters: Parameters, user: str, *, by_metadata: bool
) -> list[Job]:
    """The jobs that fit all conditions, sorted. Raises RequestRefused.

    user         whose jobs are shown unless `user=false`
    by_metadata  apply conditions on metadata
    """
    conditions = _conditions(parameters, user, by_metadata)
    found = [job for job in jobs if all(fits(job) for fits in conditions)]
    return _sorted(found, parameters.texts("sort"))


_Condition = Callable[[Job], bool]


def _conditions(parameters: Parameters, user: str, by_metadata: bool) -> list[_Condition]:
    conditions: list[_Condition] = []
    if parameters.flag("user", default=True):
        conditions.append(lambda job: job.user == user)
    for name, attribute, allowed in (
        ("state", "state", words.STATES),
        ("type", "type", None),
        ("priority", "priority", words.PRIORITIES),
    ):
        wanted = frozenset(parameters.texts(name))
        if wanted and "all" not in wanted:
            unknown = wanted.difference(allowed) if allowed else None
            if unknown:
                raise invalid_input(name, "Unknown value", min(unknown))
            conditions.append(_one_of(attribute, wanted))
    for name, finished in (("starttime", False), ("finishtime", True)):
        conditions += _between(
            parameters.moment(f"{name}-from"), parameters.moment(f"{name}-to"), finished
        )
    pairs = parameters.pairs("jobmetadata")
    if pairs and by_metadata:
        conditions.append(lambda job: all(job.metadata.get(key) == value for key, value in pairs))
    return conditions


def _one_of(attribute: str, wanted: frozenset[str]) -> _Condition:
    return lambda job: getattr(job, attribute) in wanted


def _between(start: float | None, end: float | None, finished: bool) -> list[_Condition]:
    """Conditions on a time, both ends included. A job without that time does not fit."""

    def fits(job: Job) -> bool:
        at = job.finished_at if finished else job.submitted_at
        return at is not None and (start is None or at >= start) and (end is None or at <= end)

    return [] if start is None and end is None else [fits]


def _sorted(jobs: list[Job], orders: list[str]) -> list[Job]:
    """Sorted by `field asc` or `field desc`, the first one weighing most; else by age."""
    ordered = sorted(jobs, key=_SORT_KEYS["jobId"])
    for order in reversed(orders):
        field, _, direction = order.partition(" ")
        if field not in _SORT_KEYS or direction not in ("asc", "desc", ""):
            raise invalid_input("sort", "Not of the form field (asc|desc)", order)
        ordered.sort(key=_SORT_KEYS[field], reverse=direction == "desc")
    return ordered


def page(jobs: list[Job], parameters: Parameters) -> list[Job]:
    """The part that `first` (from 1; 0 means the same) and `number` ask for."""
    start = max(1, parameters.number("first", 1)) - 1
    return jobs[start : start + parameters.number("number", DEFAULT_NUMBER)]
