"""The real `sam build` and `sam deploy` of the real template, onto the emulator."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from jobferry.domain.commands import other_command
from jobferry_cli.local.processes import LocalError, tool, tool_path

TEMPLATE = "template.yaml"


def project_root() -> Path:
    """The checkout: the folder with template.yaml, here or above.

    Raises:
        LocalError: not inside a checkout.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / TEMPLATE).exists() and (folder / "samconfig.toml").exists():
            return folder
    raise LocalError(
        "There is no template.yaml here or above; run this inside the checkout.",
        other_command("cd", "CHECKOUT"),
        misused=True,
    )


def machine_parameters() -> dict[str, str]:
    """Interpreter and processor of this machine: the emulator runs functions with them."""
    arm = platform.machine().lower() in {"arm64", "aarch64"}
    return {
        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Architecture": "arm64" if arm else "x86_64",
    }


def build(root: Path, folder: Path) -> None:
    """Build functions and layer into `folder`, with what was built before where nothing changed.

    Raises:
        LocalError: it failed, or what was built could not be compiled.
    """
    log = folder / "build.log"
    _sam(
        root,
        log,
        {},
        "build",
        "--build-dir",
        str(folder / "build"),
        "--cache-dir",
        str(folder / "cache"),
        *_overrides(machine_parameters()),
    )
    _compile(folder / "build", log)


LOCAL_PARAMETERS = {"AllowLoopbackHttp": "true", "FullCloudWatch": "false"}
"""How the template knows that it is deployed onto the emulator."""


def deploy(
    root: Path,
    folder: Path,
    stack: str,
    environment: Mapping[str, str],
    parameters: Mapping[str, str] = LOCAL_PARAMETERS,
) -> None:
    """Deploy what was built, with these parameters besides those of the machine."""
    _sam(
        root,
        folder / "deploy.log",
        environment,
        "deploy",
        "--template-file",
        str(folder / "build" / TEMPLATE),
        "--stack-name",
        stack,
        *_overrides({**machine_parameters(), **parameters}),
    )


def _compile(built: Path, log: Path) -> None:
    """Give functions and layer their bytecode, as `make deploy` does."""
    script = project_root() / "tools" / "compile_layer.py"
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, str(script), str(built)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise LocalError(
            f"What was built could not be compiled; the whole of it is in {log}",
            other_command("tail", log),
        )


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]


def _sam(root: Path, log: Path, environment: Mapping[str, str], verb: str, *options: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [tool("sam"), verb, "--config-env", "local", "--config-file"]
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, str(root / "samconfig.toml"), *options],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, "PATH": tool_path(), "SAM_CLI_TELEMETRY": "0"},
            check=False,
        )
    if done.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-8:])
        raise LocalError(
            f"`sam {verb}` failed; the whole of it is in {log}\n{last}",
            other_command("tail", "-n", "50", log),
        )
