"""Is what `sam build` made what `sam deploy` is about to put on AWS?

    python tools/check_build.py before --runtime python3.13 --architecture arm64 [--container]
        [--parameters Name=value ...]
    python tools/check_build.py after --runtime python3.13 --architecture arm64 [.aws-sam/build]

A layer that was built for another Python or processor deploys without a word, and every function
then fails at its first import. And where a wheel for another processor is needed, `sam build` asks
pip for it by name and version alone, without the hashes of the lock. So each file of the layer
must be that of a locked wheel, whose hash pip has checked, or that of this checkout.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.compile_layer import (  # noqa: E402 - the line above makes it found
    BUILD,
    LAYER,
    NotBuiltError,
    folders_of,
    interpreter_of,
    read_template,
)

LAYER_SOURCE = Path("layers") / "jobferry"
OLDEST = (3, 11)
# Processor of Lambda → its number in the head of an ELF file, and its name in a wheel's.
MACHINES = {"arm64": 183, "x86_64": 62}
WHEEL_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Amazon Linux 2023 has glibc 2.34, Amazon Linux 2 (python3.11) has 2.26.
OLD_GLIBC = ("manylinux2014", "manylinux_2_17")
NEW_GLIBC = (*OLD_GLIBC, "manylinux_2_28", "manylinux_2_34")
CPYTHON = re.compile(r"\.cpython-(\d)(\d+)")


class DownloadError(Exception):
    """The locked wheels cannot be had; the message is pip's."""


def version_of(runtime: str) -> tuple[int, int] | None:
    """`python3.13` → (3, 13); None for what is no Python runtime with a minor version."""
    match = re.fullmatch(r"python(\d+)\.(\d+)", runtime)
    return (int(match[1]), int(match[2])) if match else None


