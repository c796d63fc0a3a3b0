"""`jobferry dashboard`: serve the page until somebody stops it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import click
import uvicorn

from jobferry.domain.commands import command
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.gate import Gate
from jobferry_cli.dashboard.held_files import HeldFiles
from jobferry_cli.dashboard.security import ADDRESS, TOKEN_FIELD, Entry, Guard
from jobferry_cli.dashboard.server import make_app
from jobferry_cli.errors import CommandError
from jobferry_cli.output import note, put_json, put_text
from jobferry_cli.stack import Stack, choose_stack

GRACE_SECONDS = 2
"""For downloads that are on their way when the page is stopped."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="0: any that is free.",
)
@click.option("--no-open", is_flag=True, help="Print the address, and open no browser.")
@global_options
@pass_app
def dashboard(app: App, port: int, no_open: bool) -> None:
    """Show a page for runs, rows and connections in your browser.

    It listens on this machine only, works with your rights, and ends with Ctrl-C.
    """
    name = choose_stack(app.stack_name, os.environ).name
    with serving(partial(app.connect, app.stack_name), name, port) as page, page.ended_by_signals():
        url = page.url()
        if app.as_json:
            put_json({"url": url})
        else:
            put_text(url)
        note("The address lets one browser in, once. Ctrl-C ends the page.")
        if not no_open:
            _opened(url)
        page.wait()


def _opened(url: str) -> None:
    """Open the address in a browser with windows; one in this terminal would take the terminal."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        browser = None
    in_terminal = type(browser) is webbrowser.GenericBrowser
    if browser is None or in_terminal or not browser.open(url):
        note("There is no browser here to open it with; open the address yourself.")


@dataclass
class RunningPage:
    """A page that is served.

    Attributes:
        port: that it is served on
    """

    server: uvicorn.Server
    sock: socket.socket
    guard: Guard
    entry: Entry
    desk: Desk
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return self.guard.port

    def url(self) -> str:
        """An address that lets one browser in, once."""
        return f"http://{ADDRESS}:{self.port}/?{TOKEN_FIELD}={self.entry.token}"

    def wait(self) -> None:
        """Wait to be told to end."""
        # Python handles signals between two of these.
        while not self._ended.wait(0.5):
            pass

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end it; that is how it is meant to end."""
        before = {
            number: signal.signal(number, lambda *_: self._ended.set())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def serving(connect: Callable[[], Stack], stack_name: str, port: int = 0) -> Iterator[RunningPage]:
    """Serve the page in a thread until the context ends; then its files are deleted.

    Args:
        connect: opens the stack.

    Raises:
        CommandError: the port is taken.
    """
    stack = connect()
    sock = _listening(port)
    guard, entry = Guard(sock.getsockname()[1]), Entry()
    with sock, HeldFiles() as held:
        desk = Desk(stack, stack_name, guard, held, connect)
        config = uvicorn.Config(
            Gate(make_app(desk), guard, entry, lambda: _renewed(page)),
            log_level="critical",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        page = RunningPage(uvicorn.Server(config), sock, guard, entry, desk)
        thread = threading.Thread(target=page.server.run, args=([sock],), daemon=True)
        thread.start()
        try:
            yield page
        finally:
            page.server.should_exit = True
            thread.join(GRACE_SECONDS + 3)


def _renewed(page: RunningPage) -> None:
    note(f"Somebody came with the address that was used before. A new one: {page.url()}")


def _listening(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((ADDRESS, port))
        sock.listen(64)
    except OSError as error:
        sock.close()
        raise CommandError(
            f"Port {port} cannot be listened on: {error.strerror}.",
            next_command=command("dashboard"),
        ) from None
    return sock
