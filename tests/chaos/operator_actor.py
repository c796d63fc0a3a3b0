"""What an operator does in a scenario, with the same functions as the command line.

Each is an invocation of its own: it may die at any of its effects, as a laptop is closed, and
nobody but the operator tries it again.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from jobferry.domain.error_codes import FileRefused
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.operator.delete_run import delete_run
from jobferry.operator.job_control import abort_run, change_priority, force_run
from jobferry.operator.pause_resume import continue_run, resume
from jobferry.operator.rerun import OutcomesMissingError, ReadsOtherwiseError, copy_rows, retry_of
from jobferry.operator.resolve_run import ask_resolve
from jobferry.operator.vendor_requests import VendorUnavailableError
from jobferry.steps.open_run import SAME_CONTENT, run_id_of
from tests.chaos.scenario import (
    AFTER_CLOSE,
    Action,
    ChangePriority,
    DeleteRun,
    ResolveRun,
    RetryRun,
    Reupload,
    SwitchAccount,
    letter,
)
from virtual.clock import START
from virtual.world import CONNECTION, INBOX

if TYPE_CHECKING:
    from tests.chaos.runner import ChaosWorld

HOME, SANDBOX = "https://acme.example", "https://sandbox.example"

REFUSALS = (
    VendorUnavailableError,
    FileRefused,
    ReadsOtherwiseError,
    OutcomesMissingError,
    LookupError,
)
"""What a command refuses with, instead of doing its work."""


@dataclass(frozen=True)
class ExtraRun:
    """A run besides those of the scenario's files.

    of    the file whose rows it processes
    same  it has the same bytes once more, which nobody wanted
    """

    run_id: str
    of: int
    same: bool = False


TRIES = 6
"""How often an operator repeats a command that fails."""


class OperatorActor:
    """An operator at the command line."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        scenario = world.scenario
        self._left: list[Action] = [
            each for each in scenario.actions if isinstance(each, AFTER_CLOSE) and self._known(each)
        ]
        self.pending = 0
        """Things that are still to be done at their time."""

    def _known(self, action: Action) -> bool:
        return getattr(action, "file", 0) < len(self._world.scenario.files)

    def begin(self) -> None:
        """Everything that has its time."""

        def spawn(work: Callable[[], None], name: str) -> None:
            self.pending += 1
            self._world.clock.spawn(partial(self._count_down, work), name)

        for each in self._world.scenario.actions:
            match each:
                case ChangePriority() if self._known(each):
                    spawn(partial(self._prioritise, each), "priority")
                case Reupload() if self._known(each):
                    spawn(partial(self._reupload, each), "upload again")
                case SwitchAccount():
                    spawn(partial(self._switch_account, each), "connection put")

    def _count_down(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.pending -= 1

    def after_close(self) -> bool:
        """Do what comes next of what comes after the end; False when nothing is left."""
        if not self._left:
            return False
        each, *self._left = self._left
        run = self._run(each.file)  # type: ignore[union-attr]
        if run is None or run.closed_at is None:
            return True
        match each:
            case ResolveRun(file, times):
                if times > 1:
                    self._left.insert(0, replace(each, times=times - 1))
                self._resolve(file, run)
            case RetryRun(file, operators):
                self._retry(file, operators, run)
            case DeleteRun(file):
                self._delete(file, run)
        return True

    def _run(self, file: int) -> Run | None:
        return self._world.store.runs.get(self._world.history.run_id(file))

    def _do(self, name: str, work: Callable[[], object]) -> None:
        def refused_or_done() -> None:
            try:
                work()
            except REFUSALS as refusal:
                self._world.note(f"{name} is refused: {type(refusal).__name__}")

        self._world.history.events[f"the operator: {name}"] += 1
        self._world.tolerate_failure(lambda: self._world.as_invocation(name, refused_or_done))

    def _prioritise(self, each: ChangePriority) -> None:
        world = self._world
        world.clock.sleep(each.at)
        run = self._run(each.file)
        if run is None or run.closed_at is not None:
            return
        world.note(f"the operator makes run {letter(each.file)} {each.level}")
        self._do("priority", lambda: change_priority(run, each.level, world.deps))

    def _switch_account(self, each: SwitchAccount) -> None:
        world = self._world
        world.clock.sleep(each.at)
        # A run that is opened while the connection leads elsewhere belongs there, and stays paused
        # once the connection leads back: this operator moves it under runs that are there.
        while any(self._run(file) is None for file in range(len(world.history.requests))):
            world.clock.sleep(1.0)
        here = world.store.config.connection(CONNECTION)
        assert here is not None
        world.note("the connection is pointed at another account")
        world.history.events["the operator: connection put"] += 1
        world.store.config.put_connection(replace(here, base_url=SANDBOX))
        world.clock.sleep(each.seconds)
        world.note("the connection is pointed back")
        world.store.config.put_connection(here)

    def _reupload(self, each: Reupload) -> None:
        world = self._world
        world.clock.sleep(each.at)
        first = world.history.requests[each.file]
        key = f"inbox/{first.profile}/again-{letter(each.file)}.csv"
        version = world.objects.upload(INBOX, key, world.objects.bytes_of(INBOX, first.key))
        world.note(f"the bytes of file {letter(each.file)} are uploaded once more")
        world.history.events["the same bytes again"] += 1
        self._start_extra(RunRequest(first.profile, INBOX, key, version), each.file, same=True)

    def _start_extra(self, request: RunRequest, file: int, *, same: bool = False) -> None:
        """The event of an upload, which the scenario did not know of."""
        run_id = run_id_of(request, str(request.version_id))
        extra = ExtraRun(run_id, file, same)
        if extra not in self._world.history.extras:
            self._world.history.extras.append(extra)
        self._world.start(request)

    def _resolve(self, file: int, run: Run) -> None:
        world = self._world
        world.note(f"the operator resolves run {letter(file)}")
        self._do("resolve", lambda: ask_resolve(run, world.deps, world.restart))

    def _retry(self, file: int, operators: int, run: Run) -> None:
        world = self._world
        if not run.outcomes.get(OutcomeStatus.FAILED):
            return
        repeat = retry_of(run, [OutcomeStatus.FAILED])
        key = f"inbox/{run.profile}/{repeat.name}"

        def work() -> None:
            version = world.objects.current_version(INBOX, key)
            if version is None:
                file_copied = io.BytesIO()
                assert repeat.row_filter is not None
                copied = copy_rows(run, repeat.row_filter, file_copied, world.deps)
                if not copied.rows:
                    return
                world.clock.give_way()
                body = file_copied.getvalue()
                version = world.objects.upload(INBOX, key, body, new=True)
            self._start_extra(RunRequest(run.profile, INBOX, key, version), file)

        world.note(f"{operators} operators retry run {letter(file)}")
        for _ in range(operators):
            world.clock.spawn(lambda: self._do("retry", work), "retry")

    def _delete(self, file: int, run: Run) -> None:
        world = self._world
        world.note(f"the operator deletes run {letter(file)}")
        world.history.deleted.add(file)
        left: Run | None = run
        for _ in range(TRIES):
            if left is None:
                return
            # An operator who saw it fail does it again.
            self._do("delete", partial(delete_run, left, world.deps))
            left = self._run(file)

    def approve_or_abort(self, extra: ExtraRun) -> None:
        """To a run that an operator has made: approve it, unless it has the same bytes once
        more."""
        run = self._world.store.runs.get(extra.run_id)
        if run is None or run.closed_at is not None or not run.paused:
            return
        self._world.note(f"the operator looks at {extra.run_id}")
        if extra.same:
            self._world.tolerate_failure(
                lambda: self._world.as_invocation("Abort", lambda: self._abort_run(run))
            )
        else:
            self._world.tolerate_failure(
                lambda: self._world.as_invocation(
                    "Resume", lambda: resume(run, self._world.deps, self._world.restart)
                )
            )

    def approve(self, file: int) -> None:
        """The operator looks at a run that waits for approval, and approves it."""
        run = self._world.store.runs.get(self._world.history.run_id(file))
        if run is None or run.closed_at is not None or not run.paused:
            return
        if self._world.clock.now() < START + self._world.scenario.approve_after:
            return
        if run.pause is not None and run.pause.code == SAME_CONTENT:
            self._world.note(f"the operator aborts run {letter(file)}, which has the same bytes")
            self._world.tolerate_failure(
                lambda: self._world.as_invocation("Abort", lambda: self._abort_run(run))
            )
            return
        self._world.note(f"the operator lets run {letter(file)} go on")
        self._world.history.events["paused run resumed"] += 1
        self._world.history.approved_at.setdefault(file, self._world.clock.now())
        self._world.tolerate_failure(
            lambda: self._world.as_invocation(
                "Resume", lambda: resume(run, self._world.deps, self._world.restart)
            )
        )

    def abort(self, file: int, at: float, *, force: bool) -> None:
        self._world.clock.sleep(at)
        run = self._world.store.runs.get(self._world.history.run_id(file))
        if run is None or run.closed_at is not None:
            return
        self._world.history.events["run aborted"] += 1
        self._world.note(f"the operator aborts run {letter(file)}")
        self._world.tolerate_failure(
            lambda: self._world.as_invocation("Abort", lambda: self._abort_run(run, force=force))
        )

    def _abort_run(self, run: Run, *, force: bool = False) -> None:
        if force:
            force_run(run, "enough", self._world.deps, self._world.restart)
            return
        abort_run(run, "enough", self._world.deps)
        continue_run(run.run_id, self._world.deps, self._world.restart)
