"""Promises about one run of a scenario that has ended: what it breaks of them, in sentences."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.row_verdict import ABORTED_BY_FORCE
from jobferry.domain.run import Run, RunStatus
from jobferry.store import keys
from tests.chaos.ground_truth import GroundTruth, Sent
from tests.chaos.history import History
from tests.chaos.operator_actor import SANDBOX
from tests.chaos.outages import SECRET, SOURCE
from tests.chaos.scenario import (
    AbortRun,
    DuplicateEvent,
    DuplicateTask,
    FaultKind,
    File,
    StopExecution,
    letter,
)
from tests.chaos.scripted_account import ScriptedAccount
from virtual.vendor import old_name
from virtual.world import CONNECTION

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED
REJECTED, SKIPPED = OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED
UNKNOWN = OutcomeStatus.UNKNOWN

KNOWLEDGE_IS_LOST = frozenset(FaultKind) - {FaultKind.SLOW_ANSWER, FaultKind.SLOW_REQUEST}
"""What leaves somebody without knowledge of what was done."""


@dataclass
class Result:
    """One file of a scenario that has ended: what the store says, and what is true."""

    history: History
    index: int
    file: File

    @property
    def truth(self) -> GroundTruth:
        return self.history.world.truth

    @cached_property
    def run(self) -> Run | None:
        return self.history.world.store.runs.get(self.history.run_id(self.index))

    @cached_property
    def outcomes(self) -> dict[int, Outcome]:
        return self.history.world.outcomes(self.history.run_id(self.index))

    @cached_property
    def refused(self) -> bool:
        """Whether the run has failed, with a reason, before its rows were known and any was sent:
        nobody may ever read its file, or it was ended by force before it was planned."""
        scenario, run = self.history.scenario, self.run
        unread = any(o.what == SOURCE and o.permanent for o in scenario.outages)
        forced = run is not None and run.forced
        if run is None or run.status is not RunStatus.FAILED or not (unread or forced):
            return False
        sent = any(self.sent(row) for row in range(1, self.file.rows + 1))
        return bool(run.error) and run.planned_at is None and not (self.outcomes or sent)

    @cached_property
    def applied(self) -> Mapping[int, list[str]]:
        """Row → ids of what the vendor made of it, one for each time."""
        return self._applied("")

    @cached_property
    def own_applied(self) -> Mapping[int, list[str]]:
        """The same, of what the file's own run made alone."""
        run_id = self.history.run_id(self.index)
        moved = self.run is not None and self.run.base_url == SANDBOX
        return self._applied(run_id, self.history.world.other_account if moved else None)

    def _applied(
        self, run_id: str, account: ScriptedAccount | None = None
    ) -> Mapping[int, list[str]]:
        every = (account or self.truth).applied(run_id)
        return {row: every.get(self.name(row), []) for row in range(1, self.file.rows + 1)}

    def name(self, row: int) -> str:
        return f"{letter(self.index)}{row}"

    def sent(self, row: int) -> Sequence[Sent]:
        """The submissions of the file's own run that held a row."""
        return self.truth.sent(self.name(row), self.history.run_id(self.index))

    def sentence(self, row: int, text: str) -> str:
        return f"Row {self.name(row)} {text}"


Promise = Callable[[Result], Iterator[str]]


def ends(result: Result) -> Iterator[str]:
    """Every run is closed."""
    run = result.run
    if run is None:
        yield f"File {letter(result.index)} never became a run."
    elif run.closed_at is None or not run.status.closed:
        yield f"Run {letter(result.index)} is not closed: it is {run.status.value}."


def sum_holds(result: Result) -> Iterator[str]:
    """rows = succeeded + failed + rejected + skipped + unknown, and the counters say so."""
    run = result.run
    if run is None or run.closed_at is None or result.refused:
        return
    counted = Counter(outcome.status for outcome in result.outcomes.values())
    reported = {status: n for status, n in run.outcomes.items() if n}
    if reported != dict(counted):
        yield f"Run {letter(result.index)} counts {plain(reported)}, its rows {plain(counted)}."
    if sum(reported.values()) != result.file.rows or run.rows != result.file.rows:
        yield (
            f"Run {letter(result.index)} does not add up: {result.file.rows} rows in the file, "
            f"{run.rows} in the run, {sum(reported.values())} counted."
        )


