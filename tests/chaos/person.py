"""What a person does to runs and connections in a story, with the same steps as the command line.

Each is an invocation of its own: it may die at any of its effects, as a laptop is closed, and
nobody but the person tries it again.
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
from jobferry.operator.job_control import change_priority
from jobferry.operator.rerun import OutcomesMissingError, ReadsOtherwiseError, copy_rows, retry_of
from jobferry.operator.resolve_run import ask_resolve
from jobferry.operator.vendor_requests import VendorUnavailableError
from jobferry.steps.open_run import run_id_of
from tests.chaos.story import (
    AFTERWARDS,
    Elsewhere,
    Erase,
    Happening,
    Priority,
    Resolve,
    Retry,
    Reupload,
    letter,
)
from tests.fakes.world import CONNECTION, INBOX

if TYPE_CHECKING:
    from tests.chaos.carry import ChaosWorld

HOME, SANDBOX = "https://acme.example", "https://sandbox.example"

REFUSALS = (
    VendorUnavailableError,
    FileRefused,
    ReadsOtherwiseError,
    OutcomesMissingError,
    LookupError,
)
"""What a command tells a person instead of doing it."""


@dataclass(frozen=True)
class Extra:
    """A run besides those of the story's files.

    of    the file whose rows it carries
    same  it carries the same bytes once more, which nobody wanted
    """

    run_id: str
    of: int
    same: bool = False


TRIES = 6
"""How often a person repeats a command that fails."""


class Person:
    """Whoever sits before the command line."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        story = world.story
        self._left: list[Happening] = [
            each for each in story.happenings if isinstance(each, AFTERWARDS) and self._known(each)
        ]
        self.at_work = 0
        """Things that are still to be done at their time."""

    def _known(self, happening: Happening) -> bool:
        return getattr(happening, "file", 0) < len(self._world.story.files)

    def begin(self) -> None:
        """Everything that has its time."""

        def spawn(work: Callable[[], None], name: str) -> None:
            self.at_work += 1
            self._world.clock.spawn(partial(self._to_the_end, work), name)

        for each in self._world.story.happenings:
            match each:
                case Priority() if self._known(each):
                    spawn(partial(self._prioritise, each), "priority")
                case Reupload() if self._known(each):
                    spawn(partial(self._reupload, each), "upload again")
                case Elsewhere():
                    spawn(partial(self._elsewhere, each), "connection put")

    def _to_the_end(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.at_work -= 1

    def afterwards(self) -> bool:
        """Do what comes next of what comes after the end; False when nothing is left."""
        if not self._left:
            return False
        each, *self._left = self._left
        run = self._run(each.file)  # type: ignore[union-attr]
        if run is None or run.closed_at is None:
            return True
        match each:
            case Resolve(file, times):
                if times > 1:
                    self._left.insert(0, replace(each, times=times - 1))
                self._resolve(file, run)
            case Retry(file, operators):
                self._retry(file, operators, run)
            case Erase(file):
                self._erase(file, run)
        return True

    def _run(self, file: int) -> Run | None:
        return self._world.store.runs.get(self._world.told.run_id(file))

    def _do(self, name: str, work: Callable[[], object]) -> None:
        def refused_or_done() -> None:
            try:
                work()
            except REFUSALS as refusal:
                self._world.note(f"{name} is refused: {type(refusal).__name__}")

        self._world.told.happened[f"the operator: {name}"] += 1
        self._world.in_vain(lambda: self._world.within(name, refused_or_done))

    def _prioritise(self, each: Priority) -> None:
        world = self._world
        world.clock.sleep(each.at)
        run = self._run(each.file)
        if run is None or run.closed_at is not None:
            return
        world.note(f"the operator makes run {letter(each.file)} {each.level}")
        self._do("priority", lambda: change_priority(run, each.level, world.deps))

    def _elsewhere(self, each: Elsewhere) -> None:
        world = self._world
        world.clock.sleep(each.at)
        here = world.store.config.connection(CONNECTION)
        assert here is not None
        world.note("the connection is pointed at another account")
        world.told.happened["the operator: connection put"] += 1
        world.store.config.put_connection(replace(here, base_url=SANDBOX))
        world.clock.sleep(each.seconds)
        world.note("the connection is pointed back")
        world.store.config.put_connection(here)

    def _reupload(self, each: Reupload) -> None:
        world = self._world
        world.clock.sleep(each.at)
        first = world.told.requests[each.file]
        key = f"inbox/{first.profile}/again-{letter(each.file)}.csv"
        version = world.objects.upload(INBOX, key, world.objects.bytes_of(INBOX, first.key))
        world.note(f"the bytes of file {letter(each.file)} are uploaded once more")
        world.told.happened["the same bytes again"] += 1
        self._carry(RunRequest(first.profile, INBOX, key, version), each.file, same=True)

    def _carry(self, request: RunRequest, file: int, *, same: bool = False) -> None:
        """The event of an upload, which the story did not know of."""
        run_id = run_id_of(request, str(request.version_id))
        extra = Extra(run_id, file, same)
        if extra not in self._world.told.extras:
            self._world.told.extras.append(extra)
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
                assert repeat.judge is not None
                copied = copy_rows(run, repeat.judge, file_copied, world.deps)
                if not copied.rows:
                    return
                world.clock.give_way()
                body = file_copied.getvalue()
                version = world.objects.upload(INBOX, key, body, new=True)
            self._carry(RunRequest(run.profile, INBOX, key, version), file)

        world.note(f"{operators} operators retry run {letter(file)}")
        for _ in range(operators):
            world.clock.spawn(lambda: self._do("retry", work), "retry")

    def _erase(self, file: int, run: Run) -> None:
        world = self._world
        world.note(f"the operator deletes run {letter(file)}")
        world.told.erased.add(file)
        left: Run | None = run
        for _ in range(TRIES):
            if left is None:
                return
            # A person who saw it fail does it again.
            self._do("delete", partial(delete_run, left, world.deps))
            left = self._run(file)
