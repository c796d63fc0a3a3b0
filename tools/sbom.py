"""What the product is made of, for those who must know: CycloneDX documents and a list of licences.

    python tools/sbom.py [--out build/sbom]

`layer.cdx.json` is what runs in Lambda beside the runtime's own packages, `cli.cdx.json` is the
command, `licences.csv` both. cyclonedx-py describes the environment that this runs in; the lock
files say which of its packages, in which versions, belong to which document.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {
    "layer": ROOT / "layers" / "jobferry" / "requirements.txt",
    "cli": ROOT / "requirements" / "cli.txt",
}
MAIN = "root-component"

# What packages say of themselves where they do not use SPDX's names.
ALIASES = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Licences that let the layer and the command be passed on under Apache-2.0. MPL-2.0 is certifi's:
# its list of authorities is used as it is.
ALLOWED = {
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
}


class SbomError(Exception):
    """The documents cannot be made; the message says what to do."""


def locked(requirements: str) -> dict[str, str]:
    """Name → version of a lock file, of what belongs to this machine."""
    found: dict[str, str] = {}
    for line in requirements.splitlines():
        match = re.match(r"([a-z0-9.-]+==[^\\]+)", line)
        if match:
            requirement = Requirement(match[1])
            if requirement.marker is None or requirement.marker.evaluate():
                version = str(requirement.specifier).removeprefix("==")
                found[canonicalize_name(requirement.name)] = version
    return found


def licences_of(described: Mapping[str, str | list[str]]) -> set[str]:
    """Names of a package's licences, by SPDX where it can be told.

    Args:
        described: `License-Expression`, `License` and `Classifier` of its metadata.
    """
    expression = described.get("License-Expression")
    if expression:
        words = re.split(r"[\s()]+", str(expression))
        return {word for word in words if word and word not in {"AND", "OR", "WITH"}}
    field = str(described.get("License") or "").strip()
    named = ALIASES.get(field, field)
    if named in ALLOWED:
        return {named}
    classifiers = [item.rpartition(" :: ")[2] for item in described.get("Classifier") or []]
    known = {ALIASES[item] for item in classifiers if item in ALIASES}
    return known or {named.partition("\n")[0] or "unknown"}


def licences_installed(name: str) -> set[str]:
    """Licences of a package of this environment."""
    message = metadata.metadata(name)
    described: dict[str, str | list[str]] = {
        key: message[key] for key in ("License-Expression", "License") if key in message
    }
    classifiers = message.get_all("Classifier") or []
    described["Classifier"] = [item for item in classifiers if item.startswith("License")]
    return licences_of(described)


def select(bom: Mapping[str, Any], wanted: Mapping[str, str], title: str) -> dict[str, Any]:
    """The part of an environment's document that a lock file names.

    Raises:
        SbomError: the environment is not as locked.
    """
    named = {str(canonicalize_name(item["name"])): item for item in bom["components"]}
    for name, version in wanted.items():
        there = named.get(name, {}).get("version")
        if there != version:
            raise SbomError(
                f"{name} {version} is locked, and the environment has {there or 'none'}. "
                "Run `make setup` first."
            )
    components = [named[name] for name in sorted(wanted)]
    refs = {item["bom-ref"] for item in components} | {MAIN}
    dependencies = [
        {**item, "dependsOn": [ref for ref in item.get("dependsOn", []) if ref in refs]}
        for item in bom["dependencies"]
        if item["ref"] in refs
    ]
    main = {**bom["metadata"]["component"], "name": title}
    return {
        **bom,
        "components": components,
        "dependencies": [
            {key: value for key, value in item.items() if value} for item in dependencies
        ],
        "metadata": {**bom["metadata"], "component": main},
    }


def document(bom: Mapping[str, Any]) -> str:
    """The text of a CycloneDX document.

    Raises:
        SbomError: it does not keep to its schema.
    """
    text = json.dumps(bom, indent=2) + "\n"
    version = SchemaVersion.from_version(bom["specVersion"])
    wrong = JsonStrictValidator(version).validate_str(text)
    if wrong is not None:
        raise SbomError(f"The document is not valid CycloneDX: {wrong}")
    return text


def describe_environment() -> dict[str, Any]:
    """The whole environment, as cyclonedx-py sees it.

    Raises:
        SbomError: it failed.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--of", "JSON", sys.executable]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SbomError(f"cyclonedx-py failed: {done.stderr.strip()[-500:]}")
    described: dict[str, Any] = json.loads(done.stdout)
    return described


def write_licences(path: Path, parts: Mapping[str, Iterable[str]]) -> None:
    """One line a package: name, version, licences, and which parts it is in."""
    names = sorted({name for part in parts.values() for name in part})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["package", "version", "licences", "in"])
        for name in names:
            licences = ", ".join(sorted(licences_installed(name)))
            where = ", ".join(title for title, part in parts.items() if name in part)
            writer.writerow([name, metadata.version(name), licences, where])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CycloneDX documents and a list of licences.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sbom")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    parts = {title: locked(path.read_text(encoding="utf-8")) for title, path in LOCKS.items()}
    try:
        bom = describe_environment()
        for title, wanted in parts.items():
            text = document(select(bom, wanted, f"jobferry-{title}"))
            (out / f"{title}.cdx.json").write_text(text, encoding="utf-8")
    except SbomError as error:
        print(error, file=sys.stderr)
        return 1
    write_licences(out / "licences.csv", parts)
    print(f"layer.cdx.json, cli.cdx.json and licences.csv are in {out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
