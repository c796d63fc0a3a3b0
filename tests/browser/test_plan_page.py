"""The page of a plan in a real browser: readable for everybody, at every width, by itself."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.chromium import WIDTHS, problems
from tests.unit.cli.shell import Shell
from virtual.world import World

FILE = (
    "Name,Ref,Notes\n"
    + "".join(f"thing {n},r{n},{'a long cell without an end ' * 9}\n" for n in range(7))
    + "".join(f",{'x' * 90},<b>é</b>\n" for _ in range(9))
)


def test_nothing_is_cut_off_and_axe_finds_nothing(chromium: Browser, tmp_path: Path) -> None:
    file = tmp_path / "things.csv"
    file.write_text(FILE, encoding="utf-8")
    with World() as world:
        answer = Shell(world)("plan", file, "--profile", "things", "--out", tmp_path / "out")
    assert answer.code == 0, answer.stderr
    address = (tmp_path / "out" / "plan.html").as_uri()
    context = chromium.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert problems(page, {**WIDTHS, 1_000: "dark"}) == []
    assert asked == [address]
    context.close()
