"""What buttons do: the same as the commands, by the same functions, with the caller's rights."""

from __future__ import annotations

from collections.abc import Mapping

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.job_control import waiting_jobs
from jobferry.operator.rerun import rerun_of, retry_of
from jobferry.operator.resolve_run import ask_resolve
from jobferry.operator.vendor_requests import VendorUnavailableError, vendor_session
from jobferry.reporting.formatting import counted
from jobferry.reporting.html.markup import Html, foreign, join, tag
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.dashboard.connection_pages import known_connection, tested
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.held_files import HeldFile
from jobferry_cli.errors import CommandError
from jobferry_cli.following import not_over
from jobferry_cli.profiles import usable_profile
from jobferry_cli.repeats import Repeated, repeatable_run, send_again
from jobferry_cli.run_actions import go_on, prioritise, stop_run
from jobferry_cli.starting import start_file
from jobferry_cli.vendor_calls import vendor_asked, vendor_reached

REASON = "Stopped by an operator."

MOST_JOBS = 20
"""Jobs that are named of those that wait for somebody."""

Done = tuple[str, Html]
"""The run to show next, and what was done."""


def perform(desk: Desk, run: Run, action: str, form: Mapping[str, str]) -> Done:
    """Do what a confirmed form asks for.

    Raises:
        CommandError: it cannot be done, or not any more.
    """
    return _PERFORMED[action](desk, run, form)


def _abort(desk: Desk, run: Run, form: Mapping[str, str]) -> Done:
    stop_run(desk.stack, run, form.get("reason", "").strip() or REASON)
    return run.run_id, join("Nothing more of this run is sent.")


def _resume(desk: Desk, run: Run, _form: Mapping[str, str]) -> Done:
    paused = go_on(desk.stack, run)
    return run.run_id, join("The run goes on." if paused else "The run was not paused.")


def _priority(desk: Desk, run: Run, form: Mapping[str, str]) -> Done:
    level = form.get("level", "")
    if level not in PRIORITIES:
        raise CommandError(
            f"There is no priority {level!r}.", next_command=command("priority", "--help")
        )
    jobs = prioritise(desk.stack, run, level)
    more = f" {counted(jobs, 'job')} in flight will get it too." if jobs else ""
    return run.run_id, join(f"The run has priority {level}.{more}")


def _retry(desk: Desk, run: Run, _form: Mapping[str, str]) -> Done:
    _must_be_over(run, "retried")
    if not run.outcomes.get(OutcomeStatus.FAILED):
        raise CommandError(
            f"Run {run.run_id} has no failed rows; there is nothing to retry.",
            next_command=command("status", run.run_id),
        )
    usable = usable_profile(desk.stack, run.profile)
    once = not repeatable_run(run, usable)
    repeat = retry_of(run, [OutcomeStatus.FAILED])
    return _repeated(run, send_again(desk.stack, run, usable, repeat, once=once))


def _rerun(desk: Desk, run: Run, _form: Mapping[str, str]) -> Done:
    _must_be_over(run, "sent again")
    usable = usable_profile(desk.stack, run.profile)
    twice = repeatable_run(run, usable)
    repeat = rerun_of(run, repeatable=twice)
    return _repeated(run, send_again(desk.stack, run, usable, repeat, once=not twice))


def _repeated(run: Run, repeated: Repeated) -> Done:
    notes = (foreign(f" {text}") for text in repeated.notes)
    return repeated.run_id, join(f"This run sends rows of {run.run_id} again.", *notes)


def _must_be_over(run: Run, done: str) -> None:
    if run.closed_at is None:
        raise not_over(run, f"only then can it be {done}")


def _resolve(desk: Desk, run: Run, _form: Mapping[str, str]) -> Done:
    if run.closed_at is not None and not run.outcomes.get(OutcomeStatus.UNKNOWN):
        raise CommandError(
            f"Run {run.run_id} has no unknown rows.", next_command=command("status", run.run_id)
        )
    stack = desk.stack
    try:
        ask_resolve(run, stack.deps, stack.executions.go_on, by=stack.caller.name)
    except LookupError as error:
        raise CommandError(
            f"The vendor cannot be asked about run {run.run_id}: {error.args[0]}.",
            next_command=command("connection", "list"),
        ) from None
    return run.run_id, join("The vendor is asked about the unknown rows.")


def _problems(desk: Desk, run: Run, _form: Mapping[str, str]) -> Done:
    with vendor_asked(run.connection):
        found = waiting_jobs(run, desk.stack.deps)
    if not found:
        return run.run_id, join("No job of this run waits for anybody.")
    items = (
        tag("li", "Job ", foreign(job.job_id), ": ", foreign(job.waiting_for or ""))
        for job in found[:MOST_JOBS]
    )
    more = len(found) - MOST_JOBS
    left = tag("p", f"and {counted(more, 'more job')}.") if more > 0 else ""
    waits = "wait" if len(found) > 1 else "waits"
    return run.run_id, join(
        f"{counted(len(found), 'job')} {waits} for somebody:", tag("ul", *items), left
    )


_PERFORMED = {
    "problems": _problems,
    "abort": _abort,
    "resume": _resume,
    "priority": _priority,
    "retry": _retry,
    "rerun": _rerun,
    "resolve": _resolve,
}


def start(desk: Desk, held: HeldFile, form: Mapping[str, str]) -> Done:
    """Send a file that waits.

    Raises:
        CommandError: the form says something that cannot be.
    """
    trial, priority = form.get("trial", "").strip(), form.get("priority", "")
    if trial and not (trial.isascii() and trial.isdigit() and int(trial[:12]) > 0):
        raise CommandError(
            "A trial is a number of rows, 1 or more.", next_command=command("run", "--help")
        )
    if priority and priority not in PRIORITIES:
        raise CommandError(
            f"There is no priority {priority!r}.", next_command=command("run", "--help")
        )
    with held.path.open("rb") as body:
        run_id = start_file(
            desk.stack,
            body,
            held.profile,
            held.name,
            priority=priority or None,
            trial=int(trial[:12]) if trial else None,
        )
    return run_id, join("Started: ", tag("strong", foreign(held.name)), ".")


def unblock(desk: Desk, name: str) -> Html:
    """End the waits of a connection."""
    known_connection(desk, name)
    desk.stack.deps.store.limits.unblock(name)
    return join(f"The connection {name} waits for nothing.")


def test_connection(desk: Desk, name: str) -> Html:
    """Send one request that changes nothing; what came of it."""
    known_connection(desk, name)
    try:
        with vendor_reached(), vendor_session(name, desk.stack.deps) as asked:
            answer = asked.linked.client.test()
            reason = None if answer is None else str(asked.no(answer))
    except VendorUnavailableError as error:
        reason = str(error)
    return tested(name, reason)
