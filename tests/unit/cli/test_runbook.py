"""Commands of the runbook and of the guide to deploying, typed as they stand there.

Each is typed on a deployment in memory that is in the state which its section is about, with real
names in place of `RUN`, `NAME`, `FILE` …
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.lane.poller import JOB_DEADLINE
from jobferry_cli.errors import ExitCode
from jobferry_cli.main import cli
from tests.documents import ROOT, RUNBOOK, commands
from tests.unit.cli.shell import Shell
from tests.unit.cli.test_runs import fail_all
from tests.unit.cli.test_undo import declare
from virtual.vendor import VENDOR, Behaviour, FakeClient
from virtual.world import CONNECTION, PROFILE, World, sample_csv

Names = Mapping[str, object]
Scene = Callable[[Shell, Path], Names]
"""What is there before a command is typed; returns what its placeholders stand for."""

DEPLOYING = ROOT / "docs" / "deploy.md"


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as it stands in a document.

    code  how it ends, where all is well
    asks  whether a person is asked for a yes
    """

    command: str
    scene: Scene
    code: ExitCode = ExitCode.OK
    asks: bool = False


def _of_every_kind(record: JsonObject) -> RecordResult | None:
    match record["ref"]:
        case "r1":
            return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="Name: is wrong")
        case "r2":
            return None
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"id-{record['ref']}")


def closed(shell: Shell, _folder: Path) -> Names:
    """A run with rows that failed, rows that are unknown, and others."""
    shell.world.account.result_of = _of_every_kind
    return {"RUN": shell.world.processed(sample_csv(4) + ",nameless\n").run_id}


def failed(shell: Shell, _folder: Path) -> Names:
    """A closed run of which all rows failed; the reason is mended."""
    result_of = shell.world.account.result_of
    shell.world.account.result_of = fail_all
    run = shell.world.processed(sample_csv(3))
    shell.world.account.result_of = result_of
    return {"RUN": run.run_id}


def given_up(shell: Shell, _folder: Path) -> Names:
    """A closed run whose job ended later than anybody waits for."""
    shell.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    shell.world.schedule_with(max_poll_interval=1_800.0)
    run = shell.world.processed(sample_csv(3))
    shell.world.clock.advance(2 * JOB_DEADLINE)
    return {"RUN": run.run_id}


def refused(shell: Shell, _folder: Path) -> Names:
    """A run that is aborted, as the account refused us; that is mended."""
    shell.world.account.will_reply(*[Behaviour.REFUSE_RUN] * 30)
    return {"RUN": shell.world.processed(sample_csv(9)).run_id}


def unusable(shell: Shell, _folder: Path) -> Names:
    """A run that is failed, as its profile was missing; now it is there."""
    run = shell.world.processed(sample_csv(3), profile="late")
    shell.world.put_profile({"name": "late"})
    return {"RUN": run.run_id}


def under_way(shell: Shell, _folder: Path) -> Names:
    return {"RUN": shell.world.planned(sample_csv(9)).run_id}


def paused(shell: Shell, _folder: Path) -> Names:
    """A run that its breaker has paused, with rows that were not sent."""
    shell.world.put_profile({"breaker": {"share": 0.5, "at_least": 4}, "batch_size": 1})
    shell.world.account.result_of = fail_all
    run = shell.world.processed(sample_csv(200))
    assert run.pause is not None
    return {"RUN": run.run_id}


def after_a_trial(shell: Shell, _folder: Path) -> Names:
    run = shell.world.execute(shell.world.drop(sample_csv(9), options={"jobferry-trial": "3"}))
    assert run.pause is not None
    return {"RUN": run.run_id}


def undoable(shell: Shell, folder: Path) -> Names:
    declare(shell.world, undone_by="things.delete")
    return {"RUN": shell.world.processed(sample_csv(3)).run_id, "DIR": folder / "undo"}


def telling(shell: Shell, folder: Path) -> Names:
    """A closed run at a vendor that can be asked for problems, and to forget jobs."""
    can = replace(shell.world.vendor.capabilities, problems=True, delete=True)
    shell.world.vendor = replace(shell.world.vendor, capabilities=can)
    return closed(shell, folder)


def waits(shell: Shell, _folder: Path) -> Names:
    """A connection that waits because a vendor asked for it."""
    shell.world.store.limits.block(CONNECTION, shell.world.clock.now() + 86_400.0)
    return {"NAME": CONNECTION}


def file_and_profile(_shell: Shell, folder: Path) -> Names:
    (folder / "a.csv").write_text(sample_csv(3))
    return {"FILE": folder / "a.csv", "P": PROFILE}


def new_secret(_shell: Shell, folder: Path) -> Names:
    (folder / "NEW.json").write_text('{"bearer": "new"}')
    return {"NAME": CONNECTION, "…": f"--vendor {VENDOR} --base-url https://acme.example"}


def idle_connection(shell: Shell, folder: Path) -> Names:
    (folder / "k.json").write_text('{"bearer": "x"}')
    where = ("--vendor", VENDOR, "--base-url", "https://x.example")
    shell("connection", "put", "idle", *where, "--credentials", folder / "k.json")
    return {"NAME": "idle"}


def nothing(_shell: Shell, _folder: Path) -> Names:
    return {"NAME": CONNECTION}


