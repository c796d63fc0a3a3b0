"""Names of who did something, from wherever they come."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.run_request import RunRequest
from jobferry.domain.who import MOST_CHARACTERS, claimed, name_of, schedule_named, uploader
from jobferry.runtime.triggers import read_trigger, upload_input
from jobferry.steps.open_run import BY_OPTION, open_run
from virtual.world import INBOX, World, sample_csv

ANN = "arn:aws:iam::123456789012:user/ann"
EVENTS = Path(__file__).parents[3] / "events"


@given(st.one_of(st.text(max_size=600), st.none(), st.integers(), st.lists(st.text())))
def test_whatever_comes_is_short_and_steers_no_terminal(text: object) -> None:
    for name in (name_of(text), claimed(text), schedule_named(text), uploader(text)):
        if name is not None:
            assert name.isprintable()
            assert 0 < len(name) <= MOST_CHARACTERS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ANN, ANN),
        ("  ann\n", "ann"),
        ("a\x1b]0;b\u202ec\ud83d", "a?]0;b?c?"),
        ("x" * 300, "x" * 256),
        ("", None),
        (" ", None),
        (7, None),
        (None, None),
    ],
)
def test_a_name_is_one_printable_line(text: object, name: str | None) -> None:
    assert name_of(text) == name


@pytest.mark.parametrize("text", ["sweep", "schedule nightly", "ann", "", None, " arn"])
def test_an_uploader_who_is_no_arn_claims_nothing(text: object) -> None:
    assert claimed(text) is None


def test_an_uploader_may_claim_an_arn() -> None:
    assert claimed(ANN) == ANN
    assert claimed("arn:aws:\x1b[2J") == "arn:aws:?[2J"


@pytest.mark.parametrize(
    ("requester", "said"),
    [
        ("123456789012", "upload by account 123456789012"),
        ("transfer.amazonaws.com", "upload by transfer.amazonaws.com"),
        ("sweep", "sweep"),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_what_s3_tells_of_an_uploader_is_named_as_what_it_is(
    requester: object, said: str | None
) -> None:
    assert uploader(requester) == said


def started(input_: object) -> tuple[str | None, str | None]:
    request = read_trigger(input_, INBOX)
    assert isinstance(request, RunRequest)
    return request.by, request.uploader


def event(requester: object) -> dict[str, object]:
    uploaded = {"bucket": {"name": INBOX}, "object": {"key": "inbox/things/a.csv"}}
    return {"detail-type": "Object Created", "detail": {**uploaded, "requester": requester}}


@pytest.mark.parametrize(
    ("more", "by"),
    [
        ({}, None),
        ({"by": ANN}, ANN),
        ({"schedule": "nightly"}, "schedule nightly"),
        ({"schedule": "nightly", "by": ANN}, ANN),
        ({"schedule": "a b"}, None),
        ({"by": ["x"], "schedule": 7}, None),
    ],
)
def test_who_asks_stands_in_the_input(more: dict[str, object], by: str | None) -> None:
    plain = {"profile": "things", "source": f"s3://{INBOX}/scheduled/a.csv"}
    assert started({**plain, **more}) == (by, None)


def test_an_upload_is_by_the_account_that_s3_names() -> None:
    assert started(event("123456789012")) == (None, "upload by account 123456789012")
    assert started(event(None)) == (None, None)
    assert started(event(["x"])) == (None, None)


@pytest.mark.parametrize(
    ("sample", "who"),
    [
        ("s3.object_created.new-tickets", (None, "upload by account 111122223333")),
        ("schedule.users", ("schedule users", None)),
    ],
)
def test_the_sample_events_tell_who(sample: str, who: tuple[str | None, str | None]) -> None:
    text = (EVENTS / f"{sample}.json").read_text(encoding="utf-8")
    assert started(json.loads(text)) == who


def test_a_file_whose_event_was_lost_is_opened_by_the_sweep() -> None:
    request = RunRequest("things", INBOX, "inbox/things/a.csv", "v1")
    assert started(json.loads(upload_input(request))) == (None, "sweep")


@pytest.mark.parametrize(
    ("by", "claim", "uploader", "said"),
    [
        (ANN, "arn:other", "upload by account 1", ANN),
        (None, "arn:other", "upload by account 1", "arn:other"),
        (None, "sweep", "upload by account 1", "upload by account 1"),
        (None, None, "sweep", "sweep"),
        (None, None, None, None),
    ],
)
def test_the_input_wins_over_the_uploaders_word_and_that_over_s3s(
    by: str | None, claim: str | None, uploader: str | None, said: str | None
) -> None:
    with World() as world:
        options = {} if claim is None else {BY_OPTION: claim}
        dropped = world.drop(sample_csv(1), options=options)
        request = RunRequest(
            dropped.profile,
            dropped.bucket,
            dropped.key,
            dropped.version_id,
            by=by,
            uploader=uploader,
        )
        run_id = open_run(request, "arn:execution:1", world.deps)["run_id"]
        assert world.run(run_id).by == ({} if said is None else {"started": said})


def test_who_asks_makes_no_other_run_of_it() -> None:
    with World() as world:
        dropped = world.drop(sample_csv(1))
        again = RunRequest(
            dropped.profile, dropped.bucket, dropped.key, dropped.version_id, by="bob"
        )
        first = open_run(dropped, "arn:execution:1", world.deps)
        second = open_run(again, "arn:execution:2", world.deps)
        assert (second["run_id"], second["state"]) == (first["run_id"], "duplicate")
