"""Which rows of a run go again, and that they are the very bytes of the old file."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.csvfile.lines import BLOCK_BYTES
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.operator.job_control import RunOpenError
from jobferry.operator.rerun import (
    Copied,
    LeftOut,
    OutcomesMissingError,
    ReadsOtherwiseError,
    RowFilter,
    check_copy,
    copy_rows,
    rerun_of,
    retry_of,
)
from tests.unit.csvfile.samples import csv_text, read
from tests.unit.outcome_samples import forget_outcome
from virtual.world import World, sample_csv

FAILED = [OutcomeStatus.FAILED]


def fail_marked(record: JsonObject) -> RecordResult:
    """Things whose name ends in `!` fail."""
    failed = record["name"].endswith("!")
    return RecordResult(OutcomeStatus.FAILED if failed else OutcomeStatus.SUCCEEDED)


def row_filter_of(run: Run, statuses: Sequence[OutcomeStatus]) -> RowFilter:
    row_filter = retry_of(run, statuses).row_filter
    assert row_filter is not None
    return row_filter


def profile_of(world: World) -> Profile:
    revision, document = world.store.config.profile("things") or (0, {})
    return Profile.from_document(document, revision)


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(
        st.tuples(
            # A file with many other control characters is refused: it is no text.
            st.text(
                st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\t"),
                min_size=1,
            ),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    ends=st.booleans(),
)
def test_failed_rows_are_copied_as_they_stand(
    names: list[tuple[str, bool]], delimiter: str, newline: str, encoding: str, ends: bool
) -> None:
    cells = [[f"x{name}{'!' if fails else '.'}", f"r{i}"] for i, (name, fails) in enumerate(names)]
    text = csv_text([["Name", "Ref"], *cells], delimiter=delimiter, newline=newline, ends=ends)
    with World(max_records=3) as world:
        world.account.result_of = fail_marked
        run = world.processed(text.encode(encoding))
        file = BytesIO()
        copied = copy_rows(run, row_filter_of(run, FAILED), file, world.deps)
        failed = [row for row, (_, fails) in zip(cells, names, strict=True) if fails]
        assert copied.rows == len(failed)
        if failed:
            dialect, rows = read(file.getvalue())
            assert [row.cells for row in rows] == failed
            assert (dialect.delimiter, dialect.header) == (delimiter, ("Name", "Ref"))
            assert check_copy(run, profile_of(world), file) == dialect
            assert file.tell() == 0


def test_the_whole_copy_is_the_file(world: World) -> None:
    world.account.result_of = lambda _: RecordResult(OutcomeStatus.FAILED)
    text = '\ufeffsep=;\n\nRef; "Na""me";Name\n1;"a\nb";"c"\n\n2;;d'
    run = world.processed(text.encode())
    file = BytesIO()
    assert copy_rows(run, row_filter_of(run, FAILED), file, world.deps) == Copied(2)
    # A blank line is no row, and stays behind.
    assert file.getvalue().decode() == text.replace("\n\n2", "\n2")


def test_rows_far_apart_in_a_large_file(world: World) -> None:
    world.account.result_of = fail_marked
    filler = "y" * 1_000
    names = [f"{filler}{i}{'!' if i in (0, 700, 1_499) else '.'}" for i in range(1_500)]
    run = world.processed("Name,Ref\n" + "".join(f"{name},r\n" for name in names))
    assert run.source.size > 4 * BLOCK_BYTES
    file = BytesIO()
    copied = copy_rows(run, row_filter_of(run, FAILED), file, world.deps)
    assert copied == Copied(3, {LeftOut.NOT_ASKED: 1_497})
    wanted = [f"{names[i]},r" for i in (0, 700, 1_499)]
    assert file.getvalue().decode().splitlines() == ["Name,Ref", *wanted]


def test_a_row_too_large_to_send_stays_behind(world: World) -> None:
    run = world.processed(f"Name,Ref\na,1\n{'b' * 9_000_000},2\nc,3\n,4\n")
    file = BytesIO()
    copied = copy_rows(run, row_filter_of(run, [OutcomeStatus.REJECTED]), file, world.deps)
    assert copied == Copied(1, {LeftOut.NOT_ASKED: 2, LeftOut.UNREADABLE: 1})
    assert file.getvalue() == b"Name,Ref\n,4\n"


def test_a_rerun_is_whole_when_nothing_was_done_or_doing_it_twice_does_no_harm(
    world: World,
) -> None:
    done = world.processed(sample_csv(2))
    assert rerun_of(done, repeatable=True).row_filter is None
    assert rerun_of(done, repeatable=False).row_filter is not None
    world.account.result_of = lambda _: RecordResult(OutcomeStatus.FAILED)
    undone = world.processed(sample_csv(2))
    assert rerun_of(undone, repeatable=False).row_filter is None


def test_the_name_tells_which_rows_they_are(world: World) -> None:
    run = world.processed(sample_csv(2))
    wanted = [OutcomeStatus.UNKNOWN, OutcomeStatus.FAILED]
    assert retry_of(run, wanted).name == f"retry/{run.run_id}-failed-unknown.csv"
    assert rerun_of(run, repeatable=True).name == f"rerun/{run.run_id}-all.csv"
    assert rerun_of(run, repeatable=False).name == f"rerun/{run.run_id}-rest.csv"


def test_a_row_without_outcome_is_not_guessed(world: World) -> None:
    run = world.processed(sample_csv(3))
    forget_outcome(world.store, run.run_id, 2, run.expires_at)
    with pytest.raises(OutcomesMissingError):
        copy_rows(run, lambda _: None, BytesIO(), world.deps)


def test_an_open_run_is_not_copied(world: World) -> None:
    with pytest.raises(RunOpenError):
        copy_rows(world.planned(sample_csv(3)), lambda _: None, BytesIO(), world.deps)


def test_rows_that_would_be_read_otherwise_are_noticed(world: World) -> None:
    run = world.processed(sample_csv(2))
    with pytest.raises(ReadsOtherwiseError):
        check_copy(run, profile_of(world), BytesIO(b"Name;Ref\na;b\n"))
