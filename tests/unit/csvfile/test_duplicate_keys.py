from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.digest_table import DIGEST_BYTES, DigestIndex
from jobferry.csvfile.duplicate_keys import SeenKeys, SeenKeysStale


def added(seen: SeenKeys, rows: Sequence[tuple[int, str]]) -> dict[int, int]:
    """The rows that repeat a key, and the first row that had it."""
    found = seen.add([row for row, _ in rows], [key for _, key in rows], [0] * len(rows))
    assert all(repeat.same for repeat in found.values())
    return {row: repeat.row for row, repeat in found.items()}


@given(
    st.lists(st.text("ab", max_size=3) | st.sampled_from(["k" * 16, "k" * 17, "é" * 40])),
    st.integers(1, 5),
    st.sampled_from([4, 8, 1 << 10]),
    st.sampled_from([2, 4, 1 << 10]),
    st.integers(1, 3),
)
def test_repeats_are_found_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[str],
    batch: int,
    slots: int,
    first_slots: int,
    step: int,
) -> None:
    # Few slots: tables grow, and move to the disk, all the time. Steps: bad rows lie between the
    # good ones.
    numbers = range(1, 1 + step * len(keys), step)
    firsts = {key: number for number, key in zip(reversed(numbers), reversed(keys), strict=True)}
    rows = list(zip(numbers, keys, strict=True))
    found: dict[int, int] = {}
    path = tmp_path_factory.mktemp("seen") / "seen.keys"
    with SeenKeys(path, slots=slots, first_slots=first_slots) as seen:
        for start in range(0, len(rows), batch):
            found |= added(seen, rows[start : start + batch])
        assert all(seen.first_row(key) == firsts[key] for key in keys)
        assert seen.first_row("never met") is None
    assert found == {row: firsts[key] for row, key in rows if firsts[key] != row}


@given(st.lists(st.text("abc", max_size=2), min_size=1), st.data())
def test_going_on_from_any_saved_row_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("seen") / "seen.keys"
    rows = list(enumerate(keys, start=1))
    with SeenKeys(path, slots=8) as seen:
        expected = added(seen, rows)
    saved_to = data.draw(st.integers(1, len(rows)))
    complete_to = data.draw(st.integers(1, saved_to))
    more = data.draw(st.integers(saved_to, len(rows)))
    with SeenKeys(path, slots=8) as seen:
        added(seen, rows[:more])
        seen.save(saved_to)
    with SeenKeys(path, complete_to=complete_to, slots=64, first_slots=2) as seen:
        found = added(seen, rows[complete_to:])
    assert found == {row: first for row, first in expected.items() if row > complete_to}


def test_repeats_with_other_cells_are_told_apart(tmp_path: Path) -> None:
    with SeenKeys(tmp_path / "seen.keys") as seen:
        assert seen.add([1, 2], ["a", "b"], [7, 8]) == {}
        assert seen.add([3, 4, 5], ["a", "a", "b"], [7, 9, 8]) == {
            3: (1, True),
            4: (1, False),
            5: (2, True),
        }


def test_digests_that_look_alike_in_the_table_are_told_apart(tmp_path: Path) -> None:
    # Same slot, same tag: only the second halves differ.
    one, other = b"\1" * 8 + b"\2" * 8, b"\1" * 8 + b"\3" * 8
    with (tmp_path / "digests").open("w+b", buffering=0) as file:
        file.write(bytes(DIGEST_BYTES) + one + other + other + one)
        index = DigestIndex(file.fileno(), tmp_path, slots=16)
        assert index.add(1, one + other + other + one) == {3: 2, 4: 1}
        assert (index.find(one), index.find(other)) == (1, 2)
        assert index.find(b"\1" * 8 + b"\4" * 8) is None
        index.close()


def test_a_digest_may_begin_with_zeros(tmp_path: Path) -> None:
    digest, none = bytes(8) + b"\7" * 8, bytes(DIGEST_BYTES)
    with (tmp_path / "digests").open("w+b", buffering=0) as file:
        file.write(none + none + digest + digest)
        index = DigestIndex(file.fileno(), tmp_path, slots=16)
        assert index.add(1, none + digest + digest) == {3: 2}
        index.close()


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    with SeenKeys(tmp_path / "seen.keys", slots=4) as seen:
        added(seen, [(row, f"key {row}") for row in range(1, 50)])
    assert [path.name for path in tmp_path.iterdir()] == ["seen.keys"]


def test_a_saved_copy_goes_on_where_it_is_told(tmp_path: Path) -> None:
    path, copy = tmp_path / "seen.keys", tmp_path / "copy.keys"
    with SeenKeys(path) as seen:
        added(seen, [(1, "a"), (2, "b"), (3, "c")])
        seen.save(2)
        shutil.copy(path, copy)
        added(seen, [(4, "d")])
    with SeenKeys(copy, complete_to=2) as seen:
        assert [seen.first_row(key) for key in "abcd"] == [1, 2, None, None]
        assert added(seen, [(3, "c"), (4, "a")]) == {4: 1}
        seen.save(4)
    with SeenKeys(copy, complete_to=1) as seen:
        assert [seen.first_row(key) for key in "abc"] == [1, None, None]


def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.keys"
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=1)
    with SeenKeys(path) as seen:
        added(seen, [(1, "a")])
        seen.save(1)
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=2)
    with SeenKeys(path, complete_to=1) as seen:
        added(seen, [(2, "b")])
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=1)
    for damaged in (b"", b"short", b"no digests" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(SeenKeysStale):
            SeenKeys(path, complete_to=1)


def test_a_file_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.keys"
    with SeenKeys(path) as seen:
        added(seen, [(1, "a"), (2, "b")])
        seen.save(9)
    whole = path.read_bytes()
    with SeenKeys(path, complete_to=9) as seen:
        assert seen.first_row("b") == 2
    path.write_bytes(whole[:-1])
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=9)


def test_a_table_that_grew_knows_what_it_knew(tmp_path: Path) -> None:
    keys = [f"key {n % 300}" for n in range(1_000)]
    rows = list(enumerate(keys, start=1))
    with SeenKeys(tmp_path / "seen.keys", slots=1 << 12, first_slots=4) as seen:
        found: dict[int, int] = {}
        for start in range(0, len(rows), 7):
            found |= added(seen, rows[start : start + 7])
    assert found == {row: (row - 1) % 300 + 1 for row in range(301, 1_001)}


def test_starting_anew_forgets_everything(tmp_path: Path) -> None:
    path = tmp_path / "seen.keys"
    with SeenKeys(path) as seen:
        added(seen, [(1, "a")])
        seen.save(1)
    with SeenKeys(path) as seen:
        assert seen.first_row("a") is None
