"""A line of the log leads to its invocation, its run and the source line that wrote it."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from jobferry.runtime import observability
from jobferry.runtime.observability import log, logged, metrics_of, warn

INVOCATION: Any = SimpleNamespace(
    function_name="PollJobs",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:PollJobs",
    aws_request_id="0a1b-2c3d",
)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the log, one JSON object a line."""
    written: list[str] = []
    handler = observability.logger.registered_handler

    def emit(record: Any) -> None:
        written.append(handler.format(record))

    monkeypatch.setattr(handler, "emit", emit)
    return written


def called(event: dict[str, Any]) -> None:
    @logged("run_id", "lane")
    def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        log("jobs polled", polled=3)
        warn("lost submission", chunk=7)
        return event

    assert handler(event, INVOCATION) == event


def test_a_line_says_where_it_comes_from(lines: list[str]) -> None:
    called({"run_id": "r-1", "lane": 2, "settle": [[1]]})
    first, second = map(json.loads, lines)

    assert (first["level"], first["message"], first["polled"]) == ("INFO", "jobs polled", 3)
    assert (second["level"], second["chunk"]) == ("WARNING", 7)
    for line in (first, second):
        assert line["location"].startswith("handler:")
        assert line["function_name"] == "PollJobs"
        assert line["function_request_id"] == "0a1b-2c3d"
        assert (line["run_id"], line["lane"], line["service"]) == ("r-1", 2, "jobferry")
        assert "settle" not in line
    assert first["location"] != second["location"]


def test_nothing_of_an_invocation_stays_for_the_next(lines: list[str]) -> None:
    called({"run_id": "r-1", "lane": 2})
    called({"run_id": "r-2"})
    last = json.loads(lines[-1])
    assert last["run_id"] == "r-2"
    assert "lane" not in last


def test_moments_are_as_lambda_reads_them(lines: list[str]) -> None:
    """RFC 3339; of another form Lambda would put its own moment in place of the line's."""
    called({"run_id": "r-1"})
    moment = datetime.fromisoformat(json.loads(lines[0])["timestamp"])
    assert moment.utcoffset() is not None
    assert moment.utcoffset().total_seconds() == 0.0  # type: ignore[union-attr]


def test_metrics_are_those_of_a_stack(capsys: pytest.CaptureFixture[str]) -> None:
    metrics_of("staging")(RunsClosed=1, RunSeconds=2.5)
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    (group,) = told["_aws"]["CloudWatchMetrics"]
    assert group["Namespace"] == "Jobferry"
    assert [sorted(names) for names in group["Dimensions"]] == [["service", "stack"]]
    assert (told["service"], told["stack"]) == ("jobferry", "staging")
    assert {m["Name"]: m["Unit"] for m in group["Metrics"]} == {
        "RunsClosed": "Count",
        "RunSeconds": "Seconds",
    }
