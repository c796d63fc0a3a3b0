"""Notify people of a run's changes: one message for each, from what the table says.

Anybody in the account may send events, and the bus delivers one more than once, late, and in any
order. So an event only says which run to look at: a message says what is so, and of what people
were notified already they are not notified again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jobferry.deps import Deps
from jobferry.domain.names import is_run_id
from jobferry.domain.run import Run, RunStatus
from jobferry.domain.run_event import SOURCE, Change
from jobferry.operator.next_steps import next_steps
from jobferry.operator.notice import Notice, notice
from jobferry.operator.report_link import Link, make_link
from jobferry.operator.status import run_summary
from jobferry.reporting.error_summary import run_report
from jobferry.reporting.html.verdict import verdict
from jobferry.reporting.result_files import result_key
from jobferry.reporting.timeline import Timeline
from jobferry.store.objects import DeniedError, ObjectMissingError

STALE_SECONDS = 15 * 86_400.0
"""A change that is older is not worth a message any more: no event waits for so long, not even one
that a person sends again from the queue of those that failed."""

Publish = Callable[[Notice], None]


def notify(
    event: Mapping[str, Any], owner: str, deps: Deps, publish: Publish, key: Callable[[], str]
) -> dict[str, Any]:
    """Send the message about the change that an event names, if it is so and none was sent.

    Args:
        event: as EventBridge delivers it.
        owner: who asks: the same again when the same delivery is tried again.
        publish: sends one message.
        key: gives the key that addresses of reports are signed with.

    Returns:
        Whether people were `notified` by it.
    """
    found = named_in(event)
    if found is None:
        deps.warn("event refused")
        return {"notified": False}
    change, run_id = found
    run = deps.store.runs.get(run_id)
    name = None if run is None else change_of(change, run, deps.now())
    if run is None or name is None:
        deps.log("no such change", change=change.value)
        return {"notified": False}
    now = deps.now()
    if not deps.store.notices.claim(run_id, name, owner, now, int(now) + deps.store.retention):
        deps.log("notified already", run_id=run_id, change=change.value)
        return {"notified": False}
    publish(message_of(change, run, deps, key))
    deps.store.notices.note_sent(run_id, name, deps.now())
    deps.log("notified", run_id=run_id, change=change.value)
    return {"notified": True}


def named_in(event: object) -> tuple[Change, str] | None:
    """The change and the run that an event names; None for what is no event of ours."""
    if not isinstance(event, Mapping) or event.get("source") != SOURCE:
        return None
    detail = event.get("detail")
    run_id = detail.get("run_id") if isinstance(detail, Mapping) else None
    kind = event.get("detail-type")
    change = next((each for each in Change if each.detail_type == kind), None)
    if change is None or not is_run_id(run_id):
        return None
    return change, str(run_id)


def change_of(change: Change, run: Run, now: float) -> str | None:
    """The name of this very change; None: the run is not so, or has been for too long."""
    at = _moment_of(change, run)
    if at is None or now > at + STALE_SECONDS:
        return None
    # The milliseconds tell one pause, or one end, from the next.
    return f"{change.value}#{round(at * 1000)}"


def _moment_of(change: Change, run: Run) -> float | None:
    if change is Change.CLOSED:
        return run.closed_at
    if run.closed_at is not None or run.status is RunStatus.FAILED:
        return None
    if change is Change.OPENED:
        return run.started_at
    return run.pause.at if run.paused and run.suspended and run.pause is not None else None


def message_of(change: Change, run: Run, deps: Deps, key: Callable[[], str]) -> Notice:
    """The message about a run as it is."""
    document = run_summary(run) | {"waiting": []}
    steps = [{"text": step.text, "commands": step.commands} for step in next_steps(document)]
    report = run_report(run, deps.now(), timeline=Timeline(run))
    sentence = "It has just begun." if change is Change.OPENED else verdict(report)[1]
    link = None if change is Change.OPENED else _link(run, deps, key)
    return notice(change, run, sentence, steps, stack=deps.settings.stack, link=link)


def _link(run: Run, deps: Deps, key: Callable[[], str]) -> Link | None:
    """The address of its report, where the stack gives such and there is one."""
    base, hours = deps.settings.report_link_url, deps.settings.report_link_hours
    if not base or not hours:
        return None
    try:
        deps.objects.head(deps.objects.archive_bucket, result_key(run.run_id, "report.html"), None)
    except (ObjectMissingError, DeniedError):
        return None
    return make_link(base, key(), run.run_id, deps.now(), hours)


def as_published(message: Notice, topic_arn: str) -> dict[str, Any]:
    """A message as SNS takes it: a text for people, and for chats what they understand.

    Every kind of subscriber gets the text, but those by HTTPS, of whom AWS's chat integration is
    one, get the custom notification.
    """
    return {
        "TopicArn": topic_arn,
        "Subject": message.subject,
        "MessageStructure": "json",
        "Message": json.dumps({"default": message.text, "https": message.chat}, ensure_ascii=False),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in message.attributes.items()
        },
    }
