"""Cells of a few rows, by the places that the plan knows: the right ones, with few reads."""

from __future__ import annotations

import random

import pytest

from jobferry.operator import row_cells
from jobferry.operator.row_cells import cells_of, named_cells
from tests.unit.csvfile.samples import read
from virtual.world import World, sample_csv

HEADER = ("Name", "Ref")


def test_cells_of_sent_rows(world: World) -> None:
    run = world.processed(sample_csv(9))
    assert cells_of(run, [2, 9], world.deps) == {
        2: (HEADER, ["thing 2", "r2"]),
        9: (HEADER, ["thing 9", "r9"]),
    }


def test_cells_of_rows_that_were_never_sent(world: World) -> None:
    text = "Name,Ref\n,a\nb,b\n,c\nd,d\nd2,d\ne,e\n,f\n\n,g\n"
    run = world.processed(text)
    found = cells_of(run, range(1, 9), world.deps)
    assert [found[row][1][1] for row in range(1, 9)] == ["a", "b", "c", "d", "d", "e", "f", "g"]


def test_a_row_that_is_not_there_is_missing(world: World) -> None:
    run = world.processed(sample_csv(3))
    assert cells_of(run, [0, 3, 4, -1], world.deps).keys() == {3}


def test_a_run_that_is_not_planned_has_none(world: World) -> None:
    run = world.processed("Title\nx\n")
    assert cells_of(run, [1], world.deps) == {}


def test_a_file_that_is_gone_gives_none(world: World) -> None:
    run = world.processed(sample_csv(3))
    world.objects.lose(run.source)
    assert cells_of(run, [1], world.deps) == {}


def test_a_run_that_goes_on_gives_what_is_planned(world: World) -> None:
    run = world.planned(sample_csv(3))
    assert cells_of(run, [3], world.deps)[3][1] == ["thing 3", "r3"]


@pytest.mark.parametrize(
    "text",
    [
        'Name,Ref\na,1\n"b,2\nc,3\n,4\n"d,5\ne,6\n',
        'Name,Ref\na,1\nb,2\n"c,3\nd,4\n',
        'Name,Ref\n"a\n\nb",1\n,2\n"c""",3\nd "x",4\n',
    ],
)
def test_open_quotation_marks_and_line_breaks_shift_no_row(world: World, text: str) -> None:
    run = world.processed(text)
    _, rows = read(text.encode())
    found = cells_of(run, range(1, run.rows + 1), world.deps)
    assert {row: cells for row, (_, cells) in found.items()} == {
        row.number: row.cells for row in rows
    }


@pytest.mark.parametrize("seed", range(4))
def test_any_rows_of_a_plan_of_many_pages(seed: int) -> None:
    draw = random.Random(seed)
    with World(max_records=2) as world:
        good = [draw.random() > 0.3 for _ in range(1_500)]
        lines = [f"{'thing' if fine else ''},r{i}" for i, fine in enumerate(good, 1)]
        run = world.planned("Name,Ref\n" + "\n".join(lines) + "\n")
        assert run.plan.chunks > 300
        asked = draw.sample(range(1, 1_501), 40)
        found = cells_of(run, asked, world.deps)
        assert {row: cells[1] for row, (_, cells) in found.items()} == {
            row: f"r{row}" for row in asked
        }


def test_of_very_many_unsent_rows_only_the_first_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_cells, "GAP_BYTES", 40)
    world.put_profile({"max_rejected": 1.0})
    run = world.processed("Name,Ref\na,1\n" + "".join(f",{i}\n" for i in range(2, 100)))
    found = cells_of(run, [2, 5, 99], world.deps)
    assert {row: cells[1] for row, (_, cells) in found.items()} == {2: "2", 5: "5"}


def test_every_cell_has_a_name() -> None:
    named = named_cells(["A", "", "A"], ["1", "2", "3", "4"])
    assert named == {"A": "1", "Column B": "2", "Column C": "3", "Column D": "4"}
