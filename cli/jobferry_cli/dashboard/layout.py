"""The frame of every page, and the parts that pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobferry.domain.outcome import OutcomeStatus
from jobferry.reporting.formatting import counted, listed, number
from jobferry.reporting.html.markup import Html, foreign, join, tag, void
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.security import TOKEN_FIELD

SECTIONS = {"runs": "Runs", "new": "New run", "connections": "Connections"}

MOVING, STILL, OVER = "moving", "still", "over"
"""How soon a part is asked for again: something goes on, nothing does, nothing will."""


def page(desk: Desk, title: str, *content: str, section: str = "") -> str:
    """A whole page.

    Args:
        section: which part of the navigation it belongs to.
    """
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        tag("title", in_title(title)),
        void("link", rel="stylesheet", href=desk.url("static", "style.css")),
        void("link", rel="icon", href=desk.url("static", "icon.svg"), type="image/svg+xml"),
        tag("script", src=desk.url("static", "app.js"), type="module"),
    )
    notices = desk.notices.take()
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _top(desk, section),
        tag("p", role="status", aria_live="polite", id="said", class_="unseen"),
        tag("p", role="alert", id="trouble", class_="trouble", hidden="hidden"),
        tag(
            "main",
            *(tag("div", text, class_="notice", role="status") for text in notices),
            *content,
            id="content",
            tabindex="-1",
        ),
        data_token=desk.guard.token,
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _top(desk: Desk, section: str) -> Html:
    links = []
    for name, text in SECTIONS.items():
        here: dict[str, str] = {"aria_current": "page"} if name == section else {}
        links.append(tag("li", tag("a", text, href=desk.url(name), **here)))
    region = _place(desk)
    return tag(
        "header",
        tag(
            "div",
            tag("a", "Jobferry", href=desk.url("runs"), class_="brand"),
            tag("nav", tag("ul", *links), aria_label="Pages"),
            tag("p", "Stack ", tag("strong", desk.stack_name), region, class_="stack"),
            class_="top",
        ),
    )


def _place(desk: Desk) -> str:
    """The region, as the state machine's ARN has it."""
    parts = desk.stack.executions.state_machine_arn.split(":")
    return f" · {parts[3]}" if len(parts) > 3 and parts[3] else ""


def live(name: str, *content: str, url: str, pace: str, say: str = "", title: str = "") -> Html:
    """A part of a page that the script asks for again.

    Args:
        name: its id.
        say: what is said to those who cannot see it, when it changes.
        title: of the whole page, as it is by now.
    """
    more = {"data_say": say, "data_title": title and in_title(title)}
    given = {key: value for key, value in more.items() if value}
    return tag("div", *content, id=name, data_live=url, data_pace=pace, **given)


def in_title(text: str) -> str:
    """What a browser's tab says."""
    return f"{text} · Jobferry"


def form(desk: Desk, action: str, *content: str, **attributes: str) -> Html:
    """A form that changes something."""
    token = void("input", type="hidden", name=TOKEN_FIELD, value=desk.guard.token)
    return tag("form", token, *content, method="post", action=action, **attributes)


def button(text: str, kind: str = "primary") -> Html:
    return tag("button", text, type="submit", class_=f"button {kind}")


def link_button(text: str, href: str, kind: str = "") -> Html:
    return tag("a", text, href=href, class_=f"button {kind}".strip())


def field(label: str, control: Html, hint: str = "", *, name: str) -> Html:
    """A labelled control, whose id is its name."""
    note = tag("small", hint, id=f"{name}-hint") if hint else ""
    return tag("p", tag("label", label, for_=name), control, note, class_="field")


def select(name: str, options: Iterable[tuple[str, str]], chosen: str = "") -> Html:
    """A choice. An option is (value, text)."""
    made = []
    for value, text in options:
        here: dict[str, str] = {"selected": "selected"} if value == chosen else {}
        made.append(tag("option", text, value=value, **here))
    return tag("select", *made, name=name, id=name)


