"""A firing that names a prefix: the newest file below it, once, and never in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.binding.newest_file import MOST_LISTED, NoFileError, newest_of
from jobferry.domain.run import RunStatus
from jobferry.domain.run_request import IGNORE, RunRequest
from jobferry.domain.timestamps import timestamp
from jobferry.operator.delete_run import delete_run
from jobferry.runtime.triggers import TriggerError, read_trigger
from jobferry.steps.open_run import open_run
from jobferry.store.objects import DeniedError, Stored
from virtual.world import INBOX, World, sample_csv

PREFIX = "scheduled/"
ONE, TWO, THREE = "arn:execution:one", "arn:execution:two", "arn:execution:three"


def put(world: World, key: str, rows: int = 2) -> None:
    world.clock.advance(60)
    world.objects.upload(INBOX, key, sample_csv(rows).encode())


def firing(world: World, prefix: str = PREFIX, **more: str) -> RunRequest:
    """What a schedule asks for that fires now."""
    world.clock.advance(3_600)
    fired_at = timestamp(world.clock.now())
    world.clock.advance(2)
    event = {"profile": "things", "source": f"s3://{INBOX}/{prefix}", "fired_at": fired_at, **more}
    found = read_trigger(event, INBOX)
    assert isinstance(found, RunRequest)
    return found


def opened(world: World, request: RunRequest, execution: str = ONE) -> tuple[str, str, str | None]:
    """(state, key of the run's file, its error)."""
    answer = open_run(request, execution, world.deps)
    run = world.run(answer["run_id"])
    return answer["state"], run.source.key, run.error


def test_the_newest_file_is_sent_whatever_its_name(world: World) -> None:
    for key in ("scheduled/z.csv", "scheduled/a/b.CSV", "scheduled/c.txt", "scheduled/d.tsv.gz"):
        put(world, key)
    put(world, "scheduled/e.xlsx")
    put(world, "elsewhere/new.csv")
    assert opened(world, firing(world))[:2] == ("open", "scheduled/d.tsv.gz")


def test_a_prefix_need_not_be_a_folder(world: World) -> None:
    put(world, "scheduled/users-1.csv")
    put(world, "scheduled/teams-2.csv")
    event = {"profile": "things", "source": f"s3://{INBOX}/scheduled/users-", "newest": True}
    request = read_trigger(event, INBOX)
    assert isinstance(request, RunRequest)
    assert opened(world, request)[1] == "scheduled/users-1.csv"


def test_the_same_file_is_not_sent_twice_and_that_is_told(world: World) -> None:
    put(world, "scheduled/a.csv")
    first = open_run(firing(world), ONE, world.deps)
    second = firing(world)
    state, key, error = opened(world, second, TWO)
    assert (state, key) == ("unusable", PREFIX)
    assert "There is no new file below" in str(error)
    assert first["run_id"] in str(error)
    assert opened(world, second, TWO)[0] == "unusable"
    assert opened(world, second, THREE)[0] == "duplicate", "one run, however often it is delivered"
    assert opened(world, firing(world), "arn:execution:later")[0] == "unusable"

    put(world, "scheduled/a.csv", rows=3)
    assert opened(world, firing(world), "arn:execution:new")[:2] == ("open", "scheduled/a.csv")


def test_a_file_that_could_not_be_used_was_not_sent(world: World) -> None:
    put(world, "scheduled/a.csv")
    world.limit(max_file_bytes=3)
    first = open_run(firing(world), ONE, world.deps)
    assert first["state"] == "unusable"
    error = opened(world, firing(world), TWO)[2]
    assert "sent" not in str(error)
    assert f"which could not be used (run {first['run_id']})" in str(error)


def test_a_schedule_may_find_nothing_new_in_silence(world: World) -> None:
    quiet = {"nothing_new": IGNORE}
    assert open_run(firing(world, **quiet), ONE, world.deps) == {"state": "ignored"}
    put(world, "scheduled/a.csv")
    assert opened(world, firing(world, **quiet))[0] == "open"
    assert open_run(firing(world, **quiet), TWO, world.deps) == {"state": "ignored"}


def test_a_firing_that_is_delivered_twice_is_one_run(world: World) -> None:
    put(world, "scheduled/a.csv")
    request = firing(world)
    first = open_run(request, ONE, world.deps)
    world.clock.advance(100)
    again = open_run(request, TWO, world.deps)
    assert (again["run_id"], again["state"]) == (first["run_id"], "duplicate")
    assert open_run(request, ONE, world.deps) == first


def test_a_function_that_is_tried_again_late_has_not_sent_it_before(world: World) -> None:
    """The run that this very execution has opened is its own, whatever the clocks say."""
    put(world, "scheduled/a.csv")
    request = replace(firing(world), fired_at=timestamp(world.clock.now() + 500))
    first = open_run(request, ONE, world.deps)
    assert open_run(request, ONE, world.deps) == first


def test_every_time_sends_it_again(world: World) -> None:
    put(world, "scheduled/a.csv")
    ids = set()
    for execution in (ONE, TWO):
        request = firing(world, scheduled_at=timestamp(world.clock.now()))
        answer = open_run(request, execution, world.deps)
        assert answer["state"] == "open"
        ids.add(answer["run_id"])
    assert len(ids) == 2


def test_a_run_that_was_deleted_is_not_sent_again(world: World) -> None:
    put(world, "scheduled/a.csv")
    answer = world.execute(firing(world))
    world.clock.advance(60)
    delete_run(world.run(answer.run_id), world.deps)
    assert "which the run" in str(opened(world, firing(world), TWO)[2])


def test_nothing_below_a_prefix_is_told(world: World) -> None:
    put(world, "scheduled/readme.txt")
    state, key, error = opened(world, firing(world))
    assert (state, key) == ("unusable", PREFIX)
    assert "There is no .csv" in str(error)


def test_whose_input_names_no_firing_is_told_once_an_execution(world: World) -> None:
    request = replace(firing(world), fired_at=None)
    first = open_run(request, ONE, world.deps)
    assert open_run(request, ONE, world.deps)["run_id"] == first["run_id"]
    assert open_run(request, TWO, world.deps)["run_id"] != first["run_id"]


@pytest.mark.parametrize("fired_at", [None, "<aws.scheduler.scheduled-time>", ""])
def test_a_firing_that_names_no_moment_goes_by_when_it_asks(
    world: World, fired_at: str | None
) -> None:
    put(world, "scheduled/a.csv")
    request = replace(firing(world), fired_at=fired_at)
    first = open_run(request, ONE, world.deps)
    world.clock.advance(30)
    again = open_run(request, TWO, world.deps)
    assert (again["run_id"], again["state"]) == (first["run_id"], "duplicate")
    world.clock.advance(60)
    told = [open_run(request, execution, world.deps) for execution in (TWO, TWO, THREE)]
    assert [each["state"] for each in told] == ["unusable"] * 3
    assert told[0] == told[1] != told[2]


def test_a_list_that_is_denied_is_waited_for_and_then_told(world: World) -> None:
    put(world, "scheduled/a.csv")
    request = firing(world)
    started = world.clock.now()
    world.objects.denied[PREFIX] = started + 10 * 86_400
    with pytest.raises(DeniedError):
        open_run(request, ONE, world.deps, started)
    world.clock.advance(86_400)
    answer = open_run(request, ONE, world.deps, started)
    assert "may not be listed" in str(world.run(answer["run_id"]).error)


def test_a_whole_run_of_a_firing(world: World) -> None:
    put(world, "scheduled/a.csv")
    assert world.execute(firing(world)).status is RunStatus.COMPLETED
    told = world.execute(firing(world))
    assert told.status is RunStatus.FAILED
    assert told.rows == 0


@pytest.mark.parametrize("more", [{"newest": "yes"}, {"newest": 2}, {"nothing_new": "x"}])
def test_an_input_that_says_it_otherwise_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(TriggerError):
        read_trigger({"profile": "p", "source": "s3://b/k", **more}, INBOX)


keys = st.sampled_from(["a.csv", "b.CSV", "c.tsv.gz", "d.txt", "e.csv.gz", "f"])


@given(st.lists(st.tuples(keys, st.integers(0, 5)), max_size=8))
def test_none_is_newer_than_the_newest(found: list[tuple[str, int]]) -> None:
    listed = [Stored(f"p/{n}{key}", float(at), 1) for n, (key, at) in enumerate(found)]
    files = [each for each in listed if not each.key.endswith((".txt", "f"))]
    if not files:
        with pytest.raises(NoFileError):
            newest_of(listed, "p/")
        return
    newest = newest_of(listed, "p/")
    assert newest in files
    assert all(each.stored_at <= newest.stored_at for each in files)
    assert newest_of(reversed(listed), "p/") == newest


def test_too_many_are_not_read_for_ever() -> None:
    endless = (Stored(f"{n}.csv", float(n), 1) for n in range(10**9))
    with pytest.raises(NoFileError, match="More than 10,000"):
        newest_of(endless, "s3://b/p/")
    assert next(endless).key == f"{MOST_LISTED + 1}.csv"
