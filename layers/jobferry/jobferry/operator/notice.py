"""The message that tells people of a run: a sentence, counts, why, what to type, where to look.

Whoever gets it may read it on a phone, without an account. It holds names, counts, and words of
ours: no cell, and nothing that a vendor said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jobferry.domain.commands import command
from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.run_event import Change, code_of
from jobferry.domain.timestamps import timestamp
from jobferry.operator.report_link import Link
from jobferry.reporting.formatting import counted, number

SUBJECT_CHARACTERS = 99
"""SNS takes fewer than 100, all of them ASCII.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""

STEP_CHARACTERS = 1_000
"""Of one step in a chat."""

Steps = Sequence[Mapping[str, Any]]
"""What to do next: `{"text", "commands"}`, as a run's status document has it."""

_PAUSED_BY: Mapping[str, str] = {
    "trial": "The trial is over: look at what it made at the vendor before the rest is sent.",
    "breaker": "Too many of its rows failed with the same kind of error.",
    "policy": "Rows failed with an error after which its profile wants it paused.",
    "same_content": "The very same content was sent before with this profile.",
    "connection_changed": "Its connection leads to another account than the one it began with.",
    "snapshot": "What its records are before they are changed cannot be read, and nothing is sent "
    "without that.",
    "vendor_warning": "The vendor warned of something before the rest is sent.",
}

_REFUSED = "The account or the connection was refused, not the rows."
"""By whatever word: what else stops a run is listed."""

_STOPPED_BY: Mapping[ErrorClass, str] = {
    ErrorClass.STOPPED: "Somebody stopped it.",
    ErrorClass.FILE: "Its file cannot be read any more.",
    ErrorClass.VENDOR: "The vendor failed again and again.",
    ErrorClass.THROTTLE: "The vendor was asked too much.",
}


class Notice(NamedTuple):
    """One message, as each kind of subscriber gets it.

    Attributes:
        text: for people
        chat: a custom notification for AWS's chat integration, as JSON
        attributes: what subscriptions can choose by
    """

    subject: str
    text: str
    chat: str
    attributes: Mapping[str, str]


def notice(
    change: Change, run: Run, sentence: str, steps: Steps, *, stack: str, link: Link | None
) -> Notice:
    """The message about a change of a run.

    Args:
        sentence: what became of it, or how far it is.
        steps: what to do next.
        link: an address of its report; None: there is none.
    """
    what = f"{run.profile}: {headline(change, run)}"
    # What happened stands there whole; the stack's name is what can be missed most.
    room = max(0, SUBJECT_CHARACTERS - len(what) - len("[] "))
    subject = _ascii(f"[{stack[:room]}] {what}")
    status = status_of(change, run)
    return Notice(
        subject,
        _text(change, run, sentence, steps, stack, link),
        _chat(change, run, subject, sentence, steps, link),
        {"change": change.value, "status": status, "profile": run.profile},
    )


def status_of(change: Change, run: Run) -> str:
    """The run's status as the change has it: events come late, and the run has gone on."""
    if change is Change.CLOSED:
        return run.status.value
    return (RunStatus.PAUSED if change is Change.PAUSED else RunStatus.PLANNING).value


def headline(change: Change, run: Run) -> str:
    """What happened, in a few words."""
    if change is Change.OPENED:
        return "started"
    if change is Change.PAUSED:
        return "paused, waits for your yes or no"
    succeeded = run.outcomes.get(OutcomeStatus.SUCCEEDED, 0)
    went = f"{number(succeeded)} of {counted(run.rows, 'row')} succeeded"
    match run.status:
        case RunStatus.COMPLETED:
            return f"completed, {counted(run.rows, 'row')}"
        case RunStatus.COMPLETED_WITH_FAILURES:
            return f"completed with failures, {went}"
        case RunStatus.UNRESOLVED:
            unknown = run.outcomes.get(OutcomeStatus.UNKNOWN, 0)
            return f"unresolved, {counted(unknown, 'row')} unknown"
        case RunStatus.ABORTED:
            return f"aborted, {went}"
        case _:
            return "failed" if run.processed else "failed, nothing was sent"


