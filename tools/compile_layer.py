"""Bytecode for what `sam build` has built, between `sam build` and `sam deploy`.

    python tools/compile_layer.py [.aws-sam/build]

`sam build` writes no bytecode, and a function cannot keep any: `/opt` is read-only there, so every
cold start would compile everything that it imports (docs/performance.md, "Cold start").

The interpreter is that of the runtime which the layer was built for, as the built template says:
bytecode of another version is ignored. Where it is missing, one sentence says so and the answer
is 0: the functions work all the same, only their cold starts are slower.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

BUILD = Path(".aws-sam") / "build"
LAYER = "AWS::Serverless::LayerVersion"
BUILT = {LAYER: "ContentUri", "AWS::Serverless::Function": "CodeUri"}


class NotBuiltError(Exception):
    """There is nothing to compile; the message says what to do."""


def read_template(build: Path) -> dict[str, Any]:
    """The template that `sam build` has left in its folder.

    Raises:
        NotBuiltError: there is none.
    """
    path = build / "template.yaml"
    if not path.is_file():
        raise NotBuiltError(f"There is no {path}. Run `sam build` first.")
    template: dict[str, Any] = yaml.safe_load(path.read_text())
    return template


def runtime_of(template: dict[str, Any]) -> str | None:
    """The runtime that the layer was built for (`python3.13`); None without a layer."""
    for resource in template["Resources"].values():
        if resource["Type"] == LAYER:
            runtime: str = resource["Metadata"]["BuildMethod"]
            return runtime
    return None


def folders_of(template: dict[str, Any], build: Path) -> list[Path]:
    """The folders of functions and layer, each once."""
    names = {
        resource["Properties"][BUILT[resource["Type"]]]
        for resource in template["Resources"].values()
        if resource["Type"] in BUILT
    }
    return [build / name for name in sorted(names)]


def interpreter_of(runtime: str) -> str | None:
    """A command that runs this version of Python; None when this machine has none."""
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(runtime)
    if found is None:
        return None
    # A version manager's shim is on PATH whether its version can be used or not.
    tried = subprocess.run([found, "--version"], check=False, capture_output=True)
    return found if tried.returncode == 0 else None


def compile_folders(interpreter: str, folders: list[Path], build: Path) -> bool:
    """Compile every module below the folders; false when one of them could not be.

    The bytecode carries its source's hash, not its time: packaging gives all files another time.
    Nothing of this machine's paths gets into it, so the same source makes the same layer.
    """
    command = [interpreter, "-m", "compileall", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(build)]
    return subprocess.run([*command, *map(str, folders)], check=False).returncode == 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bytecode for what sam build has built.")
    parser.add_argument("build", nargs="?", type=Path, default=BUILD)
    build: Path = parser.parse_args(arguments).build
    try:
        template = read_template(build)
    except NotBuiltError as error:
        print(error, file=sys.stderr)
        return 1
    runtime = runtime_of(template)
    if runtime is None:
        return 0
    interpreter = interpreter_of(runtime)
    if interpreter is None:
        print(f"No {runtime} here: the layer goes without bytecode, and cold starts take longer.")
        return 0
    began = time.monotonic()
    if not compile_folders(interpreter, folders_of(template, build), build):
        print("Modules named above could not be compiled; they are at every cold start instead.")
    print(f"Compiled with {runtime} in {time.monotonic() - began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
