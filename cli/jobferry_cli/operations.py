"""`jobferry operations`: what can be done, with fields and limits."""

from __future__ import annotations

from typing import Any

import click

from jobferry.domain.commands import command
from jobferry.reporting.formatting import number
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError
from jobferry_cli.output import put_json, put_text


def operation_document(vendor: Vendor, operation: Operation) -> dict[str, Any]:
    """One operation as scripts read it. `required` lists alternatives, any of which will do."""
    return {
        "vendor": vendor.name,
        "operation": operation.name,
        "summary": operation.summary,
        "required": [list(alternatives) for alternatives in operation.required],
        "fields": list(operation.fields),
        "values": {field: list(words) for field, words in operation.values.items()},
        "max_records": operation.max_records,
        "max_bytes": operation.max_bytes,
        "max_jobs": vendor.capabilities.max_jobs,
        "repeatable": operation.repeatable,
        "adds": sorted(operation.adds),
        "external_id_field": operation.external_id_field or None,
        "undone_by": operation.undone_by or None,
        "cannot_undo": operation.cannot_undo or None,
        "snapshot": operation.readable_in_batches,
    }


@click.command()
@click.argument("vendor", required=False)
@global_options
@pass_app
def operations(app: App, vendor: str | None) -> None:
    """List what each vendor can do: operations, fields, limits.

    Needs no stack, unless VENDOR is a document of yours (`jobferry vendor list`).
    """
    for each in BUILT_IN.built_in() if vendor is None else [_named(app, vendor)]:
        if not app.as_json:
            jobs = number(each.capabilities.max_jobs)
            put_text(f"{each.title} ({each.name}), at most {jobs} jobs in flight")
        for operation in each.operations.values():
            if app.as_json:
                put_json(operation_document(each, operation))
            else:
                put_text(*_described(operation))


def _named(app: App, vendor: str) -> Vendor:
    """The vendor of this name. The stack is asked for it only where it has no package.

    Raises:
        CommandError: there is none.
    """
    registry = BUILT_IN if BUILT_IN.is_built_in(vendor) else app.stack.deps.vendors
    try:
        return registry.named(vendor)
    except LookupError as error:
        raise CommandError(str(error.args[0]), next_command=command("operations")) from None


def _described(operation: Operation) -> list[str]:
    needed = ", ".join(" or ".join(alternatives) for alternatives in operation.required)
    again = "may be sent again" if operation.repeatable else "is never sent twice"
    if operation.adds:
        again += f", but with {' or '.join(sorted(operation.adds))} is never sent twice"
    lines = [
        "",
        f"  {operation.name}: {operation.summary}",
        f"    up to {number(operation.max_records)} records and {number(operation.max_bytes)} "
        f"bytes a job; a record {again}",
        f"    needs   {needed or 'nothing'}",
        f"    fields  {', '.join(operation.fields)}",
    ]
    lines += [
        f"    {field} is one of {', '.join(words)}" for field, words in operation.values.items()
    ]
    if operation.identified_by:
        lines.append(
            f"    adds    {operation.external_id_field} jobferry:<run>:<row> to rows without "
            f"{', '.join(operation.identified_by)}"
        )
    elif operation.external_id_field:
        lines.append(
            f"    adds    {operation.external_id_field} jobferry:<run>:<row>, where the profile "
            "sets none (never with add_external_id: false)"
        )
    if operation.undone_by:
        lines.append(f"    undo    by {operation.undone_by} (jobferry undo RUN)")
    if operation.readable_in_batches:
        lines.append("    undo    puts records back, with snapshot: true (jobferry undo RUN)")
    if operation.cannot_undo:
        lines.append(f"    stays   {operation.cannot_undo}")
    return lines
