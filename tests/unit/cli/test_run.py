"""`jobferry run`: upload once, start once, follow to the end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from jobferry.store.objects import ObjectMissingError
from jobferry_cli import resources
from tests.unit.cli.shell import Shell
from virtual.vendor import Behaviour
from virtual.world import INBOX, sample_csv

CsvFile = Callable[..., Path]


def test_prints_the_run_id_and_starts_that_run(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("run", csv_file(3), "--profile", "things", "--json")

    assert answer.code == 0
    run_id = answer.document["run_id"]
    shell.states.go_on()
    assert shell.world.run(run_id).rows == 3
    assert shell.world.problems(run_id) == []


def test_people_get_the_id_alone_on_stdout(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("run", csv_file(), "--profile", "things")

    run_id = answer.stdout.strip()
    assert f"jobferry watch {run_id}" in answer.stderr
    assert run_id in shell.states.names


def test_wait_prints_the_status_document_and_nothing_else(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("run", csv_file(250), "--profile", "things", "--wait", "--json")

    assert answer.code == 0
    document = answer.document
    assert document["status"] == "completed"
    assert document["outcomes"]["succeeded"] == document["rows"] == 250
    assert document["jobs"] == {"planned": 3, "submitted": 3, "finished": 3}
    assert set(document) >= {"priority", "requests", "started_at", "closed_at", "seconds", "source"}


def test_the_event_of_the_upload_makes_no_second_run(shell: Shell, csv_file: CsvFile) -> None:
    run_id = shell("run", csv_file(3), "--profile", "things", "--json").document["run_id"]
    request = shell.states.waiting[0]

    run = shell.world.execute(request)  # EventBridge was faster
    shell.states.go_on()

    assert run.run_id == run_id
    assert set(shell.world.account.times_applied.values()) == {1}


@pytest.mark.parametrize(
    ("fate", "code", "status"),
    [
        (RecordResult(OutcomeStatus.FAILED, code="no", text="No."), 3, "completed_with_failures"),
        (RecordResult(OutcomeStatus.UNKNOWN, code="hm", text="Hm."), 4, "unresolved"),
    ],
)
def test_the_exit_code_says_what_became_of_the_rows(
    shell: Shell, csv_file: CsvFile, fate: RecordResult, code: int, status: str
) -> None:
    def result_of(record: JsonObject) -> RecordResult:
        return fate if record["ref"] == "r2" else RecordResult(OutcomeStatus.SUCCEEDED)

    shell.world.account.result_of = result_of
    answer = shell("run", csv_file(3), "--profile", "things", "--wait", "--json")

    assert answer.code == code
    assert answer.document["status"] == status
    wanted = "failed" if code == 3 else "unknown"
    run_id = answer.document["run_id"]
    assert f"jobferry rows {run_id} --status {wanted}" in answer.stderr


def test_rejected_rows_are_exit_code_3(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file("Name,Ref\nthing,r1\n,r2\n")
    answer = shell("run", file, "--profile", "things", "--wait", "--json")

    assert answer.code == 3
    assert answer.document["outcomes"]["rejected"] == 1


def test_skipped_rows_are_no_failure(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    file = csv_file("Name,Ref\nthing,r1\nthing,r1\n")
    answer = shell("run", file, "--profile", "things", "--wait", "--json")

    assert answer.code == 0
    assert answer.document["outcomes"] == {
        "succeeded": 1,
        "failed": 0,
        "rejected": 0,
        "skipped": 1,
        "unknown": 0,
    }


def test_a_run_that_the_account_refuses_is_exit_code_3(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.account.will_reply(*[Behaviour.REFUSE_PROFILE] * 20)
    answer = shell("run", csv_file(3), "--profile", "things", "--wait", "--json")

    assert answer.code == 3
    assert "jobferry connection test acme" in answer.stderr


def test_a_file_that_fails_further_down_is_exit_code_1(shell: Shell, csv_file: CsvFile) -> None:
    file = csv_file(20_000)
    file.write_bytes(file.read_bytes() + b"\xff\xfe\xff,x\n")
    answer = shell("run", file, "--profile", "things", "--wait", "--json")

    assert answer.code == 1
    assert answer.document["status"] == "failed"
    assert answer.document["error"]


def test_a_file_that_cannot_be_used_is_not_uploaded(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("run", csv_file("Title,Ref\nthing,r1\n"), "--profile", "things")

    assert answer.code == 1
    assert '"Name"' in answer.stderr
    assert answer.stdout == ""
    with pytest.raises(ObjectMissingError):
        shell.world.objects.head(INBOX, "inbox/things/file.csv", None)


def test_an_unknown_profile_is_refused_before_the_upload(shell: Shell, csv_file: CsvFile) -> None:
    answer = shell("run", csv_file(), "--profile", "nothing")

    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == "Next:  jobferry profile list"


def test_a_missing_file_is_a_usage_error(shell: Shell, tmp_path: Path) -> None:
    assert shell("run", tmp_path / "none.csv", "--profile", "things").code == 1


def test_priority_travels_with_the_file(shell: Shell, csv_file: CsvFile) -> None:
    words = ("run", csv_file(), "--profile", "things", "--priority", "high", "--wait", "--json")

    assert shell(*words).document["priority"] == "high"
    assert shell(*words[:5], "urgent").code == 1


def test_a_run_that_never_begins_is_given_up_after_a_minute(
    shell: Shell, csv_file: CsvFile
) -> None:
    shell.while_sleeping = lambda: None
    answer = shell("run", csv_file(), "--profile", "things", "--wait")

    assert answer.code == 2
    assert "has not begun within 60 seconds" in answer.stderr
    assert 60 <= shell.time < 65


def test_ctrl_c_says_that_the_run_goes_on(shell: Shell, csv_file: CsvFile) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    shell.while_sleeping = interrupt
    answer = shell("run", csv_file(), "--profile", "things", "--wait")

    (run_id,) = shell.states.names
    assert answer.code == 130
    assert f"the run {run_id} goes on" in answer.stderr
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry watch {run_id}"


def test_a_large_file_goes_up_in_parts(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "PART_BYTES", 100)
    file = csv_file(50)
    words = ("run", file, "--profile", "things", "--priority", "low", "--wait", "--json")
    answer = shell(*words)

    source = answer.document["source"]
    head = shell.world.objects.head(source["bucket"], source["key"], source["version_id"])
    assert shell.world.objects.read_range(head.source, 0, 10_000) == sample_csv(50).encode()
    assert answer.document["priority"] == "low"
    assert len(shell.s3.parts) > 1
    assert shell.s3.open_uploads == 0


def test_parts_of_a_failed_upload_are_dropped(
    shell: Shell, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "PART_BYTES", 100)
    shell.s3.fail_at_part = 2
    answer = shell("run", csv_file(50), "--profile", "things")

    assert answer.code == 2
    assert "SlowDown" in answer.stderr
    assert shell.s3.open_uploads == 0
    assert shell.states.names == set()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.csv", "a.csv"),
        ("A.CSV", "A.csv"),
        ("export", "export.csv"),
        ("export.txt", "export.txt.csv"),
        ("export.XLSX", "export.XLSX.csv"),
    ],
)
def test_the_key_ends_as_the_upload_rule_asks(
    shell: Shell, csv_file: CsvFile, name: str, key: str
) -> None:
    answer = shell("run", csv_file(1, name), "--profile", "things", "--wait", "--json")

    assert answer.document["source"]["key"] == f"inbox/things/{key}"


@pytest.mark.parametrize(
    ("name", "key", "content_type"),
    [
        ("a.csv.gz", "a.csv.gz", "application/gzip"),
        ("A.CSV.GZ", "A.csv.gz", "application/gzip"),
        ("a.tsv", "a.tsv", "text/tab-separated-values"),
        ("a.Tsv.gz", "a.tsv.gz", "application/gzip"),
    ],
)
def test_packed_files_and_tsv_are_uploaded_as_they_are(
    shell: Shell, tmp_path: Path, name: str, key: str, content_type: str
) -> None:
    text = sample_csv(30) if ".csv" in name.lower() else sample_csv(30).replace(",", "\t")
    body = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(body) if name.lower().endswith("gz") else body)
    planned = shell("plan", tmp_path / name, "--profile", "things", "--json").document
    done = shell("run", tmp_path / name, "--profile", "things", "--wait", "--json").document

    assert planned["to_send"] == done["outcomes"]["succeeded"] == 30
    assert planned["first_record"] == {"name": "thing 1", "ref": "r1"}
    assert done["source"]["key"] == f"inbox/things/{key}"
    objects = shell.world.objects
    assert objects.bytes_of(INBOX, done["source"]["key"]) == (tmp_path / name).read_bytes()
    assert shell.s3.content_type == content_type


UNUSABLE = {
    "cut off": (gzip.compress(b"Name,Ref\n" * 9)[:-5], "cut.csv.gz", "cannot be unpacked"),
    "not packed": (b"Name,Ref\n", "plain.csv.gz", "not packed with gzip"),
    "another name": (gzip.compress(b"Name,Ref\n"), "a.gz", "compressed archive"),
    "too large": (b"Name,Ref\n" + b"thing,r\n" * 200, "large.csv", "MaxFileBytes"),
    "a workbook": (b"PK\x03\x04xl/" + bytes(40), "a.xlsx", "workbook"),
}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(("body", "name", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_carried_is_not_even_uploaded(
    shell: Shell, tmp_path: Path, command: str, body: bytes, name: str, reason: str
) -> None:
    shell.world.limit(max_file_bytes=1_000)
    (tmp_path / name).write_bytes(body)
    answer = shell(command, tmp_path / name, "--profile", "things")

    assert answer.code == 1
    assert reason in answer.stderr
    assert shell.world.objects.keys("", INBOX) == []


def test_a_file_with_too_many_rows_is_planned_as_refused(shell: Shell, csv_file: CsvFile) -> None:
    shell.world.limit(max_rows_per_file=5)
    answer = shell("plan", csv_file(6), "--profile", "things")

    assert answer.code == 1
    assert "MaxRowsPerFile" in answer.stderr
    assert shell("plan", csv_file(5), "--profile", "things").code == 0
