"""`jobferry runs` by time, profile and status; `jobferry watch` without a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobferry.domain.timestamps import timestamp
from jobferry_cli import runs as listing
from jobferry_cli.moments import both_times, local_time, moment
from tests.unit.cli.shell import Shell
from virtual.world import sample_csv


@pytest.fixture
def days(shell: Shell) -> list[str]:
    """The ids of three runs, a day between them, the newest of this moment."""
    ids = []
    for number in (1, 2, 3):
        ids.append(shell.world.processed(sample_csv(number)).run_id)
        if number < 3:
            shell.world.clock.advance(86_400)
    return ids


@pytest.fixture
def oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Oslo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def listed(shell: Shell, *words: object) -> list[str]:
    return [document["run_id"] for document in shell("runs", "--json", *words).documents]


def test_runs_by_time(shell: Shell, days: list[str]) -> None:
    first, second, third = days
    assert listed(shell, "--since", "12h") == [third]
    assert listed(shell, "--since", "36h") == [third, second]
    assert listed(shell, "--until", "36h") == [first]
    assert listed(shell, "--since", "3d", "--until", "12h") == [second, first]
    assert listed(shell, "--since", "1h", "--until", "2d") == []
    began = shell("runs", "--json").documents[1]["started_at"]
    assert listed(shell, "--since", began) == [third, second]
    assert listed(shell, "--until", began) == [first]


def test_a_page_by_time_goes_on(shell: Shell, days: list[str]) -> None:
    page = shell("runs", "--since", "3d", "--limit", 2)
    assert "jobferry runs --since 3d --limit 2 --after " in page.stderr
    after = page.stderr.split()[-1].strip("'")
    assert listed(shell, "--since", "3d", "--limit", 2, "--after", after) == [days[0]]
    assert listed(shell, "--since", "12h", "--limit", 2, "--after", after) == []


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["yesterday", "2h ago", "", "2026-13-01", "-3d", "9" * 30 + "d"])
def test_what_is_no_moment_is_refused(shell: Shell, option: str, text: str) -> None:
    answer = shell("runs", option, text, "--json")
    assert (answer.code, answer.error["code"]) == (1, "usage")
    assert "2h, 3d" in answer.error["text"]


@pytest.mark.parametrize(
    "text", ["garbage", "0", "", "2026-01-01", "1780000000.000#x", "'; DROP", "\x1b[2J"]
)
def test_a_cursor_that_is_none_is_refused(shell: Shell, text: str) -> None:
    answer = shell("runs", "--profile", "things", "--after", text, "--json")
    assert answer.code == 1
    assert answer.error["next"] == "jobferry runs --profile things --limit 20"


def test_paused_is_a_status(shell: Shell, csv_file: Callable[..., Path]) -> None:
    running = shell.world.planned(sample_csv(3)).run_id
    words = ("run", csv_file(6), "--profile", "things", "--trial", 2, "--wait", "--json")
    trial = shell(*words).document["run_id"]
    assert shell.world.run(trial).paused
    assert listed(shell, "--status", "paused") == [trial]
    assert listed(shell, "--status", "running") == [running]
    assert "paused" in shell("runs").stdout


def test_a_filter_says_when_it_gives_up_and_goes_on(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_SEARCHED", 3)
    shell.world.put_profile({"name": "others"})
    wanted = shell.world.processed(sample_csv(1), profile="others").run_id
    for number in range(5):
        shell.world.clock.advance(60)
        shell.world.processed(sample_csv(number + 1))
    people = shell("runs", "--profile", "others")
    assert "There are no such runs" not in people.stdout
    assert "The 3 newest runs were searched" in people.stderr
    scripts = shell("runs", "--profile", "others", "--json")
    assert scripts.document["searched"] == 3
    after = scripts.document["cursor"]
    assert listed(shell, "--profile", "others", "--after", after) == [wanted]


def test_a_list_shows_profile_file_and_both_times(shell: Shell, oslo: None) -> None:
    run = shell.world.processed(sample_csv(1))
    header, line = shell("runs").stdout.splitlines()
    assert header.split() == [
        "RUN", "STATUS", "PROFILE", "FILE", "ROWS", "NOT", "WELL", "STARTED", "UTC", "TOOK",
    ]  # fmt: skip
    assert run.source.key.rpartition("/")[2] in line
    began = timestamp(run.started_at)
    assert local_time(began) in line
    assert f" {began[11:16]}Z " in line


def test_moments_of_this_machine(oslo: None) -> None:
    assert local_time("2026-01-31T23:30:00.000Z") == "2026-02-01 00:30 CET"
    assert both_times("2026-07-01T12:00:00.000Z") == "2026-07-01 12:00 UTC (14:00 CEST)"
    assert moment("2026-07-01T14:00", 0) == moment("2026-07-01T12:00:00Z", 0)
    assert moment("2026-07-01", 0) == moment("2026-06-30T22:00:00Z", 0)
    assert moment("2h", 10_000) == 2_800
    assert moment("1w", 604_800 * 2) == 604_800


def test_watch_follows_the_newest_run_and_says_which(shell: Shell, days: list[str]) -> None:
    answer = shell("watch", "--json")
    assert answer.document["run_id"] == days[-1]
    assert f"Run {days[-1]}, begun " in answer.stderr


def test_watch_follows_the_newest_run_of_a_profile(shell: Shell, days: list[str]) -> None:
    shell.world.put_profile({"name": "others"})
    shell.world.clock.advance(60)
    shell.world.processed(sample_csv(1), profile="others")
    assert shell("watch", "--profile", "things", "--json").document["run_id"] == days[-1]
    nobody = shell("watch", "--profile", "nobody", "--json")
    assert (nobody.code, nobody.error["next"]) == (1, "jobferry runs")
    assert shell("watch", days[0], "--profile", "things").code == 1


def test_watch_where_there_is_no_run(shell: Shell) -> None:
    answer = shell("watch", "--json")
    assert (answer.code, answer.error["text"]) == (1, "There is no run.")
