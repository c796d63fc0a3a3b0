"""Whose a job is: asked for by its id."""

from __future__ import annotations

from jobferry.domain.chunk import ChunkState
from jobferry.store import Store, keys
from jobferry.store.job_owners import MOST_ID_BYTES
from jobferry.store.operations import Delete
from jobferry.store.table import Table
from tests.unit.store.samples import CONNECTION, NOW, RUN, claim, only, opened


def submitted(store: Store, number: int, job_id: str) -> None:
    (chunk,) = claim(store, [number])
    sent = store.chunks.begin_sending(chunk, "token", "digest", NOW + 1)
    assert sent is not None
    assert store.chunks.note_submitted(CONNECTION, sent, job_id, NOW + 2)


def test_those_that_are_noted_with_their_chunks_as_they_stand(store: Store) -> None:
    opened(store, 5)
    submitted(store, 1, "a")
    submitted(store, 2, "b/ü")
    found = store.chunks.owners(CONNECTION, ["a", "b/ü", "a", "nobody's"])
    assert {job: (o.run_id, o.number) for job, o in found.items()} == {
        "a": (RUN, 1),
        "b/ü": (RUN, 2),
    }
    assert found["a"].chunk == only(store, 1)
    assert only(store, 1).state is ChunkState.SUBMITTED


def test_of_a_chunk_that_is_gone_its_place_alone(store: Store, table: Table) -> None:
    opened(store, 5)
    submitted(store, 1, "a")
    table.write(Delete(keys.run(RUN), keys.chunk(1)))
    owner = store.chunks.owners(CONNECTION, ["a"])["a"]
    assert (owner.run_id, owner.number, owner.chunk) == (RUN, 1, None)


def test_none_of_another_connection(store: Store) -> None:
    opened(store, 5)
    submitted(store, 1, "a")
    assert store.chunks.owners("other", ["a"]) == {}


def test_what_is_no_id_is_nobodys(store: Store) -> None:
    opened(store, 5)
    longest = "x" * MOST_ID_BYTES
    submitted(store, 1, longest)
    asked = ["", "\ud800", "a\nb", longest + "x", longest]
    assert list(store.chunks.owners(CONNECTION, asked)) == [longest]


def test_the_latest_chunks_of_a_run(store: Store) -> None:
    opened(store, 5)
    for chunk in claim(store, [1, 2, 3]):
        store.chunks.begin_sending(chunk, "token", "digest", NOW)
    assert [chunk.number for chunk in store.chunks.latest(RUN, 2)] == [3, 2]
    assert [chunk.number for chunk in store.chunks.latest(RUN, 9)] == [3, 2, 1]
