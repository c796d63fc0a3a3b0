"""One bad answer costs its own rows their outcome, and nobody else.

A poll is about many jobs, and evidence is kept of many at once. Where that fails over an answer, it
is done for fewer and fewer jobs until those to blame stand alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobferry.domain.types import JsonObject
from jobferry.store.objects import Objects
from jobferry.vendors.answers import DATA_ERRORS, PollAnswer
from jobferry.vendors.protocol import VendorClient


@dataclass(frozen=True)
class Polled:
    """What was learned of some jobs.

    Attributes:
        unusable: ids of jobs that the adapter could not make sense of
    """

    answer: PollAnswer
    unusable: frozenset[str] = frozenset()


def poll_each(client: VendorClient, job_ids: Sequence[str]) -> Polled:
    """Poll jobs; where the adapter fails over an answer, poll halves until the job stands alone."""
    before = client.requests_made
    try:
        return Polled(client.poll(list(job_ids)))
    except DATA_ERRORS:
        made = PollAnswer(requests=max(1, client.requests_made - before))
    if len(job_ids) == 1:
        return Polled(made, frozenset(job_ids))
    middle = len(job_ids) // 2
    first = poll_each(client, job_ids[:middle])
    second = poll_each(client, job_ids[middle:])
    return Polled(_together(made, first.answer, second.answer), first.unusable | second.unusable)


def _together(*answers: PollAnswer) -> PollAnswer:
    merged = answers[0]
    for answer in answers[1:]:
        merged = replace(
            merged,
            readings={**merged.readings, **answer.readings},
            throttled=answer.throttled or merged.throttled,
            refused=answer.refused or merged.refused,
            requests=merged.requests + answer.requests,
            problem=answer.problem or merged.problem,
            limits=answer.limits or merged.limits,
        )
    return merged


@dataclass(frozen=True)
class Evidence:
    """Where the raw answers of jobs lie.

    Attributes:
        keys: job id → key in the archive
        jobs: key in the archive → what lies there, by job id
        unusable: ids of jobs whose answers could not be kept as JSON; kept as text all the same
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, Mapping[str, JsonObject | None]] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()


def keep_evidence(
    key_of: Callable[[Sequence[str]], str],
    ended: Mapping[str, JsonObject | None],
    now: float,
    objects: Objects,
) -> Evidence:
    """Store the raw objects of jobs that have ended, together where that is possible.

    Args:
        key_of: gives the key for these job ids.
        now: epoch seconds.
    """
    if not ended:
        return Evidence()
    key = key_of(sorted(ended))
    try:
        objects.put_json(key, {"polled_at": now, "jobs": dict(ended)})
    except DATA_ERRORS:
        return _kept_apart(key_of, ended, now, objects)
    return Evidence(dict.fromkeys(ended, key), {key: ended})


def _kept_apart(
    key_of: Callable[[Sequence[str]], str],
    ended: Mapping[str, JsonObject | None],
    now: float,
    objects: Objects,
) -> Evidence:
    keys: dict[str, str] = {}
    unusable: set[str] = set()
    for job_id, raw in ended.items():
        keys[job_id] = key_of([job_id])
        try:
            objects.put_json(keys[job_id], {"polled_at": now, "jobs": {job_id: raw}})
        except DATA_ERRORS:  # kept as it came, for a person to read
            unusable.add(job_id)
            objects.put(keys[job_id], _as_it_came(raw), "text/plain; charset=utf-8")
    return Evidence(keys, unusable=frozenset(unusable))


def _as_it_came(raw: object) -> bytes:
    """An answer that is no good JSON, as text with everything odd escaped."""
    try:
        return json.dumps(raw, default=repr).encode()
    except (ValueError, RecursionError, TypeError):
        return ascii(type(raw)).encode()
