"""`jobferry completion`, and what TAB then offers."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete, ShellComplete

from jobferry_cli.main import cli
from tests.unit.cli.shell import Shell

SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell_name", SHELLS)
def test_the_script_alone_is_on_stdout(shell: Shell, shell_name: str) -> None:
    answer = shell("completion", shell_name)
    assert answer.code == 0
    assert "_JOBFERRY_COMPLETE" in answer.stdout
    assert f"jobferry completion {shell_name} > ~/" in answer.stderr
    assert shell("completion", shell_name, "--json").document["script"] == answer.stdout.strip()
    assert shell.stack_names == []


@pytest.mark.parametrize("shell_name", SHELLS)
def test_the_shell_takes_the_script(shell: Shell, shell_name: str) -> None:
    program = shutil.which(shell_name)
    if program is None:
        pytest.skip(f"{shell_name} is not installed")
    script = shell("completion", shell_name).stdout
    checked = subprocess.run(
        [program, "-n"], input=script, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ([], {"connection", "local", "watch"}),
        (["local"], {"up", "down", "status"}),
        (["schedule"], {"put", "run-now"}),
    ],
)
def test_what_is_offered(typed: list[str], offered: set[str]) -> None:
    complete: ShellComplete = BashComplete(cli, {}, "jobferry", "_JOBFERRY_COMPLETE")
    assert offered <= {item.value for item in complete.get_completions(typed, "")}
    options = {item.value for item in complete.get_completions(["runs"], "--s")}
    assert {"--since", "--stack", "--status"} <= options


def test_the_program_answers_the_shell() -> None:
    run = "import sys; from jobferry_cli.main import main; sys.argv = ['jobferry']; main()"
    answered = subprocess.run(
        [sys.executable, "-c", run],
        env={
            "PYTHONPATH": ":".join(sys.path),
            "_JOBFERRY_COMPLETE": "bash_complete",
            "COMP_WORDS": "jobferry conn",
            "COMP_CWORD": "1",
        },
        text=True,
        capture_output=True,
        check=True,
    )
    assert answered.stdout.splitlines() == ["plain,connection"]
