"""The policies for people: each allows the commands that docs/cli.md says, and no others.

The commands are typed on a deployment in memory, and the rights that they need are recorded. The
emulator knows no `dynamodb:LeadingKeys` and no tags of principals, so that these are held here;
that the policies are enough, and who is refused what, `tests/e2e/test_roles.py` shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import yaml

from jobferry.lane.poller import JOB_DEADLINE
from jobferry.store import keys
from jobferry.vendors.protocol import Vendor
from jobferry_cli.dashboard.command import RunningPage, dashboard
from jobferry_cli.main import cli
from tests.contract.documents.bench import DOCUMENT
from tests.template.conftest import ROOT, Template
from tests.template.policies import (
    ACCOUNT,
    ARCHIVE,
    INBOX,
    KEY,
    LEADING_KEYS,
    MACHINE,
    PASSED_TO,
    SECRETS,
    TABLE,
    Call,
    Policy,
)
from tests.template.recorded import Recorder
from tests.unit.cli.shell import Shell
from tests.unit.cli.test_runs import fail_all
from virtual.vendor import UPDATE, FakeClient
from virtual.world import PLAIN_PROFILE, World, sample_csv

ROLES = ("Viewer", "Operator", "ProfileAuthor", "Administrator")

Words = Sequence[object]
Scene = Callable[[Shell, Path], Words]
"""What must be there before a command, and the command's words."""

_OF_INBOX = "inbox-bucket"


@pytest.fixture
def shell() -> Iterator[Shell]:
    with World() as world:
        yield Shell(world)


def policy(template: Template, role: str) -> Policy:
    return Policy.of(template, f"{role}Policy")


def _closed(shell: Shell) -> str:
    return shell.world.processed(sample_csv(3)).run_id


def _failed(shell: Shell) -> str:
    shell.world.account.result_of = fail_all
    return _closed(shell)


def _changed(shell: Shell) -> str:
    """A run whose records were kept before."""
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    return _closed(shell)


def _unknown(shell: Shell) -> str:
    shell.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    return _closed(shell)


def _open(shell: Shell) -> str:
    return shell.world.planned(sample_csv(3)).run_id


def _file(folder: Path) -> Path:
    file = folder / "file.csv"
    file.write_text(sample_csv(4))
    return file


def _just_started(shell: Shell, folder: Path) -> str:
    words = ("run", _file(folder), "--profile", "things", "--json")
    run_id: str = shell(*words).document["run_id"]
    return run_id


def _trial(shell: Shell, folder: Path) -> str:
    words = ("run", _file(folder), "--profile", "things", "--trial", 2, "--wait", "--json")
    run_id: str = shell(*words).document["run_id"]
    return run_id


def _profile(folder: Path) -> Path:
    file = folder / "p.yaml"
    file.write_text(yaml.safe_dump({**PLAIN_PROFILE, "max_attempts": 2}))
    return file


def _credentials(folder: Path) -> Path:
    file = folder / "credentials.json"
    file.write_text('{"bearer": "x"}')
    return file


def _scheduled(shell: Shell) -> Words:
    shell.world.objects.upload(_OF_INBOX, "scheduled/a.csv", sample_csv(2).encode())
    source = ("--profile", "things", "--source", f"s3://{_OF_INBOX}/scheduled/a.csv")
    return ("schedule", "put", "nightly", "--rate", "1 day", *source)


def _kept(shell: Shell) -> None:
    shell(*_scheduled(shell))


def _connection_put(_shell: Shell, folder: Path) -> Words:
    where = ("--vendor", "fake", "--base-url", "https://x.example")
    return ("connection", "put", "new", *where, "--credentials", _credentials(folder))


def _connection_delete(shell: Shell, folder: Path) -> Words:
    shell(*_connection_put(shell, folder))
    return ("connection", "delete", "new")


def _schedule(*words: object) -> Scene:
    def scene(shell: Shell, _folder: Path) -> Words:
        _kept(shell)
        return ("schedule", *words)

    return scene


def _vendor_put(_shell: Shell, _folder: Path) -> Words:
    return ("vendor", "put", DOCUMENT)


