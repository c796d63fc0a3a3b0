"""What people and scripts rely on: the simulators, and what `make` does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import requests

from tests.unit.tools.test_makefile import commands, deploying, make, parameters
from vendorsim import ManualClock, RunningSimulator, start
from vendorsim.main import main

ROOT = Path(__file__).parents[3]


CLOCK = ManualClock()


@pytest.fixture(scope="module")
def sim() -> Iterator[RunningSimulator]:
    with start(clock=CLOCK) as simulator:
        yield simulator


def test_vendorsim_serve_takes_its_options() -> None:
    serve = main.get_command(click.Context(main), "serve")
    assert serve is not None
    assert {word for each in serve.params for word in each.opts} >= {
        *("--port", "--scenario", "--seed", "--latency"),
    }


def test_it_listens_on_loopback(sim: RunningSimulator) -> None:
    assert sim.url.startswith("http://127.0.0.1:")


AGENT = ("agent@example.com/token", "sim-token")
BEARER = {"Authorization": "Bearer sim-token"}


@pytest.mark.parametrize(
    ("path", "auth", "headers"),
    [
        ("/api/v2/users/me", AGENT, {}),
        ("/api/v2/users/me", None, BEARER),
        ("/api/sunshine/jobs?ids=1", AGENT, {}),
        ("/api/sunshine/jobs?ids=1", None, BEARER),
        ("/API/job", ("admin", "admin"), {}),
    ],
)
def test_credentials_that_are_let_in(
    sim: RunningSimulator, path: str, auth: tuple[str, str] | None, headers: dict[str, str]
) -> None:
    answer = requests.get(sim.url + path, auth=auth, headers=headers, timeout=5)
    assert answer.status_code not in (401, 403), answer.text
    assert answer.status_code < 500


@pytest.mark.parametrize("path", ["/api/v2/users/me", "/api/sunshine/jobs?ids=1", "/API/job"])
@pytest.mark.parametrize("auth", [None, ("admin", "other"), ("agent@example.com", "sim-token")])
def test_anything_else_is_refused(
    sim: RunningSimulator, path: str, auth: tuple[str, str] | None
) -> None:
    assert requests.get(sim.url + path, auth=auth, timeout=5).status_code == 401


def test_sim_effects_faults_and_reset(sim: RunningSimulator) -> None:
    def sent() -> requests.Response:
        body = {"tickets": [{"description": "a", "external_id": "A"}]}
        url = f"{sim.url}/api/v2/tickets/create_many"
        return requests.post(url, json=body, headers=BEARER, timeout=5)

    fault = {"match": {"path": "create_many"}, "times": 1, "effect": {"status": 503}}
    set_ = requests.post(f"{sim.url}/_sim/faults", json={"faults": [fault]}, timeout=5)
    assert set_.status_code < 300, set_.text
    assert [sent().status_code, sent().status_code] == [503, 200]
    CLOCK.advance(60)
    effects = requests.get(f"{sim.url}/_sim/effects", timeout=5).json()["effects"]
    assert [(e["kind"], e["action"], e["external_id"]) for e in effects] == [
        ("ticket", "created", "A")
    ]
    assert effects[0]["request_id"]
    assert requests.post(f"{sim.url}/_sim/reset", timeout=5).status_code < 300
    assert requests.get(f"{sim.url}/_sim/effects", timeout=5).json()["effects"] == []


# make


@pytest.mark.parametrize("target", ["demo", "test", "bench", "lint", "help", "deploy"])
def test_make_has_the_target(target: str) -> None:
    assert re.search(rf"^{target}\s", make("help"), re.MULTILINE)


def test_make_test_is_lint_types_and_tests() -> None:
    words = " ".join(word for command in commands("test") for word in command)
    assert re.search(r"\bruff check\b.*\bmypy\b.*\bpytest tests --ignore=tests/e2e\b", words)
    for part in ("mutants.py --telling", "pytest tests/chaos", "pytest tests/e2e"):
        assert part in words


def test_make_demo_leaves_its_files_in_build_demo() -> None:
    (words,) = [each for each in commands("demo") if "tools.demo" in each]
    assert words[words.index("--out") + 1] == "build/demo"


def test_ci_run_calls_make_test() -> None:
    assert re.search(r"^\s*(exec )?make .*\btest\b", (ROOT / ".ci" / "run").read_text(), re.M)


def test_make_deploy_takes_stack_runtime_architecture_region_params() -> None:
    words = deploying(
        *("STACK=mine", "RUNTIME=python3.12", "ARCHITECTURE=x86_64", "REGION=eu-north-1"),
        "PARAMS=AlarmEmail=a@b.example",
    )
    given = {"Runtime": "python3.12", "Architecture": "x86_64"}
    assert parameters(words["sam build"]) == given
    assert parameters(words["sam deploy"]) == {**given, "AlarmEmail": "a@b.example"}
    assert words["sam deploy"][words["sam deploy"].index("--stack-name") + 1] == "mine"
    assert words["sam deploy"][words["sam deploy"].index("--region") + 1] == "eu-north-1"


def test_make_deploy_without_values() -> None:
    words = deploying()["sam deploy"]
    assert words[words.index("--stack-name") + 1] == "jobferry"
    assert parameters(words) == {"Runtime": "python3.13", "Architecture": "arm64"}
