"""What `sam build` has built gets bytecode that the runtime takes without looking at the source."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.compile_layer import interpreter_of, main

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"

TEMPLATE = """\
Resources:
  JobferryLayer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: {runtime}}}
    Properties: {{ContentUri: JobferryLayer}}
  SweepFunction:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: SweepFunction}}
  JobTable:
    Type: AWS::DynamoDB::Table
    Properties: {{TableName: jobs}}
"""


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """What `sam build` leaves, with this interpreter's runtime; the layer is a link, as a cached
    one is."""
    build, cache = tmp_path / "build", tmp_path / "cache"
    package = cache / "python" / "parcel"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("WHERE = 'layer'\n")
    (build / "SweepFunction").mkdir(parents=True)
    (build / "SweepFunction" / "app.py").write_text("import parcel\n")
    (build / "JobferryLayer").symlink_to(cache)
    (build / "template.yaml").write_text(TEMPLATE.format(runtime=HERE))
    return build


def bytecode_of(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


def test_functions_and_layer_are_compiled(build: Path) -> None:
    assert main([str(build)]) == 0

    assert bytecode_of(build / "SweepFunction" / "app.py").exists()
    assert bytecode_of(build / "JobferryLayer" / "python" / "parcel" / "__init__.py").exists()


def test_bytecode_is_taken_whatever_time_its_source_has(build: Path) -> None:
    main([str(build)])
    layer = build / "JobferryLayer" / "python"
    source = layer / "parcel" / "__init__.py"
    source.write_text("WHERE = 'source'\n")
    os.utime(source, (315_532_800, 315_532_800))

    command = [sys.executable, "-c", "import parcel; print(parcel.WHERE)"]
    said = subprocess.run(
        command, env={"PYTHONPATH": str(layer)}, capture_output=True, text=True, check=True
    )

    assert said.stdout == "layer\n"


def test_compiling_again_follows_the_source(build: Path) -> None:
    source = build / "SweepFunction" / "app.py"
    main([str(build)])
    before = bytecode_of(source).read_bytes()
    source.write_text("import parcel as other\n")

    main([str(build)])

    assert bytecode_of(source).read_bytes() != before


def test_nothing_of_this_machine_is_in_the_bytecode(build: Path, tmp_path: Path) -> None:
    main([str(build)])

    bytecode = bytecode_of(build / "SweepFunction" / "app.py").read_bytes()
    assert str(tmp_path).encode() not in bytecode


def test_a_missing_interpreter_is_told_and_harms_nothing(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (build / "template.yaml").write_text(TEMPLATE.format(runtime="python2.0"))

    assert main([str(build)]) == 0

    assert "No python2.0 here" in capsys.readouterr().out
    assert not list(build.rglob("*.pyc"))


def test_an_interpreter_that_only_seems_to_be_there_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python2.0"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert interpreter_of("python2.0") is None


def test_a_module_that_cannot_be_compiled_is_told(
    build: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (build / "SweepFunction" / "broken.py").write_text("def (:\n")

    assert main([str(build)]) == 0

    said = capfd.readouterr().out
    assert "broken.py" in said
    assert "could not be compiled" in said
    assert bytecode_of(build / "SweepFunction" / "app.py").exists()


def test_without_a_layer_there_is_nothing_to_do(build: Path) -> None:
    (build / "template.yaml").write_text("Resources: {}\n")

    assert main([str(build)]) == 0

    assert not list(build.rglob("*.pyc"))


def test_without_a_build_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 1

    assert "Run `sam build` first" in capsys.readouterr().err
