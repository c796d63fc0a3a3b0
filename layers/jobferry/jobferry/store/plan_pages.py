"""The plan of a run: how far it is, and its chunks, many to an item."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from jobferry.domain.chunk import PlannedChunk, Span
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import PlanState, Run, RunStatus, Source
from jobferry.store import keys
from jobferry.store.operations import Put
from jobferry.store.run_access import OPEN, RunAccess
from jobferry.store.table import ConditionFailedError

CHUNKS_PER_PAGE = 100
"""Chunks whose spans share one item, where they are short: 4 KB as a rule."""

PAGE_BYTES = 200 * 1024
"""Of the chunks in one item of the plan. DynamoDB takes 400 KB an item; chunks of which many rows
are rejected are long."""


def page_start(number: int) -> int:
    """The first chunk of the page that holds chunk `number`."""
    return number - (number - 1) % CHUNKS_PER_PAGE


def parts_of_page(chunks: Sequence[PlannedChunk]) -> Iterator[Sequence[PlannedChunk]]:
    """A page cut into items of at most `PAGE_BYTES`, always at the same chunks.

    Args:
        chunks: from the first chunk of the page on
    """
    start, size = 0, 0
    for at, chunk in enumerate(chunks):
        weight = len(encode_chunks([chunk]))
        if at > start and size + weight > PAGE_BYTES:
            yield chunks[start:at]
            start, size = at, 0
        size += weight
    yield chunks[start:]


def encode_chunks(chunks: Sequence[PlannedChunk]) -> str:
    """Compact text: `[[number, [[offset, length, first_row, rows], …]], …]`."""
    return json.dumps([[c.number, c.spans] for c in chunks], separators=(",", ":"))


def decode_chunks(text: str) -> list[PlannedChunk]:
    return [
        PlannedChunk(number, tuple(Span(*span) for span in spans))
        for number, spans in json.loads(text)
    ]


class PlanPages(RunAccess):
    """Access to `RUN#<run>`, `PLAN#<first chunk>`, and to how far the plan is (`META`)."""

    def note_unpacked(self, run_id: str, data: Source) -> bool:
        """Note where the unpacked file lies; false when that is known already, or it is closed."""
        return self._change(
            run_id,
            assign={"unpacked": asdict(data)},
            condition=f"{OPEN} AND attribute_not_exists(unpacked)",
        )

    def checkpoint(
        self,
        run_id: str,
        before: PlanState,
        after: PlanState,
        counts: Mapping[OutcomeStatus, int],
        now: float,
    ) -> bool:
        """Move the plan forward and count the rows that will not be sent.

        False when another planner has moved it already; then nothing was counted.
        """
        plan: dict[str, Any] = {
            "plan_offset": after.offset,
            "plan_row": after.row,
            "plan_chunks": after.chunks,
            "plan_done": after.done,
            "plan_trial_chunks": after.trial_chunks,
            "plan_conflicts": after.conflicts,
            "dialect": json.dumps(after.dialect),
        }
        if after.done:
            plan |= {"planned_at": now}
        condition = "plan_offset = :offset AND plan_done = :undone AND attribute_not_exists(forced)"
        values: dict[str, Any] = {":undone": False, ":offset": before.offset}
        if before.dialect is None:
            condition = "attribute_not_exists(plan_done) AND attribute_not_exists(forced)"
            values = {}
        return self._change(
            run_id,
            assign=plan,
            add={f"n_{status.value}": n for status, n in counts.items() if n},
            condition=f"#status = :planning AND {condition}",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value, **values},
        )

    def put_page(self, run: Run, chunks: Sequence[PlannedChunk]) -> None:
        """Store a page of the plan, whole or as far as it is cut, in items that the table takes.

        Args:
            chunks: from the first chunk of the page on

        An item that holds more already stays as it is: every planner cuts the same chunks, and one
        that is behind must not take back what another has noted as planned.
        """
        for part in parts_of_page(chunks):
            last = part[-1].number
            page = {
                "pk": keys.run(run.run_id),
                "sk": keys.page(part[0].number),
                "chunks": encode_chunks(part),
                "last": last,
                "expires_at": run.expires_at,
            }
            as_much = Put(
                page,
                condition="attribute_not_exists(pk) OR #last <= :last",
                names={"#last": "last"},
                values={":last": last},
            )
            with suppress(ConditionFailedError):
                self._table.write(as_much)

    def planned_chunks(self, run_id: str, first: int, count: int) -> list[PlannedChunk]:
        """Up to `count` chunks from number `first` on, as planned."""
        last = first + count - 1
        pages = self._table.query(
            keys.run(run_id), since=keys.page(page_start(first)), until=keys.page(last)
        )
        return [
            chunk
            for page in pages
            for chunk in decode_chunks(page["chunks"])
            if first <= chunk.number <= last
        ]
