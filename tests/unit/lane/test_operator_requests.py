"""What an operator wants of a run's jobs is asked by its lanes, within its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.lane.operator_requests import STALE_PRIORITY
from jobferry.lane.state import LaneState
from jobferry.operator.job_control import abort_run, change_priority
from jobferry.vendors.answers import Ambiguous, Refused, Throttled, ThrottleReason
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import FakeClient
from virtual.world import CONNECTION, World, sample_csv

Answer = Refused | Throttled | Ambiguous | None


@dataclass
class Site:
    """A vendor whose jobs can be ended and told another priority."""

    world: World
    answers: list[Answer] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def answer(self) -> Answer:
        self.at.append(self.world.clock.now())
        with self.world.effects.around("vendor.control"):
            return self.answers.pop(0) if self.answers else None

    def abort(self, client: FakeClient, job_id: str, *, reason: str, cleanup: bool) -> Answer:
        assert cleanup
        assert reason
        if client.meter is not None and not client.meter.take():
            return Throttled(ThrottleReason.BUDGET)
        answer = self.answer()
        if answer is None:
            self.aborted.append(job_id)
            self.world.account.jobs[job_id].ends_at = self.world.clock.now()
        return answer

    def set_priority(self, client: FakeClient, job_id: str, word: str) -> Answer:
        if client.meter is not None and not client.meter.take():
            return Throttled(ThrottleReason.BUDGET)
        answer = self.answer()
        if answer is None:
            self.told.append((job_id, word))
        return answer


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with World(max_records=1, max_jobs=10) as world:
        can = replace(world.vendor.capabilities, abort=True, priority=True)
        world.vendor = replace(world.vendor, capabilities=can)
        made = Site(world)
        monkeypatch.setattr(
            FakeClient,
            "abort",
            lambda client, job_id, **said: made.abort(client, job_id, **said),  # noqa: PLW0108 - bound to the client
            raising=False,
        )
        monkeypatch.setattr(
            FakeClient,
            "set_priority",
            lambda client, job_id, word: made.set_priority(client, job_id, word),  # noqa: PLW0108
            raising=False,
        )
        world.account.latency = lambda _number: 900.0
        yield made


def under_way(site: Site, rows: int = 5) -> tuple[Run, LaneState]:
    run = site.world.planned(sample_csv(rows))
    state = site.world.submit(LaneState(run.run_id, 0))
    return site.world.run(run.run_id), state


def carried_on(site: Site, run: Run) -> Run:
    site.world.restarts.append((run.run_id, run.execution))
    site.world.run_restarts()
    return site.world.run(run.run_id)


def test_nobody_is_asked_by_the_command_itself(site: Site) -> None:
    run, _ = under_way(site)
    assert abort_run(run, "Wrong file.", site.world.deps)
    assert change_priority(run, "high", site.world.deps)
    assert site.at == []


def test_each_job_is_ended_once_and_the_rest_is_skipped(site: Site) -> None:
    run, _ = under_way(site, rows=14)
    abort_run(run, "Wrong file.", site.world.deps)
    closed = carried_on(site, run)
    assert Counter(site.aborted) == Counter({f"job-{n}": 1 for n in range(1, 11)})
    assert closed.status is RunStatus.ABORTED
    assert closed.outcomes[OutcomeStatus.SKIPPED] == 4
    assert site.world.problems(run.run_id) == []


def test_without_cleanup_jobs_are_seen_through(site: Site) -> None:
    run, _ = under_way(site)
    abort_run(run, "Wrong file.", site.world.deps, cleanup=False)
    carried_on(site, run)
    assert site.aborted == []


def test_every_job_is_told_the_priority_once(site: Site) -> None:
    run, state = under_way(site)
    change_priority(run, "high", site.world.deps)
    state = site.world.poll(state)
    site.world.poll(state)
    assert sorted(site.told) == [(f"job-{n}", "high") for n in range(1, 6)]


def test_a_priority_that_is_changed_again_is_told_again(site: Site) -> None:
    run, state = under_way(site, rows=1)
    for level in ("high", "low"):
        change_priority(run, level, site.world.deps)
        state = site.world.poll(state)
    assert site.told == [("job-1", "high"), ("job-1", "low")]


def test_jobs_that_were_made_well_after_the_change_have_it_already(site: Site) -> None:
    run = site.world.planned(sample_csv(2))
    change_priority(run, "high", site.world.deps)
    site.world.clock.advance(STALE_PRIORITY)
    site.world.poll(site.world.submit(LaneState(run.run_id, 0)))
    assert site.told == []


def test_a_wait_is_waited_for(site: Site) -> None:
    run, _ = under_way(site)
    site.answers = [None, Throttled(ThrottleReason.RATE, 100.0)]
    abort_run(run, "Wrong file.", site.world.deps)
    carried_on(site, run)
    assert len(site.aborted) == 5
    assert site.at[2] >= site.at[1] + 100
    assert site.world.problems(run.run_id) == []


def test_nothing_is_asked_while_the_connection_waits(site: Site) -> None:
    run, state = under_way(site)
    until = site.world.clock.now() + 400
    site.world.store.limits.block(CONNECTION, until)
    abort_run(run, "Wrong file.", site.world.deps)
    site.world.poll(state)
    assert site.at == []
    carried_on(site, run)
    assert min(site.at) >= until


def test_requests_of_a_minute_are_kept(site: Site) -> None:
    run, _ = under_way(site, rows=10)
    site.world.clock.advance(70)
    site.world.store.limits.advertised_rate(CONNECTION, 4)
    abort_run(run, "Wrong file.", site.world.deps)
    carried_on(site, run)
    polls = [at for at, _ in site.world.account.polls]
    asked = sorted([*site.at, *polls])
    assert len(site.aborted) == 10
    assert max(sum(at <= other < at + 60 for other in asked) for at in asked) <= 4


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (Refused("not_found", "It has ended."), 1),
        (Ambiguous("502"), 2),
        (Ambiguous("503", retry_after=1e12), 2),
        (Ambiguous("503", retry_after=float("nan")), 2),
    ],
)
def test_a_refusal_is_final_and_no_answer_is_not(site: Site, answer: Answer, asked: int) -> None:
    run, _ = under_way(site, rows=1)
    site.answers = [answer]
    abort_run(run, "Wrong file.", site.world.deps)
    carried_on(site, run)
    assert len(site.at) == asked
    assert site.world.problems(run.run_id) == []


@pytest.mark.parametrize("phase", Phase)
def test_a_crash_asks_again_and_changes_nothing(site: Site, phase: Phase) -> None:
    run, state = under_way(site, rows=3)
    abort_run(run, "Wrong file.", site.world.deps)
    for nth in range(1, 12):
        site.world.effects.on_effect = CrashOnce(nth, phase)
        try:
            state = site.world.poll(state)
        except Crash:
            site.world.deps = site.world.fresh_deps()
    site.world.effects.on_effect = lambda _kind, _phase: None
    carried_on(site, run)
    assert set(site.aborted) == {"job-1", "job-2", "job-3"}
    assert site.world.problems(run.run_id) == []


def test_a_run_that_is_over_takes_no_wish(site: Site) -> None:
    site.world.account.latency = lambda _number: 5.0
    run = site.world.processed(sample_csv(1))
    assert not abort_run(run, "Late.", site.world.deps)
    assert not change_priority(run, "high", site.world.deps)
    assert site.world.run(run.run_id) == run
