"""Close: prove that every row has exactly one outcome, write the result files and the report.

The proof is not the counters alone: the source is streamed once more beside the outcomes, row
by row, and a run in which any is missing is never called complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.reader import RawRow, read_rows
from jobferry.deps import Deps
from jobferry.domain.closing import Action, WorkLeft, final_status, is_cut_short, next_action
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.routes import CloseRoute
from jobferry.domain.run import ABORTED, Run, RunStatus
from jobferry.domain.run_event import paused_event, run_event
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import SOURCE, TEXTS
from jobferry.lane.moved_account import account_moved, pause_moved_account
from jobferry.operator.next_steps import next_steps
from jobferry.operator.pause_resume import rest
from jobferry.operator.report import column_names, keep_report, put_report
from jobferry.operator.resolve_run import resolve_on
from jobferry.operator.status import run_summary
from jobferry.reporting.error_summary import ErrorTally, build_report
from jobferry.reporting.result_files import BOM, ResultFiles, partial_key
from jobferry.reporting.run_metrics import figures
from jobferry.reporting.timeline import Timeline
from jobferry.scheduler import lanes
from jobferry.settlement.abandon_run import abandon_run, give_up_plan, why_abandoned
from jobferry.store.objects import SourceError

RELAUNCHES = 8
"""Starts of lanes without a single row settled in between before the run is left to a person."""

STUCK_SECONDS = 20 * 3_600.0
"""A run of which nothing was settled for so long, and whose lanes fail again and again, is closed:
soon nobody could learn any more what became of its jobs."""

STUCK_REASON = (
    f"The run's lanes failed for {STUCK_SECONDS / 3600:.0f} hours without settling a row; see the "
    "log of its functions."
)

ROWS_PER_CLOCK_CHECK = 1_000
"""Rows written, or chunks read, between two readings of the clock."""


class LanesStuckError(Exception):
    """Lanes were started again and again and nothing was settled."""


def close_run(run_id: str, deps: Deps, deadline: float) -> dict[str, Any]:
    """Close the run, or go on closing it, or say that lanes must go on.

    Args:
        deadline: epoch seconds at which to put the work aside.

    Returns:
        run_id and state (`closed`, `closing`, `lanes`, `paused`, `unbalanced`), and with `closed`
        and `paused` the `event` to announce.
    """
    run = deps.store.runs.must_get(run_id)
    if run.status.closed and run.closed_at is not None:
        return _closed(run, deps)
    if not resolve_on(run, deps, deadline):
        return {"run_id": run_id, "state": CloseRoute.CLOSING}
    give_up_plan(run, deps)
    run = deps.store.runs.must_get(run_id)
    if run.status is RunStatus.FAILED:
        return _finish(run, Timeline(run), ErrorTally(), [], run.outcomes, deps)
    if _rests_as_moved(run, deps):
        return _paused(run_id, deps)
    return _settle_and_write(run, deps, deadline)


def _settle_and_write(run: Run, deps: Deps, deadline: float) -> dict[str, Any]:
    """Do what is left to do, or have lanes do it; write the files when every row has an outcome."""
    run_id = run.run_id
    while True:
        left = _work_left(run, deps)
        action, reason = next_action(left), left.abandoned or ""
        if action is Action.REST:
            if rest(left.run, left.pool, deps):
                return _paused(run_id, deps)
            action = Action.RELAUNCH
        if action is Action.RELAUNCH:
            relaunched = _relaunch(left.run, deps)
            if relaunched is not None:
                return relaunched
            action, reason = Action.ABANDON, STUCK_REASON
        if action is Action.WRITE:
            return _write(left.run, deps, deadline)
        if not abandon_run(left.run, reason, deps, deadline):
            return {"run_id": run_id, "state": CloseRoute.CLOSING}


def _work_left(run: Run, deps: Deps) -> WorkLeft:
    in_flight = len(deps.store.chunks.in_flight(run.connection, run.run_id))
    pool = deps.store.chunks.pool(run.run_id)
    # Read after them: what was settled meanwhile is not in flight, and is counted.
    left = WorkLeft(deps.store.runs.must_get(run.run_id), in_flight, pool)
    return left._replace(abandoned=why_abandoned(left.run, deps) if left.any else None)


def _rests_as_moved(run: Run, deps: Deps) -> bool:
    """Pause a run whose connection leads to another account than the run was opened with.

    Returns:
        Whether it rests now.
    """
    moved = _elsewhere(run, deps)
    if moved is None:
        return False
    pause_moved_account(run, moved, deps)
    if not deps.store.runs.rest(run.run_id, deps.now()):
        return False
    deps.store.limits.delete_demand(run.connection, run.run_id)
    return True


def _write(run: Run, deps: Deps, deadline: float) -> dict[str, Any]:
    """Write the files, without the cells of the source where that is gone for good."""
    try:
        return _write_files(run, deps, deadline)
    except SourceError as error:
        code = error.code
        trouble = deps.store.runs.note_trouble(run, SOURCE, code, TEXTS[code], deps.now())
        if not trouble.stops:
            raise
    # Outcomes are known by their rows; what stood in the file is known no more.
    return _write_files(run, deps, deadline, without_source=True)


def _elsewhere(run: Run, deps: Deps) -> Connection | None:
    """The account that the run's connection leads to, where it is another one than the run's."""
    connection = deps.store.config.connection(run.connection) if run.connection else None
    if connection is None or not account_moved(run, connection):
        return None
    return connection


def _write_files(
    run: Run, deps: Deps, deadline: float, *, without_source: bool = False
) -> dict[str, Any]:
    """Prove the sum row by row, and write the files meanwhile; or put the work aside."""
    run_id = run.run_id
    dialect = Dialect.from_json(dict(run.plan.dialect or {}))
    saved = deps.objects.get_json(run.close) if run.close else {}
    timeline = Timeline.from_json(run, saved.get("timeline"))
    if "row" not in saved and not _read_chunks(run, timeline, deps, deadline):
        name = f"chunk-{timeline.last_chunk:010d}.json"
        return _put_aside(run_id, name, {"timeline": timeline.to_json()}, deps)
    files = ResultFiles(
        run_id,
        dialect,
        deps.objects,
        marked=without_source
        or dialect.encoding != "utf-8"
        or deps.objects.read_range(run.file, 0, 3) == BOM,
        state=saved.get("files"),
    )
    names = column_names(run, deps)
    tally = ErrorTally.from_json(saved.get("errors", []), names)
    at, row = saved.get("offset", dialect.data_offset), saved.get("row", 0)
    cut_short = bool(saved.get("harmed"))
    source_rows = _no_rows(run, dialect, row) if without_source else None
    for raw, outcome in _rows_with_outcomes(run, dialect, deps, at, row, source_rows):
        if outcome is None:
            deps.warn("row without outcome", run_id=run_id, row=raw.number)
            return _unbalanced(run_id, deps)
        files.add(raw.cells, outcome)
        tally.add(outcome, dialect.header, raw.cells)
        cut_short = cut_short or (run.stop is not None and is_cut_short(outcome, run.stop))
        if raw.number % ROWS_PER_CLOCK_CHECK == 0 and deps.now() >= deadline:
            state = {
                "timeline": timeline.to_json(),
                "row": raw.number,
                "offset": raw.offset + raw.length,
                "files": files.pause(raw.number),
                "errors": tally.to_json(),
                "harmed": cut_short,
            }
            return _put_aside(run_id, f"{raw.number:010d}.json", state, deps)
    counts = files.counts
    if counts != dict(run.outcomes) or sum(counts.values()) != run.plan.row:
        deps.warn(
            "run does not add up",
            run_id=run_id,
            rows=run.plan.row,
            counted={s.value: n for s, n in run.outcomes.items()},
            written={s.value: n for s, n in counts.items()},
        )
        return _unbalanced(run_id, deps)
    if run.close:
        # Uploads can be completed once: whoever comes after a crash from here on begins anew.
        deps.store.runs.save_close(run_id, None)
    return _finish(run, timeline, tally, files.finish(), counts, deps, cut_short=cut_short)


def _read_chunks(run: Run, timeline: Timeline, deps: Deps, deadline: float) -> bool:
    """Add the chunks after the last one to the timeline; false when the time is up before."""
    for chunk in deps.store.chunks.all(run.run_id, timeline.last_chunk + 1):
        timeline.add(chunk)
        if timeline.chunks % ROWS_PER_CLOCK_CHECK == 0 and deps.now() >= deadline:
            return False
    return True


def _put_aside(run_id: str, name: str, state: Mapping[str, Any], deps: Deps) -> dict[str, Any]:
    """Keep how far closing is, for the next invocation."""
    key = partial_key(run_id, name)
    deps.objects.put_json(key, dict(state))
    deps.store.runs.save_close(run_id, key)
    return {"run_id": run_id, "state": CloseRoute.CLOSING}


def _unbalanced(run_id: str, deps: Deps) -> dict[str, Any]:
    deps.emit(RunsUnbalanced=1)
    return {"run_id": run_id, "state": CloseRoute.UNBALANCED}


def _by_a_person(run: Run) -> bool:
    return run.stop is not None and run.stop.code == ABORTED


def _no_rows(run: Run, dialect: Dialect, row: int) -> Iterator[RawRow]:
    """The rows after `row` of a file that cannot be read any more: numbers with empty cells."""
    cells = [""] * len(dialect.header)
    return (RawRow(number, 0, 0, cells, None) for number in range(row + 1, run.plan.row + 1))


def _rows_with_outcomes(
    run: Run,
    dialect: Dialect,
    deps: Deps,
    offset: int,
    row: int,
    instead: Iterator[RawRow] | None,
) -> Iterator[tuple[RawRow, Outcome | None]]:
    """Rows of the file after `row` with their outcomes; None for a row that has none.

    Args:
        instead: rows to take instead of those of the file.
    """
    if instead is None and run.file.size <= offset:
        return
    outcomes = deps.store.rows.between(run.run_id, row + 1, run.plan.row)
    outcome = next(outcomes, None)
    with ExitStack() as stack:
        if instead is None:
            stream = stack.enter_context(deps.objects.stream(run.file, offset))
            instead = read_rows(stream, dialect, offset=offset, row=row)
        for raw in instead:
            if outcome is not None and outcome.row == raw.number:
                yield raw, outcome
                outcome = next(outcomes, None)
            else:
                yield raw, None


def _relaunch(run: Run, deps: Deps) -> dict[str, Any] | None:
    """Start lanes again, which asked to be renewed, or died.

    Returns:
        The answer; None where they have settled nothing for too long.

    Raises:
        LanesStuckError: they settle nothing, but not for long enough.
    """
    progress = run.settled_rows > run.settled_at_relaunch
    relaunches = 0 if progress else run.relaunches + 1
    stuck = deps.store.runs.note_stuck(run, deps.now())
    if relaunches > RELAUNCHES:
        if deps.now() - stuck > STUCK_SECONDS:
            return None
        raise LanesStuckError(f"the lanes of {run.run_id} settle nothing any more")
    deps.store.runs.relaunch(run.run_id, relaunches, run.settled_rows)
    deps.log("lanes relaunched", run_id=run.run_id, relaunches=relaunches)
    return {
        "run_id": run.run_id,
        "state": CloseRoute.LANES,
        "lanes": list(range(max(1, run.lanes))),
        "wait_until": timestamp(lanes.relaunch_at(deps.now(), relaunches, deps.scheduling)),
    }


def _finish(
    run: Run,
    timeline: Timeline,
    tally: ErrorTally,
    files: list[str],
    outcomes: Mapping[OutcomeStatus, int],
    deps: Deps,
    *,
    cut_short: bool = False,
) -> dict[str, Any]:
    """Write the report and give the run its final status."""
    status = final_status(run, outcomes, cut_short=cut_short)
    error = run.error or (run.stop.reason if run.stop else None)
    requests = deps.store.runs.requests(run.run_id)
    now = deps.now()
    # Those of a run that is closed once more stay as they were.
    closeness = dict(run.figures or _figures(run, timeline, deps, now))
    ended = replace(
        run,
        status=status,
        error=error,
        outcomes=outcomes,
        figures=closeness,
        closed_at=now,
        pause=None,
        idle=run.idle_until(now),
        rested_at=None,
    )
    _write_report(ended, timeline, tally, requests, files, deps)
    deps.store.chunks.forget_all(run.connection, run.run_id)
    expires_at = int(now) + deps.store.retention
    if deps.store.runs.close(
        run.run_id,
        status,
        now,
        requests,
        closeness,
        error,
        jobs=timeline.job_counts,
        expires_at=expires_at,
        resolving=run.resolving,
        idle=ended.idle,
    ):
        deps.log(
            "run closed",
            run_id=run.run_id,
            status=status.value,
            rows=run.rows,
            outcomes={s.value: n for s, n in outcomes.items()},
        )
        deps.emit(
            RunsClosed=1,
            RunsUnusable=int(status is RunStatus.FAILED),
            # Whoever aborted a run knows of it.
            RunsAborted=int(status is RunStatus.ABORTED and not _by_a_person(run)),
            RunSeconds=ended.worked(now),
            **{f"Rows{s.value.title()}": n for s, n in outcomes.items()},
        )
    return _closed(deps.store.runs.must_get(run.run_id), deps)


def _write_report(
    ended: Run,
    timeline: Timeline,
    tally: ErrorTally,
    requests: Mapping[str, int],
    files: list[str],
    deps: Deps,
) -> None:
    """Write the page of a run that is about to be closed, which is given as it will be."""
    page = build_report(
        ended,
        deps.now(),
        timeline=timeline,
        groups=tally.groups(ended.run_id, ended.connection),
        steps=next_steps({**run_summary(ended), "waiting": []}),
        requests=requests,
        files=files,
    )
    put_report(ended.run_id, page, deps)


def _figures(run: Run, timeline: Timeline, deps: Deps, now: float) -> dict[str, Any]:
    """How close the run came to the bounds; nothing for a run that sent nothing."""
    connection = deps.store.config.connection(run.connection) if run.connection else None
    if connection is None or not timeline.chunks:
        return {}
    return figures(
        run, connection, deps.vendors.named(connection.vendor), timeline, deps.store, now
    )


def _closed(run: Run, deps: Deps) -> dict[str, Any]:
    """The answer for a closed run. It needs nothing more, as whoever sees it closed knows."""
    deps.store.limits.delete_demand(run.connection, run.run_id)
    event = run_event(run)
    # Executions that a version before has begun announce these.
    flat = {name: event[name] for name in ("profile", "status", "rows", "outcomes")}
    return {"run_id": run.run_id, "state": CloseRoute.CLOSED, **flat, "event": event}


def _paused(run_id: str, deps: Deps) -> dict[str, Any]:
    """The answer for a run that rests."""
    run = deps.store.runs.must_get(run_id)
    keep_report(run, deps)
    return {"run_id": run_id, "state": CloseRoute.PAUSED, "event": paused_event(run)}
