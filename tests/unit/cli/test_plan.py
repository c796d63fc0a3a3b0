"""`jobferry plan`, and what it forecasts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry_cli.forecast import Experience, forecast
from tests.fakes.world import things
from tests.unit.cli.shell import Shell

CsvFile = Callable[..., Path]


def test_tells_what_would_be_sent_and_sends_nothing(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("plan", csv_file(250), "--profile", "things", "--json")

    assert answer.code == 0
    document = answer.document
    assert document["rows"] == document["to_send"] == 250
    assert document["first_record"] == {"name": "thing 1", "ref": "r1"}
    assert document["bad_rows"] == []
    assert document["forecast"]["jobs"] == 3
    assert document["forecast"]["requests"] == 4
    assert document["forecast"]["seconds"] is None
    assert document["forecast"]["cost"] > 0
    assert shell.world.account.submissions == []
    assert shell.states.names == set()


def test_every_bad_row_has_its_reason(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    file = csv_file("Name,Ref\nthing,r1\n,r2\nthing,r1\nthing,r4\n")
    answer = shell("plan", file, "--profile", "things", "--json")

    assert answer.code == 0
    document = answer.document
    assert (document["to_send"], document["rejected"], document["skipped"]) == (2, 1, 1)
    assert [(bad["row"], bad["status"], bad["error_code"]) for bad in document["bad_rows"]] == [
        (2, "rejected", "missing_value"),
        (3, "skipped", "duplicate_row_key"),
    ]
    people = shell("plan", file, "--profile", "things").stdout
    assert "Sends     2 of 4 rows" in people
    assert "Name: " in people


def test_the_plan_is_what_the_run_does(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref", "batch_size": 7})
    file = csv_file(things(60) + ",bad\nagain,r3\n")
    planned = shell("plan", file, "--profile", "things", "--json").document
    done = shell("run", file, "--profile", "things", "--wait", "--json").document

    assert planned["rows"] == done["rows"]
    assert planned["to_send"] == done["outcomes"]["succeeded"]
    assert planned["rejected"] == done["outcomes"]["rejected"]
    assert planned["skipped"] == done["outcomes"]["skipped"]
    assert planned["forecast"]["jobs"] == done["jobs"]["planned"]
    assert planned["forecast"]["requests"] <= sum(done["requests"].values())


def test_an_earlier_run_tells_how_long_it_takes(shell: Shell, csv_file: CsvFile) -> None:
    run = shell.world.carried(things(300))
    assert run.closed_at is not None
    answer = shell("plan", csv_file(300), "--profile", "things", "--json")

    assert answer.document["forecast"]["seconds"] == pytest.approx(run.closed_at - run.started_at)


def test_a_file_that_cannot_be_used(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("plan", csv_file(""), "--profile", "things")

    assert answer.code == 1
    assert "The file is empty" in answer.stderr


def test_a_file_that_breaks_further_down(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(20_000)
    file.write_bytes(file.read_bytes() + b"\xff\xfe\xff,x\n")

    assert shell("plan", file, "--profile", "things").code == 1


def test_a_header_alone_sends_nothing(shell: Shell, csv_file: CsvFile) -> None:
    document = shell("plan", csv_file("Name,Ref\n"), "--profile", "things", "--json").document

    assert document["rows"] == 0
    assert document["first_record"] is None
    assert document["forecast"]["requests"] == 0


counts = st.integers(1, 10_000)


@given(jobs=st.integers(0, 100_000), max_jobs=st.integers(1, 50), poll_batch=st.integers(1, 100))
def test_requests_are_the_lower_bound(jobs: int, max_jobs: int, poll_batch: int) -> None:
    found = forecast(
        rows=jobs * 100, jobs=jobs, max_jobs=max_jobs, poll_batch=poll_batch, experience=None
    )

    polls = found.requests - jobs
    assert polls * min(max_jobs, poll_batch) >= jobs
    assert (polls - 1) * min(max_jobs, poll_batch) < jobs
    assert found.cost > 0


@given(jobs=counts, earlier=counts, max_jobs=st.integers(1, 50), seconds=st.floats(0.1, 1e5))
def test_time_grows_with_the_rounds_of_jobs(
    jobs: int, earlier: int, max_jobs: int, seconds: float
) -> None:
    def expected(number: int) -> float:
        found = forecast(
            rows=1,
            jobs=number,
            max_jobs=max_jobs,
            poll_batch=1,
            experience=Experience(seconds, earlier),
        )
        assert found.seconds is not None
        return found.seconds

    assert expected(earlier) == pytest.approx(seconds)
    assert expected(jobs + max_jobs) > expected(jobs)
