"""Finding rows: the ones that are meant, in pages that neither repeat nor leave out any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run
from jobferry.domain.trouble import SOURCE_MISSING, SOURCE_UNREADABLE
from jobferry.domain.types import JsonObject
from jobferry.operator import find_rows as module
from jobferry.operator.find_rows import BadCursorError, RowPage, RowQuery, find_rows
from virtual.world import World, sample_csv

FAILED, UNKNOWN = OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN


def mixed(record: JsonObject) -> RecordResult:
    number = int(record["ref"][1:])
    if number % 10 == 7:
        return RecordResult(FAILED, code="Invalid", text=f"Name: wrong in {number}")
    if number % 10 == 4:
        return RecordResult(UNKNOWN, code="Odd", text="said nothing")
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=f"V{1000 + number}")


@pytest.fixture
def run(world: World) -> Run:
    """Rows 1 to 60, of which 7, 17 … failed, 4, 14 … are unknown, 61 is rejected, 62 skipped."""
    world.account.result_of = mixed
    world.put_profile({"row_key": "Ref", "max_attempts": 1, "breaker": "off"})
    return world.processed(sample_csv(60) + ",r61\nthing 1,r1\n")


def all_pages(world: World, run: Run, query: RowQuery, limit: int) -> list[RowPage]:
    pages: list[RowPage] = []
    cursor = None
    while not pages or cursor is not None:
        pages.append(find_rows(run, query, world.deps, limit=limit, after=cursor))
        cursor = pages[-1].cursor
    return pages


def numbers(pages: Sequence[RowPage]) -> list[int]:
    return [row.outcome.row for page in pages for row in page.rows]


SEVENS = [7, 17, 27, 37, 47, 57]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (RowQuery(), [*range(1, 63)]),
        (RowQuery(status=FAILED), SEVENS),
        (RowQuery(status=UNKNOWN), [4, 14, 24, 34, 44, 54]),
        (RowQuery(status=OutcomeStatus.REJECTED), [61]),
        (RowQuery(status=OutcomeStatus.SKIPPED), [62]),
        (RowQuery(row=7), [7]),
        (RowQuery(row=63), []),
        (RowQuery(row=7, status=UNKNOWN), []),
        (RowQuery(error_code="Invalid"), SEVENS),
        (RowQuery(status=FAILED, error_code="Invalid"), SEVENS),
        (RowQuery(error_code="invalid"), []),
        (RowQuery(status=UNKNOWN, error_code="Invalid"), []),
        (RowQuery(error_code="duplicate_row_key"), [62]),
        (RowQuery(find="v1012"), [12]),
        (RowQuery(find="R5"), [5, *range(50, 60)]),
        (RowQuery(find="wrong in 3"), [37]),
        (RowQuery(find="r57", status=FAILED), [57]),
        (RowQuery(find="r57", row=57), [57]),
        (RowQuery(find="r57", row=5), []),
        (RowQuery(find="r61"), [61]),
        (RowQuery(find="nowhere"), []),
    ],
)
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_rows_that_are_wanted(
    world: World, run: Run, query: RowQuery, rows: list[int], limit: int
) -> None:
    pages = all_pages(world, run, query, limit)
    assert numbers(pages) == rows
    assert all(len(page.rows) == limit for page in pages[:-1])
    assert [page.searched_all for page in pages] == [False] * (len(pages) - 1) + [True]
    assert pages[-1].searched_to == 62


def test_a_search_tells_the_keys_that_it_has_read(world: World, run: Run) -> None:
    for query in (RowQuery(find="r17"), RowQuery(find="r17", status=FAILED)):
        (page,) = all_pages(world, run, query, 10)
        assert [(row.outcome.row, row.key) for row in page.rows] == [(17, "r17")]


@pytest.mark.parametrize("few", [0, 1_000])
def test_many_rows_of_a_status_are_searched_beside_the_file(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(module, "FEW", few)
    assert numbers(all_pages(world, run, RowQuery(status=FAILED, find="r4"), 1)) == [47]


def test_a_page_ends_when_its_time_is_up_and_says_how_far_it_came(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_CLOCK_CHECK", 10)
    clock = count()
    deps = replace(world.deps, now=lambda: float(next(clock)))
    for query in (RowQuery(find="nowhere"), RowQuery(), RowQuery(status=OutcomeStatus.SUCCEEDED)):
        found: list[int] = []
        page = find_rows(run, query, deps, limit=100, seconds=1.0)
        assert (page.searched_all, page.searched_to) == (False, 10)
        while True:
            found += numbers([page])
            if page.cursor is None:
                break
            page = find_rows(run, query, deps, limit=100, after=page.cursor, seconds=1.0)
        assert found == numbers(all_pages(world, run, query, 100))


def test_without_a_row_key_ids_and_texts_are_searched(world: World) -> None:
    world.account.result_of = mixed
    run = world.processed(sample_csv(20))
    assert numbers(all_pages(world, run, RowQuery(find="r12"), 5)) == []
    assert numbers(all_pages(world, run, RowQuery(find="V1012"), 5)) == [12]


def test_without_its_file_a_run_is_searched_by_ids_and_texts(world: World, run: Run) -> None:
    world.objects.lose(run.source)
    (page,) = all_pages(world, run, RowQuery(find="V1012"), 5)
    assert (numbers([page]), page.keys_unread) == ([12], SOURCE_MISSING)
    (page,) = all_pages(world, run, RowQuery(find="wrong in 17", status=FAILED), 5)
    assert (numbers([page]), page.keys_unread) == ([17], SOURCE_UNREADABLE)


def test_an_open_run_shows_what_is_decided(world: World) -> None:
    world.put_profile({"row_key": "Ref"})
    run = world.planned(sample_csv(4) + ",r5\nthing,r1\n")
    assert numbers(all_pages(world, run, RowQuery(), 1)) == [5, 6]
    assert numbers(all_pages(world, run, RowQuery(find="r"), 1)) == [5, 6]


@pytest.mark.parametrize("run_file", ["Title\nx\n", "Name,Ref\n"])
def test_a_run_without_rows_has_none(world: World, run_file: str) -> None:
    run = world.processed(run_file)
    assert numbers(all_pages(world, run, RowQuery(find="x"), 3)) == []


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1:2:3", "1e3", "٣", "1:", "9" * 40])
def test_a_cursor_of_nobody_is_refused(world: World, run: Run, cursor: str) -> None:
    with pytest.raises(BadCursorError):
        find_rows(run, RowQuery(), world.deps, limit=1, after=cursor)


def test_a_row_number_is_a_cursor_too(world: World, run: Run) -> None:
    page = find_rows(run, RowQuery(find="r5"), world.deps, limit=2, after="51")
    assert numbers([page]) == [52, 53]


def test_rows_that_need_a_person_are_read_from_the_index_alone(world: World) -> None:
    world.account.result_of = mixed
    world.put_profile({"breaker": "off"})
    run = world.processed(sample_csv(60))
    reads = world.store.read_units()
    page = find_rows(run, RowQuery(FAILED, error_code="Invalid"), world.deps, limit=3, after="37")
    assert numbers([page]) == [47, 57]
    assert world.store.read_units() - reads <= 60
