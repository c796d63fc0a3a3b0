"""Report a scenario that broke a promise so that a person can follow it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from tests.chaos.adapter_scenarios import AdapterScenario
from tests.chaos.history import History, Line
from tests.chaos.promises import Broken
from tests.chaos.scenario import (
    AbortRun,
    ChangePriority,
    DeleteRun,
    DuplicateEvent,
    DuplicateTask,
    File,
    IndexLag,
    JobBehaviour,
    PollReply,
    RecordBehaviour,
    ResolveRun,
    RetryRun,
    Reupload,
    Scenario,
    StopExecution,
    SwitchAccount,
    letter,
)
from tests.chaos.sizes import PRODUCTION
from virtual.vendor import Behaviour

MOST_LINES = 90
AROUND = 12
"""Lines of the trace that are shown; in a longer one those around what went wrong and the end."""


def report_on(history: History, found: Sequence[Broken]) -> str:
    """What was set up, what happened, which promise was broken, and the scenario as code."""
    lines = [f"{number}. {text}" for number, text in enumerate(_setting(history.scenario), 1)]
    lines += ["", "What happened (seconds, who, what):", *_trace(history.lines)]
    for each in found[:5]:
        lines += ["", f"BROKEN: {each.meaning}", f"  {each.sentence}"]
    if len(found) > 5:
        lines.append(f"  … and {len(found) - 5} more.")
    return "\n".join([*lines, "", "As code:", as_code(history.scenario)])


def as_code(value: Any) -> str:
    """The value as an expression, without what is as usual."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        inner = ", ".join(map(as_code, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if is_dataclass(value) and not isinstance(value, type):
        reported = [
            f"{each.name}={as_code(getattr(value, each.name))}"
            for each in fields(value)
            if getattr(value, each.name) != each.default
        ]
        return f"{type(value).__name__}({', '.join(reported)})"
    return 'float("inf")' if value == math.inf else repr(value)


def _setting(scenario: Scenario) -> Iterator[str]:
    for index, file in enumerate(scenario.files):
        yield _of_a_file(letter(index), file, several=len(scenario.files) > 1)
    if scenario.tight_deadlines:
        yield "Planning and closing are out of time after every step."
    yield from _of_the_world(scenario)
    yield from _of_the_vendor(scenario)
    yield from _of_faults(scenario)
    for action in scenario.actions:
        yield (
            _of_the_machine(action)
            if isinstance(action, OF_THE_MACHINE)
            else _of_the_operator(action)
        )


OF_THE_MACHINE = DuplicateTask | DuplicateEvent | StopExecution | IndexLag


def _of_faults(scenario: Scenario) -> Iterator[str]:
    for fault in scenario.faults:
        late = f" ({fault.seconds:g} s)" if fault.seconds else ""
        often = f", and {fault.times - 1} times more in a row" if fault.times > 1 else ""
        kind = f"within {fault.kind}" if fault.kind.endswith("/") else f"of kind {fault.kind}"
        yield f"At effect {fault.nth} {kind}, {fault.fault_kind.value}{late}{often}."
    for outage in scenario.outages:
        until = "permanently" if outage.permanent else f"for {outage.seconds:g} s"
        often = f", {outage.times} times" if outage.times else ""
        yield f"From {outage.at:g} s on, {until}{often}, {outage.what}: {outage.way.value}."


def _of_a_file(name: str, file: File, *, several: bool) -> str:
    kind = "repeatable" if file.repeatable else "not repeatable"
    extra = f", priority {file.priority}" if several else ""
    bad = f", bad rows {list(file.bad)}" if file.bad else ""
    repeats = f", repeated keys in rows {list(file.repeats)}" if file.repeats else ""
    trial = f", a trial of {file.trial} rows" if file.trial else ""
    breaker = f", to be paused after {file.breaker} failures" if file.breaker else ""
    ramp = ", with a ramp" if file.ramp else ""
    in_order = ", in order" if file.in_order else ""
    in_order += ", its records kept before" if file.snapshot else ""
    return (
        f"File {name} arrives at {file.arrives:g} s: {file.rows} rows in jobs of "
        f"{max(1, file.batch)}, {kind}, at most {max(1, file.max_attempts)} attempts"
        f"{bad}{repeats}{extra}{trial}{breaker}{ramp}{in_order}."
    )


def _of_the_machine(action: DuplicateTask | DuplicateEvent | StopExecution | IndexLag) -> str:
    match action:
        case DuplicateTask(task, nth, after):
            when = f"{after:g} s later" if after else "at once"
            return f"Invocation {nth} of {task} is delivered again, {when}."
        case DuplicateEvent(number, at):
            return f"The event of file {letter(number)} comes once more at {at:g} s."
        case StopExecution(nth):
            return f"The execution of task {nth} is stopped there."
        case IndexLag(at, seconds):
            return f"From {at:g} s on, the indexes are late by {seconds:g} s."


