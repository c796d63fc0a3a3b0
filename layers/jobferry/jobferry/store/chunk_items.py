"""A chunk as it stands in the table: item ↔ `Chunk`.

Attributes keep their names for ever, and fields of `Chunk` do not: docs/data-model.md has both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from jobferry.domain.chunk import Attempt, Chunk, ChunkState, Span
from jobferry.domain.outcome import OutcomeStatus, Verdict
from jobferry.domain.run import Run
from jobferry.store import keys
from jobferry.store.operations import Item

CHUNK_SECONDS = 30 * 86_400
"""For how long chunks, and the marks of their jobs, are kept from when they were claimed. Vendors
forget their jobs within days, and a run of a million jobs has a million of each. While the run is
open they are prolonged (`settlement.retention`)."""


def kept_until(run: Run, now: float) -> int:
    """When what is written of a chunk now expires (epoch seconds); 0: never."""
    return min(run.expires_at, int(now) + CHUNK_SECONDS)


def item_of(chunk: Chunk) -> Item:
    item: Item = {
        "pk": keys.run(chunk.run_id),
        "sk": keys.chunk(chunk.number),
        "run_id": chunk.run_id,
        "chunk": chunk.number,
        "lane": chunk.lane,
        "state": chunk.state.value,
        "spans": json.dumps(chunk.spans, separators=(",", ":")),
        "attempt": chunk.attempt,
        "claimed_at": chunk.claimed_at,
        "in_doubt": chunk.maybe_applied,
        "holds_slot": chunk.holds_slot,
        "expires_at": chunk.expires_at,
    }
    if chunk.claim:
        item["claim"] = chunk.claim
    if chunk.not_before:
        item["not_before"] = chunk.not_before
    if chunk.last is not None:
        item["last"] = list(chunk.last)
    if chunk.lost_times:
        item["lost_times"] = chunk.lost_times
    if chunk.sendings:
        item["sendings"] = chunk.sendings
    if chunk.earlier:
        item["earlier"] = attempts_text(chunk.earlier)
    return item


def chunk_of(item: Item) -> Chunk:
    verdict = item.get("verdict")
    return Chunk(
        run_id=item["run_id"],
        number=item["chunk"],
        lane=item.get("lane", 0),
        state=ChunkState(item["state"]),
        spans=tuple(Span(*span) for span in json.loads(item["spans"])),
        attempt=item["attempt"],
        token=item.get("token", ""),
        claimed_at=item["claimed_at"],
        sending_at=item.get("sending_at"),
        lost_at=item.get("lost_at"),
        unseen_at=item.get("unseen_at"),
        readable_at=item.get("readable_at"),
        searched_at=item.get("searched_at"),
        submitted_at=item.get("submitted_at"),
        finished_at=item.get("finished_at"),
        ended_at=item.get("ended_at"),
        settled_at=item.get("settled_at"),
        job_id=item.get("job_id"),
        evidence=item.get("evidence"),
        verdict=Verdict(OutcomeStatus(verdict[0]), verdict[1], verdict[2]) if verdict else None,
        maybe_applied=item.get("in_doubt", False),
        bisect=item.get("halve", False),
        not_before=item.get("not_before", 0.0),
        last=(item["last"][0], item["last"][1]) if "last" in item else None,
        lost_times=item.get("lost_times", 0),
        sendings=item["sendings"] if "sendings" in item else item["attempt"],
        earlier=attempts_of_text(item["earlier"]) if "earlier" in item else (),
        twice=item.get("twice"),
        settled_rows=sum(item["counts"].values()) if "counts" in item else None,
        holds_slot=item.get("holds_slot", True),
        claim=item.get("claim", ""),
        expires_at=item.get("expires_at", 0),
        end_asked=item.get("end_asked", False),
        priority_asked=item.get("priority_asked"),
    )


def ended_item(item: Item, expires_at: float) -> Item:
    """What stays for a while of a chunk whose run is deleted: that it is at its end."""
    kept = {name: item[name] for name in ("pk", "sk", "run_id", "chunk")}
    ended = {"state": ChunkState.SETTLED.value, "spans": "[]", "attempt": 0, "claimed_at": 0}
    return {**kept, **ended, "expires_at": int(expires_at)}


def attempts_text(attempts: Sequence[Attempt]) -> str:
    return json.dumps(attempts, separators=(",", ":"))


def attempts_of_text(text: str) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(token, sent_at, lost_at, tuple(Span(*span) for span in spans))
        for token, sent_at, lost_at, spans in json.loads(text)
    )