def why(change: Change, run: Run) -> str | None:
    """Why it was paused or stopped, or could not be used, in our own words."""
    if change is Change.OPENED:
        return None
    if run.status is RunStatus.FAILED:
        return run.error
    code = code_of(run)
    if change is Change.PAUSED:
        said = _PAUSED_BY.get(code or "", "Somebody has to look at it before the rest is sent.")
    elif run.stop is not None:
        said = _STOPPED_BY.get(error_class(code), _REFUSED)
    else:
        return None
    return said if code is None else f"{said} (Code: {code}.)"


def _text(
    change: Change, run: Run, sentence: str, steps: Steps, stack: str, link: Link | None
) -> str:
    reason = why(change, run)
    parts = [
        sentence,
        "" if reason is None else f"Why: {reason}",
        "\n".join(f"{name + ':':<10} {value}" for name, value in _facts(change, run, stack)),
        _steps_text(steps),
        _report_text(change, run, link),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(change: Change, run: Run, stack: str) -> list[tuple[str, str]]:
    facts = [("Run", run.run_id), ("Profile", run.profile)]
    if run.connection:
        facts.append(("Operation", f"{run.operation} on {run.connection}"))
    facts += [("Status", status_of(change, run)), ("Stack", stack)]
    facts.append(("Started", _moment(run.started_at)))
    if change is Change.PAUSED and run.pause is not None:
        facts.append(("Paused", _moment(run.pause.at)))
    if change is Change.CLOSED and run.closed_at is not None:
        facts.append(("Ended", _moment(run.closed_at)))
    if change is not Change.OPENED:
        facts.append(("Rows", number(run.rows)))
        facts += [
            (status.value.capitalize(), number(run.outcomes.get(status, 0)))
            for status in OutcomeStatus
        ]
    return facts


def _steps_text(steps: Steps) -> str:
    lines = ["What to do:"] if steps else []
    for step in steps:
        lines.append(f"- {step['text']}")
        lines += [f"    {each}" for each in step["commands"]]
    return "\n".join(lines)


def _report_text(change: Change, run: Run, link: Link | None) -> str:
    if change is Change.OPENED:
        return ""
    if link is None:
        return f"The report: {command('report', run.run_id)}"
    return (
        f"The report opens without an AWS account until {_moment(link.until)}; whoever has this "
        f"address can read it:\n{link.url}"
    )


def _chat(
    change: Change, run: Run, subject: str, sentence: str, steps: Steps, link: Link | None
) -> str:
    """A custom notification; one that is not of this form is dropped without a word.
    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html"""
    reason, report = why(change, run), _report_text(change, run, link)
    content = {
        "textType": "client-markdown",
        "title": subject,
        "description": "\n\n".join(part for part in (sentence, reason, report) if part),
        "nextSteps": [_chat_step(step) for step in steps],
        "keywords": [run.profile, status_of(change, run)],
    }
    metadata = {
        # All that is told of a run stands in one thread.
        "threadId": run.run_id,
        "summary": subject,
        "eventType": change.detail_type,
        "relatedResources": [run.run_id],
    }
    document = {"version": "1.0", "source": "custom", "content": content, "metadata": metadata}
    return json.dumps(document, ensure_ascii=False)


def _chat_step(step: Mapping[str, Any]) -> str:
    commands = "".join(f"\n`{each}`" for each in step["commands"])
    return f"{step['text']}{commands}"[:STEP_CHARACTERS]


def _moment(moment: float) -> str:
    return f"{timestamp(moment)[:19].replace('T', ' ')} UTC"


def _ascii(text: str) -> str:
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return plain[:SUBJECT_CHARACTERS]
