"""Tell a story that broke a promise so that a person can follow it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from tests.chaos.carry import Line, Told
from tests.chaos.promises import Broken
from tests.chaos.sites import Site
from tests.chaos.sizes import IN_EARNEST
from tests.chaos.story import (
    Abort,
    Again,
    Elsewhere,
    Erase,
    Event,
    Fate,
    JobFate,
    Lag,
    PollWord,
    Priority,
    Resolve,
    Retry,
    Reupload,
    Stop,
    Story,
    letter,
)
from tests.fakes.vendor import Act

MOST_LINES = 90
AROUND = 12
"""Lines of the trace that are told; in a longer one those around what went wrong and the end."""


def narrate(told: Told, found: Sequence[Broken]) -> str:
    """What was set up, what happened, which promise was broken, and the story as code."""
    lines = [f"{number}. {text}" for number, text in enumerate(_setting(told.story), 1)]
    lines += ["", "What happened (seconds, who, what):", *_trace(told.lines)]
    for each in found[:5]:
        lines += ["", f"BROKEN: {each.meaning}", f"  {each.sentence}"]
    if len(found) > 5:
        lines.append(f"  … and {len(found) - 5} more.")
    return "\n".join([*lines, "", "As code:", as_code(told.story)])


def as_code(value: Any) -> str:
    """The value as an expression, without what is as usual."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        inner = ", ".join(map(as_code, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if is_dataclass(value) and not isinstance(value, type):
        said = [
            f"{each.name}={as_code(getattr(value, each.name))}"
            for each in fields(value)
            if getattr(value, each.name) != each.default
        ]
        return f"{type(value).__name__}({', '.join(said)})"
    return 'float("inf")' if value == math.inf else repr(value)


def _setting(story: Story) -> Iterator[str]:
    for index, file in enumerate(story.files):
        kind = "repeatable" if file.repeatable else "not repeatable"
        extra = f", priority {file.priority}" if len(story.files) > 1 else ""
        bad = f", bad rows {list(file.bad)}" if file.bad else ""
        repeats = f", repeated keys in rows {list(file.repeats)}" if file.repeats else ""
        trial = f", a trial of {file.trial} rows" if file.trial else ""
        breaker = f", to be paused after {file.breaker} failures" if file.breaker else ""
        ramp = ", with a ramp" if file.ramp else ""
        in_order = ", in order" if file.in_order else ""
        yield (
            f"File {letter(index)} arrives at {file.arrives:g} s: {file.rows} rows in jobs of "
            f"{max(1, file.batch)}, {kind}, at most {max(1, file.max_attempts)} attempts"
            f"{bad}{repeats}{extra}{trial}{breaker}{ramp}{in_order}."
        )
    if story.short_time:
        yield "Planning and closing are out of time after every step."
    yield from _of_the_world(story)
    yield from _of_the_vendor(story)
    for fault in story.faults:
        late = f" ({fault.seconds:g} s)" if fault.seconds else ""
        often = f", and {fault.times - 1} times more in a row" if fault.times > 1 else ""
        kind = f"within {fault.kind}" if fault.kind.endswith("/") else f"of kind {fault.kind}"
        yield f"At effect {fault.nth} {kind}, {fault.harm.value}{late}{often}."
    for outage in story.outages:
        until = "for ever" if outage.lasts_for_ever else f"for {outage.seconds:g} s"
        often = f", {outage.times} times" if outage.times else ""
        yield f"From {outage.at:g} s on, {until}{often}, {outage.what}: {outage.way.value}."
    for happening in story.happenings:
        match happening:
            case Again(task, nth, after):
                when = f"{after:g} s later" if after else "at once"
                yield f"Invocation {nth} of {task} is delivered once more, {when}."
            case Event(number, at):
                yield f"The event of file {letter(number)} comes once more at {at:g} s."
            case Stop(nth):
                yield f"The execution of task {nth} is stopped there."
            case Abort(number, at, force):
                by_force = " by force" if force else ""
                yield f"The operator aborts run {letter(number)}{by_force} at {at:g} s."
            case Lag(at, seconds):
                yield f"From {at:g} s on, the indexes are late by {seconds:g} s."
            case Priority(number, at, level):
                yield f"The operator makes run {letter(number)} {level} at {at:g} s."
            case Elsewhere(at, seconds):
                yield f"From {at:g} s on, for {seconds:g} s, the connection leads elsewhere."
            case Reupload(number, at):
                yield f"The bytes of file {letter(number)} are uploaded once more at {at:g} s."
            case Resolve(number, times):
                yield f"When run {letter(number)} is closed, it is resolved, {times} times."
            case Retry(number, operators):
                yield f"When run {letter(number)} is closed, {operators} operators retry it."
            case Erase(number):
                yield f"When run {letter(number)} is closed, it is deleted."


