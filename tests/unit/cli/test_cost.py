"""`jobferry cost`: what runs of some form cost, without a stack."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jobferry.domain import prices
from tests.unit.cli.shell import Shell

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cost.md"
FORMS = {
    100: ("--max-jobs", 30, "--requests-per-minute", 700, "--refuses-excess"),
    25: ("--max-jobs", 30, "--requests-per-minute", 700, "--refuses-excess"),
    1: ("--max-jobs", 200),
}
"""Options of the page's table, by rows of a job."""


def document(shell: Shell, *options: object) -> dict[str, Any]:
    answer = shell("cost", *options, "--json")
    assert answer.code == 0
    found: dict[str, Any] = answer.document
    return found


def test_needs_no_stack_and_says_what_is_assumed(shell: Shell) -> None:
    answer = shell("cost", "--rows", 50_000)

    assert answer.code == 0
    assert shell.stack_names == []
    assert "fixed: alarms" in answer.stdout
    assert "50,000 rows of 120 bytes in 500 jobs of 10 s" in answer.stdout
    assert f"List prices of us-east-1, {prices.AS_OF}." in answer.stdout


def test_a_run_a_million_rows_and_a_month_add_up(shell: Shell) -> None:
    found = document(shell, "--rows", 100_000, "--runs-per-month", 20)

    run, million, month = found["run"], found["million_rows"], found["month"]
    assert sum(run["items"].values()) == pytest.approx(run["together"], abs=1e-5)
    assert million["together"] == pytest.approx(10 * run["together"], abs=1e-4)
    assert month["runs"] == pytest.approx(20 * run["together"], abs=1e-4)
    fixed = sum(month["fixed"].values())
    assert month["together"] == pytest.approx(month["runs"] + fixed, abs=1e-4)
    assert {"metrics", "alarms", "secret", "key of links", "sweeps"} == month["fixed"].keys()


@pytest.mark.parametrize(
    "dearer",
    [
        ("--rows-per-job", 25),
        ("--job-seconds", 300),
        ("--failed-share", 0.2),
        ("--row-items",),
        ("--row-bytes", 2_000),
        ("--retention-days", 365),
        ("--max-jobs", 5, "--job-seconds", 60),
    ],
)
def test_what_makes_it_dearer(shell: Shell, dearer: tuple[object, ...]) -> None:
    plain = document(shell)["million_rows"]["together"]
    assert document(shell, *dearer)["million_rows"]["together"] > 1.05 * plain


def test_more_connections_are_more_secrets(shell: Shell) -> None:
    one, three = (document(shell, "--connections", n)["month"]["fixed"] for n in (1, 3))
    assert three["secret"] == pytest.approx(3 * one["secret"])


@pytest.mark.parametrize("wrong", [("--rows", 0), ("--failed-share", 2), ("--job-seconds", 0)])
def test_what_cannot_be_is_refused(shell: Shell, wrong: tuple[object, ...]) -> None:
    answer = shell("cost", *wrong, "--json")
    assert answer.code == 1
    assert answer.error["code"] == "usage"


def test_the_page_shows_what_the_command_says(shell: Shell) -> None:
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \| \d+ s ", line)]
    assert len(lines) == 9
    for line in lines:
        rows, seconds, writes, functions, kept, rest, together = re.findall(r"[\d.]+", line)
        options = ("--rows-per-job", rows, "--job-seconds", seconds, *FORMS[int(rows)])
        million = document(shell, *options)["million_rows"]
        items = million["items"]
        shown = [
            items["writes"] + items["writes of indexes"],
            items["Lambda"] + items["state transitions"],
            items["table: storage"] + items["table: recovery"] + items["S3: storage"],
        ]
        shown += [million["together"] - sum(shown), million["together"]]
        assert [f"{amount:.2f}" for amount in shown] == [writes, functions, kept, rest, together]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "instead of $0.13"),
        (("--job-seconds", 60, "--max-jobs", 5), "with 5 in flight cost $0.67"),
        (("--job-seconds", 60), "with 30 $0.25"),
        (("--row-items",), "$1.27 instead"),
        (("--failed-share", 0.2), "$0.53 instead"),
        (("--retention-days", 365), "makes $0.23 of $0.13"),
        (("--row-bytes", 2_000), "$0.37 instead"),
        (("--rows", 100), "$6.88 for a million rows in such runs"),
    ],
)
def test_the_page_shows_what_makes_it_dearer(
    shell: Shell, options: tuple[object, ...], said: str
) -> None:
    million = document(shell, *FORMS[100], *options)["million_rows"]["together"]
    assert f"${million:.2f}" in said
    assert said in " ".join(PAGE.read_text().split())


def test_the_page_shows_what_is_fixed(shell: Shell) -> None:
    fixed = document(shell)["month"]["fixed"]
    text = PAGE.read_text()
    assert all(f"| {item} | {amount:.2f} |" in text for item, amount in fixed.items())
    assert f"| together | {sum(fixed.values()):.2f} |" in text
