"""Background processes: started with a log, known by pid and birth, stopped with their children."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from jobferry.domain.commands import Command, command, other_command
from jobferry_cli.local.state import ProcessHandle

STOP_SECONDS = 10.0


class LocalError(Exception):
    """Something on this machine is in the way; the message says what to do.

    Attributes:
        next_command: what to type then
        misused: it is how the command was used, and not a service that failed
    """

    def __init__(
        self, message: str, next_command: Command | None = None, *, misused: bool = False
    ) -> None:
        super().__init__(message)
        self.next_command = next_command or command("local", "status")
        self.misused = misused


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tool_path() -> str:
    """PATH with the tools of this interpreter's environment first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def tool(name: str) -> str:
    """A command that is installed beside this interpreter.

    Raises:
        LocalError: it is not there.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LocalError(
            f"The command {name} is not installed beside this interpreter.",
            other_command("make", "setup"),
        )
    return str(path)


def start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> ProcessHandle:
    """Start a command in the background, its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, "PATH": tool_path()},
            start_new_session=True,
        )
    return ProcessHandle(process.pid, psutil.Process(process.pid).create_time())


def find(handle: ProcessHandle) -> psutil.Process | None:
    """The process of a handle, if it still lives."""
    try:
        process = psutil.Process(handle.pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        same = abs(process.create_time() - handle.born) < 1.0
    except psutil.NoSuchProcess:
        return None
    return process if alive and same else None


def stop(handle: ProcessHandle) -> bool:
    """Stop a process and all that it started; false when it was gone already."""
    process = find(handle)
    if process is None:
        return False
    family = [process, *process.children(recursive=True)]
    for member in family:
        _signal(member.terminate)
    _, stubborn = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for member in stubborn:
        _signal(member.kill)
    psutil.wait_procs(stubborn, timeout=STOP_SECONDS)
    return True


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return


def wait_for(url: str, handle: ProcessHandle, log: Path, seconds: float = 60.0) -> None:
    """Wait until an HTTP server answers, whatever it answers.

    Raises:
        LocalError: it ended or did not answer in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if find(handle) is None:
            raise LocalError(
                f"{url} did not start; its last words are in {log}", other_command("tail", log)
            )
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise LocalError(
        f"{url} did not answer within {seconds:.0f} s; see {log}", other_command("tail", log)
    )