def command_line(text: str) -> Html:
    """A command to type, with a button that copies it where the script runs."""
    copy = tag(
        "button",
        "Copy",
        type="button",
        class_="copy",
        data_copy=text,
        hidden="hidden",
        aria_label=f"Copy the command {text}",
    )
    return tag("div", tag("code", text, class_="command"), copy, class_="line")


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names and values side by side; empty values are left out."""
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value),
        class_="facts",
    )


def scrolled(label: str, *content: str) -> Html:
    """What may be wider than the page, and then scrolls by itself, by keyboard as well."""
    return tag("div", *content, class_="scrolled", role="region", aria_label=label, tabindex="0")


def when(moment: str | None) -> Html:
    """A moment of a document, in local time; in UTC when pointed at."""
    at = parsed(moment)
    if at is None:
        return Html("")
    return tag("time", local(at), datetime=at.isoformat(timespec="seconds"), title=in_utc(at))


def when_both(moment: str | None) -> Html:
    """The same with UTC beside it."""
    at = parsed(moment)
    if at is None:
        return Html("")
    return join(when(moment), " ", tag("span", in_utc(at), class_="quiet"))


def parsed(moment: str | None) -> datetime | None:
    return None if moment is None else datetime.fromisoformat(moment)


def local(at: datetime) -> str:
    """As the clock of this machine has it."""
    here = at.astimezone()
    return f"{here.day} {here:%b %Y, %H:%M:%S}"


def in_utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def bar(rows: int, outcomes: Mapping[str, int]) -> Html:
    """How far a run is, as a picture: a part for each outcome, the rest left empty."""
    settled = sum(outcomes.values())
    whole = max(rows, settled, 1)
    drawn: list[Html] = []
    at = 0.0
    for status in OutcomeStatus:
        count = outcomes.get(status.value, 0)
        if count:
            width = 100 * count / whole
            drawn.append(
                tag(
                    "rect",
                    x=f"{at:.3f}",
                    y=0,
                    width=f"{width:.3f}",
                    height=1,
                    class_=f"fill-{status.value}",
                )
            )
            at += width
    return tag(
        "svg",
        *drawn,
        viewBox="0 0 100 1",
        preserveAspectRatio="none",
        class_="progress",
        role="img",
        aria_label=said_of_rows(rows, outcomes),
        focusable="false",
    )


def said_of_rows(rows: int, outcomes: Mapping[str, int]) -> str:
    """`290 of 300 rows have ended: 284 succeeded and 6 failed`."""
    parts = [f"{number(n)} {name}" for name, n in outcomes.items() if n]
    ended = f"{number(sum(outcomes.values()))} of {counted(rows, 'row')} have ended"
    return f"{ended}: {listed(parts)}" if parts else ended


def tally(outcomes: Mapping[str, int], names: Sequence[str] = ()) -> Html:
    """Counts with their colours; outcomes that nobody met are left out, but for `names`."""
    shown = [(name, n) for name, n in outcomes.items() if n or name in names]
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag("span", class_=f"key {name}"),
                tag("span", tag("strong", number(n)), f" {name}"),
            )
            for name, n in shown
        ),
        class_="tally",
    )


_TONES = {
    "completed": "good",
    "completed_with_failures": "fair",
    "paused": "fair",
    "unresolved": "bad",
    "aborted": "bad",
    "failed": "bad",
}


def pill(status: str) -> Html:
    """A run's status."""
    return tag("span", status.replace("_", " "), class_=f"pill {_TONES.get(status, 'open')}")


def name_of_file(document: Mapping[str, Any]) -> str:
    """The last part of the key, or of a copy that `retry` made the file of its origin."""
    return str(document["source"]["key"]).rpartition("/")[2]


def warnings(texts: Sequence[str], title: str = "Warnings") -> Html:
    if not texts:
        return Html("")
    items = (tag("li", foreign(text)) for text in texts)
    return tag("section", tag("h2", title), tag("ul", *items), class_="warnings")