def _vendor(verb: str) -> Scene:
    def scene(shell: Shell, folder: Path) -> Words:
        shell(*_vendor_put(shell, folder))
        return ("vendor", verb, "shelf")

    return scene


def _dashboard(shell: Shell, _folder: Path) -> Words:
    """The page is opened, looked at, and ended. What its buttons do takes what commands take."""
    closed, going_on = _closed(shell), _open(shell)

    def visit(page: RunningPage) -> None:
        waiting.stop()
        url = page.desk.url
        paths = [url("runs"), url("new"), url("connections"), url("connections", "acme")]
        paths += [url("runs", each) for each in (closed, going_on)]
        paths += [url("runs", closed, "rows"), url("runs", closed, "files", "succeeded.csv")]
        with httpx.Client(follow_redirects=True) as browser:
            assert browser.get(page.url()).status_code == 200
            for path in paths:
                answer = browser.get(f"http://127.0.0.1:{page.port}{path}")
                assert answer.status_code == 200, answer.text

    waiting = mock.patch.object(RunningPage, "wait", visit)
    waiting.start()
    return ("dashboard", "--no-open")


SCENES: dict[str, Scene] = {
    "abort": lambda shell, _: ("abort", _open(shell)),
    "abort --force": lambda shell, _: ("abort", _open(shell), "--force"),
    "connection delete": _connection_delete,
    "connection list": lambda *_: ("connection", "list"),
    "connection put": _connection_put,
    "connection show": lambda *_: ("connection", "show", "acme"),
    "connection test": lambda *_: ("connection", "test", "acme"),
    "connection unblock": lambda *_: ("connection", "unblock", "acme"),
    "dashboard": _dashboard,
    "delete": lambda shell, _: ("delete", _closed(shell), "--yes"),
    "delete --source": lambda shell, _: ("delete", _closed(shell), "--source", "--yes"),
    "delete --vendor-jobs": lambda shell, _: ("delete", _closed(shell), "--vendor-jobs", "--yes"),
    # What it may not ask of the other services it says, and goes on.
    "doctor": lambda *_: ("doctor",),
    "doctor --no-vendors": lambda *_: ("doctor", "--no-vendors"),
    "plan": lambda _, folder: ("plan", _file(folder), "--profile", "things"),
    "priority": lambda shell, _: ("priority", _open(shell), "high"),
    "problems": lambda *_: ("problems",),
    "profile delete": lambda *_: ("profile", "delete", "things"),
    "profile list": lambda *_: ("profile", "list"),
    "profile put": lambda _, folder: ("profile", "put", _profile(folder)),
    "profile show": lambda *_: ("profile", "show", "things"),
    "report": lambda shell, folder: ("report", _failed(shell), "--out", folder / "report.html"),
    "report --link": lambda shell, _: ("report", _closed(shell), "--link"),
    "rerun": lambda shell, _: ("rerun", _failed(shell), "--repeat-succeeded", "--wait"),
    "resolve": lambda shell, _: ("resolve", _unknown(shell), "--wait"),
    "results": lambda shell, folder: ("results", _closed(shell), "--out", folder / "out"),
    "results --link": lambda shell, _: ("results", _closed(shell), "--link"),
    "resume": lambda shell, folder: ("resume", _trial(shell, folder), "--wait"),
    "retry": lambda shell, _: ("retry", _failed(shell), "--wait"),
    "rows": lambda shell, _: ("rows", _failed(shell), "--status", "failed", "--json"),
    "rows --cells": lambda shell, _: ("rows", _failed(shell), "--cells", "--json"),
    "run": lambda _, folder: ("run", _file(folder), "--profile", "things", "--wait"),
    "runs": lambda shell, _: ("runs", "--profile", _closed(shell)),
    "schedule delete": _schedule("delete", "nightly"),
    "schedule disable": _schedule("disable", "nightly"),
    "schedule enable": _schedule("enable", "nightly"),
    "schedule list": _schedule("list"),
    "schedule put": lambda shell, _: _scheduled(shell),
    "schedule run-now": _schedule("run-now", "nightly", "--wait"),
    "status": lambda shell, _: ("status", _open(shell)),
    "undo": lambda shell, folder: ("undo", _changed(shell), "--out", folder / "undo"),
    "vendor delete": _vendor("delete"),
    "vendor list": lambda *_: ("vendor", "list"),
    "vendor put": _vendor_put,
    "vendor show": _vendor("show"),
    "watch": lambda shell, folder: ("watch", _just_started(shell, folder)),
}