def one_outcome_each(result: Result) -> Iterator[str]:
    """Every row of the file has exactly one outcome."""
    run = result.run
    if run is None or run.closed_at is None or result.refused:
        return
    for row in sorted(set(range(1, result.file.rows + 1)) ^ set(result.outcomes)):
        text = "is no row of the file" if row in result.outcomes else "has no outcome: it is lost"
        yield result.sentence(row, f"{text}.")


def outcomes_are_true(result: Result) -> Iterator[str]:
    """No outcome says what the vendor knows to be otherwise."""
    for row, outcome in sorted(result.outcomes.items()):
        made = result.own_applied.get(row, [])
        match outcome.status:
            case OutcomeStatus.SUCCEEDED if outcome.vendor_id not in made:
                yield result.sentence(
                    row, f"succeeded as {outcome.vendor_id}; the vendor made {made or 'nothing'}."
                )
            case OutcomeStatus.FAILED | OutcomeStatus.REJECTED | OutcomeStatus.SKIPPED if (
                made and not result.truth.denies_job(result.name(row))
            ):
                why = f"{outcome.status.value} ({outcome.error_code})"
                yield result.sentence(row, f"is {why}, and the vendor made {made} of it.")


def success_is_stated(result: Result) -> Iterator[str]:
    """No row has succeeded by an answer that cannot be used."""
    for row, outcome in sorted(result.outcomes.items()):
        if outcome.status is SUCCEEDED and result.truth.is_unusable(outcome.job_id or ""):
            yield result.sentence(row, f"succeeded; the answer about {outcome.job_id} is unusable.")


def bad_rows_are_not_sent(result: Result) -> Iterator[str]:
    """Rows that cannot be used are rejected, repeats are skipped, and none of them is sent."""
    file = result.file
    for row, outcome in sorted(result.outcomes.items()):
        bad = row in file.bad
        repeat = file.keyed and row in file.repeats and not bad and 1 not in file.bad
        if bad != (outcome.status is REJECTED):
            yield result.sentence(row, f"is {outcome.status.value} ({outcome.error_code}).")
        if (bad or repeat) and result.sent(row):
            yield result.sentence(row, "should never have been sent.")
        halted = result.run is not None and result.run.stop is not None
        if outcome.status is SKIPPED and not (halted or repeat or row in file.repeats):
            yield result.sentence(
                row, f"is skipped ({outcome.error_code}), and nobody stopped the run."
            )


def nothing_twice(result: Result) -> Iterator[str]:
    """No record is applied twice, unless the operation is repeatable."""
    for row, made in result.applied.items():
        excused = result.file.repeatable or result.truth.denies_job(result.name(row))
        if len(made) > 1 and not excused:
            yield result.sentence(row, f"was applied {len(made)} times: {', '.join(made)}.")


def attempts_are_bounded(result: Result) -> Iterator[str]:
    """A row is in at most `max_attempts` jobs, and no more attempts are noted.

    An outage charges no attempt: a job that a submission without an answer made in one does not
    count, be it that the vendor gave none or that the function died of it, where its row may be
    repeated, or nothing was done in it.
    """
    most = max(1, result.file.max_attempts)
    world = result.history.world
    limits = world.store.limits.get(CONNECTION)
    was_out = bool(limits.outages or limits.in_outage)

    def is_noted(job_id: str) -> bool:
        mark = {"pk": keys.connection(CONNECTION), "sk": keys.job_of_chunk(job_id)}
        return any(item.items() >= mark.items() for item in world.table.items())

    def is_forgiven(row: int, sent: Sent) -> bool:
        done = sent.job_id in result.applied.get(row, ())
        unknown = sent.answer_lost or not is_noted(str(sent.job_id))
        return was_out and unknown and (result.file.repeatable or not done)

    for row, outcome in sorted(result.outcomes.items()):
        jobs = [
            sent.job_id
            for sent in result.sent(row)
            if sent.job_id is not None and not is_forgiven(row, sent)
        ]
        if outcome.attempts > most or len(jobs) > most:
            yield result.sentence(
                row, f"is in {len(jobs)} jobs ({outcome.attempts} attempts noted), not {most}."
            )


