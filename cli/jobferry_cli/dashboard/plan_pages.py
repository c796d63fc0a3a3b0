"""Choose a file, see what would be sent of it, and start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobferry.reporting.formatting import counted
from jobferry.reporting.html.markup import Html, foreign, tag, void
from jobferry.steps.open_run import PRIORITIES
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.held_files import HeldFile
from jobferry_cli.dashboard.layout import (
    button,
    command_line,
    field,
    form,
    page,
    select,
)
from jobferry_cli.errors import CommandError
from jobferry_cli.plan_page import plan_in_short, plan_rows


def new_page(desk: Desk, query: Mapping[str, str]) -> str:
    """Where a file is dropped or chosen."""
    names = desk.stack.deps.store.config.profile_names()
    if not names:
        first = tag(
            "div",
            tag("p", "A profile says what the columns of a file are, and where they go."),
            command_line("jobferry profile put FILE.yaml"),
            class_="empty",
        )
        return page(desk, "New run", tag("h1", "New run"), first, section="new")
    chosen = query.get("profile", "")
    options = [(name, name) for name in names]
    if len(names) > 1:
        options.insert(0, ("", "choose one"))
    most = desk.stack.settings.max_file_bytes
    choose = tag(
        "form",
        field("Profile", select("profile", options, chosen), name="profile"),
        tag(
            "div",
            tag("label", "CSV file", for_="file"),
            tag("p", "Drop a file here, or choose one.", id="file-hint"),
            void(
                "input",
                type="file",
                id="file",
                name="file",
                accept=".csv,.tsv,.gz",
                aria_describedby="file-hint",
            ),
            class_="drop",
            id="drop",
        ),
        tag(
            "p",
            tag("button", "Show the plan", type="submit", class_="button primary"),
            tag("span", "Nothing is sent.", class_="quiet"),
            class_="submit",
        ),
        tag("progress", "", max=100, value=0, hidden="hidden", id="arrived", aria_label="Upload"),
        id="choose",
        data_upload=desk.url("files"),
        data_most=most,
        method="post",
        action=desk.url("new"),
    )
    without = tag(
        "div",
        tag("p", "Choosing a file takes JavaScript. In a terminal:"),
        command_line("jobferry plan FILE.csv --profile PROFILE"),
        id="without",
        class_="empty",
    )
    return page(desk, "New run", tag("h1", "New run"), choose, without, section="new")


def plan_page(desk: Desk, held: HeldFile) -> str:
    """What would be sent of a file that waits."""
    document = held.plan
    return page(
        desk,
        f"Plan of {held.name}",
        tag("p", tag("a", "New run", href=desk.url("new")), class_="back"),
        tag("h1", "Plan of ", foreign(held.name)),
        plan_in_short(document),
        _start(desk, held, document),
        plan_rows(document),
        section="new",
    )


def _start(desk: Desk, held: HeldFile, document: Mapping[str, Any]) -> Html:
    to = desk.url("plans", held.file_id, "discard")
    if not document["to_send"]:
        discard = form(desk, to, button("Discard", ""))
        return tag("section", tag("p", "There is nothing to start."), discard)
    jobs = counted(document["forecast"]["jobs"], "job")
    says = (
        f"{counted(document['to_send'], 'row')} will be sent as {document['operation']} in {jobs}, "
        "at "
    )
    trial = void(
        "input",
        type="number",
        id="trial",
        name="trial",
        min=1,
        max=document["to_send"],
        inputmode="numeric",
        aria_describedby="trial-hint",
    )
    priorities = [("", "as usual"), *((name, name) for name in PRIORITIES)]
    return tag(
        "section",
        tag("h2", "Start"),
        form(
            desk,
            desk.url("plans", held.file_id, "start"),
            field(
                "Trial",
                trial,
                "Rows to send first; the run then waits for your yes. Empty: all of them.",
                name="trial",
            ),
            field("Priority", select("priority", priorities), name="priority"),
            tag("p", says, foreign(document["base_url"]), ".", class_="says"),
            tag(
                "p",
                button("Start"),
                tag("button", "Discard", type="submit", class_="button", form="discard"),
                class_="submit",
            ),
            class_="start",
        ),
        form(desk, to, id="discard"),
    )


def refused_part(name: str, error: CommandError) -> Html:
    """Why a file cannot be planned, as a part that the script shows beside the form."""
    return tag(
        "div",
        tag("p", tag("strong", foreign(name), " cannot be planned. "), foreign(error.message)),
        *(tag("p", foreign(text)) for text in error.details),
    )
