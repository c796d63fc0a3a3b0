"""Before something is done to a run: what will happen, in numbers, and the button that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.status import run_document
from jobferry.reporting.formatting import counted, number
from jobferry.reporting.html.markup import Html, foreign, tag, void
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import (
    button,
    field,
    form,
    link_button,
    name_of_file,
    page,
    select,
)
from jobferry_cli.profiles import usable_profile
from jobferry_cli.repeats import repeatable_run
from jobferry_cli.run_actions import REASON_CHARACTERS, vendor_of


def confirm_page(desk: Desk, run: Run, action: str) -> str:
    """Ask whether this should be done.

    Raises:
        CommandError: what the run needs for it is gone.
    """
    document = run_document(run, desk.stack.deps)
    title, content, yes, kind = _ASKED[action](desk, run, document)
    return page(
        desk,
        title,
        tag("p", tag("a", "Run ", run.run_id, href=desk.url("runs", run.run_id)), class_="back"),
        tag("h1", title),
        tag("p", foreign(name_of_file(document)), class_="quiet"),
        form(
            desk,
            desk.url("runs", run.run_id, action),
            content,
            tag(
                "p",
                button(yes, kind),
                link_button("Do nothing", desk.url("runs", run.run_id)),
                class_="submit",
            ),
            class_="confirm",
        ),
        section="runs",
    )


Asked = tuple[str, Html, str, str]
"""Title, what will happen, the button's text and kind."""


def _says(*texts: str) -> Html:
    return tag("ul", *(tag("li", text) for text in texts if text), class_="says")


def _abort(desk: Desk, run: Run, document: Mapping[str, Any]) -> Asked:
    jobs = document["jobs"]
    in_flight = max(0, jobs["submitted"] - jobs["finished"])
    waiting = max(0, document["rows"] - sum(document["outcomes"].values()))
    vendor = vendor_of(desk.stack, run)
    ends = vendor is not None and vendor.capabilities.abort
    title = vendor.title if vendor is not None else "the vendor"
    seen = (
        f"Jobs in flight: {title} is asked to end {number(in_flight)}; those that it cannot end "
        "are seen through."
        if ends
        else f"Jobs in flight: {number(in_flight)} will be seen through; {title} cannot end jobs."
    )
    reason = void(
        "input",
        type="text",
        id="reason",
        name="reason",
        maxlength=REASON_CHARACTERS,
        aria_describedby="reason-hint",
    )
    content = tag(
        "div",
        _says(
            "Nothing more of this run is sent, and it cannot go on afterwards.",
            seen if in_flight else "No job is in flight.",
            f"Rows without an outcome: {number(waiting)}. Those that were never sent become "
            "skipped; what was done at the vendor stays.",
        ),
        field("Reason", reason, "Stands in the report.", name="reason"),
    )
    return "Abort the run", content, "Abort the run", "danger"


def _resume(desk: Desk, run: Run, document: Mapping[str, Any]) -> Asked:
    left = max(0, document["rows"] - sum(document["outcomes"].values()))
    paused = document["paused"]
    content = tag(
        "div",
        tag("p", foreign(paused["reason"])) if paused else tag("p", "The run is not paused."),
        _says(
            f"{counted(left, 'row')} can still be sent as {run.operation}, {_where(desk, run)}.",
            "Failures so far are taken as seen: the run pauses again only for new ones.",
        ),
    )
    return "Resume the run", content, "Resume the run", "primary"


def _where(desk: Desk, run: Run) -> str:
    found = desk.stack.deps.store.config.connection(run.connection)
    return "at the vendor" if found is None else f"at {found.base_url}"


def _retry(desk: Desk, run: Run, document: Mapping[str, Any]) -> Asked:
    failed = document["outcomes"][OutcomeStatus.FAILED.value]
    usable = usable_profile(desk.stack, run.profile)
    repeatable = repeatable_run(run, usable)
    again = "" if repeatable else "If they were sent again before, nothing is sent."
    content = _says(
        f"{counted(failed, 'failed row')} will be sent again as {run.operation}, "
        f"{_where(desk, run)}, as a run of their own.",
        f"The profile {run.profile} is taken as it is now (revision {usable.profile.revision}).",
        again,
    )
    return "Retry failed rows", content, f"Send {counted(failed, 'row')} again", "primary"


def _rerun(desk: Desk, run: Run, document: Mapping[str, Any]) -> Asked:
    usable = usable_profile(desk.stack, run.profile)
    outcomes = document["outcomes"]
    done = outcomes["succeeded"] + outcomes["unknown"]
    twice = repeatable_run(run, usable)
    rows = document["rows"] if twice else document["rows"] - done
    kept = (
        f"Rows that succeeded are sent, too: {run.operation} may be repeated."
        if twice
        else f"{counted(done, 'row')} that succeeded or may have are left out: {run.operation} "
        "would do them twice."
    )
    content = _says(
        f"Up to {counted(rows, 'row')} will be sent as {run.operation}, {_where(desk, run)}, as a "
        "run of their own.",
        kept if done else "",
        f"The profile {run.profile} is taken as it is now (revision {usable.profile.revision}).",
    )
    return "Run the file again", content, f"Send {counted(rows, 'row')}", "primary"


def _resolve(_desk: Desk, _run: Run, document: Mapping[str, Any]) -> Asked:
    unknown = document["outcomes"][OutcomeStatus.UNKNOWN.value]
    content = _says(
        f"The vendor is asked what became of {counted(unknown, 'unknown row')}; nothing is sent.",
        "The run is open while that goes on, and its files are written anew.",
    )
    return "Ask about unknown rows", content, "Ask the vendor", "primary"


def _priority(desk: Desk, run: Run, document: Mapping[str, Any]) -> Asked:
    jobs = document["jobs"]
    in_flight = max(0, jobs["submitted"] - jobs["finished"])
    vendor = vendor_of(desk.stack, run)
    takes = vendor is not None and vendor.capabilities.priority
    content = tag(
        "div",
        field(
            "Priority",
            select("level", ((each, each) for each in PRIORITIES), document["priority"]),
            name="level",
        ),
        _says(
            "Runs of the connection share its slots by their priorities, from the next poll on.",
            f"The vendor gets it for {counted(in_flight, 'job')} in flight as well."
            if takes
            else "",
        ),
    )
    return "Change the priority", content, "Change the priority", "primary"


def _problems(desk: Desk, run: Run, _document: Mapping[str, Any]) -> Asked:
    vendor = vendor_of(desk.stack, run)
    title = "the vendor" if vendor is None else vendor.title
    content = _says(
        f"A request is sent to {title}, {_where(desk, run)}, and asks what the jobs of this run "
        "wait for. It changes nothing.",
    )
    return "What jobs wait for", content, "Ask the vendor", "primary"


_ASKED = {
    "problems": _problems,
    "abort": _abort,
    "resume": _resume,
    "retry": _retry,
    "rerun": _rerun,
    "resolve": _resolve,
    "priority": _priority,
}
ACTIONS = frozenset(_ASKED)