def trials_wait(result: Result) -> Iterator[str]:
    """A trial sends its rows, and no other before the operator has approved it."""
    file = result.file
    if not file.trial:
        return
    repeats = file.repeats if file.keyed else ()
    sendable = [n for n in range(1, file.rows + 1) if n not in file.bad and n not in repeats]
    approved_at = result.history.approved_at.get(result.index, float("inf"))
    for row in sendable[file.trial :]:
        if any(sent.at < approved_at for sent in result.sent(row)):
            yield result.sentence(row, f"was sent in a trial of {file.trial} rows.")


def unknown_is_unknowable(result: Result) -> Iterator[str]:
    """A row is `unknown` only where the vendor could not say what became of it."""
    for row, outcome in sorted(result.outcomes.items()):
        if outcome.status is UNKNOWN and not _unknowable(result, row, outcome):
            yield result.sentence(row, f"is unknown ({outcome.error_code}), and the vendor knew.")


def files_hold_every_row_once(result: Result) -> Iterator[str]:
    """The result files hold every row once, under its outcome."""
    run = result.run
    if run is None or run.closed_at is None or result.refused:
        return
    written: Counter[tuple[int, str]] = Counter()
    for status in OutcomeStatus:
        key = f"results/{run.run_id}/{status.value}.csv"
        if key not in result.history.world.objects.keys(key):
            yield f"Run {letter(result.index)} has no {status.value}.csv."
            continue
        text = result.history.world.objects.get(key).decode("utf-8-sig")
        for line in csv.DictReader(io.StringIO(text)):
            written[int(line["jobferry_row"]), status.value] += 1
    expected = Counter((row, outcome.status.value) for row, outcome in result.outcomes.items())
    if written != expected:
        yield (
            f"The result files of run {letter(result.index)} differ from its outcomes: "
            f"{sorted((written - expected) + (expected - written))}."
        )


def _unknowable(result: Result, row: int, outcome: Outcome) -> bool:
    """Whether what is true bears out the reason that a row gives for being unknown."""
    if any(outage.permanent for outage in result.history.scenario.outages):
        return True
    if outcome.error_code == ABORTED_BY_FORCE:
        return any(
            isinstance(each, AbortRun) and each.force for each in result.history.scenario.actions
        )
    reported = result.truth.confirms(result.name(row), outcome)
    return _uncertain(result, row) if reported is None else reported


def _uncertain(result: Result, row: int) -> bool:
    """Whether somebody may have been left in doubt about a row, by the vendor or on our side."""
    history = result.history
    return (
        result.truth.left_uncertain(result.name(row))
        or any(fault_kind in KNOWLEDGE_IS_LOST for _, fault_kind in history.injected)
        # A function that dies of it has noted that it sends, and nobody else knows that it did not.
        # Rows that may be repeated are not searched for until that is certain: they go again.
        or (result.file.repeatable and any(o.what == SECRET for o in history.scenario.outages))
        or any(
            isinstance(action, DuplicateTask | DuplicateEvent | StopExecution)
            for action in history.scenario.actions
        )
    )


def changes_are_kept(result: Result) -> Iterator[str]:
    """What a record was before the run is kept of every row that was sent."""
    if not result.file.snapshot or result.run is None:
        return
    objects, kept = result.history.world.objects, dict[int, Any]()
    for key in objects.keys(f"snapshots/{result.run.run_id}/"):
        for row, record in objects.get_json(key)["rows"]:
            kept.setdefault(row, record)
    for row in range(1, result.file.rows + 1):
        # Of rows with one key each changes the other's record.
        if row in result.file.repeats or (row == 1 and result.file.repeats):
            continue
        was = {"name": old_name(f"{letter(result.index)}-k{row}")}
        if result.sent(row) and (row not in kept or kept[row]["fields"] != was):
            yield result.sentence(row, f"was sent; of its record is kept: {kept.get(row)}.")


def plain(counts: Mapping[OutcomeStatus, int]) -> dict[str, int]:
    return {status.value: n for status, n in sorted(counts.items())}


OF_A_RUN: tuple[Promise, ...] = (
    changes_are_kept,
    ends,
    sum_holds,
    one_outcome_each,
    outcomes_are_true,
    success_is_stated,
    bad_rows_are_not_sent,
    nothing_twice,
    attempts_are_bounded,
    trials_wait,
    unknown_is_unknowable,
    files_hold_every_row_once,
)
