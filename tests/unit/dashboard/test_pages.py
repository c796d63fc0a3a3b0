"""Each page shows what the table says, in words."""

from __future__ import annotations

from datetime import datetime

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.timestamps import timestamp
from jobferry.domain.trouble import SOURCE_UNREADABLE
from jobferry.lane.state import LaneState
from jobferry.store.objects import SourceError
from jobferry_cli.dashboard import run_list, run_parts
from tests.unit.cli.test_runs import fail_all
from tests.unit.dashboard.conftest import Page, Seen
from virtual.world import sample_csv


class TestRuns:
    def test_the_newest_comes_first(self, page: Page) -> None:
        ids = []
        for number in range(3):
            run = page.world.processed(sample_csv(1, start=10 * number), name=f"f{number}.csv")
            ids.append(run.run_id)
            page.world.clock.sleep(60)
        shown = page.get("runs")
        places = [shown.text.index(run_id) for run_id in reversed(ids)]
        assert places == sorted(places)
        assert "f2.csv" in shown.text

    def test_counts_and_times_are_those_of_the_run(self, page: Page) -> None:
        run = page.world.processed(sample_csv(5))
        shown = page.get("runs")
        assert "5 rows" in shown.text
        assert "5 succeeded" in shown.text
        at = datetime.fromisoformat(timestamp(run.started_at))
        assert f"{at.astimezone():%H:%M:%S}" in shown.text
        assert f"{at:%Y-%m-%d %H:%M:%S} UTC" in shown.html

    def test_an_open_run_shows_how_fast_it_goes(self, page: Page) -> None:
        run = page.world.planned(sample_csv(20))
        page.world.seconds["poll"] = 25.0
        page.world.poll(page.world.submit(LaneState(run.run_id, 0)))
        settled = page.world.run(run.run_id).settled_rows
        assert 0 < settled < 20
        shown = page.get("runs")
        assert f"{settled} of 20 rows" in shown.text
        assert "a minute" in shown.text
        assert "left" in shown.text
        assert 'data-pace="moving"' in shown.html

    def test_nothing_that_goes_on_is_asked_for_less_often(self, page: Page) -> None:
        page.world.processed(sample_csv(2))
        assert 'data-pace="still"' in page.get("runs").html

    def test_they_are_filtered(self, page: Page) -> None:
        good = page.world.processed(sample_csv(1)).run_id
        page.world.account.result_of = fail_all
        bad = page.world.processed(sample_csv(1, start=5)).run_id
        shown = page.get("runs", status="completed_with_failures").text
        assert bad in shown
        assert good not in shown
        assert good in page.get("runs", profile="things").text
        assert "There are no such runs." in page.get("runs", profile="other").text
        assert good in page.get("runs", status="no such status").text

    def test_a_paused_one_is_found_as_such(self, page: Page) -> None:
        options = {"jobferry-trial": "2"}
        run = page.world.execute(page.world.drop(sample_csv(6), options=options))
        assert run.run_id in page.get("runs", status="paused").text
        assert run.run_id not in page.get("runs", status="running").text

    def test_older_ones_follow_by_cursor(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_list, "PER_PAGE", 2)
        ids = {
            page.world.processed(sample_csv(1, start=9 * n), name=f"f{n}").run_id for n in range(5)
        }
        seen: list[str] = []
        shown = page.get("runs")
        for _ in range(9):
            seen += [text for text in ids if text in shown.text]
            if not any(text == "Older runs" for text, _ in shown.links):
                break
            shown = Seen(page.client.get(shown.link("Older runs")).text)
        assert sorted(seen) == sorted(ids)

    def test_a_search_among_many_is_bounded(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_list, "MOST_READ", 2)
        for number in range(4):
            page.world.processed(sample_csv(1, start=9 * number), name=f"f{number}")
        shown = page.get("runs", status="aborted")
        assert "There are older ones." in shown.text
        last = Seen(page.client.get(shown.link("Older runs")).text)
        assert "There are no such runs." in last.text

    def test_without_runs_it_says_how_to_begin(self, page: Page) -> None:
        assert "There are no runs yet." in page.get("runs").text


