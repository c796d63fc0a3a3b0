"""`jobferry retry` and `jobferry rerun`: what goes again, what stays behind, and never twice."""

from __future__ import annotations

import gzip
from collections.abc import Collection

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import RunStatus
from jobferry.domain.types import JsonObject
from tests.unit.cli.shell import Answer, Shell
from tests.unit.cli.test_runs import fail_all
from virtual.vendor import UPSERT
from virtual.world import INBOX, sample_csv


def failing(shell: Shell, failed: Collection[str], unknown: Collection[str] = ()) -> None:
    """From now on these things fail, or nobody knows."""

    def result_of(record: JsonObject) -> RecordResult | None:
        if record["ref"] in unknown:
            return None
        if record["ref"] in failed:
            return RecordResult(OutcomeStatus.FAILED, code="Invalid", text="Name: is wrong")
        return RecordResult(OutcomeStatus.SUCCEEDED)

    shell.world.account.result_of = result_of


def received_by(shell: Shell, before: int) -> list[str]:
    """Keys of the records that the vendor was sent after so many submissions."""
    return [key for sent in shell.world.account.submissions[before:] for key in sent.keys]


def file_of(shell: Shell, answer: Answer) -> str:
    source = shell.world.run(answer.document["run_id"]).source
    return shell.world.objects.stream(source).read().decode()


def test_retry_sends_the_failed_rows_and_no_others(shell: Shell) -> None:
    failing(shell, {"r2", "r5"}, {"r3"})
    origin = shell.world.processed(sample_csv(6) + ",nameless\n")
    sent = len(shell.world.account.submissions)
    failing(shell, ())
    answer = shell("retry", origin.run_id, "--json")

    assert answer.code == 0
    assert answer.document == {
        "run_id": answer.document["run_id"],
        "origin": origin.run_id,
        "left_out": 0,
    }
    shell.states.go_on()
    run = shell.world.run(answer.document["run_id"])
    assert (run.origin, run.priority, run.rows) == (origin.run_id, "medium", 2)
    assert received_by(shell, sent) == ["r2", "r5"]
    assert file_of(shell, answer) == "Name,Ref\nthing 2,r2\nthing 5,r5\n"
    assert shell.world.problems(run.run_id) == []
    assert shell("status", run.run_id, "--json").document["origin"] == origin.run_id
    assert f"Origin    {origin.run_id}" in shell("status", run.run_id).stdout


@pytest.mark.parametrize(
    ("words", "refs"),
    [
        (["--unknown", "--yes"], ["r2", "r3"]),
        (["--unknown", "--rejected", "--yes"], ["r2", "r3", "r5"]),
        (["--rejected"], ["r2", "r5"]),
    ],
)
def test_retry_takes_more_when_asked(shell: Shell, words: list[str], refs: list[str]) -> None:
    failing(shell, {"r2"}, {"r3"})
    origin = shell.world.processed(sample_csv(4) + ",r5\n")
    shell.world.put_profile(
        {
            "columns": {"Name": {"field": "title", "optional": True}, "Ref": "ref"},
            "constants": {"name": "thing"},
        }
    )
    sent = len(shell.world.account.submissions)
    answer = shell("retry", origin.run_id, *words, "--json")
    failing(shell, ())
    shell.states.go_on()

    assert answer.code == 0
    assert answer.document["origin"] == origin.run_id
    assert received_by(shell, sent) == refs


def test_retry_without_failed_rows_says_so(shell: Shell) -> None:
    origin = shell.world.processed(sample_csv(3))
    answer = shell("retry", origin.run_id, "--json")

    assert (answer.code, answer.error["code"]) == (1, "input")
    assert "has no failed rows; there is nothing to retry" in answer.stderr
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry status {origin.run_id}"


def test_retry_twice_is_one_run(shell: Shell) -> None:
    failing(shell, {"r2"})
    origin = shell.world.processed(sample_csv(3))
    sent = len(shell.world.account.submissions)
    first = shell("retry", origin.run_id, "--wait", "--json")
    second = shell("retry", origin.run_id, "--wait", "--json")

    assert first.document["run_id"] == second.document["run_id"]
    assert received_by(shell, sent) == ["r2"]
    assert "--again" in second.stderr
    again = shell("retry", origin.run_id, "--again", "--wait", "--json")
    assert again.document["run_id"] != first.document["run_id"]
    assert received_by(shell, sent) == ["r2", "r2"]


def test_other_rows_of_a_run_that_was_retried_are_no_surprise(shell: Shell) -> None:
    failing(shell, {"r2"}, {"r3"})
    origin = shell.world.processed(sample_csv(3))
    retried = shell("retry", origin.run_id, "--wait", "--json").document["run_id"]
    answer = shell("rerun", origin.run_id)

    assert answer.code == 1
    assert f"sent again before, by the run {retried}" in answer.stderr
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry rerun {retried}"
    assert shell("retry", origin.run_id, "--unknown", "--yes").code == 1
    assert shell("retry", origin.run_id, "--unknown", "--yes", "--again").code == 0


