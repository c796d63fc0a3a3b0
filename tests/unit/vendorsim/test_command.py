"""The command `vendorsim`, and starting and stopping a simulator."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from pydantic import ValidationError

from vendorsim import server, start
from vendorsim.main import main

SCENARIO = """
settings: {requests_per_minute: 0, latency: 1-2}
faults:
  - match: {path: users/me}
    times: 1
    effect: {status: 503}
records:
  organizations: [{name: Acme}]
"""


def test_serve_says_when_it_listens_and_stops_when_told(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    command = [sys.executable, "-m", "vendorsim", "serve", "--port", "0"]
    options = ["--scenario", str(scenario), "--seed", "5", "--latency", "0.5"]
    with subprocess.Popen(command + options, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            start_of_line, _, url = line.rpartition(" ")
            settings = requests.get(f"{url}/_sim/settings", timeout=5).json()
            headers = {"Authorization": "Bearer sim-token"}
            first, second = (
                requests.get(f"{url}/api/v2/users/me", headers=headers, timeout=5) for _ in range(2)
            )
        finally:
            process.terminate()
        process.wait(10)

    assert start_of_line == "vendorsim ready on"
    assert url.startswith("http://127.0.0.1:")
    assert (settings["seed"], settings["latency"]) == (5, [0.5, 0.5])
    assert settings["requests_per_minute"] == 0
    assert (first.status_code, second.status_code) == (503, 200)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--latency", "late"], "latency"),
        (["--scenario", "SCENARIO"], "extra_key"),
        (["--scenario", "missing.yaml"], "does not exist"),
    ],
)
def test_options_that_make_no_sense_are_explained(
    tmp_path: Path, options: list[str], reason: str
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("extra_key: 1")
    given = [str(scenario) if option == "SCENARIO" else option for option in options]

    result = CliRunner().invoke(main, ["serve", *given])

    assert result.exit_code == 2
    assert reason in result.output


def test_a_taken_port_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = CliRunner().invoke(main, ["serve", "--port", str(port)])

    assert result.exit_code == 1
    assert f"cannot listen on port {port}" in result.output


def test_a_stopped_simulator_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    with start(latency=0) as simulator:
        assert simulator.request("GET", "/api/v2/users/me").ok

    assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        simulator.request("GET", "/api/v2/users/me")


def test_an_answer_on_its_way_is_finished_when_a_simulator_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "_SECONDS_TO_FINISH", 30)
    large = {"tickets": [{"description": "x" * 60_000} for _ in range(100)]}
    with start(latency=0) as simulator, socket.socket() as slow:
        assert simulator.request("POST", "/api/v2/tickets/create_many", json=large).ok
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", simulator.port))
        slow.sendall(b"GET /_sim/effects HTTP/1.1\r\nHost: x\r\n\r\n")
        head = slow.recv(100)
        stopping = threading.Thread(target=simulator.stop)
        stopping.start()
        answer = head + b"".join(iter(lambda: slow.recv(65_536), b""))
        stopping.join()
    head, _, body = answer.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head)
    assert len(body) == int(length) > 5_000_000


def test_two_simulators_know_nothing_of_each_other() -> None:
    body = {"tickets": [{"description": "x"}]}
    with start(latency=0) as one, start(latency=0) as other:
        one.request("POST", "/api/v2/tickets/create_many", json=body)

        assert len(one.effects()["effects"]) == 1
        assert other.effects()["effects"] == []


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValidationError):
        start(no_such_setting=1)
