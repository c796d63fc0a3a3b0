from __future__ import annotations

import pytest

from jobferry.csvfile.fieldpath import FieldPath, PathConflict, looks_like_path, parse_path, put


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("subject", FieldPath(("subject",), None)),
        ("comment.body", FieldPath(("comment", "body"), None)),
        ("custom_fields[360001]", FieldPath(("custom_fields",), 360001)),
        ("user.custom_fields[7]", FieldPath(("user", "custom_fields"), 7)),
        ("custom_fields.360001", FieldPath(("custom_fields", "360001"), None)),
        ("odd[name]", FieldPath(("odd[name]",), None)),
    ],
)
def test_paths(text: str, path: FieldPath) -> None:
    assert parse_path(text) == path


def test_put_nests_and_fills_lists() -> None:
    record: dict[str, object] = {}
    for text, value in (("a.b", 1), ("a.c", 2), ("f[1]", "x"), ("f[2]", "y"), ("d", None)):
        put(record, parse_path(text), value)
    assert record == {
        "a": {"b": 1, "c": 2},
        "f": [{"id": 1, "value": "x"}, {"id": 2, "value": "y"}],
        "d": None,
    }


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a"), ("a", "a.b"), ("a.b", "a"), ("f[1]", "f[1]"), ("f", "f[1]")]
)
def test_two_values_for_one_place_conflict(one: str, other: str) -> None:
    record: dict[str, object] = {}
    put(record, parse_path(one), "1")
    with pytest.raises(PathConflict):
        put(record, parse_path(other), "2")


def test_replacing_keeps_the_place_of_an_entry() -> None:
    record: dict[str, object] = {"f": [{"id": 1, "value": "x"}, {"id": 2, "value": "y"}]}
    put(record, parse_path("f[1]"), "z", replace=True)
    assert record == {"f": [{"id": 1, "value": "z"}, {"id": 2, "value": "y"}]}


@pytest.mark.parametrize("name", ["subject", "comment.body", "custom_fields[36]", "größe", "_x-y"])
def test_names_of_fields(name: str) -> None:
    assert looks_like_path(name)


@pytest.mark.parametrize("name", ["", "12", "2026-03-31", "a@b.c", "two words", "a..b", ".a", "-5"])
def test_what_is_data_rather_than_a_name(name: str) -> None:
    assert not looks_like_path(name)
