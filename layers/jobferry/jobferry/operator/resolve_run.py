"""Resolve: ask the vendor once more about the rows of a closed run that are `unknown`.

A job that was given up (`job_never_ended`, or a vendor that refused to be read) may have ended
since, and its results may still be there; a submission whose answer was lost is searched for once
more. Nothing is sent.

It is an operator request, noted on the run: that opens the run again first, and an execution works
on it before it writes new files (`close_run`). So it can die at any point. What was decided is
decided, in the transaction that counts it; whoever comes next goes on after the last chunk that was
done, and asks about one twice at the worst.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from jobferry.binding.run_binding import RunContext, load_context
from jobferry.deps import Deps
from jobferry.domain.chunk import Chunk, lost_from
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Resolving, Run
from jobferry.domain.types import JsonObject
from jobferry.lane.claimed_jobs import LISTED, ClaimedJobs
from jobferry.operator.unknown_rows import UnknownRows, never_taken
from jobferry.operator.vendor_requests import VendorSession, VendorUnavailableError, vendor_session
from jobferry.store.objects import SourceError
from jobferry.vendors.answers import DATA_ERRORS, Ambiguous, Found, FoundState, JobPhase, JobReading
from jobferry.vendors.connections import ConnectionMissingError
from jobferry.vendors.lost_submission import NO_JOBS, JobsUnreadError, LostSubmission

JOBS_AT_ONCE = 100
"""Jobs whose answers are held in memory, and kept as evidence together."""

WAITS_FOR = 900.0
"""Seconds after the request for which the vendor's waits are waited for; then the run is closed
with what is known, and asking again is the operator's."""

SEEN_WITHIN = 600.0
"""Seconds after a submission within which its job or its records may still show themselves."""

TRIES = 4
"""Requests for the same jobs, or searches for the same submission, without a clear answer."""

TRY_AGAIN = 15.0
"""Seconds until the next of them, where the vendor does not say."""

NOT_ASKED = "The vendor could not be asked about all unknown rows"
SOURCE_GONE = "The file can no longer be read, so that not all unknown rows could be looked up"

_BLOCKED = "It has asked for no request for now."

Start = Callable[[str, str], None]
"""(run id, ARN of the execution that closed it): start one that goes on with the run."""


def ask_resolve(run: Run, deps: Deps, start: Start, *, by: str | None = None) -> Run:
    """Note the request on a closed run, and start an execution. Repeating it changes nothing.

    Args:
        by: who asks; None: nobody knows.

    Returns:
        The run as it is now.

    Raises:
        LookupError: the run's connection or profile is gone.
    """
    load_context(run, deps)
    if not deps.store.runs.ask_resolve(run, deps.now(), by=by):
        # It is open: asked before, maybe by this very call, whose answer was lost.
        run = deps.store.runs.must_get(run.run_id)
        if run.closed_at is not None or run.resolving is None or run.resolving.done:
            return run
    start(run.run_id, run.execution)
    return deps.store.runs.must_get(run.run_id)


def resolve_on(run: Run, deps: Deps, deadline: float) -> bool:
    """Work on the request of a run, as far as the time goes. Repeating it changes nothing.

    A vendor that cannot be asked leaves rows unknown, and the run is warned of it.

    Args:
        run: with `resolving`.
        deadline: epoch seconds at which to put the work aside.

    Returns:
        Whether nothing is left to be learned now.
    """
    resolving = run.resolving
    if resolving is None or resolving.done:
        return True
    try:
        return _Resolve(run, resolving, deps, deadline).work()
    except _OutOfTimeError:
        return False
    except (VendorUnavailableError, ConnectionMissingError) as error:
        return _give_up(run, str(error), deps)
    except Exception as error:
        if deps.now() < resolving.asked_at + WAITS_FOR:
            raise  # the state machine tries again
        return _give_up(run, f"{type(error).__name__}.", deps)


def _give_up(run: Run, why: str, deps: Deps) -> bool:
    """Close with what is known, and say why it is not more."""
    deps.warn("resolve given up", run_id=run.run_id)
    deps.store.runs.warn(run.run_id, f"{NOT_ASKED}. {why}")
    return _done(run, deps)


def _done(run: Run, deps: Deps) -> bool:
    """Note that the request is done; false when somebody else is at it."""
    runs = deps.store.runs
    so_far = runs.must_get(run.run_id).resolving
    if so_far is not None and not so_far.done:
        runs.go_on_resolving(run.run_id, so_far, replace(so_far, done=True))
        so_far = runs.must_get(run.run_id).resolving
    return so_far is None or so_far.done


class _OutOfTimeError(Exception):
    """The invocation is at its end, and the vendor wants to be left alone until after it."""


