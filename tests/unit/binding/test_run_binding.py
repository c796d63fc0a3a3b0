"""What a step loads of a run, and what it says when that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.binding.run_binding import load_context
from jobferry.csvfile.records import SourceChanged
from jobferry.domain.chunk import Chunk, ChunkState
from virtual.world import World, sample_csv


def chunks_of(world: World, run_id: str) -> list[Chunk]:
    planned = world.store.runs.planned_chunks(run_id, 1, 99)
    return [Chunk(run_id, p.number, 0, ChunkState.CLAIMED, p.spans) for p in planned]


def test_records_are_read_afresh_from_the_pinned_version(world: World) -> None:
    run = world.planned("Name,Ref\na,1\n,2\nb,3\n,4\n,5\nc,6\n")
    world.drop("Name,Ref\nsomething,else\n")
    context = load_context(run, world.deps)
    records = [context.records(chunk) for chunk in chunks_of(world, run.run_id)]
    assert records == [
        [{"name": "a", "ref": "1"}, {"name": "b", "ref": "3"}],
        [{"name": "c", "ref": "6"}],
    ]


def test_a_source_that_is_not_the_planned_one_is_noticed(world: World) -> None:
    run = world.planned(sample_csv(4))
    other = world.drop("Name,Ref\n" + "x\n" * 40)
    source = replace(run.source, version_id=str(other.version_id))
    context = load_context(replace(run, source=source), world.deps)
    with pytest.raises(SourceChanged):
        context.records(chunks_of(world, run.run_id)[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"revision": 9}, "gone"),
        ({"connection": "nobody"}, "gone"),
        ({"revision": 2}, "no operation things.dance"),
    ],
)
def test_what_is_gone_is_said(world: World, changes: dict[str, object], words: str) -> None:
    run = world.planned(sample_csv(4))
    world.put_profile({"operation": "things.dance"})
    with pytest.raises(LookupError, match=words):
        load_context(replace(run, **changes), world.deps)  # type: ignore[arg-type]


def test_a_run_has_no_dialect_before_it_is_planned(world: World) -> None:
    run = world.planned(sample_csv(4))
    context = load_context(replace(run, plan=type(run.plan)()), world.deps)
    with pytest.raises(LookupError, match="not planned"):
        _ = context.dialect
