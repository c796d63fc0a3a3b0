"""Promises about all runs of a scenario together and the vendor's account, one function each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import ABORTED, RunStatus
from jobferry.store import keys
from tests.chaos.history import History
from tests.chaos.malformed_answers import LONGEST_WAIT, WAITS
from tests.chaos.operator_actor import SANDBOX
from tests.chaos.run_promises import plain
from tests.chaos.scenario import (
    AbortRun,
    Reupload,
    Scenario,
    StopExecution,
    letter,
)
from virtual.clock import START
from virtual.world import CONNECTION

SUCCEEDED, FAILED = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED
REJECTED, SKIPPED = OutcomeStatus.REJECTED, OutcomeStatus.SKIPPED
UNKNOWN = OutcomeStatus.UNKNOWN

MINUTE = 60.0

SLACK = 900.0
"""Seconds in which a run goes on that a sweep has to carry on, or that polls its jobs rarely."""

MANY_RUNS = 4
MUCH_LONGER = 3.0
"""What an urgent run may take beside many others, against what it takes alone with one slot: nobody
is starved. How soon an urgent run is served is measured in benchmarks."""


def account_is_clean(history: History) -> Iterator[str]:
    """Slots are back at zero; nothing points to work that is over; no share is held."""
    world = history.world
    slots = world.store.limits.get(CONNECTION).in_flight
    if slots:
        yield f"{slots} slots are still taken."
    claims = list(world.store.chunks.claims(CONNECTION))
    if claims:
        yield f"Claims are left: {[claim.key for claim in claims]}."
    for item in world.table.query(keys.connection(CONNECTION), prefix=keys.demand("")):
        # What a delayed invocation writes of a closed run counts for `DEMAND_SECONDS`, no longer.
        said_by = history.demand_writers[item["run_id"]]
        if said_by is None or not said_by.delayed:
            yield f"A demand is left: {item['run_id']}."
    if world.objects.open_uploads:
        yield f"{world.objects.open_uploads} uploads in parts are left open."


def jobs_are_bounded(history: History) -> Iterator[str]:
    """Never more jobs in flight than the operator and the vendor allow, of those that the vendor
    shows, ends, and does not deny."""
    most = min(max(1, history.scenario.max_jobs), history.world.truth.max_jobs)
    seen = history.world.truth.max_in_flight()
    if seen > most:
        yield f"{seen} jobs were in flight at once, {most} are allowed."


def retry_after_is_kept(history: History) -> Iterator[str]:
    """No request while the vendor asks to wait."""
    for request in history.world.truth.throttle_violations[:3]:
        yield f"A request although the vendor had asked to wait: {request}."


def waits_are_bounded(history: History) -> Iterator[str]:
    """Nothing waits longer than an hour for one Retry-After, whatever it says."""
    scenario, truth = history.scenario, history.world.truth
    if scenario.outages or not _asks_absurdly(scenario):
        return
    runs = [
        history.world.store.runs.get(history.run_id(index)) for index in range(len(scenario.files))
    ]
    open_until = max((run.closed_at or math.inf for run in runs if run is not None), default=0.0)
    moments = [request.at for request in truth.requests]
    for throttled_at in truth.throttled_at:
        latest = throttled_at + LONGEST_WAIT + SLACK
        if open_until > latest and not any(throttled_at < at <= latest for at in moments):
            yield f"Nothing was asked within {LONGEST_WAIT + SLACK:.0f} s of {throttled_at:.1f}."


def _asks_absurdly(scenario: Scenario) -> bool:
    """Whether the vendor names a wait that nobody can mean."""
    vendor_faults = (
        () if scenario.adapter_scenario is None else scenario.adapter_scenario.vendor_faults
    )
    replies, polls = scenario.vendor.replies, scenario.vendor.polls
    waits = [each.retry_after for each in replies] + [each.retry_after for each in polls]
    return any(wait in WAITS for wait in waits) or any(
        isinstance(each.wait, str) or not 0 <= (each.wait or 0) <= LONGEST_WAIT
        for each in vendor_faults
    )


def requests_are_bounded(history: History) -> Iterator[str]:
    """Never more requests in any 60 s than the operator allows, whoever sends them."""
    if not history.scenario.per_minute:
        return
    most = history.per_minute
    moments = [r.at for r in history.world.truth.requests if r.who is None or not r.who.delayed]
    first = 0
    worst, when = 0, 0.0
    for last, at in enumerate(moments):
        while moments[first] <= at - MINUTE:
            first += 1
        if last - first + 1 > worst:
            worst, when = last - first + 1, at
    if worst > most:
        yield f"{worst} requests in the minute before {when - START:.1f} s, {most} are allowed."


def permanent_outages_give_a_reason(history: History) -> Iterator[str]:
    """What fails permanently ends the run with a reason that an operator can read."""
    if not any(outage.permanent for outage in history.scenario.outages):
        return
    for index in range(len(history.scenario.files)):
        run = history.world.store.runs.get(history.run_id(index))
        if run is None or run.closed_at is None:
            continue
        left = [
            outcome
            for outcome in history.world.outcomes(run.run_id).values()
            if outcome.status in (SKIPPED, UNKNOWN) and "duplicate" not in str(outcome.error_code)
        ]
        reasons = run.error or run.stop or all(outcome.error for outcome in left)
        if left and not reasons:
            yield f"Run {letter(index)} has ended without a reason; {len(left)} rows are not done."


def extra_runs_end(history: History) -> Iterator[str]:
    """What an operator sends again ends as well, and adds up."""
    for extra in history.extras:
        run = history.world.store.runs.get(extra.run_id)
        if run is None or run.closed_at is None or not run.status.closed:
            yield f"{extra.run_id} is not closed."
            continue
        counted = Counter(o.status for o in history.world.outcomes(extra.run_id).values())
        if {status: n for status, n in run.outcomes.items() if n} != dict(counted):
            yield f"{extra.run_id} counts {plain(run.outcomes)}; its rows are {plain(counted)}."


def one_account(history: History) -> Iterator[str]:
    """A run is sent to the account that it was opened for, wherever its connection points."""
    other_account = getattr(history.world, "other_account", None)
    if other_account is None:
        return
    for each in other_account.submissions:
        run = history.world.store.runs.get(each.token.split(".")[0])
        if run is None or run.base_url != SANDBOX:
            yield f"{each.token} was sent to another account."


def deleted_is_gone(history: History) -> Iterator[str]:
    """Of a run that was deleted nothing is left, and nothing of it comes back."""
    for index in history.deleted:
        run_id = history.run_id(index)
        of_run = (f"RUN#{run_id}", f"ROWS#{run_id}", f"OUTCOMES#{run_id}")
        for item in history.world.table.items():
            of_it = item["pk"].startswith(of_run)
            # What says of a chunk that it is at its end stays for an hour, without its rows.
            ended = item["sk"].startswith(keys.CHUNK) and item["spans"] == "[]"
            if of_it and item["sk"] != keys.DELETED and not ended:
                yield f"Of the deleted run {letter(index)} is left: {item['pk']} {item['sk']}."
                break
        left = [k for k in history.world.objects.keys("") if f"/{run_id}/" in k]
        if left:
            yield f"Of the deleted run {letter(index)} the archive holds {left[0]}."


def urgent_is_quick(history: History) -> Iterator[str]:
    """An immediate run takes no longer than its own slot alone would take, by much."""
    scenario = history.scenario
    slots = min(max(1, scenario.max_jobs), history.world.truth.max_jobs)
    if len(scenario.files) <= MANY_RUNS or scenario.faults or scenario.outages:
        return
    for index, file in enumerate(scenario.files):
        run = history.world.store.runs.get(history.run_id(index))
        if file.priority != "immediate" or run is None or run.closed_at is None:
            continue
        jobs = -(-file.rows // max(1, file.batch))
        alone = (1 + jobs) * max(scenario.vendor.latencies or (20.0,))
        took = run.closed_at - run.started_at
        urgent = sum(each.priority == "immediate" for each in scenario.files)
        if took > MUCH_LONGER * alone * max(1.0, urgent / slots) + MINUTE:
            yield f"Run {letter(index)} is immediate and took {took:.0f} s, alone {alone:.0f} s."


def only_people_stop_runs(history: History) -> Iterator[str]:
    """A run is aborted by an operator alone, and not by its own length."""
    actions = history.scenario.actions
    if any(isinstance(each, AbortRun | StopExecution | Reupload) for each in actions):
        return
    for index in range(len(history.scenario.files)):
        run = history.world.store.runs.get(history.run_id(index))
        if run is not None and run.stop is not None and run.stop.code == ABORTED:
            yield f"Run {letter(index)} was aborted, and nobody asked for it: {run.stop.reason}"


def one_refusal_stops_nothing(history: History) -> Iterator[str]:
    """One refusal, once, stops no run and costs no row."""
    outages = history.scenario.outages
    if not outages or not all(outage.times == 1 for outage in outages):
        return
    for index in range(len(history.scenario.files)):
        run = history.world.store.runs.get(history.run_id(index))
        if run is not None and run.status is not RunStatus.COMPLETED:
            yield f"Run {letter(index)} is {run.status.value} after one refusal."


def success_is_final(history: History) -> Iterator[str]:
    """No row ever leaves `succeeded`."""
    for text in history.left_success:
        yield f"A row left succeeded: {text}."


def steps_fail_for_a_reason(history: History) -> Iterator[str]:
    """A step fails only because of what was done to it, and every scenario ends."""
    yield from history.unexpected_errors
    if history.endless:
        yield f"The scenario does not end: {history.endless}."


OF_THE_ACCOUNT: tuple[Callable[[History], Iterator[str]], ...] = (
    account_is_clean,
    jobs_are_bounded,
    retry_after_is_kept,
    waits_are_bounded,
    requests_are_bounded,
    extra_runs_end,
    one_account,
    deleted_is_gone,
    urgent_is_quick,
    only_people_stop_runs,
    one_refusal_stops_nothing,
    permanent_outages_give_a_reason,
    success_is_final,
    steps_fail_for_a_reason,
)
