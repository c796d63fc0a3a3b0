"""Serving a simulator on loopback: in the foreground for the command, in a thread for tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import requests
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vendorsim.app import App
from vendorsim.clock import Clock
from vendorsim.settings import Scenario, load_scenario
from vendorsim.simulator import Simulator
from vendorsim.values import JsonObject
from vendorsim.zendesk_support.auth import TOKEN

HOST = "127.0.0.1"
_SECONDS_TO_FINISH = 1
"""What requests in flight are given when the server is stopped."""
_MAX_REQUEST_HEAD = 1 << 20


class _Protocol(H11Protocol):
    """Hands its connection to the application, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": transport}


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


class _ServerInThread(_Server):
    """Stops when it is told, without uvicorn's waits of a tenth of a second.

    Hundreds of tests start a simulator each; the waits would be a tenth of their time.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config, on_ready)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """From any thread."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), timeout=1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        connections, loop = self.server_state.connections, asyncio.get_running_loop()
        until = loop.time() + _SECONDS_TO_FINISH
        while connections and loop.time() < until:
            await asyncio.sleep(0.002)
        for connection in connections:
            connection.transport.abort()


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio switches off Nagle's delay only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _config(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        App(simulator),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        h11_max_incomplete_event_size=_MAX_REQUEST_HEAD,
    )


def serve(simulator: Simulator, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `on_ready` gets the URL. Raises OSError if the port is taken."""
    listener = _listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    _Server(_config(simulator), lambda: on_ready(url)).run(sockets=[listener])


class RunningSimulator:
    """A simulator in a thread; a context manager that stops it."""

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        listener = _listen(port)
        ready = threading.Event()
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._server = _ServerInThread(_config(simulator), ready.set)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            message = "the simulator did not start listening within 10 s"
            raise TimeoutError(message)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One request with the published Zendesk credentials, or with the given `headers`."""
        allowed = {"Authorization": f"Bearer {TOKEN}"} if headers is None else headers
        return requests.request(method, self.url + path, json=json, headers=allowed, timeout=30)

    def effects(self, **query: str | int) -> JsonObject:
        """What really happened; `kind`, `action`, `after` and `limit` narrow the effects."""
        return self._control("GET", f"effects?{urlencode(query)}")

    def set_faults(self, *faults: JsonObject, add: bool = False) -> None:
        """Set faults instead of, or besides, those that are set."""
        self._control("POST", "faults", {"faults": faults, "add": add})

    def change_settings(self, **settings: object) -> None:
        """Change settings from now on."""
        self._control("POST", "settings", settings)

    def reset(self, **settings: object) -> None:
        """Forget everything that happened, and every fault."""
        self._control("POST", "reset", settings)

    def _control(self, method: str, path: str, body: object = None) -> JsonObject:
        answer = self.request(method, f"/_sim/{path}", json=body, headers={})
        if not answer.ok:
            raise ValueError(answer.text)
        told: JsonObject = answer.json()
        return told

    def stop(self) -> None:
        """Stop listening and end the thread; requests in flight get a second to finish."""
        self._server.stop()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    port: int = 0,
    *,
    scenario: Scenario | Path | None = None,
    clock: Clock | None = None,
    **settings: object,
) -> RunningSimulator:
    """Serve a simulator from a thread of this process.

    port      0 = a free one
    scenario  what it starts with, or the file that says so
    clock     the machine's by default
    settings  fields of `Settings`, laid over the scenario's: `latency=0.1, requests_per_minute=0`

    Raises pydantic.ValidationError for settings that are none, OSError for a taken port.
    """
    given = load_scenario(scenario) if isinstance(scenario, Path) else scenario or Scenario()
    begun = given.model_copy(update={"settings": given.settings.changed(settings)})
    return RunningSimulator(Simulator(begun, clock), port)
