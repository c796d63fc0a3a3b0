"""`jobferry completion`: commands and options completed by the shell's TAB.

Names of runs, profiles and connections are not: each TAB would be a call to AWS.
"""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from jobferry.domain.commands import other_command
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.output import note, put_json, put_source

_PROGRAM = "jobferry"
_VARIABLE = "_JOBFERRY_COMPLETE"

_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}
_KEPT_IN = {
    "bash": "~/.local/share/bash-completion/completions/jobferry",
    "zsh": "~/.zfunc/_jobferry",
    "fish": "~/.config/fish/completions/jobferry.fish",
}
"""Where each shell looks for it. zsh: with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc."""


@click.command()
@click.argument("shell", type=click.Choice(list(_KEPT_IN)))
@global_options
@pass_app
def completion(app: App, shell: str) -> None:
    """Print a script that completes commands and options by TAB.

    bash (4.4 or newer), zsh or fish. Keep it where the shell looks for it, as stderr says.
    """
    script = _SHELLS[shell](click.Command(_PROGRAM), {}, _PROGRAM, _VARIABLE).source().strip()
    if app.as_json:
        put_json({"shell": shell, "script": script, "file": _KEPT_IN[shell]})
        return
    put_source(script)
    note(f"Next:  mkdir -p {_KEPT_IN[shell].rpartition('/')[0]}")
    note(f"Next:  {other_command('jobferry', 'completion', shell)} > {_KEPT_IN[shell]}")
    if shell == "zsh":
        note("In ~/.zshrc before `compinit`: fpath+=~/.zfunc")
