"""Keep what the records of a chunk are before it changes them, so that they can be put back.

They are read and kept before the intent is written: no change is sent whose records are not kept.
The first time counts. What is read again, because a function died or a submission had no clear
answer, may show the change already, so that it replaces nothing. Retried rows are kept once
more with their new chunk; of two, that of the lower number is older.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from jobferry.domain.chunk import Chunk
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import SUBMIT, TEXTS, VENDOR_UNAVAILABLE
from jobferry.domain.types import JsonObject
from jobferry.lane import feedback
from jobferry.lane.session import LaneSession
from jobferry.settlement.pause_run import pause_run
from jobferry.vendors.answers import (
    DATA_ERRORS,
    Ambiguous,
    Problem,
    RecordsRead,
    RefusalScope,
    Refused,
    throttle_of,
)
from jobferry.vendors.protocol import RecordReader
from jobferry.vendors.record_snapshot import kept_of

SNAPSHOT = "snapshot"
"""The code of a pause: what the records are cannot be read."""


def snapshot_key(run_id: str, chunk: int) -> str:
    """Archive key of what a chunk's records were."""
    return f"snapshots/{run_id}/{chunk:010d}.json"


def keep_records(session: LaneSession, chunk: Chunk, records: Sequence[JsonObject]) -> bool:
    """Read what a chunk's records are, and keep it.

    Returns:
        False where that could not be done; it is noted why, and the chunk may not be sent.
    """
    if session.chunks.is_kept(chunk.number):
        return True
    operation = session.context.operation
    client = cast("RecordReader", session.linked.client)
    try:
        read = client.read_records(operation, records)
    except DATA_ERRORS as error:
        read = RecordsRead(problem=Ambiguous(f"the answer is unusable ({type(error).__name__})"))
    session.count(other=read.requests)
    if read.problem is None and len(read.records) != len(records):
        read = RecordsRead(problem=Ambiguous("the answer is not about these records"))
    if read.problem is not None:
        _note(session, read.problem)
        return False
    kept = [
        [row, kept_of(operation, sent, before).to_json()]
        for row, sent, before in zip(chunk.row_numbers(), records, read.records, strict=True)
    ]
    document = {"taken_at": timestamp(session.deps.now()), "rows": kept}
    session.deps.objects.put_first(snapshot_key(chunk.run_id, chunk.number), document)
    session.count(puts=1)
    session.chunks.note_kept(chunk.number)
    return True


def _note(session: LaneSession, problem: Problem) -> None:
    """Why records cannot be read: wait as the vendor asks, or have a person look."""
    throttled = throttle_of(problem)
    if throttled is not None:
        feedback.apply_throttle(session, throttled, SUBMIT)
    elif isinstance(problem, Refused) and problem.scope is RefusalScope.RUN:
        feedback.note_failure(session, SUBMIT, problem.code, problem.message)
    elif isinstance(problem, Refused):
        reason = (
            f"The vendor does not show what the records are before they are changed "
            f"({problem.code}: {problem.message}). Nothing is sent without its snapshot."
        )
        pause_run(session.run.run_id, SNAPSHOT, reason, session.deps)
        session.refresh_soon()
    else:
        text = TEXTS[VENDOR_UNAVAILABLE]
        trouble = feedback.note_failure(session, SUBMIT, VENDOR_UNAVAILABLE, text)
        feedback.block_until(session, trouble.next_try)
    session.throttled.set()
