"""Finding a run that may have been started a moment ago, and following it to its end."""

from __future__ import annotations

from typing import Any

from jobferry.domain.commands import command
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.pause_resume import TRIAL
from jobferry.operator.status import run_document
from jobferry_cli.app import App
from jobferry_cli.errors import AWS_ERRORS, CommandError, ExitCode, explain
from jobferry_cli.output import note_warnings
from jobferry_cli.progress import shown_progress

PATIENCE_SECONDS = 60.0
"""How long a started run may take to begin: a cold start takes a few seconds."""

LOOK_SECONDS = 1.0
SLOWEST_LOOK_SECONDS = 10.0


def found_run(app: App, run_id: str, *, started: bool = False) -> Run:
    """The run, waited for if it has been started and has not begun yet.

    Args:
        started: this command started it, whatever AWS says a moment later.

    Raises:
        CommandError: there is no such run, or it does not begin.
    """
    runs = app.stack.deps.store.runs
    run = runs.get(run_id)
    if run is not None:
        return run
    if runs.is_deleted(run_id):
        by = runs.deleted_by(run_id)
        said = "" if by is None else f" by {by}"
        raise CommandError(f"Run {run_id} has been deleted{said}.", next_command=command("runs"))
    if not started and app.stack.executions.state(run_id) is None:
        raise CommandError(f"There is no run {run_id!r}.", next_command=command("runs"))
    give_up = app.monotonic() + PATIENCE_SECONDS
    while app.monotonic() < give_up:
        app.sleep(LOOK_SECONDS)
        run = runs.get(run_id)
        if run is not None:
            return run
    state = app.stack.executions.state(run_id) or "not there"
    raise CommandError(
        f"Run {run_id} was started, but has not begun within {PATIENCE_SECONDS:.0f} seconds. "
        f"Its execution is {state}.",
        next_command=command("watch", run_id),
        code=ExitCode.SERVICE,
    )


def closed_run(app: App, run_id: str, done: str) -> Run:
    """The run, which is over.

    Args:
        done: what only a run that is over can be: "deleted", "sent again".

    Raises:
        CommandError: as `found_run`; or it is on its way.
    """
    run = found_run(app, run_id)
    if run.closed_at is None:
        raise not_over(run, f"only then can it be {done}")
    return run


def not_over(run: Run, needs: str) -> CommandError:
    """The refusal of what only a run that is over can have. One that is paused waits for a person:
    watching it would lead nowhere.

    Args:
        needs: completes "Run R is not over (running); …".
    """
    if run.paused:
        return CommandError(
            f"Run {run.run_id} is paused; {needs}. Send the rest of it, or end it "
            f"({command('abort', run.run_id)}); its report of now: "
            f"{command('report', run.run_id)}",
            next_command=command("resume", run.run_id),
        )
    return CommandError(
        f"Run {run.run_id} is not over ({run.phase.value}); {needs}.",
        next_command=command("watch", run.run_id),
    )


def follow(app: App, run_id: str, *, started: bool = False) -> dict[str, Any]:
    """Show the run's progress until it is closed or rests; returns its last status document.

    Raises:
        CommandError: as `found_run`; or Ctrl-C, which ends the waiting and not the run.
    """
    deps = app.stack.deps
    warned = 0
    try:
        with shown_progress() as show:
            run = found_run(app, run_id, started=started)
            while True:
                note_warnings(run.warnings[warned:])
                warned = len(run.warnings)
                document = run_document(run, deps)
                show(document)
                if run.closed_at is not None or (run.suspended and run.paused):
                    return document
                app.sleep(_pause(document["seconds"]))
                run = deps.store.runs.must_get(run_id)
    except KeyboardInterrupt:
        raise CommandError(
            f"You have stopped watching; the run {run_id} goes on.",
            next_command=command("watch", run_id),
            code=ExitCode.INTERRUPTED,
            document={"run_id": run_id},
        ) from None
    except CommandError as error:
        # A run that somebody else names may be none.
        raise (error.of_run(run_id) if started else error) from None
    except AWS_ERRORS as error:
        raise explain(error).of_run(run_id) from None


def _pause(run_seconds: float) -> float:
    """Seconds until the next poll: long runs are polled less often."""
    return min(SLOWEST_LOOK_SECONDS, LOOK_SECONDS + run_seconds / 60)


def exit_code_of(document: dict[str, Any]) -> ExitCode:
    """What a closed or paused run means for a script."""
    outcomes = document["outcomes"]
    paused = document["paused"]
    if paused and paused["code"] != TRIAL:
        return ExitCode.ROWS_FAILED
    if outcomes["unknown"]:
        return ExitCode.ROWS_UNKNOWN
    if document["status"] == RunStatus.FAILED:
        return ExitCode.INPUT
    not_all = (RunStatus.ABORTED, RunStatus.COMPLETED_WITH_FAILURES)
    if document["status"] in not_all or outcomes["failed"] or outcomes["rejected"]:
        return ExitCode.ROWS_FAILED
    return ExitCode.OK
