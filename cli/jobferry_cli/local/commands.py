"""The commands `local up`, `local down` and `local status`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from jobferry.domain.commands import command, other_command
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.local import deployment, processes
from jobferry_cli.local.processes import LocalError
from jobferry_cli.local.state import (
    FILE,
    STACK,
    LocalState,
    ProcessHandle,
    forget_state,
    load_state,
    state_folder,
)
from jobferry_cli.output import note, put_json, put_text

EMULATOR = "emulator"
SIMULATOR = "simulator"


@click.group()
@global_options
def local() -> None:
    """Run the whole stack on this machine, without AWS."""


@local.command()
@click.option("--port", default=4566, show_default=True, help="The emulator's; 0 for a free one.")
@click.option(
    "--simulator-port", default=8900, show_default=True, help="The simulators'; 0 for a free one."
)
@click.option("--no-simulators", is_flag=True, help="Start no vendor simulators.")
@click.option(
    "--simulator-latency", default="2", show_default=True, help="Seconds a simulated job takes."
)
@click.option(
    "--wait-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.0, 100.0),
    help="Stretches the state machine's waits and retry intervals.",
)
@global_options
@pass_app
def up(
    app: App,
    port: int,
    simulator_port: int,
    no_simulators: bool,
    simulator_latency: str,
    wait_scale: float,
) -> None:
    """Start emulator and simulators, build, deploy, and seed samples."""
    with _failures_told(app):
        state = start_local(
            port=port,
            simulator_port=None if no_simulators else simulator_port,
            simulator_latency=simulator_latency,
            wait_scale=wait_scale,
        )
    if app.as_json:
        put_json(_document(state, state_folder()))
        return
    put_text(f"The stack {state.stack} is up at {state.endpoint_url}.")
    if state.simulator_url:
        put_text(f"Vendor simulators: {state.simulator_url}")
    put_text(
        "Try: jobferry run examples/zendesk_support/tickets.create.csv --profile new-tickets --wait"
    )


@local.command()
@global_options
@pass_app
def down(app: App) -> None:
    """Stop what `local up` started, and delete its data."""
    with _failures_told(app):
        stopped = stop_local(state_folder())
    if app.as_json:
        put_json({"stopped": stopped})
    else:
        put_text(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@local.command()
@global_options
@pass_app
def status(app: App) -> None:
    """Show what runs, and where."""
    with _failures_told(app):
        folder = state_folder()
        state = _known_state(folder)
        document = None if state is None else _document(state, folder)
    if app.as_json:
        put_json(document or {"running": False})
    elif state is None or document is None:
        put_text("No local stack is up. Start one with: jobferry local up")
    else:
        for name, running in document["processes"].items():
            put_text(f"{name}: {'running' if running else 'gone'}")
        put_text(f"{state.stack} at {state.endpoint_url}; logs in {folder}")


def start_local(
    *, port: int, simulator_port: int | None, simulator_latency: str, wait_scale: float
) -> LocalState:
    """Bring a local stack up; what was started is stopped again when anything fails.

    Raises:
        LocalError: with what to do about it.
    """
    folder = state_folder()
    before = _known_state(folder)
    if before is not None and any(map(processes.find, before.processes.values())):
        raise LocalError("A local stack is up already.", command("local", "down"), misused=True)
    root = deployment.project_root()
    started: dict[str, ProcessHandle] = {}
    # Function bundles and sockets; the path must be short enough for a socket on macOS.
    scratch = tempfile.mkdtemp(prefix="jobferry-")
    try:
        _say("building functions and layer")
        deployment.build(root, folder)
        endpoint = _start_emulator(folder, port, wait_scale, scratch, started)
        simulator = None
        if simulator_port is not None:
            simulator = _start_simulators(folder, simulator_port, simulator_latency, started)
        state = LocalState(endpoint, simulator, scratch, started)
        _say("deploying the template")
        deployment.deploy(root, folder, STACK, state.environment())
        state.save(folder)
        if simulator is not None:
            from jobferry_cli.local import samples

            _say("seeding sample connection and profiles")
            samples.seed(state, root)
    except BaseException:
        for handle in started.values():
            processes.stop(handle)
        shutil.rmtree(scratch, ignore_errors=True)
        forget_state(folder)
        raise
    return state


def stop_local(folder: Path) -> list[str]:
    """Stop the processes that the state names; returns the names of those that still ran."""
    state = _known_state(folder)
    if state is None:
        return []
    stopped = [name for name, handle in state.processes.items() if processes.stop(handle)]
    shutil.rmtree(state.scratch, ignore_errors=True)
    forget_state(folder)
    return stopped


def _known_state(folder: Path) -> LocalState | None:
    """The stack that was started last.

    Raises:
        LocalError: its state cannot be read.
    """
    try:
        return load_state(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalError(
            f"{folder / FILE} cannot be read ({type(error).__name__}). Without it nobody knows "
            "which processes are ours.",
            other_command("rm", folder / FILE),
        ) from None


def _start_emulator(
    folder: Path, port: int, wait_scale: float, scratch: str, started: dict[str, ProcessHandle]
) -> str:
    port = _usable(port, "--port")
    endpoint = f"http://127.0.0.1:{port}"
    log = folder / "emulator.log"
    _say(f"starting the emulator on port {port}")
    started[EMULATOR] = processes.start(
        [processes.tool("ministack")],
        log,
        {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFN_WAIT_SCALE": str(wait_scale),
            "MINISTACK_HOST": "127.0.0.1",
            "TMPDIR": scratch,
            "STATE_DIR": str(Path(scratch) / "state"),
            "S3_DATA_DIR": str(Path(scratch) / "s3"),
            "NO_PROXY": "127.0.0.1,localhost",
        },
    )
    processes.wait_for(endpoint, started[EMULATOR], log)
    return endpoint


def _start_simulators(
    folder: Path, port: int, latency: str, started: dict[str, ProcessHandle]
) -> str:
    port = _usable(port, "--simulator-port")
    url = f"http://127.0.0.1:{port}"
    log = folder / "simulator.log"
    _say(f"starting the vendor simulators on port {port}")
    words = [processes.tool("vendorsim"), "serve", "--port", str(port), "--latency", latency]
    started[SIMULATOR] = processes.start(words, log, {})
    processes.wait_for(f"{url}/_sim/effects", started[SIMULATOR], log)
    return url


def _usable(port: int, option: str) -> int:
    if port == 0:
        return processes.free_port()
    if processes.is_taken(port):
        raise LocalError(
            f"Port {port} is taken. Choose one with {option}; 0 takes a free one.",
            command("local", "up", option, 0),
        )
    return port


def _document(state: LocalState, folder: Path) -> dict[str, Any]:
    running = {name: processes.find(handle) is not None for name, handle in state.processes.items()}
    return {
        "running": all(running.values()),
        "stack": state.stack,
        "endpoint_url": state.endpoint_url,
        "simulator_url": state.simulator_url,
        "region": state.region,
        "processes": running,
        "logs": str(folder),
    }


def _say(what: str) -> None:
    note(f"· {what}")


@contextmanager
def _failures_told(app: App) -> Iterator[None]:
    """Turns what is in the way on this machine into a failure of the command."""
    if app.stack_name not in (None, STACK):
        raise click.UsageError(f"The stack on this machine is always {STACK}.")
    try:
        yield
    except LocalError as error:
        message, *details = str(error).split("\n")
        raise CommandError(
            message,
            details=details,
            next_command=error.next_command,
            code=ExitCode.INPUT if error.misused else ExitCode.SERVICE,
        ) from None
