"""`--link`: an address of a report, for people without an AWS account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobferry.operator.report_link import run_of
from jobferry_cli.report_links import report_links
from tests.unit.cli.shell import LINK_KEY, LINKS, Shell
from virtual.world import sample_csv

OUTPUTS = {
    "ReportLinkUrl": "https://abc.lambda-url.eu-central-1.on.aws/",
    "ReportLinkSecretArn": "arn:secret",
    "ReportLinkHours": "24",
    "AllowLoopbackHttp": "false",
}


@pytest.mark.parametrize("words", [("report", "--link"), ("results", "--link")])
def test_the_address_shows_the_report_of_the_run(shell: Shell, words: tuple[str, str]) -> None:
    run = shell.world.processed(sample_csv(3))
    answer = shell(words[0], run.run_id, words[1], "--json")
    assert answer.code == 0
    document = answer.document
    assert document.keys() == {"run_id", "url", "until"}
    token = document["url"].removeprefix(f"{LINKS}/")
    assert run_of(token, LINK_KEY, shell.world.clock.now(), 72 * 3_600) == run.run_id


def test_people_are_given_the_address_alone_and_told_who_can_read_it(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(3))
    answer = shell("report", run.run_id, "--link")
    (line,) = answer.stdout.splitlines()
    assert line.startswith(f"{LINKS}/")
    assert "whoever has this address can read the report" in answer.stderr


def test_a_trial_that_waits_has_one(shell: Shell) -> None:
    world = shell.world
    run = world.execute(world.drop(sample_csv(9), options={"jobferry-trial": "3"}))
    assert shell("report", run.run_id, "--link").code == 0


def test_a_run_without_a_report_has_none(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell("report", run.run_id, "--link", "--json")
    assert answer.code == 1
    assert answer.error["next"] == f"jobferry report {run.run_id}"


def test_a_stack_without_links_gives_none(shell: Shell) -> None:
    shell.report_links = None
    run = shell.world.processed(sample_csv(3))
    for command in ("report", "results"):
        answer = shell(command, run.run_id, "--link", "--json")
        assert answer.code == 1
        assert "ReportLinkHours" in answer.error["text"]


def test_results_go_somewhere_or_are_linked(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(3))
    answer = shell("results", run.run_id, "--json")
    assert answer.code == 1
    assert "--out" in answer.error["text"]


class TestOutputs:
    client: Any = SimpleNamespace(meta=SimpleNamespace(endpoint_url="http://127.0.0.1:4566"))

    def test_on_aws_the_address_is_the_function_s(self) -> None:
        links = report_links(self.client, OUTPUTS)
        assert links is not None
        assert (links.base, links.hours) == (OUTPUTS["ReportLinkUrl"], 24)

    def test_the_emulator_answers_at_its_own_address(self) -> None:
        links = report_links(self.client, {**OUTPUTS, "AllowLoopbackHttp": "true"})
        assert links is not None
        assert links.base == "http://127.0.0.1:4566/_aws/lambda-url/abc"

    @pytest.mark.parametrize("missing", ["ReportLinkUrl", "ReportLinkSecretArn"])
    def test_a_stack_that_gives_none_has_no_such_outputs(self, missing: str) -> None:
        outputs = {name: value for name, value in OUTPUTS.items() if name != missing}
        assert report_links(self.client, outputs) is None
