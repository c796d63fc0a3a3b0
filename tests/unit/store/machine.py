"""The store as a machine: every operation in every order, also by those who are far behind.

Whoever works with the store holds what it has read: runs, pools, chunks, and what it wants to
write next. Here every version of all that is kept, and any of them is used at any time, as a
function does that was stopped for a while. The promises are checked after every operation.

What the steps promise is kept here, too, and no more: a job id is noted by whoever has sent, rows
are written before they are counted, and only a run that adds up is closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from jobferry.domain.chunk import (
    Chunk,
    ChunkOutcome,
    ChunkState,
    JobEnd,
    PlannedChunk,
    Pool,
    RetryChunk,
    Span,
)
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Pause, PlanState, Run, RunStatus, StopReason
from jobferry.settlement.retention import is_due, kept_seconds
from jobferry.store.row_items import FOR_A_PERSON
from jobferry.store.rows import with_own_items
from tests.unit.store.samples import CONNECTION, NOW, a_run, standing
from virtual.table import FakeTable, fake_store

RUNS = ("things-a", "things-b")
CHUNKS = 3
ROWS_PER_CHUNK = 2
BAD_ROW = CHUNKS * ROWS_PER_CHUNK + 1
"""The last row of a file; it is rejected when the file is planned."""

SLOTS = 3
RETENTION = 30 * 86_400
ATTEMPTS = 3
JOBS = ("job-1", "job-2", "job-3", "job-4")
DIALECT = {"header": ["a"]}
EMPTY = PlanState()
HALF = PlanState(400, 4, 2, False, DIALECT)
WHOLE = PlanState(700, BAD_ROW, CHUNKS, True, DIALECT)

SUCCEEDED, FAILED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
SKIPPED, REJECTED = OutcomeStatus.SKIPPED, OutcomeStatus.REJECTED
IN_FLIGHT = {ChunkState.CLAIMED, ChunkState.SUBMITTED, ChunkState.FINISHED}
HOLDING = {ChunkState.CLAIMED, ChunkState.SUBMITTED}
DECIDED = {ChunkState.SETTLED, ChunkState.SPLIT}

AGAIN = "again"
"""A row that failed with what passes: it goes again, unless the run is stopped."""
RESULTS = st.sampled_from((AGAIN, AGAIN, SUCCEEDED, FAILED, UNKNOWN))


Results = tuple[OutcomeStatus | str, ...]


@dataclass(eq=False)
class Decision:
    """What one call of SettleJob makes of a finished chunk, by what it has read.

    again    retried rows
    careful  outcomes of which another call may say otherwise
    """

    chunk: Chunk
    run: Run
    outcomes: list[Outcome]
    careful: list[Outcome]
    again: list[int]
    written: bool = False
    counted: bool = False


def planned(number: int) -> PlannedChunk:
    first = ROWS_PER_CHUNK * (number - 1) + 1
    return PlannedChunk(number, (Span(100 * number, 100, first, ROWS_PER_CHUNK),))


RUN = st.sampled_from((RUNS[0], RUNS[0], RUNS[1]))
PICK = st.integers(0, 11)
BEHIND = st.sampled_from((0, 0, 0, 0, 1, 2, 4))
"""How many versions behind somebody is; mostly none, so that walks get far."""

Fits = Callable[[Chunk], bool]


def unsent(chunk: Chunk) -> bool:
    return chunk.state is ChunkState.CLAIMED and chunk.sending_at is None


def sent(chunk: Chunk) -> bool:
    return chunk.state is ChunkState.CLAIMED and chunk.sending_at is not None


def claimed(chunk: Chunk) -> bool:
    return chunk.state is ChunkState.CLAIMED


def holding(chunk: Chunk) -> bool:
    return chunk.state in HOLDING


def submitted(chunk: Chunk) -> bool:
    return chunk.state is ChunkState.SUBMITTED


def finished(chunk: Chunk) -> bool:
    return chunk.state is ChunkState.FINISHED


NEEDS: dict[str, Fits] = {
    "begin_sending": unsent,
    "note_submitted": sent,
    "take_back": sent,
    "note_lost": sent,
    "adopt": sent,
    "give_back": claimed,
    "finish": submitted,
    "write_off": holding,
    "decide": finished,
}
"""The chunk that a step needs: there is one, or there was one once."""

WEIGHTS = {
    "plan": 3,
    "offer": 2,
    "fail": 1,
    "claim": 6,
    "begin_sending": 6,
    "note_submitted": 6,
    "take_back": 1,
    "note_lost": 1,
    "adopt": 2,
    "give_back": 2,
    "finish": 6,
    "write_off": 1,
    "decide": 6,
    "write_rows": 8,
    "count": 8,
    "halt": 1,
    "pause": 1,
    "resume": 1,
    "relaunch": 1,
    "count_halving": 1,
    "wait": 1,
    "close": 4,
    "resolve": 3,
    "delete": 1,
}
"""How often each step is taken where it is possible: walks are to get far."""


class StoreMachine(RuleBasedStateMachine):
    """Two runs on one connection with three slots; the first is planned, the second is not."""

    @initialize()
    def created(self) -> None:
        self.now = NOW
        self.table = FakeTable()
        self.store = fake_store(self.table)
        self.store.limits.ensure(CONNECTION, SLOTS)
        self.results: dict[tuple[str, int, int], Results] = {}
        self.decided: dict[tuple[str, int], OutcomeStatus] = {}
        self.decisions: list[Decision] = []
        self.on_the_way: set[tuple[str, int]] = set()
        self.deleted: set[str] = set()
        self.chunks: dict[tuple[str, int], list[Chunk]] = {}
        self.runs: dict[str, list[Run]] = {run_id: [] for run_id in RUNS}
        self.pools: dict[str, list[Pool]] = {run_id: [] for run_id in RUNS}
        for run_id in RUNS:
            assert self.store.runs.create(
                a_run(run_id, expires_at=int(NOW) + kept_seconds(RETENTION))
            )
        self.remember()
        self.plan(RUNS[0], WHOLE, 0)
        self.remember()
        self.offer(RUNS[0], 0)

    # What was read at some time.

    def remember(self) -> None:
        """Keep what there is now beside what there was."""
        self.there: dict[str, list[Chunk]] = {}
        for run_id in RUNS:
            run, pool = self.store.runs.get(run_id), self.store.chunks.pool(run_id)
            self.there[run_id] = standing(self.store, run_id)
            if run is not None and run not in self.runs[run_id][-1:]:
                self.runs[run_id].append(run)
            if pool not in self.pools[run_id][-1:]:
                self.pools[run_id].append(pool)
            for chunk in self.there[run_id]:
                versions = self.chunks.setdefault((run_id, chunk.number), [])
                if chunk not in versions[-1:]:
                    versions.append(chunk)

    def run_as_read(self, run_id: str, behind: int) -> Run:
        return self.runs[run_id][-1 - behind :][0]

    def versions(self) -> list[Chunk]:
        return [chunk for versions in self.chunks.values() for chunk in versions]

    def chunk_as_read(self, fits: Fits, pick: int, behind: int) -> Chunk:
        """One that fits now, or, for those behind, that did so once."""
        now = [versions[-1] for versions in self.chunks.values() if fits(versions[-1])]
        once = [chunk for chunk in self.versions() if fits(chunk)]
        found = once if behind or not now else now
        return found[-1 - pick % len(found)]

    # What happens: one of the things that are possible.

    @rule(
        choice=st.integers(0, 999),
        run_id=RUN,
        pick=PICK,
        behind=BEHIND,
        number=st.integers(0, 3),
        yes=st.booleans(),
        results=st.tuples(*[RESULTS] * ROWS_PER_CHUNK),
    )
    def step(
        self,
        choice: int,
        run_id: str,
        pick: int,
        behind: int,
        number: int,
        yes: bool,
        results: Results,
    ) -> None:
        steps: dict[str, Callable[[], object]] = {
            "plan": lambda: self.plan(RUNS[1], WHOLE if yes else HALF, behind),
            "offer": lambda: self.offer(RUNS[1], behind),
            "fail": lambda: self.fail(run_id),
            "claim": lambda: self.claim(run_id, behind, 1 + number % 3, pick % 2, number == 3),
            "begin_sending": lambda: self.begin_sending(pick, behind),
            "note_submitted": lambda: self.note_submitted(pick, behind, JOBS[number]),
            "take_back": lambda: self.revert_send(pick, behind),
            "note_lost": lambda: self.note_lost(pick, behind),
            "adopt": lambda: self.adopt(pick, behind, JOBS[number]),
            "give_back": lambda: self.release(pick, behind, yes),
            "finish": lambda: self.finish(submitted, [pick, pick + number], behind, yes),
            "write_off": lambda: self.finish(holding, [pick, pick + number], behind, yes),
            "decide": lambda: self.decide(pick, behind, results, yes),
            "write_rows": lambda: self.write_rows(pick),
            "count": lambda: self.count(pick, behind),
            "halt": lambda: (
                number or self.store.runs.stop(run_id, StopReason("aborted", "Stopped."))
            ),
            "pause": lambda: self.store.runs.pause(run_id, Pause("trial", "Look.", self.now)),
            "resume": lambda: self.store.runs.resume(self.run_as_read(run_id, behind)),
            "relaunch": lambda: self.store.runs.relaunch(run_id, 1, number),
            "count_halving": lambda: self.store.runs.count_bisection(run_id),
            "wait": lambda: self.wait(0.01 if yes else 0.2),
            "close": self.close,
            "resolve": lambda: self.resolve(run_id, behind, SUCCEEDED if yes else FAILED),
            "delete": lambda: self.delete(run_id),
        }
        possible = [
            name for name, weight in WEIGHTS.items() if self.possible(name) for _ in range(weight)
        ]
        name = possible[choice % len(possible)]
        note(f"{name}: behind by {behind}")
        self.now += 0.001  # No two claims are made at one moment: it tells them apart.
        steps[name]()

    def possible(self, name: str) -> bool:
        if name in NEEDS:
            return any(map(NEEDS[name], self.versions()))
        other = self.runs[RUNS[1]][-1]
        match name:
            case "plan":
                return other.status is RunStatus.PLANNING
            case "offer":
                return other.plan.done
            case "write_rows" | "count":
                return bool(self.decisions_to(count=name == "count"))
            case "close":
                return any(not self._open_ends(run_id) for run_id in RUNS)
            case "resolve" | "delete":
                return any(run.closed_at for runs in self.runs.values() for run in runs)
        return True

    # Planning.

    def plan(self, run_id: str, after: PlanState, behind: int) -> None:
        run = self.run_as_read(run_id, behind)
        if run.status is not RunStatus.PLANNING or run.plan.row >= after.row:
            return
        self.store.runs.put_page(run, [planned(n) for n in range(1, after.chunks + 1)])
        rejected = {REJECTED: 1} if after.done else {}
        if after.done:
            self.store.rows.put_unsent(run.run_id, [Outcome(BAD_ROW, REJECTED)], run.expires_at)
        if self.store.runs.checkpoint(run.run_id, run.plan, after, rejected, self.now):
            for status in rejected:
                self.decided[run.run_id, BAD_ROW] = status

    def offer(self, run_id: str, behind: int) -> None:
        run = self.run_as_read(run_id, behind)
        if run.status is RunStatus.PLANNING and run.plan.done:
            self.store.chunks.open_pool(run)
            self.store.runs.begin(run.run_id, 1, {})

    def fail(self, run_id: str) -> None:
        if self.store.runs.fail(run_id, "no such connection"):
            assert self.store.runs.must_get(run_id).plan.done is False
            self.store.rows.purge(run_id, BAD_ROW)

    # Lanes.

    def claim(self, run_id: str, behind: int, count: int, lane: int, free: bool) -> None:
        run, pool = self.run_as_read(run_id, behind), self.pools[run_id][-1 - behind :][0]
        known = self.store.chunks.get(run_id, sorted(pool.released | pool.again)[:count])
        offered = [PlannedChunk(chunk.number, chunk.spans) for chunk in known]
        fresh = range(pool.cursor, min(pool.end, pool.cursor + count - len(offered)))
        offered += [planned(number) for number in fresh]
        if offered:
            self.store.chunks.claim(
                run, lane, offered, pool, self.now, max_jobs=None if free else SLOTS
            )

    def begin_sending(self, pick: int, behind: int) -> None:
        chunk = self.chunk_as_read(claimed if behind else unsent, pick, behind)
        if self.store.chunks.begin_sending(chunk, "token", "digest", self.now) is not None:
            name = (chunk.run_id, chunk.number)
            assert name not in self.on_the_way, "a chunk was sent that may be carried out already"
            self.on_the_way.add(name)

    def _nothing_was_done(self, chunk: Chunk, done: object) -> None:
        if done:
            self.on_the_way.discard((chunk.run_id, chunk.number))

    def note_submitted(self, pick: int, behind: int, job_id: str) -> None:
        chunk = self.chunk_as_read(sent, pick, behind)
        self.store.chunks.note_submitted(CONNECTION, chunk, job_id, self.now)

    def revert_send(self, pick: int, behind: int) -> None:
        chunk = self.chunk_as_read(sent, pick, behind)
        self._nothing_was_done(chunk, self.store.chunks.revert_send(chunk))

    def note_lost(self, pick: int, behind: int) -> None:
        self.store.chunks.note_lost(self.chunk_as_read(sent, pick, behind), self.now)

    def adopt(self, pick: int, behind: int, job_id: str) -> None:
        chunk = self.chunk_as_read(sent, pick, behind)
        self.store.chunks.adopt(CONNECTION, chunk, job_id, self.now)

    def release(self, pick: int, behind: int, maybe_applied: bool) -> None:
        chunk = self.chunk_as_read(claimed, pick, behind)
        done = self.store.chunks.release(CONNECTION, chunk, maybe_applied=maybe_applied)
        self._nothing_was_done(chunk, done)
        if done:
            (kept,) = self.store.chunks.get(chunk.run_id, [chunk.number])
            assert kept.maybe_applied is (chunk.maybe_applied or maybe_applied)

    def finish(self, fits: Fits, picks: list[int], behind: int, bisect: bool) -> None:
        together = {
            (chunk.run_id, chunk.number): chunk
            for chunk in (self.chunk_as_read(fits, pick, behind) for pick in picks)
        }
        for run_id in RUNS:
            ended = [chunk for (name, _), chunk in together.items() if name == run_id]
            job_ends = [self._ending(chunk, bisect) for chunk in ended]
            if ended:
                self.store.chunks.finish(CONNECTION, ended, job_ends, self.now)

    def _ending(self, chunk: Chunk, bisect: bool) -> JobEnd:
        if chunk.state is ChunkState.SUBMITTED:
            return JobEnd(chunk.number, evidence="evidence")
        if chunk.sending_at is None:
            return JobEnd(chunk.number, verdict=(SKIPPED, "aborted", "Stopped."))
        return JobEnd(chunk.number, verdict=(FAILED, "refused", "No."), bisect=bisect)

    # Settling: decide, write, count, each at any time later than the one before.

    def decide(self, pick: int, behind: int, results: Results, bisected_rows: bool) -> None:
        chunk = self.chunk_as_read(finished, pick, behind)
        run = self.run_as_read(chunk.run_id, behind)
        # The vendor's results were kept when the job ended: every call reads the same.
        name = (run.run_id, chunk.number, chunk.attempt)
        results = self.results.setdefault(name, results)
        self.decisions.append(self._decision(run, chunk, results, bisected_rows=bisected_rows))

    def decisions_to(self, *, count: bool) -> list[Decision]:
        """Those that are not counted, and wait for just that, or to be written."""
        return [one for one in self.decisions if not one.counted and one.written is count]

    def _decision(
        self, run: Run, chunk: Chunk, results: Results, *, bisected_rows: bool
    ) -> Decision:
        rows = chunk.row_numbers()
        told = [chunk.verdict[0]] * len(rows) if chunk.verdict else list(results[: len(rows)])
        whole = chunk.bisect and len(rows) > 1
        may_go_again = [
            row
            for row, result in zip(rows, told, strict=True)
            if whole or (result == AGAIN and chunk.attempt < ATTEMPTS)
        ]
        stopped = run.stop is not None or (whole and not bisected_rows)
        again = [] if stopped else may_go_again
        outcomes = [
            Outcome(row, FAILED if result == AGAIN else result, attempts=chunk.attempt)
            for row, result in zip(rows, told, strict=True)
            if row not in again
        ]
        careful = [o for o in outcomes if o.row in may_go_again or o.status is UNKNOWN]
        return Decision(chunk, run, outcomes, careful, again)

    def write_rows(self, pick: int) -> None:
        waiting = self.decisions_to(count=False)
        decision = waiting[-1 - pick % len(waiting)]
        run_id, rows = decision.run.run_id, self.store.rows
        expires_at = decision.run.expires_at
        copies = with_own_items(decision.outcomes, row_items=False)
        careful = [outcome for outcome in copies if outcome in decision.careful]
        if careful and not rows.put_copies_unless_settled(decision.chunk, careful, expires_at):
            return
        if run_id not in self.deleted:  # copies that nobody counts are left; the table forgets them
            sure = [outcome for outcome in copies if outcome not in careful]
            rows.put_copies(run_id, sure, expires_at)
        decision.written = True

    def count(self, pick: int, behind: int) -> None:
        waiting = self.decisions_to(count=True)
        decision = waiting[-1 - pick % len(waiting)]
        decision.counted = True
        if self._counts(decision, self.pools[decision.run.run_id][-1 - behind :][0]):
            run_id = decision.run.run_id
            self._nothing_was_done(decision.chunk, decision.again)
            for outcome in decision.outcomes:
                assert (run_id, outcome.row) not in self.decided, "a row was decided twice"
                self.decided[run_id, outcome.row] = outcome.status

    def _counts(self, decision: Decision, pool: Pool) -> bool:
        chunks, chunk, run = self.store.chunks, decision.chunk, decision.run
        tally = ChunkOutcome(chunk, decision.outcomes)
        if not decision.again:
            return bool(chunks.settle(run, [tally], self.now))
        current = self.store.runs.get(run.run_id)
        if current is None:
            return False
        parts = [
            RetryChunk((Span(100 * row, 50, row, 1),), chunk.attempt, False, self.now, ("c", "t"))
            for row in decision.again
        ]
        return chunks.split(replace(run, plan=current.plan), [tally], parts, pool, self.now)

    # Operators, and the end.

    def _open_ends(self, run_id: str) -> bool:
        run, pool = self.runs[run_id][-1], self.pools[run_id][-1]
        if run_id in self.deleted or run.closed_at is not None:
            return True
        if run.status is RunStatus.FAILED:
            return False
        unplanned = not run.plan.done or pool.end <= run.plan.chunks
        under_way = any(chunk.state in IN_FLIGHT for chunk in self.there[run_id])
        return unplanned or pool.left > 0 or under_way

    def close(self) -> None:
        for run_id in RUNS:
            if not self._open_ends(run_id):
                run = self.store.runs.must_get(run_id)
                failed = run.status is RunStatus.FAILED
                assert failed or sum(run.outcomes.values()) == run.plan.row
                status = RunStatus.FAILED if failed else RunStatus.UNRESOLVED
                assert self.store.runs.close(
                    run_id, status, self.now, {}, {}, expires_at=int(self.now) + RETENTION
                )

    def resolve(self, run_id: str, behind: int, result: OutcomeStatus) -> None:
        run = self.run_as_read(run_id, behind)
        if run.closed_at is None:
            return
        if not self.store.runs.ask_resolve(run, self.now):
            return
        rows = self.store.rows
        every = [Outcome(row, result) for row in range(1, BAD_ROW + 1)]
        unknown = {row for name, row in self.decided if self.decided[name, row] is UNKNOWN}
        wanted = [outcome for outcome in every if outcome.row in unknown or behind]
        found = {o.row for o in rows.between(run_id, 1, BAD_ROW) if o.status is UNKNOWN}
        assert rows.resolve(run_id, wanted, run.expires_at).total() == len(found & unknown)
        self.decided |= {(run_id, row): result for row in found}

    def delete(self, run_id: str) -> None:
        run = self.store.runs.get(run_id)
        if run is not None and run.closed_at is not None:
            self.store.rows.purge(run_id, BAD_ROW)
            self.store.runs.delete(run, self.now)
            self.forgotten(run_id)

    def wait(self, part: float) -> None:
        """A part of the retention passes: the sweep does its duty, the table forgets."""
        self.now += part * RETENTION
        # Nobody holds for so long what was claimed and never sent.
        for name, versions in self.chunks.items():
            self.chunks[name] = [c for c in versions if not c.unwritten] or versions[-1:]
        for run_id in RUNS:
            run = self.store.runs.get(run_id)
            if run is not None and run.closed_at is None and is_due(run, RETENTION, self.now):
                expires_at = int(self.now) + kept_seconds(RETENTION)
                self.store.runs.prolong_items(run, expires_at, self.now)
                self.store.rows.prolong(run_id, 1, BAD_ROW, expires_at)
                self.store.runs.prolong(run, expires_at)
            elif run is not None and run.closed_at and run.closed_at + RETENTION <= self.now:
                self.forgotten(run_id)
        expired = [i for i in self.table.items() if 0 < i.get("expires_at", 0) < self.now]
        self.table.delete_many([(item["pk"], item["sk"]) for item in expired])

    def forgotten(self, run_id: str) -> None:
        self.deleted.add(run_id)
        self.decided = {k: v for k, v in self.decided.items() if k[0] != run_id}

    # What always holds.

    @invariant()
    def the_promises_hold(self) -> None:
        self.remember()
        self.slots_are_those_of_chunks()
        self.what_is_in_flight_is_found()
        self.every_run_is_whole()
        self.a_job_belongs_to_one_chunk()
        self.a_chunk_is_in_the_pool_or_under_way()
        self.a_row_is_in_one_place_and_has_its_outcome()

    def slots_are_those_of_chunks(self) -> None:
        holders = [
            chunk
            for run_id in RUNS
            for chunk in self.there[run_id]
            if chunk.holds_slot and chunk.state in HOLDING
        ]
        assert self.store.limits.get(CONNECTION).in_flight == len(holders) <= SLOTS

    def what_is_in_flight_is_found(self) -> None:
        for run_id in RUNS:
            under_way = [c for c in self.there[run_id] if c.state in IN_FLIGHT]
            assert self.store.chunks.in_flight(CONNECTION, run_id) == under_way

    def every_run_is_whole(self) -> None:
        listed = {run.run_id for _, run in self.store.runs.newest()}
        assert listed == set(RUNS) - self.deleted
        still_open = {run.run_id for _, run in self.store.runs.oldest_open()}
        runs = (self.store.runs.get(run_id) for run_id in listed)
        assert still_open == {r.run_id for r in runs if r is not None and r.closed_at is None}

    def a_job_belongs_to_one_chunk(self) -> None:
        jobs = Counter(
            chunk.job_id
            for run_id in RUNS
            for chunk in self.there[run_id]
            if chunk.job_id is not None
        )
        assert all(n == 1 for n in jobs.values()), jobs

    def a_chunk_is_in_the_pool_or_under_way(self) -> None:
        for run_id in set(RUNS) - self.deleted:
            pool = self.pools[run_id][-1]
            offered = pool.released | pool.again
            assert not pool.released & pool.again
            waiting = set()
            for chunk in self.there[run_id]:
                assert chunk.number < pool.cursor or chunk.number > CHUNKS
                if chunk.state is ChunkState.PLANNED:
                    waiting.add(chunk.number)
            assert offered == waiting

    def a_row_is_in_one_place_and_has_its_outcome(self) -> None:
        for run_id in set(RUNS) - self.deleted:
            run = self.store.runs.must_get(run_id)
            if run.status is RunStatus.FAILED:
                assert not sum(run.outcomes.values())
                continue
            owners = {}
            for chunk in self.there[run_id]:
                for row in chunk.row_numbers():
                    assert row not in owners or owners[row].state is ChunkState.SPLIT
                    owners[row] = chunk
            settled = {row for row, chunk in owners.items() if chunk.state in DECIDED}
            decided = {row for name, row in self.decided if name == run_id}
            assert decided - {BAD_ROW} == settled
            outcomes = self.store.rows.between(run_id, 1, BAD_ROW)
            found = {o.row: o.status for o in outcomes if o.row in decided}
            assert found == {row: self.decided[run_id, row] for row in decided}
            counted = {status: n for status, n in run.outcomes.items() if n}
            assert counted == dict(Counter(found.values()))
            for_a_person = {row for row, status in found.items() if status in FOR_A_PERSON}
            listed = {o.row: o.status for o in self.store.rows.for_a_person(run_id, BAD_ROW)}
            assert {row: listed[row] for row in for_a_person} == {
                row: found[row] for row in for_a_person
            }

    def teardown(self) -> None:
        """Whatever has happened, every run that is planned can be brought to its end."""
        for run_id in RUNS:
            run = self.store.runs.get(run_id)
            if run is not None and run.plan.done and run.status is not RunStatus.FAILED:
                self._bring_to_its_end(run)

    def _bring_to_its_end(self, run: Run) -> None:
        chunks = self.store.chunks
        self.store.chunks.open_pool(run)
        for _ in range(20):
            self.now += 1
            for chunk in chunks.in_flight(CONNECTION, run.run_id):
                if chunk.state is not ChunkState.FINISHED:
                    chunks.finish(CONNECTION, [chunk], [self._ending(chunk, False)], self.now)
            for chunk in chunks.in_flight(CONNECTION, run.run_id):
                halted = replace(run, stop=StopReason("aborted", "Stopped."))
                told = (SUCCEEDED,) * ROWS_PER_CHUNK
                results = self.results.get((run.run_id, chunk.number, chunk.attempt), told)
                decision = self._decision(halted, chunk, results, bisected_rows=False)
                self._settle_now(decision)
            pool = chunks.pool(run.run_id)
            if not pool.left:
                break
            known = chunks.get(run.run_id, sorted(pool.released | pool.again))
            offered = [PlannedChunk(chunk.number, chunk.spans) for chunk in known]
            offered += [planned(number) for number in range(pool.cursor, pool.end)]
            assert chunks.claim(run, 0, offered, pool, self.now, max_jobs=None) is not None
        closed = self.store.runs.must_get(run.run_id)
        assert sum(closed.outcomes.values()) == BAD_ROW
        assert len(list(self.store.rows.between(run.run_id, 1, BAD_ROW))) == BAD_ROW
        assert not chunks.in_flight(CONNECTION, run.run_id)

    def _settle_now(self, decision: Decision) -> None:
        tally = ChunkOutcome(decision.chunk, decision.outcomes)
        settled = self.store.chunks.settle(decision.run, [tally], self.now)
        assert settled == [decision.chunk.number]
