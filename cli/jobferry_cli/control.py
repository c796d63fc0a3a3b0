"""`jobferry abort`, `resume`, `priority`, `problems`, `delete`: what an operator does to runs."""

from __future__ import annotations

import click

from jobferry.domain.commands import command
from jobferry.domain.run import Run
from jobferry.operator.delete_run import Deleted, delete_run
from jobferry.operator.job_control import (
    RunOpenError,
    WaitingProblem,
    problems_of,
)
from jobferry.operator.status import run_document
from jobferry.reporting.formatting import counted
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import closed_run, found_run
from jobferry_cli.output import can_ask, confirm, note, put_json, put_text
from jobferry_cli.run_actions import go_on, prioritise, stop_run, vendor_of
from jobferry_cli.sending import put_started
from jobferry_cli.vendor_calls import vendor_asked


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="Stopped by an operator.", show_default=True)
@click.option("--no-cleanup", is_flag=True, help="Leave the vendor's jobs alone.")
@click.option(
    "--force",
    is_flag=True,
    help="Close it with what is known, whatever keeps it from ending: rows in flight are unknown.",
)
@global_options
@pass_app
def abort(app: App, run_id: str, reason: str, no_cleanup: bool, force: bool) -> None:
    """Stop a run: send nothing more of it.

    The vendor's jobs are ended where it can be asked to.

    The run itself asks the vendor, within its requests; jobs that cannot be ended are seen through.
    """
    before = found_run(app, run_id)
    run = stop_run(app.stack, before, reason, cleanup=not no_cleanup, force=force)
    if before.closed_at is None and force:
        note("Rows in flight become unknown; `resolve` asks the vendor what became of them.")
    elif before.closed_at is None:
        _note_cleanup(app, run, cleanup=not no_cleanup)
    document = run_document(run, app.stack.deps)
    if app.as_json:
        put_json(document)
        return
    seen = "it is closed with what is known" if force else "what the vendor has is seen through"
    put_text(f"Run {run_id} sends nothing more; {seen}.", f"Next:  {document['next'][0]}")


def _note_cleanup(app: App, run: Run, *, cleanup: bool) -> None:
    vendor = vendor_of(app.stack, run)
    if vendor is not None and not vendor.capabilities.abort:
        note(f"{vendor.title} cannot end jobs; those that it has are seen through.")
    elif vendor is not None and cleanup:
        note("The run asks the vendor to end its jobs, as fast as its requests allow.")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--wait", is_flag=True, help="Follow the run to its end.")
@global_options
@pass_app
def resume(app: App, run_id: str, wait: bool) -> ExitCode:
    """Go on with a paused run.

    It was paused after a trial, or because too many rows failed alike.
    """
    run = found_run(app, run_id)
    if not go_on(app.stack, run):
        note(f"Run {run_id} is not paused.")
    return put_started(app, {"run_id": run_id}, wait=wait)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("level", metavar="LEVEL", type=click.Choice(PRIORITIES))
@global_options
@pass_app
def priority(app: App, run_id: str, level: str) -> None:
    """Change the priority of a run.

    LEVEL: lowest, low, medium, high, highest, immediate.
    """
    run = found_run(app, run_id)
    notified = prioritise(app.stack, run, level)
    vendor = vendor_of(app.stack, run)
    if vendor is not None and not vendor.capabilities.priority:
        note(f"{vendor.title} gives jobs no priority; it is kept with the run alone.")
    if app.as_json:
        put_json({"run_id": run_id, "priority": level, "jobs": notified})
    else:
        jobs = counted(notified, "job")
        put_text(f"Run {run_id} has priority {level}; {jobs} in flight will get it too.")


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@global_options
@pass_app
def problems(app: App, run_id: str | None) -> None:
    """List vendor-side problems that block jobs.

    Of one run, or of all.
    """
    run = None if run_id is None else found_run(app, run_id)
    found: list[WaitingProblem] = []
    names = [run.connection] if run else app.stack.deps.store.config.connection_names()
    for name in names:
        with vendor_asked(name):
            found += problems_of(name, run, app.stack.deps)
    for each in found:
        _put_problem(app, each)
    vendor = None if run is None else vendor_of(app.stack, run)
    if vendor is not None and not vendor.capabilities.problems:
        note(f"{vendor.title} does not report what its jobs wait for.")
    elif not found and not app.as_json:
        put_text("No job waits for anybody.")


def _put_problem(app: App, waiting: WaitingProblem) -> None:
    problem = waiting.problem
    if app.as_json:
        put_json(
            {
                "connection": waiting.connection,
                "problem_id": problem.problem_id,
                "kind": problem.kind,
                "details": dict(problem.details),
                "rows": [{"run_id": r, "row": row, "job_id": job} for r, row, job in waiting.rows],
            }
        )
        return
    rows = ", ".join(f"{r} row {row} ({job})" for r, row, job in waiting.rows)
    details = "".join(f", {key} {value}" for key, value in problem.details.items())
    put_text(
        f"{waiting.connection}: {problem.kind} ({problem.problem_id}{details}): "
        f"{rows or 'no row of ours'}"
    )


@click.command()
@click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)
@click.option("--vendor-jobs", is_flag=True, help="Also the vendor's records of the jobs.")
@click.option(
    "--source",
    is_flag=True,
    help="Also the upload, in all its versions, and the copies that retry and rerun made.",
)
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@global_options
@pass_app
def delete(app: App, run_ids: tuple[str, ...], vendor_jobs: bool, source: bool, yes: bool) -> None:
    """Delete closed runs and their data.

    Outcomes, result files and evidence go; what was done at the vendor stays.
    """
    runs = [closed_run(app, run_id, "deleted") for run_id in run_ids]
    if can_ask() and not yes:
        confirm(f"Delete {', '.join(run_ids)} for good?")
    for run in runs:
        with vendor_asked(run.connection):
            by = app.stack.caller.name
            try:
                deleted = delete_run(
                    run, app.stack.deps, vendor_jobs=vendor_jobs, source=source, by=by
                )
            except RunOpenError as error:
                raise CommandError(
                    f"The upload of run {run.run_id} is read by run {error}, which is not over.",
                    next_command=command("watch", str(error)),
                ) from None
        vendor = vendor_of(app.stack, run)
        if vendor_jobs and vendor is not None and not vendor.capabilities.delete:
            note(f"{vendor.title} keeps its records of jobs; they cannot be deleted.")
        _put_deleted(app, run.run_id, deleted)


def _put_deleted(app: App, run_id: str, deleted: Deleted) -> None:
    if app.as_json:
        put_json(
            {
                "run_id": run_id,
                "deleted": True,
                "rows": deleted.rows,
                "objects": deleted.objects,
                "vendor_jobs": deleted.vendor_jobs,
                "uploads": deleted.uploads,
            }
        )
        return
    jobs = deleted.vendor_jobs
    gone = "" if jobs is None else f", {counted(jobs, 'job')} at the vendor"
    if deleted.uploads is not None:
        gone += f", {counted(deleted.uploads, 'version')} of its upload"
    put_text(f"Run {run_id} is deleted: {counted(deleted.rows, 'row')}{gone}.")