def find_before(
    runtime: str, architecture: str, parameters: Iterable[str], *, container: bool
) -> list[str]:
    """What would make the build fail, or be of no use; one sentence each."""
    problems = []
    version = version_of(runtime)
    if version is None or version < OLDEST:
        problems.append(
            f"RUNTIME is a Python of Lambda from python3.11 on, such as python3.13, not {runtime}."
        )
    elif not container and interpreter_of(runtime) is None:
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        problems.append(
            f"{runtime} is not on PATH, and `sam build` needs it to build the layer. Install it, "
            f"say RUNTIME={here} to deploy for the Python that is here, or CONTAINER=1 to build "
            "in a container (needs Docker)."
        )
    if architecture not in MACHINES:
        problems.append(f"ARCHITECTURE is arm64 or x86_64, not {architecture}.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name in {"Runtime", "Architecture"}:
            problems.append(
                f"{name} is not one of PARAMS, since the build depends on it: "
                f"say {name.upper()}={value}."
            )
    return problems


def problems_of_template(template: Mapping[str, Any], runtime: str, architecture: str) -> list[str]:
    """Where the built template differs from what was asked for."""
    layers = [item for item in template["Resources"].values() if item["Type"] == LAYER]
    if not layers:
        return ["The built template has no layer."]
    problems = []
    for layer in layers:
        built = layer["Metadata"]
        for key, name, wanted in (
            ("BuildMethod", "RUNTIME", runtime),
            ("BuildArchitecture", "ARCHITECTURE", architecture),
        ):
            if built.get(key) != wanted:
                problems.append(
                    f"The layer was built for {built.get(key)}, and {name} says {wanted}."
                )
    return problems


def machine_of(library: Path) -> str | None:
    """The processor of a shared library (`arm64`); None when it is not one for Linux on these."""
    with library.open("rb") as file:
        head = file.read(20)
    if not head.startswith(b"\x7fELF"):
        return None
    number = int.from_bytes(head[18:20], "little")
    return next((name for name, known in MACHINES.items() if known == number), f"machine {number}")


def problems_of_files(folders: Iterable[Path], runtime: str, architecture: str) -> list[str]:
    """Compiled modules for another Python or processor."""
    problems = []
    for library in sorted(path for folder in folders for path in folder.rglob("*.so")):
        machine = machine_of(library)
        if machine is None:
            problems.append(f"{library.name} is no library for Linux.")
        elif machine != architecture:
            problems.append(
                f"{library.name} is for {machine}, and ARCHITECTURE says {architecture}."
            )
        tag = CPYTHON.search(library.name)
        if tag and f"python{tag[1]}.{tag[2]}" != runtime:
            problems.append(
                f"{library.name} is for python{tag[1]}.{tag[2]}, and RUNTIME says {runtime}."
            )
    return problems


def pinned(requirements: str) -> dict[str, str]:
    """Name → `name==version --hash=…` of a lock. Without markers: what was built is asked for."""
    found: dict[str, str] = {}
    for line in re.sub(r"\\\n", " ", requirements).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            parsed = Requirement(requirement)
            options = [f"--hash={item.strip()}" for item in hashes]
            text = " ".join([f"{parsed.name}{parsed.specifier}", *options])
            found[canonicalize_name(parsed.name)] = text
    return found


def packages_of(layer: Path) -> dict[str, str]:
    """Name → version of what is installed in a folder."""
    found = {}
    for folder in layer.glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        found[str(canonicalize_name(name))] = version
    return found


def problems_of_packages(packages: Mapping[str, str], locked: Mapping[str, str]) -> list[str]:
    """Packages of the layer that the lock does not have, or has in another version."""
    return [
        f"{name} {version} is in the layer, and layers/jobferry/requirements.txt has "
        + (locked[name].split(" ")[0] if name in locked else "no such package")
        + "."
        for name, version in sorted(packages.items())
        if not locked.get(name, "").split(" ")[0].endswith(f"=={version}")
    ]


def download(requirements: Iterable[str], runtime: str, architecture: str, folder: Path) -> None:
    """Fetch wheels for another machine; pip takes only those whose hash is among the given.

    Raises:
        DownloadError: one cannot be had, or has another hash.
    """
    version = version_of(runtime) or OLDEST
    glibc = NEW_GLIBC if version >= (3, 12) else OLD_GLIBC
    platforms = [f"--platform={item}_{WHEEL_MACHINES[architecture]}" for item in glibc]
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={version[0]}.{version[1]}", *platforms]
    done = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(listed)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise DownloadError(done.stderr.strip())


def contents_of(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every file that a wheel installs beside the others.

    `sam build` keeps scripts and other data where they are, and writes its own list of files.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            folder, _, rest = name.partition("/")
            kind, _, below = rest.partition("/")
            if name.endswith("/"):
                continue
            if folder.endswith(".data") and kind in {"purelib", "platlib"}:
                yield below, archive.read(name)
            else:
                yield name, archive.read(name)


def problems_of_layer(layer: Path, source: Path, wheels: Sequence[Path]) -> list[str]:
    """Files of a built layer that are neither a locked wheel's nor this checkout's.

    Bytecode is left out: it is made of these files, after the build.
    """
    wanted: dict[str, tuple[str, bytes]] = {}
    for wheel in wheels:
        title = "-".join(wheel.name.split("-")[:2])
        wanted.update({name: (title, content) for name, content in contents_of(wheel)})
    for path in files_below(source):
        wanted[path] = ("this checkout", (source / path).read_bytes())
    there = set(files_below(layer))
    problems = []
    for name, (origin, content) in sorted(wanted.items()):
        if name not in there:
            problems.append(f"{name} of {origin} is missing in the layer.")
        elif (layer / name).read_bytes() != content:
            problems.append(f"{name} is not as in {origin}.")
    for name in sorted(there - wanted.keys()):
        problems.append(f"{name} is in no locked wheel and not in this checkout.")
    return problems


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, without bytecode."""
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def find_after(
    build: Path, source: Path, wheels: Path, runtime: str, architecture: str
) -> list[str]:
    """What makes the build another one than is wanted; one sentence each.

    Raises:
        NotBuiltError: there is no build.
        DownloadError: the locked wheels cannot be had for comparison.
    """
    template = read_template(build)
    problems = problems_of_template(template, runtime, architecture)
    problems += problems_of_files(folders_of(template, build), runtime, architecture)
    locked = pinned((source / "requirements.txt").read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        if resource["Type"] == LAYER:
            layer = build / resource["Properties"]["ContentUri"] / "python"
            packages = packages_of(layer)
            problems += problems_of_packages(packages, locked)
            if not problems:
                wanted = [locked[name] for name in sorted(packages)]
                download(wanted, runtime, architecture, wheels)
                problems += problems_of_layer(layer, source, sorted(wheels.glob("*.whl")))
    return problems


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Is what was built what will be deployed?")
    steps = parser.add_subparsers(dest="step", required=True)
    before = steps.add_parser("before", help="can this be built here?")
    before.add_argument("--container", action="store_true")
    before.add_argument("--parameters", nargs="*", default=[], metavar="Name=value")
    after = steps.add_parser("after", help="was it built as asked?")
    after.add_argument("build", nargs="?", type=Path, default=BUILD)
    after.add_argument("--layer", type=Path, default=LAYER_SOURCE, help="the layer's source")
    after.add_argument("--wheels", type=Path, help="keep the locked wheels in this folder")
    for step in (before, after):
        step.add_argument("--runtime", required=True)
        step.add_argument("--architecture", required=True)
    given = parser.parse_args(arguments)
    if given.step == "before":
        problems = find_before(
            given.runtime, given.architecture, given.parameters, container=given.container
        )
        advice = "Nothing was built."
    else:
        try:
            with tempfile.TemporaryDirectory() as folder:
                wheels = given.wheels or Path(folder)
                problems = find_after(
                    given.build, given.layer, wheels, given.runtime, given.architecture
                )
        except (NotBuiltError, DownloadError) as error:
            problems = [str(error)]
        advice = "Nothing was deployed. If it stays so after another build, run `make clean`."
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(advice, file=sys.stderr)
        return 1
    if given.step == "after":
        print(f"Built for {given.runtime} on {given.architecture}, every file as it is locked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