def test_rows_that_cannot_be_read_stay_behind(shell: Shell) -> None:
    failing(shell, {"r1"})
    origin = shell.world.processed('Name,Ref\nthing 1,r1\n"open,r2\nthing 3,r3\n')
    answer = shell("retry", origin.run_id, "--rejected", "--json")

    shell.states.go_on()
    assert file_of(shell, answer) == "Name,Ref\nthing 1,r1\n"


def test_nothing_but_rows_that_cannot_be_read(shell: Shell) -> None:
    origin = shell.world.processed('Name,Ref\nthing 1,r1\n"open,r2\nthing 3,r3\n')
    answer = shell("retry", origin.run_id, "--rejected", "--json")

    assert answer.code == 1
    assert f"No row of run {origin.run_id} can be retried." in answer.stderr
    assert not shell.world.objects.keys("inbox/things/retry/", INBOX)


def test_rerun_of_a_create_leaves_out_what_was_done_or_may_have_been(shell: Shell) -> None:
    shell.world.put_profile({"row_key": "Ref"})
    failing(shell, {"r2"}, {"r3"})
    origin = shell.world.processed(sample_csv(4) + "again,r1\n")
    sent = len(shell.world.account.submissions)
    failing(shell, ())
    answer = shell("rerun", origin.run_id, "--json")

    assert answer.code == 0
    assert answer.document["left_out"] == 4
    assert "2 that succeeded, 1 that may have been applied and 1 that repeat" in answer.stderr
    assert "things.create would do them twice" in answer.stderr
    shell.states.go_on()
    assert received_by(shell, sent) == ["r2"]


def test_rerun_sends_succeeded_rows_when_asked(shell: Shell) -> None:
    failing(shell, {"r2"})
    origin = shell.world.processed(sample_csv(4))
    sent = len(shell.world.account.submissions)
    answer = shell("rerun", origin.run_id, "--repeat-succeeded", "--wait", "--json")

    assert answer.document["origin"] == origin.run_id
    assert answer.document["rows"] == 4
    assert sorted(received_by(shell, sent)) == ["r1", "r2", "r3", "r4"]


def test_rerun_of_a_repeatable_operation_is_the_whole_file_each_time(shell: Shell) -> None:
    shell.world.put_profile({"operation": UPSERT})
    origin = shell.world.processed(sample_csv(3))
    ids = {shell("rerun", origin.run_id, "--json").document["run_id"] for _ in range(2)}
    shell.states.go_on()

    assert len(ids) == 2
    assert {shell.world.run(run_id).rows for run_id in ids} == {3}
    assert {shell.world.run(run_id).origin for run_id in ids} == {origin.run_id}


@pytest.mark.parametrize(
    "columns", [None, {"name": "name", "ref": "ref", "note.text": "note.text"}]
)
def test_what_adds_something_each_time_is_left_out_where_it_succeeded(
    shell: Shell, columns: JsonObject | None
) -> None:
    shell.world.put_profile({"operation": UPSERT, "columns": columns, "row_key": None})
    failing(shell, {"r2"})
    origin = shell.world.processed("name,ref,note.text\na,r1,Hello\nb,r2,Hello\n")
    sent = len(shell.world.account.submissions)

    shell("rerun", origin.run_id, "--wait")

    assert received_by(shell, sent) == ["r2"]


def test_rerun_reads_the_version_that_was_carried(shell: Shell) -> None:
    shell.world.put_profile({"operation": UPSERT})
    origin = shell.world.processed(sample_csv(3))
    shell.world.drop(sample_csv(9))
    answer = shell("rerun", origin.run_id, "--wait", "--json")

    assert answer.document["rows"] == 3


def test_a_run_of_nothing_done_goes_again_once(shell: Shell) -> None:
    origin = shell.world.processed("Title,Ref\nx,1\n")
    shell.world.put_profile({"columns": {"Title": "name", "Ref": "ref"}})
    answers = [shell("rerun", origin.run_id, "--wait", "--json") for _ in range(2)]

    assert answers[0].document["outcomes"]["succeeded"] == 1
    assert answers[0].document["run_id"] == answers[1].document["run_id"]


@pytest.mark.parametrize("command", ["retry", "rerun", "delete"])
def test_an_open_run_is_left_alone(shell: Shell, command: str) -> None:
    run = shell.world.planned(sample_csv(3))
    answer = shell(command, run.run_id)

    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == f"Next:  jobferry watch {run.run_id}"


def test_the_priority_of_the_old_run_stays_unless_another_is_said(shell: Shell) -> None:
    failing(shell, {"r1"})
    request = shell.world.drop(sample_csv(1), options={"jobferry-priority": "high"})
    origin = shell.world.execute(request)

    assert shell("retry", origin.run_id, "--wait", "--json").document["priority"] == "high"
    answer = shell("retry", origin.run_id, "--again", "--priority", "low", "--wait", "--json")
    assert answer.document["priority"] == "low"