def first_steps(shell: Shell, folder: Path) -> Names:
    """The files that a newcomer has, and a profile of the name that the guide gives it."""
    (folder / "acme.json").write_text('{"email": "a@example.com", "token": "t"}')
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "tickets.csv").write_text(sample_csv(30))
    shell.world.put_profile({"name": "new-tickets"})
    return {}


def first_connection(shell: Shell, folder: Path) -> Names:
    names = first_steps(shell, folder)
    where = ("--vendor", "zendesk_support", "--base-url", "https://acme.zendesk.com")
    shell("connection", "put", "acme", *where, "--credentials", folder / "acme.json")
    return names


TYPED = [
    Typed("jobferry runs --limit 20", closed),
    Typed("jobferry runs --limit 10", closed),
    Typed("jobferry runs --status failed", unusable),
    Typed("jobferry runs --status running", under_way),
    Typed("jobferry runs --status planning", closed),
    Typed("jobferry status RUN", closed),
    Typed("jobferry status RUN", paused),
    Typed("jobferry status RUN", unusable),
    Typed("jobferry report RUN", closed),
    Typed("jobferry report RUN --link", closed),
    Typed("jobferry report RUN --link", paused),
    Typed("jobferry rows RUN --limit 1000", closed),
    Typed("jobferry rows RUN --status unknown", closed),
    Typed("jobferry rows RUN --status succeeded", closed),
    Typed("jobferry rows RUN --status failed", closed),
    Typed("jobferry rows RUN --status failed", paused),
    Typed("jobferry abort RUN --force", under_way),
    Typed("jobferry abort RUN --force", paused),
    Typed("jobferry abort RUN", paused),
    Typed("jobferry abort RUN", under_way),
    Typed("jobferry run FILE --profile P", file_and_profile),
    Typed("jobferry rerun RUN", refused),
    Typed("jobferry rerun RUN", unusable),
    Typed("jobferry schedule list", nothing),
    Typed("jobferry cost", nothing),
    Typed("jobferry resolve RUN --wait", given_up),
    Typed("jobferry retry RUN --unknown", closed, asks=True),
    Typed("jobferry retry RUN", failed),
    Typed("jobferry resume RUN", paused),
    Typed("jobferry undo RUN --out DIR", undoable),
    Typed("jobferry problems RUN", telling),
    Typed("jobferry delete RUN… --vendor-jobs", telling),
    Typed("jobferry connection test NAME", nothing),
    Typed("jobferry connection unblock NAME", waits),
    Typed("jobferry connection put NAME … --credentials NEW.json", new_secret),
    Typed("jobferry connection show NAME", nothing),
    Typed("jobferry connection delete NAME", idle_connection),
    Typed(
        "jobferry --stack jobferry connection put acme --vendor zendesk_support "
        "--base-url https://acme.zendesk.com --credentials acme.json",
        first_steps,
    ),
    Typed("jobferry --stack jobferry connection test acme", nothing),
    Typed(
        "jobferry --stack jobferry profile put examples/zendesk_support/tickets.create.yaml",
        first_connection,
    ),
    Typed("jobferry --stack jobferry plan tickets.csv --profile new-tickets", first_steps),
    Typed(
        "jobferry --stack jobferry run tickets.csv --profile new-tickets --trial 10 --wait",
        first_steps,
        ExitCode.OK,  # it is paused, and all of the trial succeeded
    ),
    Typed("jobferry resume RUN --wait", after_a_trial),
]


def is_only_named(words: str) -> bool:
    """Whether a command is spoken of, and not typed: it would take more than its name."""
    found: click.Command = cli
    for word in words.removesuffix("…").split()[1:]:
        inner = found.commands.get(word) if isinstance(found, click.Group) else None
        if inner is None:
            return False
        found = inner
    return isinstance(found, click.Group) or any(each.required for each in found.params)


def typed_in(path: Path) -> set[str]:
    """The commands of a document that are to be typed."""
    named = commands(path.read_text(encoding="utf-8"), "jobferry")
    return {each for each in named if not is_only_named(each)}


def words_of(typed: Typed, names: Names) -> list[str]:
    text = typed.command.replace("RUN…", "RUN")
    for name, meant in names.items():
        text = re.sub(rf"(?<!\S){re.escape(name)}(?!\S)", str(meant), text)
    return shlex.split(text)[1:]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    with World() as world:

        def asked(this: FakeClient, *_: object) -> list[object]:
            this._paid(1)
            return []

        monkeypatch.setattr(FakeClient, "problems", asked, raising=False)
        monkeypatch.setattr(FakeClient, "delete", lambda *_: None, raising=False)
        yield Shell(world)


def test_every_command_of_the_documents_is_typed_here() -> None:
    assert {each.command for each in TYPED} == typed_in(RUNBOOK) | typed_in(DEPLOYING)


@pytest.mark.parametrize("typed", TYPED, ids=lambda t: f"{t.command} ({t.scene.__name__})")
def test_a_command_of_the_documents_works(shell: Shell, tmp_path: Path, typed: Typed) -> None:
    words = words_of(typed, typed.scene(shell, tmp_path))
    if typed.asks:
        unanswered = shell(*words)
        assert unanswered.code == ExitCode.INPUT
        assert "--yes" in unanswered.stderr
        words.append("--yes")
    answer = shell(*words)
    assert answer.code == typed.code, answer.stderr
