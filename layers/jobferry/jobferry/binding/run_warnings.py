"""What a person should know of a run, kept with it: what the plan warns of, and the vendor.

The vendor's words stay out of the log.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jobferry.binding.run_binding import RunContext
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk
from jobferry.domain.run import Pause, Run
from jobferry.store.run_notes import MOST_WARNINGS, WARNING_CHARACTERS
from jobferry.vendors.answer_gate import clipped

VENDOR_WARNING = "vendor_warning"
"""Why a trial is paused before its end."""


def note_warnings(run: Run, context: RunContext, header: Sequence[str], deps: Deps) -> None:
    """Keep what the profile asks for that the vendor is not known to take."""
    from jobferry.binding.profile_warnings import warnings_of

    for text in warnings_of(
        context.profile, context.connection, context.vendor, context.operation, header
    ):
        deps.store.runs.warn(run.run_id, text)


def in_vendors_words(title: str, text: str) -> str:
    """A warning of the vendor as it is kept."""
    return clipped(f"{title} warns: {text}", WARNING_CHARACTERS)


def fresh_warnings(known: Collection[str], said: Sequence[str]) -> list[str]:
    """Those of `said` that are worth keeping beside what is known."""
    distinct = set(known)
    return [text for text in said if text not in distinct][: max(0, MOST_WARNINGS - len(distinct))]


def is_trial(run: Run, chunk: Chunk) -> bool:
    """Whether a chunk is part of the rows that are sent before somebody says yes."""
    return run.trial is not None and chunk.number <= (run.plan.trial_chunks or run.plan.chunks)


def pause_trial(run: Run, text: str, deps: Deps) -> None:
    """What a trial is for has been found: nothing more is sent until somebody says so."""
    pause = Pause(VENDOR_WARNING, f"The trial is paused. {text}", deps.now())
    if deps.store.runs.pause(run.run_id, pause):
        deps.log("run paused", run_id=run.run_id, code=VENDOR_WARNING)
        deps.emit(RunsPaused=1)