def test_a_profile_that_the_rows_no_longer_fit(shell: Shell) -> None:
    failing(shell, {"r1"})
    origin = shell.world.processed(sample_csv(1))
    shell.world.put_profile({"columns": {"Title": "name"}})
    answer = shell("retry", origin.run_id)

    assert answer.code == 1
    assert "does not fit the profile things as it is now" in answer.stderr
    assert answer.stderr.splitlines()[-1] == "Next:  jobferry profile show things"


def test_a_file_that_is_no_longer_kept(shell: Shell) -> None:
    failing(shell, {"r1"})
    origin = shell.world.processed(sample_csv(2))
    shell.world.objects.lose(origin.source)

    for command in ("retry", "rerun"):
        answer = shell(command, origin.run_id)
        assert answer.code == 1
        assert "no longer kept" in answer.stderr


def test_two_retries_at_once_are_one_run(shell: Shell) -> None:
    """The other lists the uploads a moment before this one's file arrives."""
    failing(shell, {"r2"})
    origin = shell.world.processed(sample_csv(3))
    sent = len(shell.world.account.submissions)
    other: list[str] = []

    def somebody_else() -> None:
        if not other:
            other.append("")
            other[0] = shell("retry", origin.run_id, "--json").document["run_id"]

    shell.s3.before_write = somebody_else
    answer = shell("retry", origin.run_id, "--json")
    shell.states.go_on()

    assert answer.document["run_id"] == other[0]
    assert "being sent again already" in answer.stderr
    assert received_by(shell, sent) == ["r2"]
    shell.s3.before_write = lambda: None
    again = shell("retry", origin.run_id, "--again", "--json")
    assert again.document["run_id"] != other[0]


def test_unknown_rows_are_looked_up_first(shell: Shell) -> None:
    failing(shell, set(), {"r3"})
    origin = shell.world.processed(sample_csv(4))
    failing(shell, ())
    sent = len(shell.world.account.submissions)

    answer = shell("retry", origin.run_id, "--unknown", "--json")

    assert answer.code == 1
    assert "there is nothing to retry" in answer.error["text"]
    assert shell.world.run(origin.run_id).outcomes["unknown"] == 0
    assert received_by(shell, sent) == []


def test_what_may_have_been_done_is_not_repeated_without_a_yes(shell: Shell) -> None:
    failing(shell, {"r2"}, {"r3"})
    origin = shell.world.processed(sample_csv(4))
    sent = len(shell.world.account.submissions)

    answer = shell("retry", origin.run_id, "--unknown", "--json")

    assert (answer.code, answer.error["code"]) == (1, "would_repeat")
    assert "1 row of run" in answer.error["text"]
    assert answer.error["next"] == f"jobferry retry {origin.run_id} --unknown --yes"
    shell.states.go_on()
    assert received_by(shell, sent) == []


def test_what_can_be_repeated_needs_no_yes(shell: Shell) -> None:
    shell.world.put_profile({"operation": UPSERT})
    failing(shell, {"r2"}, {"r3"})
    origin = shell.world.processed(sample_csv(4))
    sent = len(shell.world.account.submissions)
    assert shell("retry", origin.run_id, "--unknown", "--json").code == 0
    failing(shell, ())
    shell.states.go_on()
    assert sorted(set(received_by(shell, sent))) == ["r2", "r3"]


def test_a_packed_file_goes_again_packed_and_its_rows_unpacked(shell: Shell) -> None:
    shell.world.put_profile({"operation": UPSERT})
    failing(shell, {"r2"})
    packed = gzip.compress(sample_csv(3).encode())
    origin = shell.world.processed(packed, name="file.csv.gz")
    failing(shell, ())
    retried = shell("retry", origin.run_id, "--json")
    whole = shell("rerun", origin.run_id, "--again", "--json")
    shell.states.go_on()

    assert file_of(shell, retried) == "Name,Ref\nthing 2,r2\n"
    run = shell.world.run(whole.document["run_id"])
    assert (run.status, run.rows) == (RunStatus.COMPLETED, 3)
    assert run.source.key == f"inbox/things/rerun/{origin.run_id}-all.csv.gz"
    assert shell.world.objects.stream(run.source).read() == packed


def test_asked_twice_the_answer_has_the_same_keys(shell: Shell) -> None:
    shell.world.account.result_of = fail_all
    run = shell.world.processed(sample_csv(2))
    first = shell("retry", run.run_id, "--json").document
    second = shell("retry", run.run_id, "--json").document
    assert first.keys() == second.keys()
    assert first["run_id"] == second["run_id"]
    assert (first["left_out"], second["left_out"]) == (0, None)
