"""The rights that functions need: what each asks of AWS, recorded while whole runs are carried.

A call belongs to the function whose step makes it, also from the threads that the step starts.
Between two invocations nothing is remembered, so that each function reads for itself what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import Any
from unittest import mock

from jobferry.deps import Deps
from tests.template.policies import ARCHIVE, LEADING_KEYS, MACHINE, PREFIX, SECRETS, Call
from tests.template.recorded import of_table
from virtual import world as world_module
from virtual.objects import FakeObjects
from virtual.schedule import Schedule
from virtual.world import World

STEPS = {
    "open_run": "OpenRun",
    "resume_run": "OpenRun",
    "plan_run": "PlanRun",
    "submit_jobs": "SubmitJobs",
    "poll_jobs": "PollJobs",
    "settle_job": "SettleJob",
    "close_run": "CloseRun",
    "sweep": "Sweep",
    "notify": "Notify",
    "show_report": "ShowReport",
}
"""A step as `World` calls it → the function that does it."""

FUNCTIONS = tuple(dict.fromkeys(STEPS.values()))

_EXECUTION = PREFIX.format(service="states") + "execution:Run:1"


@dataclass
class StepRecorder:
    """Notes the rights that functions need. Use it as a context, and make worlds inside of it.

    scheduling  numbers for the scheduler of the worlds
    used  function → the calls that it made, each once
    """

    scheduling: dict[str, int] = field(default_factory=dict)
    used: dict[str, list[Call]] = field(default_factory=lambda: {name: [] for name in FUNCTIONS})
    _seen: set[object] = field(default_factory=set)
    _here: local = field(default_factory=local)
    _patches: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> StepRecorder:
        for cls, method, note in [*of_table(self.note), *_of_objects(self.note)]:
            self._patches.enter_context(self._telling(cls, method, note))
        for step, function in STEPS.items():
            if hasattr(world_module, step):
                self._patches.enter_context(self._as_function(step, function))
        self._patches.enter_context(self._in_threads())
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def note(self, action: str, resource: str, leading: tuple[str, ...] = ()) -> None:
        """One call of the function that is at work; what is done besides counts for none."""
        function = self._function
        if function is None or (function, action, resource, leading) in self._seen:
            return
        self._seen.add((function, action, resource, leading))
        keys = {LEADING_KEYS: leading} if leading else {}
        self.used[function].append(Call(action, resource, keys))

    def at_work(self, function: str) -> AbstractContextManager[None]:
        """What is done inside of it is done by this function."""
        return self._at_work(function)

    @property
    def _function(self) -> str | None:
        return getattr(self._here, "function", None)

    @contextmanager
    def _at_work(self, function: str | None) -> Iterator[None]:
        before = self._function
        self._here.function = function
        try:
            yield
        finally:
            self._here.function = before

    def _as_function(self, step: str, function: str) -> Any:
        real = getattr(world_module, step)

        def invoked(*args: Any, **kwargs: Any) -> Any:
            if step == "sweep":
                args = (args[0], *self._of_states(*args[1:]))
            with self._at_work(function):
                return real(*args, **kwargs)

        return mock.patch.object(world_module, step, invoked)

    def _of_states(
        self, status_of: Callable[..., Any], *starting: Callable[..., None]
    ) -> list[Callable[..., Any]]:
        """What the sweep asks of Step Functions."""

        def telling(action: str, resource: str, work: Callable[..., Any]) -> Callable[..., Any]:
            def asked(*args: Any) -> Any:
                self.note(action, resource)
                return work(*args)

            return asked

        return [
            telling("states:DescribeExecution", _EXECUTION, status_of),
            *(telling("states:StartExecution", MACHINE, start) for start in starting),
        ]

    def _telling(self, cls: type, method: str, note: Callable[..., None]) -> Any:
        """A patch of a method that tells of its call first, but for those that it makes itself."""
        real = getattr(cls, method)

        def told(this: Any, *args: Any, **kwargs: Any) -> Any:
            inner = getattr(self._here, "inner", False)
            if not inner:
                note(*args, **kwargs)
            self._here.inner = True
            try:
                return real(this, *args, **kwargs)
            finally:
                self._here.inner = inner

        return mock.patch.object(cls, method, told)

    def _in_threads(self) -> Any:
        """A patch by which work that a function gives to threads is the function's."""
        real = Schedule.parallel_map

        def parallel_map(this: Schedule, work: Any, items: Any, workers: int) -> Any:
            function = self._function

            def carried_out(item: Any) -> Any:
                with self._at_work(function):
                    return work(item)

            return real(this, carried_out, items, workers)

        return mock.patch.object(Schedule, "parallel_map", parallel_map)


class ColdWorld(World):
    """A world whose functions remember nothing, and whose secrets are recorded."""

    def __init__(self, recorder: StepRecorder, **options: Any) -> None:
        self._recorder = recorder
        super().__init__(**options)
        self.schedule_with(**recorder.scheduling)

    @property
    def deps(self) -> Deps:
        return self.fresh_deps()

    @deps.setter
    def deps(self, _warm: Deps) -> None:
        pass

    def read_secret(self, name: str, afresh: bool) -> str:
        self._recorder.note("secretsmanager:GetSecretValue", SECRETS + name)
        return super().read_secret(name, afresh)


def _of_objects(note: Callable[..., None]) -> Iterator[tuple[type, str, Callable[..., None]]]:
    """The methods that ask S3. Whoever reads must be told that there is nothing (404), and not that
    it may not know (403): that takes the right to list the bucket."""

    def read(action: str, bucket: str, key: str) -> None:
        note(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")
        note("s3:ListBucket", f"arn:aws:s3:::{bucket}")

    def head(bucket: str, key: str, version_id: str | None) -> None:
        read("GetObject" if version_id is None else "GetObjectVersion", bucket, key)

    def source(source: Any, _offset: int = 0, length: int = 1) -> None:
        if length:  # for no bytes no request is made
            read("GetObjectVersion", source.bucket, source.key)

    def get(key: str, *_: Any) -> None:
        note("s3:GetObject", f"{ARCHIVE}/{key}")
        note("s3:ListBucket", ARCHIVE)

    def put(key: str, *_: Any) -> None:
        note("s3:PutObject", f"{ARCHIVE}/{key}")

    def drop(key: str, _upload_id: str) -> None:
        note("s3:AbortMultipartUpload", f"{ARCHIVE}/{key}")

    def delete(*_: Any) -> None:
        note("s3:DeleteObject", f"{ARCHIVE}/")

    yield FakeObjects, "head", head
    yield (
        FakeObjects,
        "versions",
        lambda bucket, _, after="": note("s3:ListBucketVersions", f"arn:aws:s3:::{bucket}"),
    )
    yield (
        FakeObjects,
        "stored",
        lambda bucket, _: note("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )
    yield FakeObjects, "read_range", source
    yield FakeObjects, "stream", source
    yield FakeObjects, "get", get
    yield FakeObjects, "get_file", get
    for method in ("put", "put_first", "put_file", "begin_upload", "put_part", "end_upload"):
        yield FakeObjects, method, put
    yield FakeObjects, "drop_upload", drop
    for method in ("delete", "delete_prefix"):
        yield FakeObjects, method, delete
