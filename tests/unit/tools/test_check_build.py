"""What was built must be what is about to be deployed: Python, processor, and the locked files."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from tools import check_build
from tools.check_build import find_before, main, pinned, problems_of_files, problems_of_template

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINES = {"arm64": 183, "x86_64": 62}

TEMPLATE = """\
Resources:
  JobferryLayer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {{BuildMethod: {runtime}, BuildArchitecture: {architecture}}}
    Properties: {{ContentUri: JobferryLayer, CompatibleRuntimes: [{{Ref: Runtime}}]}}
  SweepFunction:
    Type: AWS::Serverless::Function
    Properties: {{CodeUri: SweepFunction}}
"""


def elf(architecture: str) -> bytes:
    """The head of a shared library for a processor."""
    return (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + b"\x03\x00"
        + MACHINES[architecture].to_bytes(2, "little")
    )


class Project:
    """A checkout with one locked wheel, and what `sam build` made of it."""

    def __init__(self, root: Path) -> None:
        self.build = root / "build"
        self.source = root / "layers" / "jobferry"
        self.wheels = root / "wheels"
        self.layer = self.build / "JobferryLayer" / "python"
        for folder in (self.source / "jobferry", self.wheels, self.layer / "jobferry"):
            folder.mkdir(parents=True)
        files = {
            "parcel/__init__.py": b"WEIGHT = 3\n",
            "parcel/_core.cpython-313-aarch64-linux-gnu.so": elf("arm64"),
            "parcel-1.2.dist-info/METADATA": b"Name: parcel\nVersion: 1.2\n",
            "parcel-1.2.data/purelib/parcel_extra.py": b"EXTRA = 1\n",
        }
        wheel = self.wheels / "parcel-1.2-cp313-cp313-manylinux2014_aarch64.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
                self.put(name.removeprefix("parcel-1.2.data/purelib/"), content)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        requirements = f"parcel==1.2 \\\n    --hash=sha256:{digest}\n".encode()
        self.put("requirements.txt", requirements)
        (self.source / "requirements.txt").write_bytes(requirements)
        self.put("jobferry/__init__.py", b"")
        (self.source / "jobferry" / "__init__.py").touch()
        (self.build / "SweepFunction").mkdir()
        self.write_template("python3.13", "arm64")

    def put(self, name: str, content: bytes) -> None:
        path = self.layer / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def write_template(self, runtime: str, architecture: str) -> None:
        text = TEMPLATE.format(runtime=runtime, architecture=architecture)
        (self.build / "template.yaml").write_text(text)

    def check(self, runtime: str = "python3.13", architecture: str = "arm64") -> int:
        """What `make deploy` runs after the build, with the wheels that lie here already."""
        options = ["--runtime", runtime, "--architecture", architecture]
        places = ["--layer", str(self.source), "--wheels", str(self.wheels)]
        return main(["after", *options, *places, str(self.build)])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(check_build, "download", lambda *_: None)
    return Project(tmp_path)


def test_what_was_built_as_asked_is_passed(project: Project) -> None:
    assert project.check() == 0


def test_another_python_is_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.check(runtime="python3.12") == 1

    said = capsys.readouterr().err
    assert "The layer was built for python3.13, and RUNTIME says python3.12." in said
    assert "_core.cpython-313-aarch64-linux-gnu.so is for python3.13" in said
    assert "Nothing was deployed" in said


def test_another_processor_is_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.check(architecture="x86_64") == 1

    said = capsys.readouterr().err
    assert "The layer was built for arm64, and ARCHITECTURE says x86_64." in said
    assert "_core.cpython-313-aarch64-linux-gnu.so is for arm64" in said


def test_the_name_of_a_library_is_not_believed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("parcel/_core.cpython-313-aarch64-linux-gnu.so", elf("x86_64"))

    assert project.check() == 1

    assert "_core.cpython-313-aarch64-linux-gnu.so is for x86_64" in capsys.readouterr().err


def test_a_library_for_another_system_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("parcel/_core.cpython-313-darwin.so", b"\xcf\xfa\xed\xfe" + bytes(20))

    assert project.check() == 1

    assert "_core.cpython-313-darwin.so is no library for Linux" in capsys.readouterr().err


def test_a_library_for_any_python_is_passed(tmp_path: Path) -> None:
    (tmp_path / "_any.abi3.so").write_bytes(elf("x86_64"))

    assert problems_of_files([tmp_path], "python3.12", "x86_64") == []


def test_a_function_is_looked_at_too(project: Project) -> None:
    (project.build / "SweepFunction" / "_own.so").write_bytes(elf("x86_64"))

    assert project.check() == 1


def test_a_template_without_a_layer_is_refused() -> None:
    problems = problems_of_template({"Resources": {}}, "python3.13", "arm64")

    assert problems == ["The built template has no layer."]


def test_a_file_that_is_not_the_wheels_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("parcel/__init__.py", b"WEIGHT = 4\n")

    assert project.check() == 1

    said = capsys.readouterr().err
    assert "parcel/__init__.py is not as in parcel-1.2" in said


def test_a_file_from_nowhere_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("stowaway.py", b"")

    assert project.check() == 1

    assert "stowaway.py is in no locked wheel and not in this checkout" in capsys.readouterr().err


def test_a_file_that_is_missing_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.layer / "parcel" / "__init__.py").unlink()

    assert project.check() == 1

    assert "parcel/__init__.py of parcel-1.2" in capsys.readouterr().err


def test_code_that_changed_since_the_build_is_refused(project: Project) -> None:
    (project.source / "jobferry" / "__init__.py").write_text("NEW = True\n")

    assert project.check() == 1


def test_bytecode_of_the_layer_is_not_minded(project: Project) -> None:
    project.put("parcel/__pycache__/__init__.cpython-313.pyc", b"code")

    assert project.check() == 0


def test_a_package_that_is_not_locked_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.put("other-2.0.dist-info/METADATA", b"Name: other\nVersion: 2.0\n")

    assert project.check() == 1

    assert "other 2.0" in capsys.readouterr().err


def test_each_package_keeps_its_own_hashes() -> None:
    locked = (
        "a==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n"
        "B.c==2 ; python_version > '3' \\\n    --hash=sha256:ba\n"
    )

    assert pinned(locked) == {
        "a": "a==1 --hash=sha256:aa --hash=sha256:ab",
        "b-c": "B.c==2 --hash=sha256:ba",
    }


def test_without_a_build_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--runtime", "python3.13", "--architecture", "arm64"]

    assert main(["after", *options, str(tmp_path)]) == 1

    assert "Run `sam build` first" in capsys.readouterr().err


# Before the build


def test_this_interpreter_can_build_for_its_own_runtime() -> None:
    assert find_before(HERE, "x86_64", [], container=False) == []


def test_a_missing_interpreter_is_told_with_two_ways_out() -> None:
    (problem,) = find_before("python3.99", "arm64", [], container=False)

    assert "python3.99 is not on PATH" in problem
    assert f"RUNTIME={HERE}" in problem
    assert "CONTAINER=1" in problem


def test_a_container_needs_no_interpreter_here() -> None:
    assert find_before("python3.99", "arm64", [], container=True) == []


@pytest.mark.parametrize("runtime", ["3.13", "python3", "nodejs22.x", "python3.10"])
def test_a_runtime_that_cannot_be_is_told(runtime: str) -> None:
    (problem,) = find_before(runtime, "arm64", [], container=True)

    assert "RUNTIME" in problem
    assert runtime in problem


def test_a_processor_that_lambda_has_not_is_told() -> None:
    (problem,) = find_before("python3.13", "aarch64", [], container=True)

    assert "ARCHITECTURE is arm64 or x86_64, not aarch64." in problem


def test_runtime_and_processor_are_said_once() -> None:
    parameters = ["AlarmEmail=ops@example.org", "Runtime=python3.12"]

    (problem,) = find_before("python3.13", "arm64", parameters, container=True)

    assert "RUNTIME=python3.12" in problem


def test_what_stops_the_build_stops_make(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--runtime", "python3.99", "--architecture", "arm64"]

    assert main(["before", *options]) == 1

    assert "python3.99" in capsys.readouterr().err
