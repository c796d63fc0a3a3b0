"""The page over a whole deployment in memory, and a browser that has been let in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.gate import Gate
from jobferry_cli.dashboard.held_files import HeldFiles
from jobferry_cli.dashboard.security import Entry, Guard
from jobferry_cli.dashboard.server import make_app
from tests.unit.cli.shell import Shell
from virtual.world import World

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a newer httpx
    from starlette.testclient import TestClient

PORT = 41_234
OWN = f"http://127.0.0.1:{PORT}"

_BLOCKS = ("p", "dt", "dd", "li", "div", "h1", "h2", "h3", "td", "th", "title", "option", "time")


@dataclass
class Seen(HTMLParser):
    """A page as a reader has it: its text, links, forms."""

    html: str
    links: list[tuple[str, str]] = field(default_factory=list)
    forms: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._link: str | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self._link = given.get("href")
        if tag == "form":
            self.forms.append({"action": given.get("action"), "method": given.get("method")})

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        if tag in _BLOCKS:
            self.said.append(" ")

    def handle_data(self, data: str) -> None:
        self.said.append(data)
        if self._link is not None:
            self.links.append((data, self._link))

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())

    def link(self, text: str) -> str:
        return next(href for said, href in self.links if said == text)


class Page:
    """`jobferry dashboard` without a socket, and its user's browser."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shell = Shell(world)
        self.guard, self.entry = Guard(PORT), Entry()
        self.held = HeldFiles()
        self.stack = self.shell._connect(None)
        self.desk = Desk(
            self.stack, "jobferry", self.guard, self.held, lambda: self.shell._connect(None)
        )
        self.renewed = 0
        gate = Gate(make_app(self.desk), self.guard, self.entry, self._renew)
        self.client = TestClient(gate, base_url=OWN, follow_redirects=False)

    def _renew(self) -> None:
        self.renewed += 1

    def enter(self) -> None:
        answer = self.client.get(f"/?token={self.entry.token}")
        assert answer.status_code == 303, answer.text

    def get(self, *parts: object, expect: int = 200, **query: Any) -> Seen:
        answer = self.client.get(self.desk.url(*parts, **query))
        assert answer.status_code == expect, answer.text
        return Seen(answer.text)

    def post(self, *parts: object, **fields: Any) -> Any:
        """A form sent as a browser sends it; the answer."""
        return self.client.post(
            self.desk.url(*parts),
            data={"token": self.guard.token, **fields},
            headers={"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        )

    def done(self, *parts: object, **fields: Any) -> Seen:
        """The page to which a form leads that did its work."""
        answer = self.post(*parts, **fields)
        assert answer.status_code == 303, answer.text
        there = self.client.get(answer.headers["location"])
        assert there.status_code == 200, there.text
        return Seen(there.text)

    def refused(self, *parts: object, **fields: Any) -> Seen:
        answer = self.post(*parts, **fields)
        assert answer.status_code in (409, 503), answer.text
        return Seen(answer.text)

    def upload(self, body: bytes, *, profile: str = "things", name: str = "file.csv") -> Any:
        return self.client.post(
            self.desk.url("files", profile=profile, name=name),
            content=body,
            headers={
                "Content-Type": "application/octet-stream",
                "X-Jobferry-Token": self.guard.token,
                "Origin": OWN,
                "Sec-Fetch-Site": "same-origin",
            },
        )


@pytest.fixture
def page() -> Iterator[Page]:
    with World(max_records=2, max_jobs=3) as world:
        made = Page(world)
        with made.held:
            made.enter()
            yield made