NO_STACK = {"completion", "cost", "operations", "local", "profile new", "vendor check"}


def _commands(group: object = cli, path: str = "") -> Iterator[str]:
    """Every command, by the words that it is typed with."""
    named = dict(getattr(group, "commands", {}))
    if group is cli:
        named["dashboard"] = dashboard  # loaded when it is asked for
    for name, command in named.items():
        inner = list(_commands(command, f"{path}{name} "))
        yield from inner or [f"{path}{name}"]


def test_no_command_is_forgotten() -> None:
    assert set(_commands()) - NO_STACK == {name.split(" --")[0] for name in SCENES}


def documented() -> dict[str, set[str]]:
    """The commands that docs/cli.md gives to each policy, those of a policy within it included."""
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8").split("## Rights")[1]
    rows = re.findall(r"^\| `(\w+)PolicyArn` \|(.*)\|.*\|$", text, re.MULTILINE)
    own = {role: set(re.findall(r"`([^`]+)`", cell)) for role, cell in rows}
    assert own.keys() == {*ROLES, "Uploader"}
    within = {
        "Viewer": own["Viewer"],
        "Operator": own["Viewer"] | own["Operator"],
        "ProfileAuthor": own["Viewer"] | own["ProfileAuthor"],
    }
    everything = within["Operator"] | within["ProfileAuthor"] | own["Administrator"]
    return {**within, "Administrator": everything}


def test_the_documents_name_every_command() -> None:
    assert documented()["Administrator"] == SCENES.keys()


