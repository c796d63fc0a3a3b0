"""`jobferry undo`: the file and the profile that would take away what a run made, or put back what
it changed. Runs nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from jobferry.csvfile.formula_injection import defuse
from jobferry.domain.commands import Command, command
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.find_rows import profile_of
from jobferry.operator.put_back import OutcomesGoneError
from jobferry.reporting.formatting import counted
from jobferry.vendors.operation import Operation
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.following import closed_run
from jobferry_cli.output import printable, put_json, put_text
from jobferry_cli.stack import Stack
from jobferry_cli.undo_changes import UndoFiles, write_changes

_NAME_LENGTH = 48
"""Characters of a profile's name, at the most (see `jobferry.binding.profile_document`)."""

_COLUMNS = ("id", "jobferry_row")
"""A column of ours says that an apostrophe before a formula is ours, and no part of the id."""
_CANNOT_COLUMNS = ("row", "status", "vendor_id", "error_code", "error")

STAYS = (
    "What the change has set off (notifications, triggers), and comments. What somebody has "
    "changed since in these fields is overwritten: look at the file first."
)

_MAY_BE_THERE = frozenset({OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What was written.

    Attributes:
        name: of the profile
        rows: records that can be deleted, or put back
        cannot: rows whose record cannot be, or nobody knows whether there is one
        lost: field → rows of which it cannot be put back
        puts_back: the records are changed, and not deleted
    """

    name: str
    csv: Path
    profile: Path
    rows: int
    cannot: int
    cannot_csv: Path | None
    lost: Mapping[str, int] = field(default_factory=dict)
    puts_back: bool = False

    @property
    def done(self) -> str:
        """What becomes of the records."""
        return "put back as they were" if self.puts_back else "deleted"


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the file and the profile.",
)
@global_options
@pass_app
def undo(app: App, run_id: str, out: Path) -> ExitCode:
    """Write a file that would undo a run.

    It deletes the records that the run made, or puts back what it changed, where the run was sent
    with `snapshot: true`. Nothing is sent.

    Exit code 1: nothing of the run can be undone. 3: some rows cannot be.
    """
    run = closed_run(app, run_id, "undone")
    operation = _operation_of(app.stack, run)
    plan = None
    if operation.undone_by:
        plan = _write(app.stack, run, operation, out)
    elif _has_snapshot(app.stack, run, operation):
        plan = _write_changes(app.stack, run, operation, out)
    if plan is None or not plan.rows:
        raise _nothing(run, operation, plan)
    if app.as_json:
        put_json(_document(run, operation, plan))
    else:
        put_text(*_lines(run, operation, plan))
    return ExitCode.ROWS_FAILED if plan.cannot else ExitCode.OK


def _operation_of(stack: Stack, run: Run) -> Operation:
    connection = stack.deps.store.config.connection(run.connection) if run.connection else None
    if connection is None:
        what = f"Its connection {run.connection!r} is gone." if run.connection else "It sent none."
        raise CommandError(
            f"Of run {run.run_id} nothing can be undone. {what}",
            next_command=command("status", run.run_id),
        )
    vendor = stack.deps.vendors.named(connection.vendor)
    operation = vendor.operation(run.operation)
    if operation is None:
        raise CommandError(
            f"{vendor.title} no longer has the operation {run.operation} of run {run.run_id}.",
            next_command=command("operations", vendor.name),
        )
    return operation


def _has_snapshot(stack: Stack, run: Run, operation: Operation) -> bool:
    """Whether what the run has changed was kept before."""
    profile = profile_of(run, stack.deps)
    return operation.readable_in_batches and profile is not None and profile.snapshot


def _files(run: Run, out: Path, did: str) -> UndoFiles:
    """Where to write.

    Raises:
        CommandError: the run did nothing.
    """
    if not any(run.outcomes.get(status) for status in _MAY_BE_THERE):
        raise CommandError(
            f"Run {run.run_id} {did} nothing; there is nothing to undo.",
            next_command=command("status", run.run_id),
        )
    out.mkdir(parents=True, exist_ok=True)
    ends = (".csv", ".yaml", "-cannot.csv")
    return UndoFiles(*(out / f"undo-{run.run_id}{end}" for end in ends))


def _write(stack: Stack, run: Run, operation: Operation, out: Path) -> UndoPlan:
    """Write the files; those of an earlier undo are replaced."""
    files, name = _files(run, out, "made"), _profile_name(run)
    rows, cannot = _write_rows(_made(stack, run), files.rows, files.cannot)
    files.profile.write_text(_profile_text(run, operation, name), encoding="utf-8")
    cannot_file = files.cannot if cannot else None
    return UndoPlan(name, files.rows, files.profile, rows, cannot, cannot_file)


def _write_changes(stack: Stack, run: Run, operation: Operation, out: Path) -> UndoPlan:
    """The same for what a run has changed."""
    files, name = _files(run, out, "changed"), _profile_name(run)
    try:
        made = write_changes(stack, run, operation, files, name)
    except OutcomesGoneError:
        raise _outcomes_gone(run) from None
    cannot_file = files.cannot if made.cannot else None
    counts = (made.rows, made.cannot, cannot_file, made.lost)
    return UndoPlan(name, files.rows, files.profile, *counts, puts_back=True)


def _write_rows(made: Iterator[Outcome], rows_file: Path, cannot_file: Path) -> tuple[int, int]:
    """Part the rows that can be undone from those that cannot; returns how many are in each file.

    Files appear when they are whole; one without rows that cannot be undone does not.
    """
    rows = cannot = 0
    parts = {path: path.with_name(f"{path.name}.part") for path in (rows_file, cannot_file)}
    try:
        with ExitStack() as files:
            undoable, others = (
                csv.writer(files.enter_context(part.open("w", newline="", encoding="utf-8")))
                for part in parts.values()
            )
            undoable.writerow(_COLUMNS)
            others.writerow(_CANNOT_COLUMNS)
            for outcome in made:
                if outcome.status is OutcomeStatus.SUCCEEDED and outcome.vendor_id:
                    undoable.writerow((defuse(outcome.vendor_id), outcome.row))
                    rows += 1
                else:
                    others.writerow(_cannot_cells(outcome))
                    cannot += 1
        parts[rows_file].replace(rows_file)
        if cannot:
            parts[cannot_file].replace(cannot_file)
        else:
            cannot_file.unlink(missing_ok=True)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return rows, cannot


def _made(stack: Stack, run: Run) -> Iterator[Outcome]:
    """Outcomes of the rows whose record is there, or may be.

    Raises:
        CommandError: the outcomes are no longer kept.
    """
    seen = 0
    for outcome in stack.deps.store.rows.between(run.run_id, 1, run.rows):
        seen += 1
        if outcome.status in _MAY_BE_THERE:
            yield outcome
    if seen < run.rows:
        raise _outcomes_gone(run)


def _outcomes_gone(run: Run) -> CommandError:
    return CommandError(
        f"The outcomes of run {run.run_id} are no longer all kept.",
        next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
    )


def _cannot_cells(outcome: Outcome) -> list[str]:
    """Why a row cannot be undone, safe for a spreadsheet."""
    unnamed = "The vendor named no id; look the record up there."
    cells = (
        str(outcome.row),
        outcome.status.value,
        outcome.vendor_id or "",
        outcome.error_code or "",
        outcome.error or unnamed,
    )
    return [defuse(cell) for cell in cells]


def _profile_name(run: Run) -> str:
    """`undo-<profile>-<digest>`, short enough for a profile's name."""
    profile, _, digest = run.run_id.rpartition("-")
    room = _NAME_LENGTH - len("undo--") - len(digest)
    return f"undo-{profile[:room]}-{digest}"


def _profile_text(run: Run, operation: Operation, name: str) -> str:
    document = {
        "name": name,
        "connection": run.connection,
        "operation": operation.undone_by,
        "columns": {_COLUMNS[0]: operation.undone_by_field},
        "row_key": _COLUMNS[0],
        # It takes away what Jobferry itself has made: these rows are known to be right.
        "ramp": "off",
    }
    heading = f"# Deletes what the run {printable(run.run_id)} made with {operation.name}.\n"
    return heading + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _next_commands(plan: UndoPlan) -> list[Command]:
    return [
        command("profile", "put", plan.profile),
        command("plan", plan.csv, "--profile", plan.name),
        command("run", plan.csv, "--profile", plan.name, "--wait"),
    ]


def _document(run: Run, operation: Operation, plan: UndoPlan | None) -> dict[str, Any]:
    """What was written, as scripts read it."""
    return {
        "run_id": run.run_id,
        "operation": operation.name,
        "undone_by": operation.name if plan and plan.puts_back else operation.undone_by or None,
        "cannot_undo": operation.cannot_undo or None,
        "lost": dict(plan.lost) if plan else {},
        "rows": plan.rows if plan else 0,
        "cannot": plan.cannot if plan else 0,
        "csv": str(plan.csv) if plan else None,
        "profile": str(plan.profile) if plan else None,
        "cannot_csv": str(plan.cannot_csv) if plan and plan.cannot_csv else None,
        "next": _next_commands(plan) if plan and plan.rows else [],
    }


def _nothing(run: Run, operation: Operation, plan: UndoPlan | None) -> CommandError:
    """Why nothing of a run can be undone."""
    if plan is None:
        why = operation.cannot_undo or "The vendor has no operation that takes it back."
        text, details = f"{operation.name} cannot be undone. {why}", []
    else:
        text = (
            f"No row of run {run.run_id} made a record whose id is known; nothing can be deleted."
        )
        details = [_not_undone(plan)] if plan.cannot_csv else []
    return CommandError(
        text,
        details=details,
        next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
        error_code="cannot_undo",
        document=_document(run, operation, plan),
    )


def _not_undone(plan: UndoPlan) -> str:
    return f"{counted(plan.cannot, 'row')} cannot be undone, with the reason: {plan.cannot_csv}"


def _lines(run: Run, operation: Operation, plan: UndoPlan) -> list[str]:
    lines = [
        f"{counted(plan.rows, 'record')} of run {run.run_id} can be {plan.done} by "
        f"{operation.undone_by or operation.name}. Nothing has been sent.",
        f"File      {plan.csv}",
        f"Profile   {plan.profile}",
    ]
    if plan.cannot_csv is not None:
        lines.append(f"Not       {_not_undone(plan)}")
    lines += [
        f"Stays     {name} of {counted(rows, 'row')}: nothing puts it back"
        for name, rows in plan.lost.items()
    ]
    if plan.puts_back:
        lines.append(f"Stays     {STAYS}")
    elif operation.cannot_undo:
        lines.append(f"Stays     {operation.cannot_undo}")
    lines += ["Next:", *(f"  {each}" for each in _next_commands(plan))]
    return [
        *lines,
        "The profile is for this once; take it away when the run is over:",
        f"  {command('profile', 'delete', plan.name)}",
    ]