class TestRun:
    def test_that_is_over(self, page: Page) -> None:
        page.world.account.result_of = lambda record: (
            RecordResult(OutcomeStatus.FAILED, code="Bad", text=f"Name: {record['ref']} is odd")
            if record["ref"] in ("r2", "r5")
            else RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="7")
        )
        run = page.world.processed(sample_csv(6))
        shown = page.get("runs", run.run_id)
        assert "4 of 6 rows succeeded and 2 failed." in shown.text
        assert "2 rows failed: Bad" in shown.text  # one kind, whatever the names are
        assert f"jobferry retry {run.run_id}" in shown.text
        assert shown.link("Retry failed rows") == page.desk.url("runs", run.run_id, "retry")
        assert shown.link("failed.csv").endswith(f"/runs/{run.run_id}/files/failed.csv")
        rows = Seen(page.client.get(shown.link("Show 2 such rows")).text)
        assert "Name: r2 is odd" in rows.text
        assert "Name: r5 is odd" in rows.text
        assert "2 rows shown" in rows.text

    def test_that_goes_on(self, page: Page) -> None:
        run = page.world.planned(sample_csv(20))
        page.world.submit(LaneState(run.run_id, 0))
        shown = page.get("runs", run.run_id)
        assert "The run goes on: 0 of 20 rows" in shown.text
        assert "Jobs in flight 3" in shown.text.replace(" – ", " ")
        assert shown.link("Abort").endswith("/abort")
        assert 'data-pace="moving"' in shown.html

    def test_that_is_paused(self, page: Page) -> None:
        options = {"jobferry-trial": "2"}
        run = page.world.execute(page.world.drop(sample_csv(6), options=options))
        shown = page.get("runs", run.run_id)
        assert "The run is paused" in shown.text
        assert "The trial of 2 rows is over" in shown.text
        assert shown.link("Resume").endswith("/resume")

    def test_that_waits_for_its_vendor(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        page.world.store.limits.block("acme", page.world.clock.now() + 900)
        shown = page.get("runs", run.run_id)
        assert "What it waits for" in shown.text
        assert "The vendor has asked that nothing be sent" in shown.text
        assert shown.link("The connection") == page.desk.url("connections", "acme")

    def test_that_could_not_be_used(self, page: Page) -> None:
        run = page.world.processed("Nothing\n1\n")
        shown = page.get("runs", run.run_id)
        assert "The run failed before anything was sent." in shown.text
        assert run.error is not None
        assert "Name" in shown.text
        assert not [text for text, _ in shown.links if text.endswith(".csv") and text != "file.csv"]

    def test_that_was_just_started(self, page: Page) -> None:
        page.shell.states.names.add("things-0123456789ab")
        shown = page.get("runs", "things-0123456789ab")
        assert "was started" in shown.text
        assert 'data-pace="moving"' in shown.html
        part = page.get("runs", "things-0123456789ab", part="run")
        assert part.html.startswith('<div id="begun"')

    def test_that_is_not_there(self, page: Page) -> None:
        assert "There is no run 'nope'" in page.get("runs", "nope", expect=409).text

    def test_that_was_deleted(self, page: Page) -> None:
        run = page.world.processed(sample_csv(2))
        assert page.shell("delete", run.run_id, "--yes").code == 0
        assert "has been deleted" in page.get("runs", run.run_id, expect=409).text

    @pytest.mark.parametrize("part", ["run", "errors", "course", "about"])
    def test_its_parts_are_asked_for_alone(self, page: Page, part: str) -> None:
        run = page.world.processed(sample_csv(4))
        answer = page.client.get(page.desk.url("runs", run.run_id, part=part))
        assert answer.text.startswith(f'<div id="{part}"')
        assert answer.headers["x-jobferry-part"] == "yes"

    def test_whoever_may_not_read_the_file_sees_errors_without_cells(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page.world.account.result_of = fail_all
        run = page.world.processed(sample_csv(4))
        assert "thing 1" in page.get("runs", run.run_id, part="errors").text

        def denied(*_: object) -> bytes:
            raise SourceError(SOURCE_UNREADABLE)

        monkeypatch.setattr(page.world.objects, "read_range", denied)
        page.desk._kept.clear()
        shown = page.get("runs", run.run_id)
        assert "4 rows failed: Invalid" in shown.text
        assert "thing 1" not in shown.text

    def test_its_errors_are_read_again_only_when_there_are_more(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page.world.account.result_of = fail_all
        run = page.world.processed(sample_csv(4))
        read = []
        real = run_parts.error_groups
        monkeypatch.setattr(run_parts, "error_groups", lambda *of: read.append(1) or real(*of))
        for _ in range(3):
            page.get("runs", run.run_id, part="errors")
        assert len(read) == 1

    def test_a_plot_of_very_many_jobs_is_drawn_when_asked_for(
        self, page: Page, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = page.world.processed(sample_csv(6))
        monkeypatch.setattr(run_parts, "MOST_CHUNKS", 2)
        shown = page.get("runs", run.run_id)
        assert "A plot of 3 jobs takes a while" in shown.text
        assert "Rows settled" in Seen(page.client.get(shown.link("Show it")).text).text


class TestRows:
    def test_they_are_searched(self, page: Page) -> None:
        page.world.account.result_of = fail_all
        run = page.world.processed(sample_csv(5))
        assert "5 rows shown" in page.get("runs", run.run_id, "rows").text
        assert "1 row shown" in page.get("runs", run.run_id, "rows", row=3).text
        assert "5 rows shown" in page.get("runs", run.run_id, "rows", code="Invalid").text
        assert "5 rows shown" in page.get("runs", run.run_id, "rows", find="IS WRONG").text
        for query in ({"status": "succeeded"}, {"row": 9}, {"code": "x"}, {"find": "nowhere"}):
            assert "no such rows" in page.get("runs", run.run_id, "rows", **query).text

    def test_they_go_on_by_cursor(self, page: Page) -> None:
        run = page.world.processed(sample_csv(120))
        shown, seen = page.get("runs", run.run_id, "rows"), 50
        while any(text == "Next rows" for text, _ in shown.links):
            shown = Seen(page.client.get(shown.link("Next rows")).text)
            seen += 50 if "50 rows shown" in shown.text else 20
        assert seen == 120

    @pytest.mark.parametrize(
        "query", [{"row": "x"}, {"row": "-1"}, {"row": "9" * 40}, {"status": "x"}, {"after": "x"}]
    )
    def test_nonsense_is_no_crash(self, page: Page, query: dict[str, str]) -> None:
        run = page.world.processed(sample_csv(3))
        answer = page.client.get(page.desk.url("runs", run.run_id, "rows", **query))
        assert answer.status_code in (200, 409)


class TestFiles:
    def test_results_are_downloaded_whole_and_nothing_stays_behind(self, page: Page) -> None:
        run = page.world.processed(sample_csv(3))
        answer = page.client.get(page.desk.url("runs", run.run_id, "files", "succeeded.csv"))
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.text.startswith("Name,Ref,jobferry_row")
        assert answer.text.count("\n") == 4
        assert list(page.held.folder.iterdir()) == []

    def test_the_report_is_that_of_the_run(self, page: Page) -> None:
        run = page.world.processed(sample_csv(3))
        shown = page.get("runs", run.run_id, "files", "report.html")
        assert "Jobferry run report" in shown.text

    def test_the_report_of_an_open_run_is_as_of_now(self, page: Page) -> None:
        run = page.world.planned(sample_csv(3))
        assert "As of" in page.get("runs", run.run_id, "files", "report.html").text

    @pytest.mark.parametrize("name", ["other.csv", "..%2Fx", "evidence.json"])
    def test_other_files_are_not_there(self, page: Page, name: str) -> None:
        run = page.world.processed(sample_csv(3))
        answer = page.client.get(page.desk.url("runs", run.run_id, "files") + f"/{name}")
        assert answer.status_code == 404

    def test_one_that_is_not_there_yet_is_a_sentence(self, page: Page) -> None:
        run = page.world.planned(sample_csv(3))
        shown = page.get("runs", run.run_id, "files", "failed.csv", expect=409)
        assert "is not in the archive" in shown.text
        assert list(page.held.folder.iterdir()) == []


class TestConnections:
    def test_they_say_what_is_in_use(self, page: Page) -> None:
        run = page.world.planned(sample_csv(20))
        page.world.submit(LaneState(run.run_id, 0))
        shown = page.get("connections")
        assert "3 of 3 slots in use" in shown.text
        assert 'data-pace="moving"' in shown.html

    def test_one_says_what_was_learned(self, page: Page) -> None:
        page.world.processed(sample_csv(20))
        page.world.store.limits.advertised_jobs("acme", 12)
        shown = page.get("connections", "acme")
        assert "https://acme.example" in shown.text
        assert "the vendor says 12" in shown.text
        assert "things.create" in shown.text
        assert "How long jobs take" in shown.text

    def test_without_any_it_says_how_to_begin(self, page: Page) -> None:
        page.world.store.config.delete_connection("acme")
        shown = page.get("connections")
        assert "jobferry connection put --help" in shown.text


def test_other_paths_are_not_there(page: Page) -> None:
    for path in ("x", "static/none.js", "static/..%2fserver.py", "runs/x/explode"):
        assert page.client.get(page.guard.root + path).status_code == 404


def test_the_root_leads_to_the_runs(page: Page) -> None:
    answer = page.client.get(page.guard.root)
    assert answer.headers["location"] == page.desk.url("runs")