def _of_the_operator(
    action: AbortRun
    | ChangePriority
    | SwitchAccount
    | Reupload
    | ResolveRun
    | RetryRun
    | DeleteRun,
) -> str:
    match action:
        case AbortRun(number, at, force):
            by_force = " by force" if force else ""
            return f"The operator aborts run {letter(number)}{by_force} at {at:g} s."
        case ChangePriority(number, at, level):
            return f"The operator makes run {letter(number)} {level} at {at:g} s."
        case SwitchAccount(at, seconds):
            return f"For {seconds:g} s from {at:g} s on, the connection is of another account."
        case Reupload(number, at):
            return f"The bytes of file {letter(number)} are uploaded once more at {at:g} s."
        case ResolveRun(number, times):
            return f"When run {letter(number)} is closed, it is resolved, {times} times."
        case RetryRun(number, operators):
            return f"When run {letter(number)} is closed, {operators} operators retry it."
        case DeleteRun(number):
            return f"When run {letter(number)} is closed, it is deleted."


def _of_the_world(scenario: Scenario) -> Iterator[str]:
    """What is otherwise than usual on our side."""
    if scenario.sizes != PRODUCTION:
        sizes = (
            f"{each.name} {getattr(scenario.sizes, each.name)}" for each in fields(scenario.sizes)
        )
        yield f"How much is done at once: {', '.join(sizes)} (0: as in production)."
    if scenario.per_minute:
        yield f"The operator allows {scenario.per_minute} requests a minute."
    if scenario.conflicts:
        yield f"Of transactions, {scenario.conflicts:.0%} meet others."
    if scenario.retention:
        yield f"Everything is kept for {scenario.retention} days and then expires."
    if scenario.approve_after:
        yield f"Nobody lets a paused run go on before {scenario.approve_after:g} s."
    if scenario.machine_seconds:
        yield f"An execution may take {scenario.machine_seconds:g} s."


def _of_the_vendor(scenario: Scenario) -> Iterator[str]:
    vendor = scenario.vendor
    yield (
        f"The operator allows {scenario.max_jobs} jobs, the vendor {vendor.max_jobs}; jobs take "
        f"{', '.join(f'{seconds:g}' for seconds in vendor.latencies or (20.0,))} s in turn."
    )
    if scenario.adapter_scenario is not None:
        yield from _of_the_adapter(scenario.adapter_scenario)
    if any(reply.behaviour is not Behaviour.ACCEPT for reply in vendor.replies):
        words = [
            reply.behaviour.name
            + ("" if reply.retry_after is None else f" for {reply.retry_after:g} s")
            for reply in vendor.replies
        ]
        yield f"It answers submissions: {', '.join(words)}; then as its limits are."
    if any(poll.reply is not PollReply.NORMAL for poll in vendor.polls):
        yield f"It answers polls: {', '.join(poll.reply.value for poll in vendor.polls)}."
    if vendor.reads:
        yield f"It answers reads of records: {', '.join(r.reply.value for r in vendor.reads)}."
    if vendor.searches:
        yield f"It answers searches: {', '.join(reply.value for reply in vendor.searches)}."
    if any(behaviour is not RecordBehaviour.APPLIED for behaviour in vendor.records):
        records = ", ".join(
            f"row {i}: {behaviour.value}" for i, behaviour in enumerate(vendor.records)
        )
        yield f"Of records (row modulo {len(vendor.records)}): {records}."
    if JobBehaviour.VISIBLE_LATE in vendor.jobs:
        yield f"Its late jobs are not visible for {vendor.late:g} s."
    for malformed in vendor.malformed:
        yield f"Of job {malformed.job}: {malformed.what.value}."
    if vendor.jobs:
        jobs = ", ".join(f"job {i} {behaviour.value}" for i, behaviour in enumerate(vendor.jobs, 1))
        yield f"Of its jobs: {jobs}."


def _of_the_adapter(adapter_scenario: AdapterScenario) -> Iterator[str]:
    ids = "" if adapter_scenario.external_ids else "; records get no external ids from us"
    short = "; its list of jobs shows ids and statuses alone" if adapter_scenario.short_list else ""
    limit = f"; it takes {adapter_scenario.per_minute} requests a minute"
    yield f"It is {adapter_scenario.vendor}, simulated, behind the real adapter{limit}{short}{ids}."
    for vendor_fault in adapter_scenario.vendor_faults:
        wait = "" if vendor_fault.wait is None else f", Retry-After {vendor_fault.wait}"
        yield f"With {vendor_fault.of} {vendor_fault.nth}: {vendor_fault.what.value}{wait}."


def _trace(lines: Sequence[Line]) -> Iterator[str]:
    faulty = [i for i, line in enumerate(lines) if line.fault_kind is not None]
    near = {j for i in faulty for j in range(i - AROUND, i + AROUND)}
    tail = range(len(lines) - AROUND, len(lines))
    shown = [i for i in range(len(lines)) if len(lines) <= MOST_LINES or i in near or i in tail][
        -2 * MOST_LINES :
    ]
    previous = -1
    for i in shown:
        line = lines[i]
        if i != previous + 1:
            yield f"  … {i - previous - 1} lines"
        fault_kind = f"   ← {line.fault_kind.value}" if line.fault_kind is not None else ""
        yield f"  {line.seconds:9.2f}  {line.who:<18} {line.what}{fault_kind}"
        previous = i
