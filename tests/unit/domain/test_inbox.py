"""The inbox: what a key says of a file, and what a person is told when it says too little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.inbox import (
    UNKNOWN,
    delimiter_of,
    is_folder,
    is_packed,
    plain_suffix,
    profile_of,
    suffix_of,
    why_refused,
)
from jobferry.domain.names import is_name, is_run_id
from jobferry.domain.run_request import RunRequest
from jobferry.reporting.result_files import result_key
from jobferry.steps.open_run import run_id_of

MOST_KEY_BYTES = 1_024


@pytest.mark.parametrize(
    ("key", "suffix", "packed", "delimiter", "plain"),
    [
        ("inbox/p/a.csv", ".csv", False, None, ".csv"),
        ("inbox/p/EXPORT.CSV", ".csv", False, None, ".csv"),
        ("inbox/p/2026/01/a b.Csv.GZ", ".csv.gz", True, None, ".csv"),
        ("inbox/p/a.tsv", ".tsv", False, "\t", ".tsv"),
        ("inbox/p/a.TSV.gz", ".tsv.gz", True, "\t", ".tsv"),
        ("scheduled/a", None, False, None, ".csv"),
        ("inbox/p/a.gz", None, False, None, ".csv"),
    ],
)
def test_the_name_says_how_a_file_is_written(
    key: str, suffix: str | None, packed: bool, delimiter: str | None, plain: str
) -> None:
    assert suffix_of(key) == suffix
    assert is_packed(key) is packed
    assert delimiter_of(key) == delimiter
    assert plain_suffix(key) == plain
    assert (why_refused("p", key) is None) is (suffix is not None or not key.startswith("inbox/"))


@pytest.mark.parametrize(
    ("key", "profile"),
    [
        ("inbox/things/a.csv", "things"),
        ("inbox/things/2026/a.csv", "things"),
        ("inbox/a.csv", UNKNOWN),
        ("inbox//a.csv", UNKNOWN),
        ("inbox/../a.csv", UNKNOWN),
        ("inbox/my things/a.csv", UNKNOWN),
        ("inbox/things\n/a.csv", UNKNOWN),
        (f"inbox/{'x' * 48}/a.csv", "x" * 48),
        (f"inbox/{'x' * 49}/a.csv", UNKNOWN),
        ("inbox/unknown/a.csv", UNKNOWN),
    ],
)
def test_the_folder_names_the_profile(key: str, profile: str) -> None:
    assert profile_of(key) == profile


REFUSALS = {
    "no folder": ("inbox/a.csv", "no profile's folder"),
    "an empty folder": ("inbox//a.csv", "no profile's folder"),
    "a folder that is no name": ("inbox/my things/a.csv", "'my things', which is no profile's"),
    "a long folder": (f"inbox/{'x' * 900}/a.csv", "…', which is no profile's name"),
    "a workbook": ("inbox/p/a.XLSX", "save it as CSV UTF-8"),
    "a text": ("inbox/p/data.txt", "rename it to FILE.csv"),
    "an archive": ("inbox/p/a.zip", "unpack it"),
    "another gzip file": ("inbox/p/a.gz", "FILE.csv.gz"),
    "no ending": ("inbox/p/export", "add .csv to its name"),
    "no name": ("inbox/p/", "no such ending"),
    "no name, in no folder": ("inbox/", "no profile's folder"),
}


@pytest.mark.parametrize(("key", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_carried_is_told_why(key: str, reason: str) -> None:
    refusal = why_refused(profile_of(key), key)
    assert reason in (refusal or "")
    assert len(refusal or "") < 300


def test_a_file_in_a_folder_of_that_name_is_no_file_without_a_profile() -> None:
    assert why_refused(UNKNOWN, "inbox/unknown/a.csv") is None


def test_a_person_may_name_another_profile_than_the_folder() -> None:
    assert why_refused("things", "inbox/a.csv") is None


@pytest.mark.parametrize(
    ("key", "size", "folder"),
    [
        ("inbox/", 0, True),
        ("inbox/things/", 0, True),
        ("inbox/a/b/c/", 0, True),
        ("inbox/things/", 1, False),
        ("inbox/things/a.csv", 0, False),
        ("scheduled/", 0, False),
    ],
)
def test_only_an_empty_object_with_a_slash_at_its_end_is_a_folder(
    key: str, size: int, folder: bool
) -> None:
    assert is_folder(key, size) is folder


@pytest.mark.parametrize("value", ["a", "A-1_b", "9" * 48])
def test_names(value: str) -> None:
    assert is_name(value)


@pytest.mark.parametrize(
    "value", ["", "-a", "_a", "a" * 49, "a/b", "..", "a b", "a\n", "ä", "a\0", None, ["a"], 7]
)
def test_no_names(value: object) -> None:
    assert not is_name(value)


@given(st.text(max_size=MOST_KEY_BYTES // 4).map("inbox/".__add__))
def test_what_is_written_of_any_upload_has_a_key_that_s3_takes(key: str) -> None:
    run_id = run_id_of(RunRequest(profile_of(key), "inbox-bucket", key), "v1")
    assert is_run_id(run_id)
    assert len(result_key(run_id, "succeeded.csv").encode()) <= MOST_KEY_BYTES
