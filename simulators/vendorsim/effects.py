"""What really happened: the ground truth that tests count duplicates and losses by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Literal

from vendorsim.values import JsonObject

Action = Literal["created", "updated", "deleted"]
RequestKind = Literal["submit", "poll", "other"]


@dataclass(frozen=True, slots=True)
class RecordEffect:
    """One record created, changed or deleted.

    index   position in the request that did it, from 0
    at      epoch seconds
    fields  the record as it was sent
    """

    vendor: str
    kind: str
    action: Action
    id: int | str
    external_id: str | None
    job_id: str | None
    request_id: str
    index: int
    at: float
    fields: JsonObject


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One job that was accepted.

    submitted_at, ends_at  epoch seconds; no end = it never ends
    in_flight              jobs of this vendor in flight once this one was accepted
    """

    job_id: str
    vendor: str
    operation: str
    items: int
    submitted_at: float
    ends_at: float | None
    request_id: str
    in_flight: int


class Ledger:
    """Everything that `GET /_sim/effects` tells."""

    def __init__(self) -> None:
        self._effects: list[RecordEffect] = []
        self._jobs: list[JobEntry] = []
        self._counts: dict[str, Counter[str]] = {}
        self._requests: Counter[RequestKind] = Counter()
        self._by_path: Counter[str] = Counter()
        self._throttled = 0

    def record(self, effect: RecordEffect) -> None:
        """Note that a record was created, changed or deleted."""
        self._effects.append(effect)
        self._counts.setdefault(effect.kind, Counter())[effect.action] += 1

    def job_accepted(self, entry: JobEntry) -> None:
        """Note that a vendor took a job."""
        self._jobs.append(entry)

    def request(self, kind: RequestKind, label: str, *, throttled: bool) -> None:
        """Count a request; `label` is its method and path, ids taken out."""
        self._requests[kind] += 1
        self._by_path[label] += 1
        self._throttled += throttled

    def report(
        self,
        *,
        kind: str | None = None,
        action: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> JsonObject:
        """The whole truth; the filters narrow `effects` alone.

        `after` leaves out effects up to that `seq`. Each job's `max_in_flight` is the most there
        had been once it was accepted.
        """
        chosen = [
            {"seq": seq, **_shown(effect)}
            for seq, effect in enumerate(self._effects[after:], start=after + 1)
            if kind in (None, effect.kind) and action in (None, effect.action)
        ]
        most = list(accumulate((job.in_flight for job in self._jobs), max))
        return {
            "effects": chosen[:limit],
            "counts": {name: dict(actions) for name, actions in self._counts.items()},
            "jobs": [
                {**_shown(job), "max_in_flight": so_far}
                for job, so_far in zip(self._jobs, most, strict=True)
            ],
            "requests": {
                **{name: self._requests[name] for name in ("submit", "poll", "other")},
                "by_path": dict(self._by_path),
                "throttled": self._throttled,
            },
            "max_in_flight": most[-1] if most else 0,
        }


def _shown(entry: RecordEffect | JobEntry) -> JsonObject:
    """The fields by name; not `asdict`, whose deep copies take seconds for 100,000 records."""
    return {field.name: getattr(entry, field.name) for field in fields(entry)}
