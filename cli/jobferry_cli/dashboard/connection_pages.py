"""Connections: what they may do now, what they wait for, what was learned of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobferry.domain.commands import command
from jobferry.domain.connection import Connection
from jobferry.domain.timestamps import timestamp
from jobferry.reporting.formatting import counted, duration, number
from jobferry.reporting.html.markup import Html, foreign, join, tag
from jobferry_cli.connection_state import connection_state
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import (
    MOVING,
    STILL,
    button,
    command_line,
    facts,
    form,
    live,
    page,
    scrolled,
    when_both,
)
from jobferry_cli.errors import CommandError


def connections_page(desk: Desk) -> str:
    return page(
        desk, "Connections", tag("h1", "Connections"), connections_part(desk), section="connections"
    )


def connections_part(desk: Desk) -> Html:
    config = desk.stack.deps.store.config
    found = [each for name in config.connection_names() if (each := config.connection(name))]
    states = [connection_state(desk.stack, each) for each in found]
    if not states:
        make = command_line(command("connection", "put", "--help"))
        content = tag("div", tag("p", "There are no connections yet."), make, class_="empty")
    else:
        content = tag("ol", *(_entry(desk, each) for each in states), class_="connections")
    return live(
        "connections",
        content,
        url=desk.url("connections", part="list"),
        pace=MOVING if any(each["in_flight"] for each in states) else STILL,
    )


def _entry(desk: Desk, state: dict[str, Any]) -> Html:
    name = state["name"]
    return tag(
        "li",
        tag(
            "div",
            tag("h2", tag("a", name, href=desk.url("connections", name), id=f"connection-{name}")),
            tag("p", state["vendor"], " · ", foreign(state["base_url"]), class_="quiet"),
        ),
        _slots(state),
        tag("p", f"{counted(state['requests_last_minute'], 'request')} in the last minute"),
        tag("p", _state_in_words(state)),
        class_="connection",
    )


def _state_in_words(state: dict[str, Any]) -> Html:
    if state["blocked_until"] or state["full_until"]:
        return tag("span", "waits", class_="pill fair")
    if state["in_flight"]:
        return tag("span", "at work", class_="pill open")
    return tag("span", "free", class_="pill good")


def _slots(state: dict[str, Any]) -> Html:
    """Slots in use, as a picture and in words."""
    used, slots = state["in_flight"], max(1, state["slots"])
    text = f"{number(used)} of {counted(slots, 'slot')} in use"
    taken = tag(
        "rect",
        x=0,
        y=0,
        width=f"{100 * min(used, slots) / slots:.2f}",
        height=1,
        class_="fill-succeeded",
    )
    picture = tag(
        "svg",
        taken,
        viewBox="0 0 100 1",
        preserveAspectRatio="none",
        class_="progress",
        aria_hidden="true",
    )
    return tag("div", picture, tag("p", text), class_="slots")


def known_connection(desk: Desk, name: str) -> Connection:
    """The connection of this name.

    Raises:
        CommandError: there is none.
    """
    found = desk.stack.deps.store.config.connection(name)
    if found is None:
        raise CommandError(
            f"There is no connection {name!r}.", next_command=command("connection", "list")
        )
    return found


def connection_page(desk: Desk, name: str) -> str:
    found = known_connection(desk, name)
    return page(
        desk,
        f"Connection {name}",
        tag("p", tag("a", "Connections", href=desk.url("connections")), class_="back"),
        tag("h1", name),
        connection_part(desk, found),
        tag(
            "section",
            tag("h2", "Test it"),
            tag(
                "p",
                "One authenticated request that changes nothing is sent to ",
                foreign(found.base_url),
                ".",
            ),
            form(desk, desk.url("connections", name, "test"), button("Test the connection", "")),
        ),
        section="connections",
    )


def connection_part(desk: Desk, found: Connection) -> Html:
    state = connection_state(desk.stack, found)
    learned = state["learned"]
    rate = state["requests_per_minute"]
    told = learned["told_requests_per_minute"]
    return live(
        "connection",
        _waits(desk, found, state),
        tag("section", tag("h2", "Now"), _slots(state), _now(state)),
        tag(
            "section",
            tag("h2", "Limits"),
            facts(
                [
                    ("Vendor", state["vendor"]),
                    ("Address", foreign(state["base_url"])),
                    ("Jobs in flight, at most", _jobs(state)),
                    ("Requests a minute", "as the vendor lets" if rate is None else number(rate)),
                    ("Share of them", f"{state['share']:.0%}"),
                    ("The vendor says", "" if told is None else f"{number(told)} a minute"),
                    ("Learned", _learned(learned)),
                    ("Put by", foreign(state["by"]) if state["by"] else ""),
                ]
            ),
        ),
        _operations(desk, found),
        _outages(desk, found),
        url=desk.url("connections", found.name, part="state"),
        pace=MOVING if state["in_flight"] else STILL,
    )


def _jobs(state: dict[str, Any]) -> str:
    told = state["learned"]["told_jobs"]
    most = "as the vendor allows" if state["max_jobs"] is None else number(state["max_jobs"])
    return most + ("" if told is None else f"; the vendor says {number(told)}")


def _learned(learned: dict[str, Any]) -> str:
    parts = []
    if learned["jobs"] is not None:
        parts.append(counted(round(learned["jobs"]), "slot"))
    if learned["requests_per_minute"] is not None:
        parts.append(f"{number(round(learned['requests_per_minute']))} requests a minute")
    return ", ".join(parts)


def _now(state: dict[str, Any]) -> Html:
    asked = state["throttles"]
    throttled = f" The vendor has asked for a wait {counted(asked, 'time')}." if asked else ""
    requests = counted(state["requests_last_minute"], "request")
    return tag("p", f"{requests} in the last minute.{throttled}")


def _waits(desk: Desk, found: Connection, state: dict[str, Any]) -> Html:
    """What it waits for, and how to end that."""
    texts = {
        "blocked_until": "The vendor has asked for no request before ",
        "full_until": "The vendor takes no further job before ",
    }
    waits = [
        tag("li", text, when_both(state[name]), ".") for name, text in texts.items() if state[name]
    ]
    if not waits:
        return Html("")
    return tag(
        "section",
        tag("h2", "What it waits for"),
        tag("ul", *waits),
        tag("p", "A vendor that means it asks for the wait once more."),
        form(desk, desk.url("connections", found.name, "unblock"), button("End these waits", "")),
        class_="waiting",
    )


def _operations(desk: Desk, found: Connection) -> Html:
    """How long jobs take, as learned: of operations that profiles use."""
    rows = list(_latencies(desk, found))
    if not rows:
        return Html("")
    heads = ("Operation", "Jobs seen", "Half of them take", "On average")
    return tag(
        "section",
        tag("h2", "How long jobs take"),
        scrolled(
            "How long jobs take",
            tag(
                "table",
                tag("caption", "As learned from jobs of this connection", class_="unseen"),
                tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads))),
                tag("tbody", *rows),
            ),
        ),
    )


def _latencies(desk: Desk, found: Connection) -> Iterator[Html]:
    store = desk.stack.deps.store
    used = {
        profile[1].get("operation")
        for name in store.config.profile_names()
        if (profile := store.config.profile(name)) and profile[1].get("connection") == found.name
    }
    for operation in sorted(filter(None, used)):
        latency = store.limits.latencies(found.name, operation).get("")
        if latency is not None:
            yield tag(
                "tr",
                tag("th", operation, scope="row"),
                tag("td", number(latency.jobs)),
                tag("td", duration(round(latency.median, 1))),
                tag("td", duration(round(latency.mean, 1))),
            )


def _outages(desk: Desk, found: Connection) -> Html:
    """When the vendor gave no clear answers."""
    outages = desk.stack.deps.store.limits.get(found.name).outages
    if not outages:
        return Html("")
    items = (
        tag("li", when_both(timestamp(since)), f", for {duration(round(until - since))}")
        for since, until in reversed(outages)
    )
    return tag("section", tag("h2", "Outages"), tag("ul", *items))


def tested(name: str, reason: str | None) -> Html:
    """What a test of a connection has shown."""
    if reason is None:
        return join(f"The connection {name} works.")
    return join(f"The connection {name} does not work. ", foreign(reason))
