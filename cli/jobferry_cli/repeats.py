"""Rows of a closed run once more, as a run of their own: what every surface does for it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from botocore.exceptions import ClientError

from jobferry.binding.column_binding import bind_columns
from jobferry.binding.run_binding import operation_of
from jobferry.domain.commands import command
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.inbox import COPYING, copy_names
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.operator.rerun import (
    Copied,
    LeftOut,
    OutcomesMissingError,
    ReadsOtherwiseError,
    Repeat,
    RowFilter,
    check_copy,
    copy_rows,
)
from jobferry.reporting.formatting import counted, listed
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import SourceError
from jobferry_cli.errors import CommandError
from jobferry_cli.profiles import UsableProfile
from jobferry_cli.resources import UploadedBeforeError
from jobferry_cli.stack import Stack
from jobferry_cli.starting import start_run

_MISSING = frozenset({"NoSuchVersion", "NoSuchKey", "404"})

Shown = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Takes the bytes of an upload; its context is told of each part that has arrived."""


def _unseen(_size: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _: None)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A run that sends rows again.

    Attributes:
        left_out: rows that stay behind; None: it was started before
        notes: what a person should know of it
    """

    run_id: str
    left_out: int | None
    notes: tuple[str, ...] = ()


def repeatable_run(run: Run, usable: UsableProfile) -> bool:
    """Whether rows of the run may be sent twice."""
    operation = operation_of(run, usable.profile, usable.vendor)
    return operation is not None and operation.repeatable


def send_again(
    stack: Stack,
    run: Run,
    usable: UsableProfile,
    repeat: Repeat,
    *,
    once: bool,
    priority: str | None = None,
    shown: Shown = _unseen,
) -> Repeated:
    """Start a run of these rows. Asked for twice, it happens once, where `once` says so.

    Args:
        once: only if no rows of the run have been sent again before.
        priority: of the new run; None: as the old one's.

    Raises:
        CommandError: it cannot be done, or other rows of the run were sent again before.
    """
    notes: tuple[str, ...] = ()
    left_out = None
    request = _earlier(stack, run, repeat) if once else None
    if request is not None:
        notes = ("These rows have been sent again before, by this very run. Once more: --again",)
    else:
        try:
            request, copied = _uploaded(
                stack, run, repeat, usable, priority or run.priority, once=once, shown=shown
            )
            notes = _told(copied, usable)
            left_out = sum(n for why, n in copied.left_out.items() if why in _WHY)
        except UploadedBeforeError:
            # By somebody who has typed the same a moment before: one run sends them.
            notes = ("These rows are being sent again already, by this very run.",)
            request = stack.inbox.current(run.profile, repeat.name)
    run_id = run_id_of(request, request.version_id or "null")
    start_run(stack, run_id, request)
    return Repeated(run_id, left_out, notes)


def _earlier(stack: Stack, run: Run, repeat: Repeat) -> RunRequest | None:
    """The upload that has sent just these rows again before; asked for twice, it happens once.

    Raises:
        CommandError: other rows of the run have been sent again, and these may be among them.
    """
    kind = repeat.name.split("/")[0]
    uploads = {
        name: request
        for verb in COPYING
        for name, request in stack.inbox.uploads(run.profile, copy_names(verb, run.run_id)).items()
    }
    found = uploads.get(repeat.name)
    if found is not None:
        return found
    if not uploads:
        return None
    other = next(iter(uploads.values()))
    earlier = run_id_of(other, other.version_id or "null")
    raise CommandError(
        f"Rows of {run.run_id} have been sent again before, by the run {earlier}, and some "
        "would be done twice. With --again they are sent all the same.",
        next_command=command(kind, earlier),
    )


def _uploaded(
    stack: Stack,
    run: Run,
    repeat: Repeat,
    usable: UsableProfile,
    priority: str,
    *,
    once: bool,
    shown: Shown,
) -> tuple[RunRequest, Copied]:
    """The new file in the inbox, and what of the old one it holds.

    Raises:
        UploadedBeforeError: it must be there once only, and is there.
    """
    try:
        if repeat.row_filter is None:
            request = stack.inbox.copy(
                run.source,
                run.profile,
                repeat.name,
                priority=priority,
                origin=run.run_id,
                by=stack.caller.name,
                once=once,
            )
            return request, Copied(run.rows)
        return _uploaded_rows(
            stack, run, repeat, repeat.row_filter, usable, priority, once=once, shown=shown
        )
    except FileRefused as refusal:
        raise _unfit(
            run,
            f"The file of run {run.run_id} does not fit the profile {run.profile} as it is now. "
            f"{refusal.message}",
        ) from None
    except ReadsOtherwiseError:
        raise _unfit(
            run,
            f"The rows alone would be read in another way than in the file of run {run.run_id}. "
            f"Say `encoding` and `delimiter` in the profile {run.profile}.",
        ) from None
    except (OutcomesMissingError, SourceError):
        raise _gone(run) from None
    except ClientError as error:
        if error.response["Error"].get("Code") not in _MISSING:
            raise
        raise _gone(run) from None


def _uploaded_rows(
    stack: Stack,
    run: Run,
    repeat: Repeat,
    row_filter: RowFilter,
    usable: UsableProfile,
    priority: str,
    *,
    once: bool,
    shown: Shown,
) -> tuple[RunRequest, Copied]:
    """A file of some of the run's rows, in the inbox."""
    with tempfile.TemporaryFile() as file:
        copied = copy_rows(run, row_filter, file, stack.deps)
        if not copied.rows:
            raise CommandError(
                f"No row of run {run.run_id} can be retried.{_reasons(copied.left_out)}",
                next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
            )
        size = file.tell()
        header = check_copy(run, usable.profile, file).header
        bind_columns(usable.profile, usable.operation, usable.vendor, header)
        with shown(size) as sent:
            request = stack.inbox.upload(
                file,
                run.profile,
                repeat.name,
                priority=priority,
                origin=run.run_id,
                by=stack.caller.name,
                once=once,
                sent=sent,
            )
    return request, copied


def _unfit(run: Run, message: str) -> CommandError:
    return CommandError(message, next_command=command("profile", "show", run.profile))


def _gone(run: Run) -> CommandError:
    return CommandError(
        f"The file or the outcomes of run {run.run_id} are no longer kept.",
        next_command=command("results", run.run_id, "--out", f"results/{run.run_id}"),
    )


_WHY = {
    LeftOut.SUCCEEDED: "succeeded",
    LeftOut.UNKNOWN: "may have been applied",
    LeftOut.REPEATS: "repeat another row",
    LeftOut.UNREADABLE: "cannot be read and must be mended by hand",
}


def _told(copied: Copied, usable: UsableProfile) -> tuple[str, ...]:
    """What stays behind and why."""
    reasons = _reasons(copied.left_out)
    if not reasons:
        return ()
    twice = copied.left_out.keys() & {LeftOut.SUCCEEDED, LeftOut.UNKNOWN}
    twice_text = f" {usable.operation.name} would do them twice (--repeat-succeeded)."
    return (f"{counted(copied.rows, 'row')} sent again.{reasons}{twice_text if twice else ''}",)


def _reasons(left_out: Mapping[LeftOut, int]) -> str:
    parts = [f"{left_out[why]} that {words}" for why, words in _WHY.items() if left_out.get(why)]
    return f" Left out: {listed(parts)}." if parts else ""
