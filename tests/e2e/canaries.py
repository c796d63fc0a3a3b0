"""Texts that must stay where they belong, looked for in everything that a deployment tells.

After each test: the cells of the files that were dropped, the credentials, and the vendors' own
words about rows that failed. They may be in the outcomes, in result files and in evidence. They
must not be in logs (metrics are lines of them), in the history of executions (events are sent from
there), or, but for the vendors' words and what they quote, in any other item of the table.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobferry.domain.outcome import OutcomeStatus

LONG_ENOUGH = 8
"""Characters that a text needs to be told from names and words of ours."""

MOST_CELLS = 300
"""Of one file: its first rows and its last ones."""

TELLING = ("FunctionLogGroup", "RunLogGroup")
OUTCOMES = ("ROWS#", "OUTCOMES#")

WORDS_OF_VENDORS = ("verdict", "last", "pause", "halt", "error", "warnings", "trouble_")
"""Attributes of chunks and runs that hold what a vendor said, which may quote a cell."""


@dataclass
class Canaries:
    """What is looked for, and how far it has been.

    words  the vendors' own, about rows
    """

    stack: Any
    cells: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    _since: dict[str, int] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)
    _terminal: list[str] = field(default_factory=list)

    def dropped(self, body: bytes) -> None:
        """A file was dropped into the inbox."""
        text = body.decode("utf-8", "replace")
        rows = list(csv.reader(io.StringIO(text.replace("\0", ""))))[1:]
        some = (
            rows if len(rows) <= MOST_CELLS else rows[: MOST_CELLS // 2] + rows[-MOST_CELLS // 2 :]
        )
        self.cells |= {c for row in some for c in row if len(c.strip()) >= LONG_ENOUGH}

    def given(self, credentials: Mapping[str, str]) -> None:
        """A connection was made."""
        self.secrets |= {v for k, v in credentials.items() if k in ("token", "bearer", "password")}
        user, sign = credentials.get("email"), credentials.get("token")
        pair = f"{user}/token:{sign}" if user else ":".join(credentials.values())
        self.secrets.add(base64.b64encode(pair.encode()).decode())
        # A word as short as a user's name tells nothing.
        self.secrets = {secret for secret in self.secrets if len(secret) >= LONG_ENOUGH}

    def ended(self, run_id: str) -> None:
        """A run is over: what the vendor said of its rows."""
        run = self.stack.deps.store.runs.get(run_id)
        if run is None:
            return
        for outcome in self.stack.deps.store.rows.between(run_id, 1, min(run.plan.row, 2_000)):
            said = outcome.error or ""
            if outcome.status is OutcomeStatus.FAILED and outcome.job_id and len(said) >= 20:
                self.words.add(said)

    def shown(self, text: str) -> None:
        """A command has written this on somebody's terminal: cells may be there, and no secret."""
        self._terminal.append(text)

    def found(self) -> list[str]:
        """Where one of them is that must not be there, since the last poll."""
        everything = self.cells | self.secrets | self.words
        leaks = [
            f"{where}: {self._kind(canary)}"
            for where, text in (*self._logs(), *self._histories())
            for canary in _within(everything, text)
        ]
        for text in self._terminal:
            leaks += [f"terminal: {self._kind(canary)}" for canary in _within(self.secrets, text)]
        self._terminal.clear()
        for where, text in self._items():
            leaks += [f"{where}: {self._kind(c)}" for c in _within(self.cells | self.secrets, text)]
        return leaks

    def _kind(self, canary: str) -> str:
        if canary in self.secrets:
            return "a credential"
        return f"{'a cell' if canary in self.cells else 'a vendor`s words'} {canary[:60]!r}"

    def _logs(self) -> Iterator[tuple[str, str]]:
        logs, names = self.stack.client("logs"), self.stack.physical
        for logical_id in TELLING:
            group = names(logical_id)
            last = self._since.get(group, 0)
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=last
            )
            for page in pages:
                for event in page["events"]:
                    last = max(last, event["timestamp"])
                    yield group, event["message"]
            self._since[group] = last

    def _histories(self) -> Iterator[tuple[str, str]]:
        states = self.stack.client("stepfunctions")
        machine = self.stack.outputs["RunStateMachineArn"]
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine):
            for execution in page["executions"]:
                arn = execution["executionArn"]
                if arn in self._read or execution["status"] == "RUNNING":
                    continue
                self._read.add(arn)
                yield arn, _history(states, arn)
                for run in states.list_map_runs(executionArn=arn)["mapRuns"]:
                    children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
                    for child in children:
                        yield child["executionArn"], _history(states, child["executionArn"])

    def _items(self) -> Iterator[tuple[str, str]]:
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.stack.outputs["TableName"])
        )
        for page in pages:
            for item in page["Items"]:
                partition = item["pk"]["S"]
                if not partition.startswith(OUTCOMES):
                    ours = {k: v for k, v in item.items() if not k.startswith(WORDS_OF_VENDORS)}
                    yield f"{partition} {item['sk']['S']}", json.dumps(ours, ensure_ascii=False)


def _history(states: Any, arn: str) -> str:
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"]]
    return json.dumps(events, default=str, ensure_ascii=False)


def _within(canaries: Iterable[str], text: str) -> list[str]:
    return [canary for canary in canaries if canary in text]
