"""`jobferry plan`, and what it forecasts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from tests.unit.cli.shell import Shell
from virtual.vendor import UPDATE, UPSERT
from virtual.world import sample_csv

CsvFile = Callable[..., Path]


def test_tells_what_would_be_sent_and_sends_nothing(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("plan", csv_file(250), "--profile", "things", "--json")

    assert answer.code == 0
    document = answer.document
    assert document["rows"] == document["to_send"] == 250
    assert document["first_record"] == {"name": "thing 1", "ref": "r1"}
    assert document["bad_rows"] == []
    assert document["forecast"]["jobs"] == 3
    assert document["forecast"]["requests"] >= 4
    assert document["forecast"]["learned_from"] == 0
    assert document["forecast"]["seconds"] > document["forecast"]["bound"] > 0
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
    file = csv_file(sample_csv(60) + ",bad\nagain,r3\n")
    planned = shell("plan", file, "--profile", "things", "--json").document
    done = shell("run", file, "--profile", "things", "--wait", "--json").document

    assert planned["rows"] == done["rows"]
    assert planned["to_send"] == done["outcomes"]["succeeded"]
    assert planned["rejected"] == done["outcomes"]["rejected"]
    assert planned["skipped"] == done["outcomes"]["skipped"]
    assert planned["forecast"]["jobs"] == done["jobs"]["planned"]
    assert done["forecast"] == planned["forecast"]
    assert done["figures"]["requests"] == sum(done["requests"].values())
    assert done["figures"]["forecast"] == done["forecast"]


def test_an_earlier_run_tells_how_long_it_takes(shell: Shell, csv_file: CsvFile) -> None:
    run = shell.world.processed(sample_csv(300))
    assert run.closed_at is not None
    answer = shell("plan", csv_file(300), "--profile", "things", "--json")

    forecast = answer.document["forecast"]
    assert forecast["learned_from"] == 3
    assert forecast["seconds"] == pytest.approx(run.closed_at - run.started_at, rel=0.3)


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


@pytest.mark.parametrize(("wanted", "shown"), [(True, "jobferry:<run>:1"), (False, None)])
def test_the_first_record_shows_the_external_id_that_it_would_get(
    shell: Shell, csv_file: CsvFile, wanted: bool, shown: str | None
) -> None:
    shell.world.store.config.put_connection(
        Connection("desk", "zendesk_support", "https://acme.zendesk.com")
    )
    columns = {"Name": "subject", "Ref": "comment.body"}
    profile = {"connection": "desk", "operation": "tickets.create", "columns": columns}
    shell.world.put_profile({**profile, "add_external_id": wanted})

    document = shell("plan", csv_file(3), "--profile", "things", "--json").document

    assert document["first_record"].get("external_id") == shown


def test_rows_that_change_the_same_record_are_warned_of(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"operation": UPSERT})
    file = csv_file("Name,Ref\na,r1\nb,r2\nc,r1\nd,r3\ne,r1\n,r3\n")
    (warning,) = shell("plan", file, "--profile", "things", "--json").document["warnings"]
    assert warning.startswith("3 rows change a record that another row changes")
    shell.world.put_profile({"operation": UPSERT, "order": "file"})
    assert shell("plan", file, "--profile", "things", "--json").document["warnings"] == []


def test_rows_with_the_key_of_another_are_warned_of(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    file = csv_file("Name,Ref\na,r1\nb, r1\na,r1\n")
    document = shell("plan", file, "--profile", "things", "--json").document
    (warning,) = document["warnings"]
    assert warning.startswith("1 row with the row_key of another row")
    assert [bad["error_code"] for bad in document["bad_rows"]] == [
        "conflicting_row_key",
        "duplicate_row_key",
    ]


@pytest.mark.parametrize(
    ("changes", "rows", "at_stake"),
    [
        ({}, 20_000, 6_000),
        ({}, 5_000, 5_000),
        ({"breaker": {"at_least": 3_001}}, 20_000, 9_000),
        ({"breaker": "off"}, 20_000, 20_000),
        ({"ramp": "on"}, 20_000, 100),
        ({"ramp": "on", "batch_size": 1}, 1_000, 4),
        ({"ramp": "on", "breaker": "off"}, 2_000, 2_000),
        ({"batch_size": 10}, 2_000, 600),
        ({"order": "file"}, 2_000, 200),
        ({"order": "file", "ramp": "on"}, 2_000, 100),
    ],
)
def test_it_says_how_many_rows_are_at_stake(
    shell: Shell, csv_file: CsvFile, changes: dict[str, object], rows: int, at_stake: int
) -> None:
    shell.world.put_profile(changes)
    file = csv_file(rows)

    assert shell("plan", file, "--profile", "things", "--json").document["at_stake"] == at_stake
    shown = f"about {at_stake:,} rows" if at_stake < rows else "all of them"
    assert f"At stake  {shown}: " in shell("plan", file, "--profile", "things").stdout


@pytest.mark.parametrize("changes", [{}, {"ramp": "on"}, {"batch_size": 10}, {"order": "file"}])
def test_no_more_rows_are_sent_when_every_one_fails(
    shell: Shell, csv_file: CsvFile, changes: dict[str, object]
) -> None:
    shell.world.put_profile(changes)
    planned = shell("plan", csv_file(8_000), "--profile", "things", "--json").document
    shell.world.account.result_of = lambda _record: RecordResult(OutcomeStatus.FAILED, code="Bad")
    run = shell.world.processed(sample_csv(8_000))

    assert run.pause is not None
    assert run.outcomes[OutcomeStatus.FAILED] <= planned["at_stake"]


def test_a_file_of_which_nothing_is_sent_has_nothing_at_stake(
    shell: Shell, csv_file: CsvFile
) -> None:
    answer = shell("plan", csv_file("Name,Ref\n"), "--profile", "things")

    assert "At stake" not in answer.stdout


def test_the_forecast_knows_that_jobs_go_one_after_the_other(
    shell: Shell, csv_file: CsvFile
) -> None:
    file = csv_file(3_000)
    side_by_side = shell("plan", file, "--profile", "things", "--json").document["forecast"]
    shell.world.put_profile({"order": "file"})
    in_order = shell("plan", file, "--profile", "things", "--json").document["forecast"]
    done = shell.world.processed(sample_csv(3_000))

    assert in_order["bound"] > 20 * side_by_side["bound"]
    assert done.forecast == in_order


def test_a_snapshot_is_forecast_with_its_requests_and_its_cost(
    shell: Shell, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(500)
    shell.world.put_profile({"operation": UPDATE})
    without = shell("plan", file, "--profile", "things", "--json").document
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    kept = shell("plan", file, "--profile", "things", "--json").document
    assert "snapshot: true" in without["undo"]["text"]
    assert (without["undo"]["by"], without["undo"]["snapshot"]) == (None, False)
    assert "puts them back" in kept["undo"]["text"]
    assert (kept["undo"]["by"], kept["undo"]["snapshot"]) == (UPDATE, True)
    assert kept["forecast"]["jobs"] == without["forecast"]["jobs"] == 5
    assert kept["forecast"]["requests"] == without["forecast"]["requests"] + 5
    assert kept["forecast"]["cost"] > without["forecast"]["cost"]


def test_the_forecast_of_a_run_with_a_snapshot_is_that_of_its_plan(
    shell: Shell, csv_file: Callable[..., Path]
) -> None:
    shell.world.put_profile({"operation": UPDATE, "snapshot": True})
    file = csv_file(500)
    planned = shell("plan", file, "--profile", "things", "--json").document
    done = shell("run", file, "--profile", "things", "--wait", "--json").document
    assert done["forecast"]["requests"] == planned["forecast"]["requests"]
    assert done["figures"]["bound_requests"] >= 2 * 5 + 1
    assert done["requests"]["other"] == 5
