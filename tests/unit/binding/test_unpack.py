"""Unpack: a packed file is carried like a plain one, whatever happens while it is unpacked."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from unittest import mock

import pytest

from jobferry.binding import unpack as module
from jobferry.csvfile import gzipped
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.delete_run import delete_run
from jobferry.operator.rerun import copy_rows, rerun_of, retry_of
from jobferry.steps.open_run import open_run
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import INBOX, World, sample_csv

BODY = sample_csv(40).encode()
PACKED = gzip.compress(BODY)
PART = 100
PARTS = -(-len(BODY) // PART)


@pytest.fixture
def small_parts() -> Iterator[None]:
    """Parts of 100 bytes, so that a small file has several."""
    with (
        mock.patch.object(module, "PART_BYTES", PART),
        mock.patch.object(module, "PARTS_PER_SAVE", 3),
        mock.patch.object(gzipped, "BLOCK_BYTES", 30),
    ):
        yield


def opened(world: World, body: bytes = PACKED, name: str = "file.csv.gz") -> str:
    request = world.drop(body, name=name)
    run_id: str = open_run(request, "arn:execution:0", world.deps)["run_id"]
    return run_id


def unpacked_bytes(world: World, run: Run) -> bytes:
    assert run.unpacked is not None
    return world.objects.stream(run.unpacked).read()


@pytest.mark.parametrize("name", ["file.csv.gz", "2026/FILE.CSV.GZ"])
def test_a_packed_file_is_carried_like_a_plain_one(world: World, name: str) -> None:
    request = world.drop(PACKED, name=name)
    run = world.execute(request)
    assert (run.status, run.rows) == (RunStatus.COMPLETED, 40)
    assert (run.source.key, run.source.size) == (request.key, len(PACKED))
    assert unpacked_bytes(world, run) == BODY
    assert run.file == run.unpacked
    assert set(world.account.times_applied.values()) == {1}
    assert b"thing 40" in world.objects.get(f"results/{run.run_id}/succeeded.csv")
    assert world.problems(run.run_id) == []


def test_a_plain_file_is_read_where_it_lies(world: World) -> None:
    run = world.processed(BODY)
    assert run.unpacked is None
    assert run.file == run.source
    assert world.objects.keys("unpacked/") == []


@pytest.mark.parametrize("name", ["file.tsv", "FILE.TSV", "file.tsv.gz"])
def test_cells_of_a_tsv_end_at_tabs(world: World, name: str) -> None:
    text = "Name\tRef\na,b,c\tr1\n"
    body = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    run = world.processed(body, name=name)
    assert run.status is RunStatus.COMPLETED
    (submission,) = world.account.submissions
    assert submission.records == ({"name": "a,b,c", "ref": "r1"},)


def test_the_profile_knows_better_what_ends_a_cell(world: World) -> None:
    world.put_profile({"delimiter": ";"})
    assert world.processed("Name;Ref\na\tb;r1\n", name="file.tsv").status is RunStatus.COMPLETED


def test_the_last_of_repeats_counts_in_a_packed_file_too(world: World) -> None:
    world.put_profile({"row_key": "Ref", "on_duplicate": "last"})
    run = world.processed(gzip.compress(b"Name,Ref\nold,r1\nnew,r1\n"), name="file.csv.gz")
    assert run.status is RunStatus.COMPLETED
    (submission,) = world.account.submissions
    assert submission.records == ({"name": "new", "ref": "r1"},)
    assert world.problems(run.run_id) == []


REFUSED = {
    "cut off": (PACKED[:-9], "its end is missing"),
    "damaged": (PACKED[:-6] + b"xx" + PACKED[-4:], "do not fit its checksums"),
    "not packed": (BODY, "not packed with gzip"),
    "nothing in it": (gzip.compress(b""), "there is nothing in it"),
    "no bytes": (b"", "not a single byte"),
    "a workbook in it": (gzip.compress(b"PK\x03\x04" + bytes(40)), "not a CSV"),
    "packed twice": (gzip.compress(PACKED), "not a CSV"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("small_parts")
def test_what_cannot_be_unpacked_is_a_failed_run_that_says_why(
    world: World, body: bytes, reason: str
) -> None:
    run = world.processed(body, name="file.csv.gz")
    assert run.status is RunStatus.FAILED
    assert reason in (run.error or "")
    assert world.account.submissions == []
    assert world.problems(run.run_id) == []


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_unpacks_to_too_much_is_refused(world: World) -> None:
    world.limit(max_file_bytes=len(BODY) - 1)
    run = world.processed(PACKED, name="file.csv.gz")
    assert run.status is RunStatus.FAILED
    assert "MaxFileBytes" in (run.error or "")
    assert world.problems(run.run_id) == []
    world.limit(max_file_bytes=len(BODY))
    assert world.processed(PACKED, name="file.csv.gz").status is RunStatus.COMPLETED


@pytest.mark.usefixtures("small_parts")
def test_what_has_no_end_in_time_is_gone_on_with_and_uploaded_once(world: World) -> None:
    run_id = opened(world)
    uploads: Counter[str] = Counter()
    world.effects.on_effect = lambda kind, phase: uploads.update(
        [kind] if phase is Phase.AFTER else []
    )
    world.seconds["plan"] = -1.0
    steps = 0
    while world.run(run_id).unpacked is None:
        assert world.plan(run_id) == {"run_id": run_id, "state": "planning"}
        steps += 1
    assert PARTS > 5
    assert steps >= PARTS
    assert uploads["objects.begin_upload"] == uploads["objects.end_upload"] == 1
    assert uploads["objects.put_part"] == PARTS
    assert unpacked_bytes(world, world.run(run_id)) == BODY


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("phase", [Phase.BEFORE, Phase.AFTER])
@pytest.mark.parametrize("crash", range(1, PARTS + 14))
def test_a_crash_while_unpacking_changes_nothing(crash: int, phase: Phase) -> None:
    with World(max_records=2, max_jobs=3) as world:
        run_id = opened(world)
        world.effects.on_effect = CrashOnce(crash, phase)
        state = "planning"
        while state == "planning":
            try:
                state = world.plan(run_id)["state"]
            except Crash:
                continue
        assert state == "small"
        run = world.run(run_id)
        assert run.plan.row == 40
        assert unpacked_bytes(world, run) == BODY
        # What began an upload may have died before it could note that.
        assert world.objects.open_uploads <= 1


@pytest.mark.usefixtures("small_parts")
def test_two_that_unpack_at_once_agree_on_one_file(world: World) -> None:
    run_id = opened(world)
    before = world.run(run_id)

    def unpacked_meanwhile(kind: str, phase: Phase) -> None:
        if kind == "objects.end_upload" and phase is Phase.BEFORE:
            world.effects.on_effect = lambda _kind, _phase: None
            assert world.plan(run_id)["state"] == "small"

    world.effects.on_effect = unpacked_meanwhile
    late = module.unpacked(before, world.deps, world.clock.now() + 600)
    assert late is not None
    assert late.unpacked == world.run(run_id).unpacked
    assert unpacked_bytes(world, late) == BODY


def test_a_file_with_more_rows_than_allowed_is_refused(world: World) -> None:
    world.limit(max_rows_per_file=39)
    for body, name in ((BODY, "file.csv"), (PACKED, "file.csv.gz")):
        run = world.processed(body, name=name)
        assert (run.status, run.rows) == (RunStatus.FAILED, 0)
        assert "more than the 39 rows" in (run.error or "")
        assert world.outcomes(run.run_id) == {}
        assert world.problems(run.run_id) == []
    assert world.account.submissions == []
    world.limit(max_rows_per_file=40)
    assert world.processed(BODY).status is RunStatus.COMPLETED


def test_bad_rows_count_among_the_rows_of_a_file(world: World) -> None:
    world.limit(max_rows_per_file=5)
    run = world.processed("Name,Ref\n" + ",r\n" * 6)
    assert run.status is RunStatus.FAILED
    assert world.outcomes(run.run_id) == {}
    assert world.processed("Name,Ref\n" + ",r\n" * 5).rows == 5


def test_rows_of_a_packed_file_go_again_from_what_was_unpacked(world: World) -> None:
    run = world.processed(PACKED, name="file.csv.gz")
    repeat = retry_of(run, list(run.outcomes))
    assert repeat.row_filter is not None
    assert repeat.name.endswith(".csv")
    copy = BytesIO()
    assert copy_rows(run, repeat.row_filter, copy, world.deps).rows == 40
    assert copy.getvalue() == BODY


@pytest.mark.parametrize(
    ("name", "part", "whole"),
    [
        ("a.csv", ".csv", ".csv"),
        ("A.CSV", ".csv", ".csv"),
        ("a.tsv", ".tsv", ".tsv"),
        ("a.csv.gz", ".csv", ".csv.gz"),
        ("a.TSV.gz", ".tsv", ".tsv.gz"),
    ],
)
def test_what_goes_again_has_a_name_by_which_it_is_read_alike(
    world: World, name: str, part: str, whole: str
) -> None:
    text = b"Name\tRef\nn\tr1\n"
    run = world.processed(gzip.compress(text) if "gz" in name else text, name=name)
    assert run.status is RunStatus.COMPLETED
    failed = retry_of(run, [OutcomeStatus.FAILED])
    assert failed.name == f"retry/{run.run_id}-failed{part}"
    assert rerun_of(run, repeatable=True).name == f"rerun/{run.run_id}-all{whole}"
    assert rerun_of(run, repeatable=False).name == f"rerun/{run.run_id}-rest{part}"


def test_what_was_unpacked_goes_with_its_run(world: World) -> None:
    run = world.processed(PACKED, name="file.csv.gz")
    assert world.objects.keys("unpacked/") == [f"unpacked/{run.run_id}/source.csv"]
    delete_run(run, world.deps)
    assert world.objects.keys("unpacked/") == []
    assert world.objects.keys("inbox/", INBOX)
