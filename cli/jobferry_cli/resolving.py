"""`jobferry resolve`: ask the vendor once more about rows that are unknown. Sends nothing."""

from __future__ import annotations

import click

from jobferry.model import OutcomeStatus, RunStatus
from jobferry.report.figures import counted
from jobferry.steps.resolve_run import resolve_run
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import closed_run, follow
from jobferry_cli.output import note, put_json, put_text
from jobferry_cli.vendor_calls import vendor_asked


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--wait", is_flag=True, help="Follow the run until its files are written anew.")
@global_options
@pass_app
def resolve(app: App, run_id: str, wait: bool) -> ExitCode:
    """Read jobs that were given up once more, and decide their unknown rows where that is possible.

    The files of a run that has changed are written anew.
    """
    run = closed_run(app, run_id, "resolved")
    if not run.outcomes.get(OutcomeStatus.UNKNOWN) and run.status is not RunStatus.CLOSING:
        raise CommandError(
            f"Run {run_id} has no unknown rows.", next_command=f"jobferry status {run_id}"
        )
    try:
        with vendor_asked(run.connection):
            resolved = resolve_run(run, app.stack.deps)
    except LookupError as error:
        raise CommandError(
            f"The vendor cannot be asked about run {run_id}: {error.args[0]}.",
            next_command="jobferry connection list",
        ) from None
    now = app.stack.deps.ledger.runs.must_get(run_id)
    if now.closed_at is None:
        app.stack.executions.go_on(run_id, now.execution)
        if wait:
            follow(app, run_id)
            now = app.stack.deps.ledger.runs.must_get(run_id)
    left = now.outcomes.get(OutcomeStatus.UNKNOWN, 0)
    document = {
        "run_id": run_id,
        "jobs": resolved.jobs,
        "ended": resolved.ended,
        "resolved": {status.value: n for status, n in resolved.rows.items()},
        "unknown": left,
    }
    if app.as_json:
        put_json(document)
    else:
        put_text(
            f"{counted(resolved.rows.total(), 'row')} of run {run_id} decided now, "
            f"{counted(left, 'row')} still unknown. "
            f"{counted(resolved.ended, 'job')} of {resolved.jobs} could be read."
        )
    if now.closed_at is None:
        note(f"Its files are being written anew.\nNext:  jobferry watch {run_id}")
    return ExitCode.ROWS_UNKNOWN if left else ExitCode.OK