@pytest.fixture
def telling(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    return _let_tell(shell, monkeypatch)


def _let_tell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """The account's vendor can be asked for problems, and to forget jobs."""
    can = replace(shell.world.vendor.capabilities, problems=True, delete=True)
    vendor = replace(shell.world.vendor, capabilities=can)
    shell.world.vendor = vendor

    def told(this: FakeClient, *_: object) -> list[object]:
        this._paid(1)
        return []

    def done(this: FakeClient, *_: object) -> None:
        this._paid(1)

    monkeypatch.setattr(FakeClient, "problems", told, raising=False)
    monkeypatch.setattr(FakeClient, "delete", done, raising=False)
    return vendor


@pytest.mark.parametrize("name", SCENES)
def test_a_command_is_allowed_to_those_whose_policy_has_it(
    template: Template, shell: Shell, telling: Vendor, tmp_path: Path, name: str
) -> None:
    words = SCENES[name](shell, tmp_path)
    needed = Recorder(shell).of(*words)
    allowed = {role for role in ROLES if not policy(template, role).missing(needed)}
    assert allowed == {role for role, commands in documented().items() if name in commands}


WITHOUT_A_SCENE = {
    "s3:AbortMultipartUpload",  # an upload in parts that fails
    "scheduler:UpdateSchedule",  # a schedule that is there already
    "secretsmanager:RestoreSecret",  # a connection that was deleted days ago
    "dynamodb:BatchGetItem",  # what a run has in flight
}


def test_no_right_is_given_that_no_command_needs(template: Template, tmp_path: Path) -> None:
    used: dict[str, list[Call]] = {}
    for number, (name, scene) in enumerate(SCENES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with World() as world, pytest.MonkeyPatch.context() as patch:
            shell = Shell(world)
            _let_tell(shell, patch)
            used[name] = Recorder(shell).of(*scene(shell, folder))
    for role, commands in documented().items():
        calls = [call for name in commands for call in used[name]]
        for statement in policy(template, role).statements:
            for action in _listed(statement["Action"]):
                alone = Policy([{**statement, "Action": action}])
                needed = any(alone.allows(call) for call in calls)
                assert needed or action in WITHOUT_A_SCENE, (role, statement["Sid"], action)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# What no table of commands shows


def writes(key: str, *more: str) -> list[Call]:
    """Every way to change items of these partitions."""
    leading = {LEADING_KEYS: (key, *more)}
    verbs = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
    return [Call(f"dynamodb:{verb}", TABLE, leading) for verb in verbs]


# Those of connections, where an older version has put them, and where lanes keep their limits.
CONNECTION = (keys.connection_config("acme"), keys.CONNECTIONS, "CONNECTIONS")
CONFIGURATION = (*CONNECTION, keys.connection("acme"))
PROFILE = (keys.profile_config("things"), keys.PROFILES, "PROFILES")
RUN = (keys.run("things-1"), keys.rows("things-1", 1))


@pytest.mark.parametrize("role", ["Uploader", "Viewer"])
def test_who_only_looks_or_uploads_writes_nothing(template: Template, role: str) -> None:
    calls = [call for key in (*CONFIGURATION, *PROFILE, *RUN) for call in writes(key)]
    assert policy(template, role).missing(calls) == calls


@pytest.mark.parametrize("key", [*CONFIGURATION, *PROFILE])
def test_an_operator_changes_no_configuration_not_even_beside_a_run(
    template: Template, key: str
) -> None:
    operator = policy(template, "Operator")
    assert operator.allows(Call("dynamodb:UpdateItem", TABLE, {LEADING_KEYS: (RUN[0],)}))
    for call in (*writes(key), *writes(RUN[0], key)):
        assert not operator.allows(call), call


@pytest.mark.parametrize("key", [*CONFIGURATION, *RUN, keys.profile("things")])
def test_a_profile_author_changes_neither_connections_nor_runs(
    template: Template, key: str
) -> None:
    author = policy(template, "ProfileAuthor")
    assert all(
        author.allows(Call("dynamodb:BatchWriteItem", TABLE, {LEADING_KEYS: (each,)}))
        for each in PROFILE
    )
    for call in (*writes(key), *writes(PROFILE[0], key)):
        assert not author.allows(call), call


@pytest.mark.parametrize("role", ["Uploader", "Viewer", "Operator", "ProfileAuthor"])
def test_only_an_administrator_reaches_secrets(template: Template, role: str) -> None:
    verbs = ("Get", "Put")
    calls = [Call(f"secretsmanager:{verb}SecretValue", SECRETS + "acme-0a1b") for verb in verbs]
    assert policy(template, role).missing(calls) == calls
    administrator = policy(template, "Administrator")
    assert administrator.missing(calls) == []
    foreign = Call(
        "secretsmanager:GetSecretValue", SECRETS.replace("/jobferry/", "/other/") + "acme"
    )
    assert not administrator.allows(foreign)


@pytest.mark.parametrize("role", [*ROLES, "Uploader"])
def test_nobody_reads_the_whole_table_or_other_evidence(template: Template, role: str) -> None:
    for call in (
        Call("dynamodb:Scan", TABLE),
        Call("dynamodb:PartiQLSelect", TABLE),
        Call("dynamodb:DeleteTable", TABLE),
        Call("s3:GetObject", f"{ARCHIVE}/evidence/r/1.json"),
        Call("s3:PutObject", f"{ARCHIVE}/results/r/failed.csv"),
        Call("states:StopExecution", MACHINE.replace("stateMachine", "execution") + ":x"),
    ):
        assert not policy(template, role).allows(call), call
    deletes = policy(template, role).allows(Call("s3:DeleteObject", f"{INBOX}/inbox/things/a.csv"))
    assert deletes == (role in ("Operator", "Administrator"))  # delete --source


def test_schedules_are_given_no_other_role_and_to_no_other_service(template: Template) -> None:
    operator = policy(template, "Operator")
    role = "arn:aws:iam::123456789012:role/Schedules"
    scheduler = {PASSED_TO: ("scheduler.amazonaws.com",)}
    assert operator.allows(Call("iam:PassRole", role, scheduler))
    assert not operator.allows(Call("iam:PassRole", role, {PASSED_TO: ("lambda.amazonaws.com",)}))
    assert not operator.allows(Call("iam:PassRole", role))
    assert not operator.allows(Call("iam:PassRole", role.replace("Schedules", "Any"), scheduler))


@pytest.mark.parametrize("role", [*ROLES, "Uploader"])
def test_a_key_of_the_stacks_own_is_used_by_those_who_need_it(
    template: Template, role: str
) -> None:
    with_key = Policy.of(template, f"{role}Policy", own_key=True)
    verbs = ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:DescribeKey")
    needed = verbs[:1] if role == "Viewer" else verbs[:2]
    assert tuple(verb for verb in verbs if with_key.allows(Call(verb, KEY))) == needed
    assert not with_key.allows(Call("kms:Decrypt", KEY + "2"))
    without = policy(template, role)
    assert not any(without.allows(Call(verb, KEY)) for verb in verbs)


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("Uploader", "s3:PutObject", f"{INBOX}/inbox/tickets/a.csv"),
        ("Operator", "s3:PutObject", f"{INBOX}/inbox/tickets/a.csv"),
        ("Administrator", "s3:PutObject", f"{INBOX}/inbox/tickets/a.csv"),
        ("Viewer", "s3:GetObject", f"{ARCHIVE}/results/r/report.html"),
    ],
)
def test_a_bucket_that_somebody_else_has_made_anew_is_given_no_file(
    template: Template, role: str, action: str, resource: str
) -> None:
    tags = {"jobferry-profile": "tickets"}
    assert policy(template, role).allows(Call(action, resource), tags)
    foreign = Call(action, resource, {ACCOUNT: ("210987654321",)})
    assert not policy(template, role).allows(foreign, tags)


