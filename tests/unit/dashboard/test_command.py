"""`jobferry dashboard`: what it prints, where it listens, and what is left when it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
import webbrowser
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder

from jobferry_cli.dashboard import command
from jobferry_cli.dashboard.command import RunningPage, serving
from jobferry_cli.dashboard.server import STATIC
from tests.unit.cli.shell import Shell
from virtual.world import World, sample_csv

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def shell() -> Iterator[Shell]:
    with World() as world:
        yield Shell(world)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[RunningPage], None]], None]:
    """What somebody does while the command serves; then it ends."""

    def does(work: Callable[[RunningPage], None]) -> None:
        monkeypatch.setattr(RunningPage, "wait", work)

    monkeypatch.setattr(command.webbrowser, "get", lambda: pytest.fail("a browser was opened"))
    return does


def entered(url: str) -> httpx.Client:
    client = httpx.Client(follow_redirects=True)
    assert client.get(url).status_code == 200
    return client


def test_it_prints_its_address_and_serves(
    shell: Shell, meanwhile: Callable[[Callable[[RunningPage], None]], None]
) -> None:
    run = shell.world.processed(sample_csv(3))
    seen: list[str] = []

    def look(page: RunningPage) -> None:
        with httpx.Client(follow_redirects=True) as client:
            answer = client.get(page.url())
            seen.extend([answer.text, str(answer.url)])

    meanwhile(look)
    answer = shell("dashboard", "--no-open", "--json")
    assert answer.code == 0
    assert answer.document["url"].startswith("http://127.0.0.1:")
    assert run.run_id in seen[0]
    assert "token" not in seen[1]


def test_for_people_the_address_stands_alone_on_stdout(
    shell: Shell, meanwhile: Callable[[Callable[[RunningPage], None]], None]
) -> None:
    meanwhile(lambda _page: None)
    answer = shell("dashboard", "--no-open")
    assert answer.stdout.strip().startswith("http://127.0.0.1:")
    assert len(answer.stdout.splitlines()) == 1
    assert "Ctrl-C" in answer.stderr


def test_a_browser_is_opened_with_it(
    shell: Shell,
    meanwhile: Callable[[Callable[[RunningPage], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meanwhile(lambda _page: None)
    opened: list[str] = []
    browser = SimpleNamespace(open=lambda url: opened.append(url) or True)
    monkeypatch.setattr(command.webbrowser, "get", lambda: browser)
    answer = shell("dashboard", "--json")
    assert opened == [answer.document["url"]]


def no_browser() -> Any:
    raise webbrowser.Error("could not locate runnable browser")


@pytest.mark.parametrize("get", [no_browser, lambda: webbrowser.GenericBrowser("lynx")])
def test_without_a_browser_with_windows_it_says_so_and_serves(
    shell: Shell,
    meanwhile: Callable[[Callable[[RunningPage], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    get: Callable[[], Any],
) -> None:
    served: list[int] = []
    meanwhile(lambda page: served.append(page.port))
    monkeypatch.setattr(command.webbrowser, "get", get)
    answer = shell("dashboard")
    assert answer.code == 0
    assert "open the address yourself" in answer.stderr
    assert served


def test_a_port_that_is_taken_is_a_sentence(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = shell("dashboard", "--no-open", "--port", taken.getsockname()[1], "--json")
    assert answer.code == 1
    assert "cannot be listened on" in answer.error["text"]


def test_it_listens_on_this_machine_only(shell: Shell) -> None:
    with serving(lambda: shell._connect(None), "jobferry") as page:
        assert page.sock.getsockname()[0] == "127.0.0.1"
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", page.port))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_nothing_stays(shell: Shell, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with serving(lambda: shell._connect(None), "jobferry") as page:
        with closing(entered(page.url())) as client:
            answer = client.post(
                f"http://127.0.0.1:{page.port}{page.desk.url('files', profile='things', name='a')}",
                content=sample_csv(3).encode(),
                headers={
                    "Content-Type": "application/octet-stream",
                    "X-Jobferry-Token": page.guard.token,
                    "Origin": f"http://127.0.0.1:{page.port}",
                },
            )
            assert answer.status_code == 200
        folder = page.desk.held.folder
        assert list(folder.iterdir())
        with page.ended_by_signals():
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
            page.wait()
    assert not folder.exists()
    assert signal.getsignal(number) is before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{page.port}/")


def test_who_comes_with_a_used_address_is_helped_by_the_terminal(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda: shell._connect(None), "jobferry") as page:
        url = page.url()
        entered(url).close()
        assert httpx.get(url).status_code == 403
        said = capsys.readouterr().err
        entered(said.split()[-1]).close()


def test_what_browsers_load_is_in_the_package(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"jobferry_cli/dashboard/static/{file.name}" for file in STATIC.iterdir()}
    assert len(wanted) == 3
    assert wanted <= names
