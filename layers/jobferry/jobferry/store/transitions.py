"""The moves of a chunk, once: which event takes it from which states to which, with what else.

Whoever writes a chunk asks this table: `check` refuses a move that is not in it, and the write's
condition asks for the state in which the chunk was read. `docs/data-model.md` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from jobferry.domain.chunk import ChunkState

_PLANNED, _CLAIMED, _SUBMITTED = ChunkState.PLANNED, ChunkState.CLAIMED, ChunkState.SUBMITTED
_FINISHED, _SETTLED, _SPLIT = ChunkState.FINISHED, ChunkState.SETTLED, ChunkState.SPLIT


class ChunkEvent(StrEnum):
    """What may happen to a chunk; named as the methods of `Chunks` that do it.

    `make` is the part of `split` that writes the new chunks.
    """

    MAKE = "make"
    CLAIM = "claim"
    BEGIN_SENDING = "begin_sending"
    REVERT_SEND = "revert_send"
    NOTE_LOST = "note_lost"
    NOTE_SEARCH = "note_search"
    NOTE_SUBMITTED = "note_submitted"
    ADOPT = "adopt"
    NOTE_ASKED = "note_asked"
    RELEASE = "release"
    FINISH = "finish"
    SETTLE = "settle"
    FINISH_AND_SETTLE = "finish_and_settle"
    SPLIT = "split"
    ADOPT_LATE = "adopt_late"


class PoolChange(StrEnum):
    """What a move does to the pool of the run."""

    NONE = ""
    TAKEN = "taken out"
    RELEASED = "put back"
    MADE = "put in, to be sent again"


class ClaimChange(StrEnum):
    """What a move does to the claim `JOB#` that a chunk is in.

    What is settled stays in it, until all of it is.
    """

    NONE = ""
    WRITTEN = "made"
    REMOVED = "taken out"


@dataclass(frozen=True, slots=True)
class Transition:
    """One event.

    Attributes:
        before: states that it may come from; None: it stands in the plan alone
        after: the state that it leads to
        slots: slots of the connection that it takes (1) or frees (-1), if the chunk holds one
        notes: what else is written, in the same transaction where there is more than one item
    """

    before: tuple[ChunkState | None, ...]
    after: ChunkState
    notes: str
    slots: int = 0
    pool: PoolChange = PoolChange.NONE
    claim: ClaimChange = ClaimChange.NONE


TRANSITIONS: Mapping[ChunkEvent, Transition] = MappingProxyType(
    {
        ChunkEvent.MAKE: Transition(
            (None,),
            _PLANNED,
            "rows of split chunks that are sent again; numbered on from the plan's",
            pool=PoolChange.MADE,
        ),
        ChunkEvent.CLAIM: Transition(
            (None, _PLANNED),
            _CLAIMED,
            "up to 50 chunks in one transaction; the first time a chunk gets no item of its own",
            slots=1,
            pool=PoolChange.TAKEN,
            claim=ClaimChange.WRITTEN,
        ),
        ChunkEvent.BEGIN_SENDING: Transition(
            (_CLAIMED,),
            _CLAIMED,
            "the intent, before the call: `sending_at`, token, digest; of a claim that is the "
            "intent: what a crash has left of it",
        ),
        ChunkEvent.REVERT_SEND: Transition(
            (_CLAIMED,), _CLAIMED, "the intent is removed: the vendor did nothing"
        ),
        ChunkEvent.NOTE_LOST: Transition(
            (_CLAIMED,), _CLAIMED, "`lost_at`: no clear answer, so the vendor is asked"
        ),
        ChunkEvent.NOTE_SEARCH: Transition(
            (_CLAIMED,), _CLAIMED, "`searched_at`, and what the search could see"
        ),
        ChunkEvent.NOTE_SUBMITTED: Transition(
            (_CLAIMED,), _SUBMITTED, "job id, and just before it `ADOPTED#`"
        ),
        ChunkEvent.ADOPT: Transition(
            (_CLAIMED,), _SUBMITTED, "job id and `ADOPTED#` of a lost submission that was found"
        ),
        ChunkEvent.NOTE_ASKED: Transition(
            (_SUBMITTED,), _SUBMITTED, "what an operator wants was asked of its job"
        ),
        ChunkEvent.RELEASE: Transition(
            (_CLAIMED,),
            _PLANNED,
            "what belongs to one attempt is removed; `maybe_applied` stays",
            slots=-1,
            pool=PoolChange.RELEASED,
            claim=ClaimChange.REMOVED,
        ),
        ChunkEvent.FINISH: Transition(
            (_CLAIMED, _SUBMITTED),
            _FINISHED,
            "evidence or verdict; what ended together in one transaction",
            slots=-1,
        ),
        ChunkEvent.SETTLE: Transition(
            (_FINISHED,),
            _SETTLED,
            "outcome blocks and counters of the run; up to 50 chunks in one transaction",
        ),
        ChunkEvent.FINISH_AND_SETTLE: Transition(
            (_SUBMITTED,),
            _SETTLED,
            "`finish` and `settle` in one, where the poll that sees the end decides every row",
            slots=-1,
        ),
        ChunkEvent.SPLIT: Transition(
            (_FINISHED,),
            _SPLIT,
            "instead of settled, where rows are sent again: counters, and `make` of their chunks",
        ),
        ChunkEvent.ADOPT_LATE: Transition(
            (_SETTLED,), _SETTLED, "job id and `ADOPTED#`, found by `resolve` after the run"
        ),
    }
)


class ForbiddenMoveError(Exception):
    """A chunk was to be moved in a way that `TRANSITIONS` does not have: an error in the code."""

    def __init__(self, event: ChunkEvent, state: ChunkState | None) -> None:
        may = " or ".join(_name(before) for before in TRANSITIONS[event].before)
        super().__init__(f"{event} of a chunk that is {_name(state)}; it must be {may}")


def allows(event: ChunkEvent, state: ChunkState | None) -> bool:
    """Whether the event may happen to a chunk in this state (None: it stands in the plan alone)."""
    return state in TRANSITIONS[event].before


def check(event: ChunkEvent, state: ChunkState | None) -> Transition:
    """The transition of an event for a chunk in this state.

    Raises:
        ForbiddenMoveError: the table has no such move.
    """
    if not allows(event, state):
        raise ForbiddenMoveError(event, state)
    return TRANSITIONS[event]


def as_markdown() -> str:
    """The table for people, as `docs/data-model.md` prints it."""
    lines = [
        "| event | from | to | slot | pool | claim | what else is written |",
        "|---|---|---|---|---|---|---|",
    ]
    slots = {1: "taken", 0: "", -1: "freed"}
    for event, move in TRANSITIONS.items():
        cells = (
            f"`{event}`",
            ", ".join(_name(before) for before in move.before),
            "" if (move.after,) == move.before else move.after.value,
            slots[move.slots],
            move.pool.value,
            move.claim.value,
            move.notes,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _name(state: ChunkState | None) -> str:
    return "not there" if state is None else state.value
