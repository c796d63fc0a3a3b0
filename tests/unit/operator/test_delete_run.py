"""Deleting a run: nothing of it is left, wherever it was interrupted, and it stays gone."""

from __future__ import annotations

import pytest

from jobferry.domain.inbox import copy_names
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.operator.delete_run import Deleted, delete_run
from jobferry.operator.delete_source import delete_source
from jobferry.operator.job_control import RunOpenError
from jobferry.steps.open_run import ORIGIN_OPTION, open_run
from jobferry.store.run_lifecycle import BEHIND_SECONDS
from virtual.effects import Crash, CrashOnce, Phase
from virtual.world import INBOX, World, sample_csv


def left_of(world: World, run: Run) -> list[str]:
    """Keys of the table and the archive that hold something of a run."""
    held = [f"{item['pk']} {item['sk']}" for item in world.table.items()]
    return [key for key in (*held, *world.objects.keys()) if run.run_id in key]


def test_nothing_is_left_but_a_mark(world: World) -> None:
    run = world.processed(sample_csv(5) + ",bad\n")
    kept = world.processed(sample_csv(2))
    world.clock.advance(BEHIND_SECONDS + 1)
    before = left_of(world, kept)
    archived = sum(run.run_id in key for key in world.objects.keys("results/"))
    archived += sum(run.run_id in key for key in world.objects.keys("evidence/"))
    assert delete_run(run, world.deps) == Deleted(6, archived, None)
    assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]
    assert left_of(world, kept) == before
    assert world.store.runs.get(run.run_id) is None
    assert [r.run_id for _, r in world.store.runs.newest()] == [kept.run_id]


def test_a_late_event_does_not_carry_it_again(world: World) -> None:
    request = world.drop(sample_csv(3))
    run = world.execute(request)
    delete_run(run, world.deps)
    sent = len(world.account.submissions)
    assert open_run(request, "arn:execution:late", world.deps)["state"] == "duplicate"
    assert world.store.runs.get(run.run_id) is None
    assert len(world.account.submissions) == sent


def test_an_open_run_is_left_alone(world: World) -> None:
    run = world.planned(sample_csv(3))
    before = left_of(world, run)
    with pytest.raises(RunOpenError):
        delete_run(run, world.deps)
    assert left_of(world, run) == before


def test_a_file_that_could_not_be_used_can_be_deleted(world: World) -> None:
    run = world.processed(b"")
    assert delete_run(run, world.deps).rows == 0
    assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]


@pytest.mark.parametrize("phase", list(Phase))
def test_it_can_be_interrupted_anywhere_and_finished(world: World, phase: Phase) -> None:
    number = 0
    while True:
        run = world.processed(sample_csv(5))
        world.clock.advance(BEHIND_SECONDS + 1)
        number += 1
        world.effects.on_effect = crash = CrashOnce(number, phase)
        try:
            delete_run(run, world.deps)
        except Crash:
            found = world.store.runs.get(run.run_id)
            if found is not None:
                delete_run(found, world.deps)
        assert left_of(world, run) == [f"RUN#{run.run_id} DELETED"]
        if len(crash.seen) < number:
            break
    assert number > 5


class TestSource:
    """The upload goes too, with its copies, and nothing that somebody still needs."""

    def uploads(self, world: World) -> list[str]:
        return world.objects.keys("", INBOX)

    def copied(self, world: World, run: Run, name: str) -> Run:
        """A run of a copy that `retry` or `rerun` has made."""
        key = f"inbox/{run.profile}/{copy_names(name, run.run_id)}all.csv"
        options = {ORIGIN_OPTION: run.run_id}
        version = world.objects.upload(INBOX, key, sample_csv(5).encode(), options)
        return world.execute(RunRequest(run.profile, INBOX, key, version))

    def test_all_versions_and_all_copies_go(self, world: World) -> None:
        run = world.processed(sample_csv(5))
        world.objects.upload(INBOX, run.source.key, sample_csv(5, start=9).encode())
        again = self.copied(world, run, "rerun")
        self.copied(world, again, "retry")
        other = "inbox/things/other.csv"
        world.objects.upload(INBOX, other, sample_csv(2).encode())

        deleted = delete_run(run, world.deps, source=True)

        assert deleted.uploads == 4
        assert self.uploads(world) == [other]

    def test_without_being_asked_they_stay(self, world: World) -> None:
        run = world.processed(sample_csv(5))
        assert delete_run(run, world.deps).uploads is None
        assert self.uploads(world) == [run.source.key]

    def test_a_name_that_begins_alike_is_another_file(self, world: World) -> None:
        run = world.processed(sample_csv(5))
        other = run.source.key + ".gz"
        world.objects.upload(INBOX, other, b"x")
        delete_run(run, world.deps, source=True)
        assert self.uploads(world) == [other]

    def test_an_upload_that_an_open_run_reads_stays(self, world: World) -> None:
        run = world.processed(sample_csv(5))
        newer = world.objects.upload(INBOX, run.source.key, sample_csv(7).encode())
        request = RunRequest(run.profile, INBOX, run.source.key, newer)
        opened = open_run(request, "arn:execution:2", world.deps)["run_id"]
        before = left_of(world, run)

        with pytest.raises(RunOpenError, match=opened):
            delete_run(run, world.deps, source=True)
        assert left_of(world, run) == before
        assert self.uploads(world) == [run.source.key]

    def test_of_a_schedules_file_only_the_version_goes(self, world: World) -> None:
        key = "scheduled/things.csv"
        first = world.objects.upload(INBOX, key, sample_csv(2).encode())
        second = world.objects.upload(INBOX, key, sample_csv(3).encode())
        run = world.execute(RunRequest("things", INBOX, key, first))

        assert delete_run(run, world.deps, source=True).uploads == 1
        assert world.objects.current_version(INBOX, key) == second

    def test_it_can_be_repeated(self, world: World) -> None:
        run = world.processed(sample_csv(5))
        assert delete_source(run, world.deps) == 1
        assert delete_run(run, world.deps, source=True).uploads == 0
