"""What the product is made of: nothing but what is locked, under licences that may be passed on."""

from __future__ import annotations

from typing import Any

import pytest

from tools.sbom import (
    ALLOWED,
    LOCKS,
    SbomError,
    document,
    licences_installed,
    licences_of,
    locked,
    select,
    write_licences,
)

PACKAGES = sorted({name for path in LOCKS.values() for name in locked(path.read_text("utf-8"))})


@pytest.mark.parametrize("name", PACKAGES)
def test_every_licence_is_on_the_list(name: str) -> None:
    licences = licences_installed(name)

    assert licences
    assert licences <= ALLOWED, f"{name} is under {licences}"


def test_the_list_is_about_the_layer_too() -> None:
    assert set(locked(LOCKS["layer"].read_text("utf-8"))) <= set(PACKAGES)
    assert "pydantic-core" in PACKAGES


@pytest.mark.parametrize(
    ("described", "licences"),
    [
        ({"License-Expression": "MIT"}, {"MIT"}),
        ({"License-Expression": "(MIT OR GPL-3.0-only) AND ISC"}, {"MIT", "GPL-3.0-only", "ISC"}),
        ({"License": "Apache License 2.0"}, {"Apache-2.0"}),
        ({"License": "MIT", "Classifier": ["License :: OSI Approved :: BSD License"]}, {"MIT"}),
        (
            {
                "License": "Dual License",
                "Classifier": [
                    "License :: OSI Approved :: BSD License",
                    "License :: OSI Approved :: Apache Software License",
                ],
            },
            {"BSD", "Apache-2.0"},
        ),
        ({"License": "GPLv3"}, {"GPLv3"}),
        ({}, {"unknown"}),
    ],
)
def test_licences_are_read_as_packages_tell_them(
    described: dict[str, Any], licences: set[str]
) -> None:
    assert licences_of(described) == licences


def test_what_belongs_to_another_system_is_left_out() -> None:
    text = "a-b==1.2 \\\n  --hash=sha256:00\nc==3 ; sys_platform == 'none' \\\n  --hash=sha256:01\n"

    assert locked(text) == {"a-b": "1.2"}


def test_a_document_that_is_no_cyclonedx_is_refused() -> None:
    text = document({"bomFormat": "CycloneDX", "specVersion": "1.6"})

    assert text.endswith("}\n")
    with pytest.raises(SbomError, match="not valid"):
        document({"bomFormat": "CycloneDX", "specVersion": "1.6", "colour": "red"})


def bom() -> dict[str, Any]:
    """An environment of three packages, in little."""
    return {
        "specVersion": "1.6",
        "metadata": {"component": {"bom-ref": "root-component", "name": "jobferry"}},
        "components": [
            {"bom-ref": "Parcel==1", "name": "Parcel", "version": "1"},
            {"bom-ref": "string==2", "name": "string", "version": "2"},
            {"bom-ref": "tester==3", "name": "tester", "version": "3"},
        ],
        "dependencies": [
            {"ref": "root-component", "dependsOn": ["Parcel==1", "tester==3"]},
            {"ref": "Parcel==1", "dependsOn": ["string==2", "tester==3"]},
            {"ref": "string==2"},
            {"ref": "tester==3", "dependsOn": ["string==2"]},
        ],
    }


def test_only_what_is_locked_is_in_the_document() -> None:
    selected = select(bom(), {"parcel": "1", "string": "2"}, "jobferry-layer")

    assert [item["name"] for item in selected["components"]] == ["Parcel", "string"]
    assert selected["dependencies"] == [
        {"ref": "root-component", "dependsOn": ["Parcel==1"]},
        {"ref": "Parcel==1", "dependsOn": ["string==2"]},
        {"ref": "string==2"},
    ]
    assert selected["metadata"]["component"]["name"] == "jobferry-layer"


@pytest.mark.parametrize("wanted", [{"parcel": "1.1"}, {"absent": "1"}])
def test_another_environment_is_refused(wanted: dict[str, str]) -> None:
    with pytest.raises(SbomError, match="Run `make setup` first"):
        select(bom(), wanted, "jobferry-layer")


def test_the_list_of_licences_names_the_parts(tmp_path: Any) -> None:
    path = tmp_path / "licences.csv"

    write_licences(path, {"layer": ["certifi"], "cli": ["certifi", "click"]})

    header, certifi, click = path.read_text().splitlines()
    assert header == "package,version,licences,in"
    assert certifi.startswith("certifi,")
    assert certifi.endswith(',MPL-2.0,"layer, cli"')
    assert click.endswith(",BSD,cli")