# The uploader


def test_an_uploader_fills_the_folder_of_the_profile_that_the_tag_names(template: Template) -> None:
    uploader, tags = policy(template, "Uploader"), {"jobferry-profile": "tickets"}
    for action in ("s3:PutObject", "s3:AbortMultipartUpload"):
        assert uploader.allows(Call(action, f"{INBOX}/inbox/tickets/a.csv"), tags)
        assert uploader.allows(Call(action, f"{INBOX}/inbox/tickets/2026/a.csv"), tags)
        for key in ("inbox/users/a.csv", "inbox/tickets2/a.csv", "inbox/a.csv", "scheduled/a.csv"):
            assert not uploader.allows(Call(action, f"{INBOX}/{key}"), tags), key
    assert not uploader.allows(Call("s3:GetObject", f"{INBOX}/inbox/tickets/a.csv"), tags)


@pytest.mark.parametrize("tags", [{}, {"jobferry-Profile": "tickets"}])
def test_without_the_tag_an_uploader_uploads_nothing(
    template: Template, tags: dict[str, str]
) -> None:
    uploader = policy(template, "Uploader")
    for key in ("inbox/tickets/a.csv", "inbox//a.csv", "inbox/*/a.csv"):
        assert not uploader.allows(Call("s3:PutObject", f"{INBOX}/{key}"), tags)


# Their form


@pytest.mark.parametrize("role", [*ROLES, "Uploader"])
def test_a_policy_is_an_output_and_has_no_fixed_name(template: Template, role: str) -> None:
    properties = template.resources[f"{role}Policy"]["Properties"]
    assert "ManagedPolicyName" not in properties
    assert template.body["Outputs"][f"{role}PolicyArn"]["Value"] == {"Ref": f"{role}Policy"}


@pytest.mark.parametrize("role", [*ROLES, "Uploader"])
def test_a_policy_is_as_small_as_iam_takes_it(template: Template, role: str) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters of a
    # managed policy without blanks. Names of a real stack's resources are longer than here.
    whole = Policy.of(template, f"{role}Policy", own_key=True)
    text = json.dumps(whole.statements, separators=(",", ":"))
    resources = text.count("arn:")
    assert len(text) + 80 * resources < 6_144