def _of_the_world(story: Story) -> Iterator[str]:
    """What is otherwise than usual on our side."""
    if story.sizes != IN_EARNEST:
        sizes = (f"{each.name} {getattr(story.sizes, each.name)}" for each in fields(story.sizes))
        yield f"How much is done at once: {', '.join(sizes)} (0: as in earnest)."
    if story.per_minute:
        yield f"The operator allows {story.per_minute} requests a minute."
    if story.conflicts:
        yield f"Of transactions, {story.conflicts:.0%} meet others."
    if story.retention:
        yield f"Everything is kept for {story.retention} days and then expires."
    if story.yes_after:
        yield f"Nobody lets a paused run go on before {story.yes_after:g} s."
    if story.machine_seconds:
        yield f"An execution may take {story.machine_seconds:g} s."


def _of_the_vendor(story: Story) -> Iterator[str]:
    vendor = story.vendor
    yield (
        f"The operator allows {story.max_jobs} jobs, the vendor {vendor.max_jobs}; jobs take "
        f"{', '.join(f'{seconds:g}' for seconds in vendor.latencies or (20.0,))} s in turn."
    )
    if story.site is not None:
        yield from _of_the_site(story.site)
    if any(reply.act is not Act.ACCEPT for reply in vendor.replies):
        words = [
            reply.act.name + ("" if reply.retry_after is None else f" for {reply.retry_after:g} s")
            for reply in vendor.replies
        ]
        yield f"It answers submissions: {', '.join(words)}; then as its limits are."
    if any(look.word is not PollWord.TRUTH for look in vendor.polls):
        yield f"It answers looks: {', '.join(look.word.value for look in vendor.polls)}."
    if vendor.finds:
        yield f"It answers searches: {', '.join(word.value for word in vendor.finds)}."
    if any(fate is not Fate.DONE for fate in vendor.fates):
        fates = ", ".join(f"row {i}: {fate.value}" for i, fate in enumerate(vendor.fates))
        yield f"Of records (row modulo {len(vendor.fates)}): {fates}."
    if JobFate.LATE in vendor.jobs:
        yield f"Its late jobs are not visible for {vendor.late:g} s."
    for odd in vendor.odd:
        yield f"Of job {odd.job}: {odd.what.value}."
    if vendor.jobs:
        jobs = ", ".join(f"job {i} {fate.value}" for i, fate in enumerate(vendor.jobs, 1))
        yield f"Of its jobs: {jobs}."


def _of_the_site(site: Site) -> Iterator[str]:
    ids = "" if site.external_ids else "; records get no external ids from us"
    short = "; its list of jobs shows ids and statuses alone" if site.short_list else ""
    limit = f"; it takes {site.per_minute} requests a minute"
    yield f"It is {site.vendor} at the simulator, behind the real adapter{limit}{short}{ids}."
    for trouble in site.troubles:
        wait = "" if trouble.wait is None else f", Retry-After {trouble.wait}"
        yield f"With {trouble.of} {trouble.nth}: {trouble.what.value}{wait}."


def _trace(lines: Sequence[Line]) -> Iterator[str]:
    harmed = [i for i, line in enumerate(lines) if line.harm is not None]
    near = {j for i in harmed for j in range(i - AROUND, i + AROUND)}
    tail = range(len(lines) - AROUND, len(lines))
    shown = [i for i in range(len(lines)) if len(lines) <= MOST_LINES or i in near or i in tail][
        -2 * MOST_LINES :
    ]
    previous = -1
    for i in shown:
        line = lines[i]
        if i != previous + 1:
            yield f"  … {i - previous - 1} lines"
        harm = f"   ← {line.harm.value}" if line.harm is not None else ""
        yield f"  {line.seconds:9.2f}  {line.who:<18} {line.what}{harm}"
        previous = i
