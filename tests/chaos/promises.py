"""The promises, one function each: what a story that has ended breaks of them, in sentences."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.row_verdict import ABORTED_BY_FORCE
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.job_control import ABORTED
from jobferry.store import keys
from tests.chaos.carry import Told
from tests.chaos.hostile import LONGEST_WAIT, WAITS
from tests.chaos.outages import SECRET, SOURCE
from tests.chaos.person import SANDBOX
from tests.chaos.story import Abort, Again, Event, File, Harm, Reupload, Stop, Story, letter
from tests.chaos.truth import Sent, Truth
from tests.chaos.vendor import Teller
from tests.fakes.clock import START
from tests.fakes.world import CONNECTION

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED
REJECTED, SKIPPED = OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED
UNKNOWN = OutcomeStatus.UNKNOWN

MINUTE = 60.0

UNHURRIED = 900.0
"""Seconds in which a run goes on that a sweep has to carry on, or that looks seldom at its jobs."""

MANY_RUNS = 4
MUCH_LONGER = 3.0
"""What an urgent run may take beside many others, against what it takes alone with one slot: nobody
is starved. How soon an urgent run is served is measured in benchmarks."""

HARMFUL = frozenset(Harm) - {Harm.SLOW_ANSWER, Harm.SLOW_REQUEST}
"""What leaves somebody without knowledge of what was done."""


@dataclass
class Result:
    """One file of a story that has ended: what the ledger says, and what is true."""

    told: Told
    index: int
    file: File

    @property
    def truth(self) -> Truth:
        return self.told.world.truth

    @cached_property
    def run(self) -> Run | None:
        return self.told.world.store.runs.get(self.told.run_id(self.index))

    @cached_property
    def outcomes(self) -> dict[int, Outcome]:
        return self.told.world.outcomes(self.told.run_id(self.index))

    @cached_property
    def refused(self) -> bool:
        """Whether the run has failed, with a reason, before its rows were known and any was sent:
        nobody may ever read its file, or it was ended by force before it was planned."""
        story, run = self.told.story, self.run
        unread = any(o.what == SOURCE and o.lasts_for_ever for o in story.outages)
        forced = run is not None and run.forced
        if run is None or run.status is not RunStatus.FAILED or not (unread or forced):
            return False
        sent = any(self.sent(row) for row in range(1, self.file.rows + 1))
        return bool(run.error) and run.planned_at is None and not (self.outcomes or sent)

    @cached_property
    def doings(self) -> Mapping[int, list[str]]:
        """Row → ids of what the vendor made of it, one for each time."""
        return self._doings("")

    @cached_property
    def own_doings(self) -> Mapping[int, list[str]]:
        """The same, of what the file's own run made alone."""
        run_id = self.told.run_id(self.index)
        moved = self.run is not None and self.run.base_url == SANDBOX
        return self._doings(run_id, self.told.world.elsewhere if moved else None)

    def _doings(self, run_id: str, account: Teller | None = None) -> Mapping[int, list[str]]:
        every = (account or self.truth).doings(run_id)
        return {row: every.get(self.name(row), []) for row in range(1, self.file.rows + 1)}

    def name(self, row: int) -> str:
        return f"{letter(self.index)}{row}"

    def sent(self, row: int) -> Sequence[Sent]:
        """The submissions of the file's own run that held a row."""
        return self.truth.sent(self.name(row), self.told.run_id(self.index))

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
    said = {status: n for status, n in run.outcomes.items() if n}
    if said != dict(counted):
        yield f"Run {letter(result.index)} counts {_plain(said)}; its rows are {_plain(counted)}."
    if sum(said.values()) != result.file.rows or run.rows != result.file.rows:
        yield (
            f"Run {letter(result.index)} does not add up: {result.file.rows} rows in the file, "
            f"{run.rows} in the run, {sum(said.values())} counted."
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
        made = result.own_doings.get(row, [])
        match outcome.status:
            case OutcomeStatus.SUCCEEDED if outcome.vendor_id not in made:
                yield result.sentence(
                    row, f"succeeded as {outcome.vendor_id}; the vendor made {made or 'nothing'}."
                )
            case OutcomeStatus.FAILED | OutcomeStatus.REJECTED | OutcomeStatus.SKIPPED if (
                made and not result.truth.denied(result.name(row))
            ):
                why = f"{outcome.status.value} ({outcome.error_code})"
                yield result.sentence(row, f"is {why}, and the vendor made {made} of it.")


def success_is_stated(result: Result) -> Iterator[str]:
    """No row has succeeded by an answer that cannot be used."""
    for row, outcome in sorted(result.outcomes.items()):
        if outcome.status is SUCCEEDED and result.truth.is_unusable(outcome.job_id or ""):
            yield result.sentence(row, f"succeeded; what was said of {outcome.job_id} is unusable.")


def bad_rows_stay_home(result: Result) -> Iterator[str]:
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
            yield result.sentence(row, f"is skipped ({outcome.error_code}), and nobody said stop.")


def nothing_twice(result: Result) -> Iterator[str]:
    """No record is carried out twice, unless the operation is repeatable."""
    for row, made in result.doings.items():
        excused = result.file.repeatable or result.truth.denied(result.name(row))
        if len(made) > 1 and not excused:
            yield result.sentence(row, f"was carried out {len(made)} times: {', '.join(made)}.")


def attempts_are_bounded(result: Result) -> Iterator[str]:
    """A row is in at most `max_attempts` jobs, and no more attempts are noted.

    An outage charges no attempt: a job that a submission without an answer made in one does not
    count, be it that the vendor gave none or that the function died of it, where its row may be
    repeated, or nothing was done in it.
    """
    most = max(1, result.file.max_attempts)
    world = result.told.world
    limits = world.store.limits.get(CONNECTION)
    was_out = bool(limits.outages or limits.in_outage)

    def is_noted(job_id: str) -> bool:
        mark = {"pk": keys.connection(CONNECTION), "sk": keys.job_of_chunk(job_id)}
        return any(item.items() >= mark.items() for item in world.table.items())

    def is_forgiven(row: int, sent: Sent) -> bool:
        done = sent.job_id in result.doings.get(row, ())
        unknown = sent.unheard or not is_noted(str(sent.job_id))
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
    """A trial sends its rows, and no other before somebody has said yes."""
    file = result.file
    if not file.trial:
        return
    repeats = file.repeats if file.keyed else ()
    sendable = [n for n in range(1, file.rows + 1) if n not in file.bad and n not in repeats]
    yes_at = result.told.yes_at.get(result.index, float("inf"))
    for row in sendable[file.trial :]:
        if any(sent.at < yes_at for sent in result.sent(row)):
            yield result.sentence(row, f"was sent in a trial of {file.trial} rows.")


def unknown_is_unknowable(result: Result) -> Iterator[str]:
    """`unknown` is said only where the vendor could not tell."""
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
        if key not in result.told.world.objects.keys(key):
            yield f"Run {letter(result.index)} has no {status.value}.csv."
            continue
        text = result.told.world.objects.get(key).decode("utf-8-sig")
        for line in csv.DictReader(io.StringIO(text)):
            written[int(line["jobferry_row"]), status.value] += 1
    expected = Counter((row, outcome.status.value) for row, outcome in result.outcomes.items())
    if written != expected:
        yield (
            f"The result files of run {letter(result.index)} differ from its outcomes: "
            f"{sorted((written - expected) + (expected - written))}."
        )


def account_is_left_clean(told: Told) -> Iterator[str]:
    """Slots are back at zero; nothing points to work that is over; no share is held."""
    world = told.world
    slots = world.store.limits.get(CONNECTION).in_flight
    if slots:
        yield f"{slots} slots are still taken."
    pointers = list(world.store.chunks.pointers(CONNECTION))
    if pointers:
        yield f"Pointers are left: {pointers}."
    for item in world.table.query(keys.connection(CONNECTION), prefix=keys.demand("")):
        # What one that was slow says of a closed run is heeded for `DEMAND_SECONDS`, and no more.
        said_by = told.needs_said[item["run_id"]]
        if said_by is None or not said_by.slowed:
            yield f"A demand is left: {item['run_id']}."
    if world.objects.open_uploads:
        yield f"{world.objects.open_uploads} uploads in parts are left open."


def jobs_are_bounded(told: Told) -> Iterator[str]:
    """Never more jobs in flight than the operator and the vendor allow, of those that the vendor
    shows, ends, and does not deny."""
    most = min(max(1, told.story.max_jobs), told.world.truth.max_jobs)
    seen = told.world.truth.most_at_once()
    if seen > most:
        yield f"{seen} jobs were in flight at once, {most} are allowed."


def patience_is_kept(told: Told) -> Iterator[str]:
    """No request while the vendor asks for patience."""
    for request in told.world.truth.impatient[:3]:
        yield f"A request although the vendor had asked for patience: {request}."


def waits_are_bounded(told: Told) -> Iterator[str]:
    """Nothing waits longer than an hour for one Retry-After, whatever it says."""
    story, truth = told.story, told.world.truth
    if story.outages or not _asks_absurdly(story):
        return
    runs = [told.world.store.runs.get(told.run_id(index)) for index in range(len(story.files))]
    open_until = max((run.closed_at or math.inf for run in runs if run is not None), default=0.0)
    moments = [request.at for request in truth.requests]
    for asked_at in truth.asked_at:
        latest = asked_at + LONGEST_WAIT + UNHURRIED
        if open_until > latest and not any(asked_at < at <= latest for at in moments):
            yield f"Nothing was asked within {LONGEST_WAIT + UNHURRIED:.0f} s of {asked_at:.1f}."


def _asks_absurdly(story: Story) -> bool:
    """Whether the vendor names a wait that nobody can mean."""
    troubles = () if story.site is None else story.site.troubles
    in_memory = (*story.vendor.replies, *story.vendor.polls)
    return any(reply.retry_after in WAITS for reply in in_memory) or any(
        isinstance(each.wait, str) or not 0 <= (each.wait or 0) <= LONGEST_WAIT for each in troubles
    )


def requests_are_bounded(told: Told) -> Iterator[str]:
    """Never more requests in any 60 s than the operator allows, whoever sends them."""
    if not told.story.per_minute:
        return
    most = told.per_minute
    moments = [r.at for r in told.world.truth.requests if r.who is None or not r.who.slowed]
    first = 0
    worst, when = 0, 0.0
    for last, at in enumerate(moments):
        while moments[first] <= at - MINUTE:
            first += 1
        if last - first + 1 > worst:
            worst, when = last - first + 1, at
    if worst > most:
        yield f"{worst} requests in the minute before {when - START:.1f} s, {most} are allowed."


def long_outages_are_survived(told: Told) -> Iterator[str]:
    """What fails for ever ends the run with a reason that a person can read."""
    if not any(outage.lasts_for_ever for outage in told.story.outages):
        return
    for index in range(len(told.story.files)):
        run = told.world.store.runs.get(told.run_id(index))
        if run is None or run.closed_at is None:
            continue
        left = [
            outcome
            for outcome in told.world.outcomes(run.run_id).values()
            if outcome.status in (SKIPPED, UNKNOWN) and "duplicate" not in str(outcome.error_code)
        ]
        reasons = run.error or run.stop or all(outcome.error for outcome in left)
        if left and not reasons:
            yield f"Run {letter(index)} has ended without a reason; {len(left)} rows are not done."


def extra_runs_end(told: Told) -> Iterator[str]:
    """What a person sends again ends as well, and adds up."""
    for extra in told.extras:
        run = told.world.store.runs.get(extra.run_id)
        if run is None or run.closed_at is None or not run.status.closed:
            yield f"{extra.run_id} is not closed."
            continue
        counted = Counter(o.status for o in told.world.outcomes(extra.run_id).values())
        if {status: n for status, n in run.outcomes.items() if n} != dict(counted):
            yield f"{extra.run_id} counts {_plain(run.outcomes)}; its rows are {_plain(counted)}."


def one_account(told: Told) -> Iterator[str]:
    """A run is carried to the account that it was opened for, wherever its connection points."""
    elsewhere = getattr(told.world, "elsewhere", None)
    if elsewhere is None:
        return
    for each in elsewhere.submissions:
        run = told.world.store.runs.get(each.token.split(".")[0])
        if run is None or run.base_url != SANDBOX:
            yield f"{each.token} was sent to another account."


def erased_is_gone(told: Told) -> Iterator[str]:
    """Of a run that was deleted nothing is left, and nothing of it comes back."""
    for index in told.erased:
        run_id = told.run_id(index)
        for item in told.world.table.items():
            of_it = item["pk"].startswith((f"RUN#{run_id}", f"ROWS#{run_id}"))
            if of_it and item["sk"] != keys.DELETED:
                yield f"Of the deleted run {letter(index)} is left: {item['pk']} {item['sk']}."
                break
        left = [k for k in told.world.objects.keys("") if f"/{run_id}/" in k]
        if left:
            yield f"Of the deleted run {letter(index)} the archive holds {left[0]}."


def urgent_is_quick(told: Told) -> Iterator[str]:
    """An immediate run takes no longer than its own slot alone would take, by much."""
    story = told.story
    slots = min(max(1, story.max_jobs), told.world.truth.max_jobs)
    if len(story.files) <= MANY_RUNS or story.faults or story.outages:
        return
    for index, file in enumerate(story.files):
        run = told.world.store.runs.get(told.run_id(index))
        if file.priority != "immediate" or run is None or run.closed_at is None:
            continue
        jobs = -(-file.rows // max(1, file.batch))
        alone = (1 + jobs) * max(story.vendor.latencies or (20.0,))
        took = run.closed_at - run.started_at
        urgent = sum(each.priority == "immediate" for each in story.files)
        if took > MUCH_LONGER * alone * max(1.0, urgent / slots) + MINUTE:
            yield f"Run {letter(index)} is immediate and took {took:.0f} s, alone {alone:.0f} s."


def only_people_stop_runs(told: Told) -> Iterator[str]:
    """A run is aborted by a person alone, and not by its own length."""
    happenings = told.story.happenings
    if any(isinstance(each, Abort | Stop | Reupload) for each in happenings):
        return
    for index in range(len(told.story.files)):
        run = told.world.store.runs.get(told.run_id(index))
        if run is not None and run.stop is not None and run.stop.code == ABORTED:
            yield f"Run {letter(index)} was aborted, and nobody asked for it: {run.stop.reason}"


def once_is_no_reason(told: Told) -> Iterator[str]:
    """One refusal, once, stops no run and costs no row."""
    outages = told.story.outages
    if not outages or not all(outage.times == 1 for outage in outages):
        return
    for index in range(len(told.story.files)):
        run = told.world.store.runs.get(told.run_id(index))
        if run is not None and run.status is not RunStatus.COMPLETED:
            yield f"Run {letter(index)} is {run.status.value} after one refusal."


def success_is_final(told: Told) -> Iterator[str]:
    """No row ever leaves `succeeded`."""
    for text in told.left_success:
        yield f"A row left succeeded: {text}."


def steps_fail_for_a_reason(told: Told) -> Iterator[str]:
    """A step fails only because of what was done to it, and every story ends."""
    yield from told.surprises
    if told.endless:
        yield f"The story does not end: {told.endless}."


OF_A_RUN: tuple[Promise, ...] = (
    ends,
    sum_holds,
    one_outcome_each,
    outcomes_are_true,
    success_is_stated,
    bad_rows_stay_home,
    nothing_twice,
    attempts_are_bounded,
    trials_wait,
    unknown_is_unknowable,
    files_hold_every_row_once,
)
OF_THE_ACCOUNT: tuple[Callable[[Told], Iterator[str]], ...] = (
    account_is_left_clean,
    jobs_are_bounded,
    patience_is_kept,
    waits_are_bounded,
    requests_are_bounded,
    extra_runs_end,
    one_account,
    erased_is_gone,
    urgent_is_quick,
    only_people_stop_runs,
    once_is_no_reason,
    long_outages_are_survived,
    success_is_final,
    steps_fail_for_a_reason,
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken promise: its name, what it says, and how it was broken."""

    promise: str
    meaning: str
    sentence: str


def broken(told: Told) -> list[Broken]:
    """All that a story breaks of the promises."""
    results = [Result(told, index, file) for index, file in enumerate(told.story.files)]
    found = [
        Broken(promise.__name__, promise.__doc__ or "", sentence)
        for promise in OF_A_RUN
        for result in results
        if result.index not in told.erased or promise is nothing_twice
        for sentence in promise(result)
    ]
    found += [
        Broken(promise.__name__, promise.__doc__ or "", sentence)
        for promise in OF_THE_ACCOUNT
        for sentence in promise(told)
    ]
    return found


def _unknowable(result: Result, row: int, outcome: Outcome) -> bool:
    """Whether what is true bears out the reason that a row gives for being unknown."""
    if any(outage.lasts_for_ever for outage in result.told.story.outages):
        return True
    if outcome.error_code == ABORTED_BY_FORCE:
        return any(isinstance(each, Abort) and each.force for each in result.told.story.happenings)
    said = result.truth.bears_out(result.name(row), outcome)
    return _in_doubt(result, row) if said is None else said


def _in_doubt(result: Result, row: int) -> bool:
    """Whether somebody may have been left in doubt about a row, by the vendor or on our side."""
    told = result.told
    return (
        result.truth.left_in_doubt(result.name(row))
        or any(harm in HARMFUL for _, harm in told.struck)
        # A function that dies of it has noted that it sends, and nobody else knows that it did not.
        # Rows that may be repeated are not looked for until that is certain: they go again.
        or (result.file.repeatable and any(o.what == SECRET for o in told.story.outages))
        or any(isinstance(happening, Again | Event | Stop) for happening in told.story.happenings)
    )


def _plain(counts: Mapping[OutcomeStatus, int]) -> dict[str, int]:
    return {status.value: n for status, n in sorted(counts.items())}
