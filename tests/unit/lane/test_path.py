"""Whoever follows a chunk through a submission need not jump to and fro."""

from __future__ import annotations

import sys
from types import FrameType

from jobferry.lane import submission
from jobferry.lane.offer import read_offer
from jobferry.lane.session import open_session
from jobferry.lane.state import LaneState
from virtual.world import World, sample_csv

SENDING = "lane/submission.py"
RETURNS = 6
"""Visits to a module that was left before."""

_INLINE = {"<genexpr>", "<lambda>"}


def module_of(frame: FrameType) -> str:
    return frame.f_code.co_filename.rpartition("/jobferry/jobferry/")[2]


def test_following_one_chunk(world: World) -> None:
    run = world.planned(sample_csv(4))
    session = open_session(LaneState(run.run_id, 0), world.deps, world.clock.now() + 60.0)
    assert session is not None
    read_offer(session)
    pool = world.store.chunks.pool(run.run_id)
    planned = world.store.runs.planned_chunks(run.run_id, 1, 1)
    claimed = world.store.chunks.claim(run, 0, planned, pool, world.clock.now(), max_jobs=3)
    assert claimed is not None
    session.note_claimed(claimed)
    visits: list[str] = []

    def note(frame: FrameType, event: str, _arg: object) -> None:
        """Note calls that `lane/submission.py` makes, to itself and to others."""
        caller = frame.f_back
        while caller is not None and caller.f_code.co_name in _INLINE:
            caller = caller.f_back
        if event != "call" or caller is None or module_of(caller) != SENDING:
            return
        module = module_of(frame)
        followed = module.startswith(("lane/", "scheduler/", "store/"))
        if followed and frame.f_code.co_name not in _INLINE and visits[-1:] != [module]:
            visits.append(module)

    sys.setprofile(note)
    try:
        submission.send_once(session, claimed[0])
    finally:
        sys.setprofile(None)
    assert len(world.account.submissions) == 1
    assert len(visits) > 3
    assert len(visits) - len(set(visits)) <= RETURNS, visits