class _Resolve:
    """One invocation's work on a request."""

    def __init__(self, run: Run, resolving: Resolving, deps: Deps, deadline: float) -> None:
        self.run = run
        self.resolving = resolving
        self.deps = deps
        self.deadline = deadline
        self.known_jobs = ClaimedJobs(run, deps)

    def work(self) -> bool:
        """Look after all chunks that are left; false when the time is up, or somebody else is at
        it.

        Raises:
            VendorUnavailableError: the vendor cannot be asked.
            _OutOfTimeError
        """
        unknown = self._unknown()
        retry_after_until = self.deps.store.limits.get(self.run.connection).retry_after_until
        self._wait(VendorUnavailableError(_BLOCKED, retry_after_until))
        with vendor_session(self.run.connection, self.deps) as asked:
            try:
                context = load_context(self.run, self.deps)
                for chunks in self._batches(unknown):
                    if self.deps.now() >= self.deadline:
                        return False
                    ended = self._decide(chunks, unknown, context, asked)
                    if not self._note(chunks, ended):
                        return False
            finally:
                self.deps.store.runs.count(self.run, 0, {"other": asked.meter.taken})
        return _done(self.run, self.deps)

    def _unknown(self) -> UnknownRows:
        found: dict[str | None, set[int]] = {}
        for outcome in self.deps.store.rows.for_a_person(self.run.run_id, self.run.rows):
            if outcome.status is OutcomeStatus.UNKNOWN:
                found.setdefault(outcome.job_id, set()).add(outcome.row)
        return UnknownRows({job_id: frozenset(rows) for job_id, rows in found.items()})

    def _batches(self, unknown: UnknownRows) -> Iterator[list[Chunk]]:
        """Chunks of which the vendor can be asked, in order."""
        batch: list[Chunk] = []
        for chunk in self.deps.store.chunks.all(self.run.run_id, self.resolving.after + 1):
            was_sent = chunk.job_id is not None or chunk.sending_at is not None
            if was_sent and unknown.of(chunk):
                batch.append(chunk)
            if len(batch) == JOBS_AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def _note(self, chunks: Sequence[Chunk], ended: int) -> bool:
        """These chunks are done; false when somebody else has gone on."""
        runs, before = self.deps.store.runs, self.resolving
        self.resolving = replace(
            before,
            after=chunks[-1].number,
            jobs=before.jobs + len(chunks),
            ended=before.ended + ended,
        )
        if runs.go_on_resolving(self.run.run_id, before, self.resolving):
            return True
        return runs.must_get(self.run.run_id).resolving == self.resolving

    def _decide(
        self,
        chunks: Sequence[Chunk],
        unknown: UnknownRows,
        context: RunContext,
        asked: VendorSession,
    ) -> int:
        """Decide what can be decided of these chunks; returns how many jobs could be read.

        Raises:
            VendorUnavailableError: the vendor cannot be asked about all of them; what it has
                reported is written.
        """
        found: dict[str, Chunk] = {}
        trouble: VendorUnavailableError | None = None
        for chunk in chunks:
            if chunk.job_id is not None:
                found[chunk.job_id] = chunk
                continue
            try:
                adopted = self._search(chunk, unknown, context, asked)
            except VendorUnavailableError as error:
                trouble = error
                break
            if adopted is not None:
                found[str(adopted.job_id)] = adopted
        readings: dict[str, JobReading] = {}
        if trouble is None:
            trouble = self._read(list(found), readings, asked)
        ended = {
            job_id: reading.raw
            for job_id, reading in readings.items()
            if reading.phase is JobPhase.ENDED and reading.raw is not None
        }
        self._keep(ended)
        for job_id, raw in ended.items():
            outcomes = self._outcomes(found[job_id], raw, unknown, context)
            self._put(outcomes)
        if trouble is not None:
            raise trouble
        return len(ended)

    def _put(self, outcomes: Sequence[Outcome]) -> None:
        run = self.run
        decided = self.deps.store.rows.resolve(
            run.run_id, outcomes, run.expires_at, row_items=run.row_items
        )
        if decided:
            self.deps.log("rows resolved", run_id=self.run.run_id, rows=decided.total())

    def _read(
        self, job_ids: Sequence[str], readings: dict[str, JobReading], asked: VendorSession
    ) -> VendorUnavailableError | None:
        """Read jobs into `readings`; returns what kept the vendor from reporting all of them."""
        for _ in range(TRIES):
            left = [job_id for job_id in job_ids if job_id not in readings]
            if not left:
                return None
            answer = asked.linked.client.poll(left)
            readings.update(answer.readings)
            no = answer.refused or answer.throttled
            if no is None and answer.problem is None:
                return None
            trouble = asked.no(no or Ambiguous(answer.problem or ""))
            if answer.refused is not None:
                return trouble
            try:
                self._wait(trouble)
            except VendorUnavailableError as error:
                return error
        return trouble

    def _search(
        self,
        chunk: Chunk,
        unknown: UnknownRows,
        context: RunContext,
        asked: VendorSession,
    ) -> Chunk | None:
        """Search for a lost submission once more; returns the chunk with its job, if it has one.

        Raises:
            VendorUnavailableError: the vendor cannot be asked.
        """
        lost = self._lost(chunk, context)
        if lost is None:
            return None
        for _ in range(TRIES):
            try:
                found = asked.linked.client.find(context.operation, lost, self.deps.now())
            except JobsUnreadError:
                return None
            except DATA_ERRORS as error:
                self._unreadable(chunk, error)
                return None
            if found.throttled is None or found.state in (FoundState.FOUND, FoundState.ABSENT):
                break
            self._wait(asked.no(found.throttled))
        self.deps.log(
            "lost submission searched for again",
            run_id=self.run.run_id,
            chunk=chunk.number,
            found=found.state.value,
        )
        if found.state is FoundState.ABSENT and self._is_proof(lost, context):
            self._put(never_taken(chunk, unknown))
        return self._adopted(chunk, found) if found.state is FoundState.FOUND else None

    def _lost(self, chunk: Chunk, context: RunContext) -> LostSubmission | None:
        """What is known of a submission; None when too much of it cannot be read."""
        by_token = context.vendor.capabilities.token_search
        try:
            records = context.records(chunk)
        except SourceError:
            self.deps.store.runs.warn(self.run.run_id, SOURCE_GONE)
            if not by_token:
                return None
            records = []
        return LostSubmission(
            token=chunk.token,
            sent_at=chunk.sending_at or 0.0,
            records=records,
            jobs=NO_JOBS if by_token else self.known_jobs.beside(chunk, self.deadline),
            lost_at=lost_from(chunk),
        )

    def _is_proof(self, lost: LostSubmission, context: RunContext) -> bool:
        """Whether it is certain by now that a submission was not applied if it is not found.

        A list of recent jobs no longer has old ones, so that it takes a token or the records.
        """
        now, can = self.deps.now(), context.vendor.capabilities
        if now < lost.lost_at + SEEN_WITHIN:
            return False
        name = context.operation.external_id_field
        by_records = can.record_lookup and bool(name) and all(r.get(name) for r in lost.records)
        return can.token_search or by_records or now < lost.sent_at + LISTED

    def _adopted(self, chunk: Chunk, found: Found) -> Chunk | None:
        """The chunk with the job that was found; None when that is another chunk's."""
        if found.job_id is None:
            return None
        chunks = self.deps.store.chunks
        if not chunks.adopt_late(self.run.connection, chunk, found.job_id):
            (now,) = chunks.get(self.run.run_id, [chunk.number])
            if now.job_id != found.job_id:
                return None
        return replace(chunk, job_id=found.job_id)

    def _outcomes(
        self, chunk: Chunk, raw: JsonObject, unknown: UnknownRows, context: RunContext
    ) -> list[Outcome]:
        """Outcomes of the chunk's unknown rows that the job's results decide."""
        try:
            results = context.vendor.read_results(
                context.operation, raw, chunk.rows, partial(context.records, chunk)
            )
        except SourceError:
            self.deps.store.runs.warn(self.run.run_id, SOURCE_GONE)
            return []
        except DATA_ERRORS as error:
            self._unreadable(chunk, error)
            return []
        return unknown.decided_by(chunk, results)

    def _unreadable(self, chunk: Chunk, error: Exception) -> None:
        """An answer that is not as this vendor's answers are costs its own rows and no others."""
        name = type(error).__name__
        self.deps.warn("answer of no use", run_id=self.run.run_id, chunk=chunk.number, error=name)

    def _keep(self, jobs: Mapping[str, JsonObject]) -> None:
        """Keep what was read as evidence, beside that of the run's lanes."""
        if jobs:
            now = self.deps.now()
            digest = hashlib.sha256(",".join(sorted(jobs)).encode()).hexdigest()[:8]
            key = f"evidence/{self.run.run_id}/resolved-{int(now * 1000)}-{digest}.json"
            self.deps.objects.put_json(key, {"polled_at": now, "jobs": dict(jobs)})

    def _wait(self, trouble: VendorUnavailableError) -> None:
        """Wait until the vendor may be asked again.

        Raises:
            VendorUnavailableError: that is too long.
            _OutOfTimeError: that is after the end of this invocation.
        """
        now = self.deps.now()
        until = now + TRY_AGAIN if trouble.until is None else trouble.until
        if until <= now:
            return
        if until > self.resolving.asked_at + WAITS_FOR:
            raise trouble
        self.deps.sleep(max(0.0, min(until, self.deadline) - now))
        if until >= self.deadline:
            raise _OutOfTimeError
