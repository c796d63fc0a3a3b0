"""`jobferry vendor`: documents that become vendors without a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry.domain.run import RunStatus
from jobferry.vendors.registry import BUILT_IN
from tests.contract.documents.bench import DOCUMENT, SHELF_DOCUMENT
from tests.contract.documents.simulator import GOOD, simulator_of
from tests.unit.cli.shell import ANN, Answer, Shell
from vendorsim import ManualClock, RunningSimulator

YAML = DOCUMENT.read_text(encoding="utf-8")


def written(folder: Path, text: str, name: str = "vendor.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def put(shell: Shell, folder: Path, text: str = YAML) -> Answer:
    return shell("vendor", "put", written(folder, text), "--json")


def connected(shell: Shell, folder: Path) -> None:
    """A connection and a profile of the vendor that is a document."""
    put(shell, folder)
    credentials = written(folder, '{"bearer": "k"}', "credentials.json")
    where = ("--vendor", "shelf", "--base-url", "https://shelf.example/v1")
    assert shell("connection", "put", "books", *where, "--credentials", credentials).code == 0
    profile = {"name": "new-books", "connection": "books", "operation": "books.add"}
    answer = shell("profile", "put", written(folder, yaml.safe_dump(profile), "profile.yaml"))
    assert answer.code == 0, answer.stderr


def test_put_answers_with_the_canonical_form_and_its_revision(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path)

    assert answer.code == 0
    assert answer.document == {**SHELF_DOCUMENT, "revision": 1}
    assert shell("vendor", "show", "shelf", "--json").document == {**answer.document, "by": ANN}
    assert shell("vendor", "list", "--json").documents == [answer.document]


def test_only_a_change_makes_a_new_revision(shell: Shell, tmp_path: Path) -> None:
    texts = [YAML, YAML, YAML.replace("title: Shelf", "title: Shelf 2"), YAML]

    assert [put(shell, tmp_path, text).document["revision"] for text in texts] == [1, 1, 2, 3]


def test_every_problem_is_named_and_nothing_is_kept(shell: Shell, tmp_path: Path) -> None:
    text = YAML.replace("operations:", "opertions:").replace("title: Shelf", "title: 7")

    answer = put(shell, tmp_path, text)

    assert answer.code == 1
    assert "unknown key 'opertions', did you mean 'operations'?" in answer.stderr
    assert "title: must be a text; put it in quotes." in answer.error["text"]
    assert shell("vendor", "list", "--json").documents == []


@pytest.mark.parametrize("text", ["name: [", "a: 1\na: {", "[]", ""])
@pytest.mark.parametrize("verb", ["put", "check"])
def test_what_is_no_document_is_refused(shell: Shell, tmp_path: Path, text: str, verb: str) -> None:
    answer = shell("vendor", verb, written(tmp_path, text), "--json")

    assert (answer.code, answer.error["code"]) == (1, "input")


def test_a_name_that_is_taken_is_refused(shell: Shell, tmp_path: Path) -> None:
    answer = put(shell, tmp_path, YAML.replace("name: shelf", "name: vidispine"))

    assert answer.code == 1
    assert "another name" in answer.error["text"]


@pytest.mark.parametrize("name", ["nobody", "vidispine"])
@pytest.mark.parametrize("verb", ["show", "delete"])
def test_a_vendor_that_is_no_document(shell: Shell, verb: str, name: str) -> None:
    answer = shell("vendor", verb, name, "--json")

    assert answer.code == 1
    assert answer.error["next"] == "jobferry vendor list"
    assert ("comes with Jobferry" in answer.error["text"]) == (name == "vidispine")


def test_it_is_a_vendor_for_all_other_commands(shell: Shell, tmp_path: Path) -> None:
    connected(shell, tmp_path)

    (operation,) = shell("operations", "shelf", "--json").documents
    assert (operation["vendor"], operation["operation"]) == ("shelf", "books.add")
    shown = shell("connection", "show", "books", "--json").document
    assert (shown["vendor"], shown["base_url"]) == ("shelf", "https://shelf.example")
    assert shown["slots"] == 20
    file = written(tmp_path, "title,external_id\nOne,1\nTwo,2\n", "books.csv")
    plan = shell("plan", file, "--profile", "new-books", "--json")
    assert plan.code == 0, plan.stderr


def test_what_a_document_lists_only_after_it_is_put(shell: Shell, tmp_path: Path) -> None:
    assert shell("operations", "shelf").code == 1
    put(shell, tmp_path)
    shell.world.deps = shell.world.fresh_deps()
    assert shell("operations", "shelf").code == 0
    assert {each["vendor"] for each in shell("operations", "--json").documents} == set(
        BUILT_IN.names()
    )


def test_a_vendor_of_a_connection_is_not_deleted(shell: Shell, tmp_path: Path) -> None:
    connected(shell, tmp_path)

    refused = shell("vendor", "delete", "shelf", "--json")

    assert refused.code == 1
    assert "The connection books uses the vendor shelf." in refused.error["text"]
    assert refused.error["next"] == "jobferry connection delete books"
    shell("profile", "delete", "new-books")
    shell("connection", "delete", "books")
    assert shell("vendor", "delete", "shelf", "--json").document == {
        "name": "shelf",
        "deleted": True,
    }
    assert shell("vendor", "show", "shelf").code == 1


def test_a_profile_does_not_lose_its_operation(shell: Shell, tmp_path: Path) -> None:
    connected(shell, tmp_path)

    answer = put(shell, tmp_path, YAML.replace("books.add:", "books.lend:"))

    assert answer.code == 1
    assert "The profile new-books uses the operation books.add" in answer.error["text"]


def test_people_are_told_what_to_type_next(shell: Shell, tmp_path: Path) -> None:
    assert "jobferry vendor put FILE.yaml" in shell("vendor", "list").stdout
    said = shell("vendor", "put", written(tmp_path, YAML)).stdout
    assert "revision 1" in said
    assert "jobferry operations shelf" in said
    assert "shelf" in shell("vendor", "list").stdout
    shown = shell("vendor", "show", "shelf").stdout
    assert yaml.safe_load(shown) == SHELF_DOCUMENT
    assert "deleted" in shell("vendor", "delete", "shelf").stdout


def test_a_run_whose_vendor_is_gone_says_so(shell: Shell, tmp_path: Path) -> None:
    connected(shell, tmp_path)
    shell.world.store.config.delete_vendor("shelf")
    shell.world.deps = shell.world.fresh_deps()

    run = shell.world.execute(shell.world.drop("title\nOne\n", profile="new-books"))

    assert run.status is RunStatus.FAILED
    assert "There is no vendor 'shelf'" in str(run.error)


class TestCheck:
    def test_a_document_is_checked_without_a_stack(self, shell: Shell, tmp_path: Path) -> None:
        answer = shell("vendor", "check", written(tmp_path, YAML), "--json")

        assert answer.document == {"name": "shelf", "ok": True, "operations": ["books.add"]}
        assert shell.stack_names == []
        assert "is valid" in shell("vendor", "check", written(tmp_path, YAML)).stdout

    def test_an_address_needs_credentials(self, shell: Shell, tmp_path: Path) -> None:
        file = written(tmp_path, YAML)
        answer = shell("vendor", "check", file, "--base-url", "https://x.example")

        assert answer.code == 1
        assert "given together" in answer.stderr

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def sim(self, clock: ManualClock) -> Iterator[RunningSimulator]:
        with RunningSimulator(simulator_of(SHELF_DOCUMENT)(clock=clock)) as running:
            yield running

    @pytest.fixture
    def check(self, shell: Shell, clock: ManualClock, sim: RunningSimulator, tmp_path: Path) -> Any:
        def play(text: str = YAML, *more: object, key: str = GOOD["bearer"]["bearer"]) -> Answer:
            shell.while_sleeping = lambda: clock.advance(1)
            credentials = written(tmp_path, json.dumps({"bearer": key}), "credentials.json")
            where = ("--base-url", sim.url, "--credentials", credentials)
            return shell("vendor", "check", written(tmp_path, text), *where, *more)

        return play

    def test_it_sends_one_job_and_shows_what_each_path_found(
        self, check: Any, sim: RunningSimulator
    ) -> None:
        answer = check(YAML, "--json")

        assert answer.code == 0
        assert answer.document["record"] == {"title": "jobferry check"}
        steps = {step["step"]: step for step in answer.document["steps"]}
        assert list(steps) == ["test", "submit", "poll", "results"]
        assert steps["test"]["found"] == {"test.shows": []}
        assert steps["submit"]["requests"] == ["POST /v1/imports → 202"]
        assert steps["submit"]["found"] == {"submit.job_id": "job-1"}
        assert steps["poll"]["found"] == {"poll.status": "done"}
        assert steps["results"]["found"] == {
            "results.rows": "1 found",
            "results.succeeded": "job-1-record-0",
            "results.failed": None,
            "results.id": "job-1-record-0",
            "results.code": None,
            "results.text": None,
            "results.index": 0,
        }
        assert sim.effects()["requests"]["submit"] == 1

    def test_a_record_of_ones_own_is_sent(
        self, check: Any, sim: RunningSimulator, tmp_path: Path
    ) -> None:
        record = written(tmp_path, '{"title": "Mine", "external_id": "m"}', "record.json")

        answer = check(YAML, "--record", record, "--operation", "books.add")

        assert answer.code == 0
        assert "submit.job_id" in answer.stdout
        assert "job-1" in answer.stdout
        assert [effect["external_id"] for effect in sim.effects()["effects"]] == ["m"]

    @pytest.mark.parametrize(
        ("wrong", "right", "step", "problem", "code"),
        [
            ("shows: imports", "shows: nothing", "test", "cannot be read", 2),
            ("job_id: import.id", "job_id: import.name", "submit", "names no job", 2),
            ("id: id\n  status", "id: name\n  status", "poll", "does not show", 2),
            ("status: state", "status: name", "poll", "the status ''", 2),
            ("rows: lines", "rows: row", "results", "unknown", 1),
            ("succeeded: book", "succeeded: bok", "results", "unknown", 1),
        ],
    )
    def test_a_path_that_finds_nothing_is_told(
        self, check: Any, wrong: str, right: str, step: str, problem: str, code: int
    ) -> None:
        assert wrong in YAML
        answer = check(YAML.replace(wrong, right), "--json")

        last = answer.document["steps"][-1]
        assert (last["step"], answer.document["ok"], answer.code) == (step, False, code)
        assert problem in last["problem"]

    def test_a_refusal_is_told_in_the_vendors_words(self, check: Any) -> None:
        answer = check(YAML, key="wrong")

        assert answer.code == 2
        assert "The key is not known" in answer.stdout
        assert "wrong" not in answer.stdout

    @pytest.mark.parametrize("url", ["http://x.example", "https://x.example/path"])
    def test_an_address_that_cannot_be_used(self, shell: Shell, tmp_path: Path, url: str) -> None:
        file = written(tmp_path, YAML)
        credentials = written(tmp_path, '{"bearer": "k"}', "c.json")
        answer = shell("vendor", "check", file, "--base-url", url, "--credentials", credentials)

        assert answer.code == 1

    def test_an_operation_and_a_record_that_are_none(self, check: Any, tmp_path: Path) -> None:
        assert check(YAML, "--operation", "books.lend").code == 1
        assert check(YAML, "--record", written(tmp_path, "[]", "r.json")).code == 1
