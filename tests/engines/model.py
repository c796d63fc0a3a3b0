"""The state machine by our own interpreter, which all other tests run on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.engines.script import Ended, Script, StepError
from virtual.machine import DATA_LIMIT, ExecutionFailedError
from virtual.world import MOST_PAYLOAD, state_machine


class Model:
    """`virtual.machine` with the definition file."""

    def execute(self, script: Script, given: Any) -> Ended:
        host = _Host(script)
        ended = Ended("SUCCEEDED")
        try:
            ended.output = state_machine().execute(given, host, "arn:of:the:execution")
        except ExecutionFailedError as error:
            ended.status, ended.error, ended.cause = "FAILED", error.error, str(error)
        ended.waits, ended.lanes_failed = host.waits, host.lanes_failed
        return ended


class _Host:
    """One thing after the other, on a clock that stands unless a failed task is tried again."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._now = 1_700_000_000.0
        self.waits: list[float] = []
        self.lanes_failed = 0

    def now(self) -> float:
        return self._now

    def until(self, moment: float) -> None:
        """Nobody waits for what the script says: it lies in the past."""
        if moment > self._now:
            self.waits.append(moment - self._now)
            self._now = moment

    def parallel_map(
        self, work: Callable[[Any], Any], items: Sequence[Any], workers: int
    ) -> list[Any]:
        return [work(item) for item in items]

    def task(self, name: str, payload: Any) -> Any:
        try:
            answer = self._script.answer(name, payload)
        except StepError as error:
            raise ExecutionFailedError(str(error), error.error) from None
        if len(json.dumps(answer)) > MOST_PAYLOAD:
            raise ExecutionFailedError(f"{name}: {DATA_LIMIT}", DATA_LIMIT)
        return answer

    def entering(self, name: str, payload: Any) -> None:
        """The calls tell the way that was taken."""

    def failed(self, name: str) -> None:
        """The calls tell that, too."""

    def jitter(self, longest: float) -> float:
        return longest

    def child_failed(self, name: str) -> None:
        self.lanes_failed += 1
