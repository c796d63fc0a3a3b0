from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.csvfile.seen import SeenKeys, SeenKeysStale


@given(
    st.lists(st.text("ab", max_size=3) | st.sampled_from(["k" * 16, "k" * 17, "é" * 40])),
    st.integers(1, 5),
)
def test_repeats_are_found_exactly(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], batch: int
) -> None:
    rows = list(enumerate(keys, start=1))
    expected = {row: keys.index(key) + 1 for row, key in rows if keys.index(key) + 1 != row}
    found: dict[int, int] = {}
    with SeenKeys(tmp_path_factory.mktemp("seen") / "seen.sqlite") as seen:
        for start in range(0, len(rows), batch):
            found |= seen.add(rows[start : start + batch])
        assert all(seen.first_row(key) == keys.index(key) + 1 for key in keys)
    assert found == expected


def test_a_saved_copy_goes_on_where_it_is_told(tmp_path: Path) -> None:
    path, copy = tmp_path / "seen.sqlite", tmp_path / "copy.sqlite"
    with SeenKeys(path) as seen:
        seen.add([(1, "a"), (2, "b"), (3, "c")])
        seen.save(2)
        shutil.copy(path, copy)
        seen.add([(4, "d")])
    with SeenKeys(copy, complete_to=2) as seen:
        assert [seen.first_row(key) for key in "abcd"] == [1, 2, None, None]
        assert seen.add([(3, "c"), (4, "a")]) == {4: 1}
        seen.save(4)
    with SeenKeys(copy, complete_to=1) as seen:
        assert [seen.first_row(key) for key in "abc"] == [1, None, None]


def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.sqlite"
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=1)
    with SeenKeys(path) as seen:
        seen.add([(1, "a")])
        seen.save(1)
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=2)
    with SeenKeys(path, complete_to=1) as seen:
        seen.add([(2, "b")])
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=1)
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(SeenKeysStale):
        SeenKeys(path, complete_to=1)


def test_starting_anew_forgets_everything(tmp_path: Path) -> None:
    path = tmp_path / "seen.sqlite"
    with SeenKeys(path) as seen:
        seen.add([(1, "a")])
        seen.save(1)
    with SeenKeys(path) as seen:
        assert seen.first_row("a") is None
