"""At a vendor that finds jobs by a token a claim is the intent of its chunks: nothing is sent
twice, whatever a crash leaves of it."""

from __future__ import annotations

import pytest

from jobferry.domain.chunk import SEND_WINDOW, ChunkState
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.lane.absence import BETWEEN, CERTAIN_AFTER
from jobferry.lane.state import LaneState
from jobferry.scheduler.settings import USUAL
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import Behaviour
from virtual.world import CONNECTION, World, sample_csv

CLAIMED, SUBMITTED = ChunkState.CLAIMED, ChunkState.SUBMITTED


def sent(world: World) -> list[tuple[str, ...]]:
    return [submission.keys for submission in world.account.submissions]


def crashed(world: World, number: int, phase: Phase, kind: str) -> Run:
    """A run of three chunks whose first step has died."""
    run = world.planned(sample_csv(6))
    world.effects.on_effect = CrashOnce(number, phase, frozenset({kind}))
    with pytest.raises(Crash):
        world.submit(LaneState(run.run_id, 0))
    world.effects.on_effect = lambda _kind, _phase: None
    return run


def carried_on(world: World, run: Run, seconds: float) -> None:
    """The lane's next steps within this time."""
    state, until = LaneState(run.run_id, 0), world.clock.now() + seconds
    while world.clock.now() < until:
        state = world.poll(world.submit(state))
        world.settle(state)
        world.clock.advance(20.0)


def test_a_chunk_that_goes_well_costs_no_intent(world: World) -> None:
    run = world.planned(sample_csv(6))
    world.submit(LaneState(run.run_id, 0))
    items = [i for i in world.table.items() if i["sk"].startswith("CHUNK#")]
    assert [(i["state"], i["sending_at"] > 0, "digest" in i) for i in items] == [
        ("submitted", True, False)
    ] * 3


@pytest.mark.parametrize(
    ("number", "phase", "kind"),
    [
        (1, Phase.AFTER, "table.transact"),
        (1, Phase.BEFORE, "vendor.submit"),
        (2, Phase.BEFORE, "vendor.submit"),
        (1, Phase.AFTER, "vendor.submit"),
        (3, Phase.AFTER, "vendor.submit"),
    ],
)
def test_what_a_crash_leaves_is_searched_for_and_sent_once(
    world: World, number: int, phase: Phase, kind: str
) -> None:
    run = crashed(world, number, phase, kind)
    before = len(sent(world))
    carried_on(world, run, SEND_WINDOW / 2)
    assert len(sent(world)) == before, "a request may still be on its way"
    carried_on(world, run, CERTAIN_AFTER + BETWEEN + 600.0)
    assert world.account.times_applied.most_common(1)[0][1] == 1
    assert world.statuses(run.run_id) == [OutcomeStatus.SUCCEEDED] * 6
    assert world.store.limits.get(CONNECTION).in_flight == 0


def test_what_stays_in_hand_is_ready_for_the_next_step(world: World) -> None:
    run = world.planned(sample_csv(6))
    world.account.will_reply(Behaviour.ACCEPT, Behaviour.TOO_MANY_JOBS, Behaviour.ACCEPT)
    world.submit(LaneState(run.run_id, 0))
    left = [chunk for chunk in world.chunks(run.run_id) if chunk.state is not SUBMITTED]
    assert left
    assert all(chunk.sending_at is None for chunk in left)


def test_a_claim_that_took_long_is_no_intent(world: World) -> None:
    run = world.planned(sample_csv(2))
    slow: list[str] = []

    def pause(kind: str, phase: Phase) -> None:
        if kind == "table.transact" and phase is Phase.AFTER and not slow:
            slow.append(kind)
            world.clock.pass_time(USUAL.intent_seconds + 0.1)

    world.effects.on_effect = pause
    began = world.clock.now()
    world.submit(LaneState(run.run_id, 0))
    (chunk,) = world.store.chunks.get(run.run_id, [1])
    assert (chunk.state, len(sent(world))) == (SUBMITTED, 1)
    assert chunk.sending_at is not None
    assert chunk.sending_at > began + USUAL.intent_seconds, "an intent of its own"


def test_a_job_of_another_chunk_is_not_taken_and_nothing_is_sent_again(world: World) -> None:
    run = world.planned(sample_csv(4))
    plain = world.account.submit

    def same_id(*args: object, **options: object) -> object:
        answer = plain(*args, **options)  # type: ignore[arg-type]
        return type(answer)("job-1", *[]) if hasattr(answer, "job_id") else answer

    world.account.submit = same_id  # type: ignore[method-assign, assignment]
    world.submit(LaneState(run.run_id, 0))
    states = {chunk.number: (chunk.state, chunk.job_id) for chunk in world.chunks(run.run_id)}
    assert sorted(states.values(), key=str) == [(CLAIMED, None), (SUBMITTED, "job-1")]
    (lost,) = (c for c in world.chunks(run.run_id) if c.state is CLAIMED)
    assert (lost.unwritten, lost.sending_at is not None) == (False, True)
