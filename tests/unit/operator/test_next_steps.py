"""One advice for every surface, by how a run ended and by the class of its errors."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.domain.error_codes import ErrorClass
from jobferry.operator.next_steps import commands_of, next_steps

RUN = "r-1"
RESULTS = f"jobferry results {RUN} --out results/{RUN}"
RERUN, RETRY, WATCH = f"jobferry rerun {RUN}", f"jobferry retry {RUN}", f"jobferry watch {RUN}"
TEST = "jobferry connection test acme"
FAILED_ROWS = f"jobferry rows {RUN} --status failed"


def next_commands(document: dict[str, Any]) -> list[str]:
    return [*commands_of(next_steps(document))]


def document(**changes: Any) -> dict[str, Any]:
    """A run that is closed, of ten rows that succeeded, with `changes`."""
    counts = {"succeeded": 10, "failed": 0, "rejected": 0, "skipped": 0, "unknown": 0}
    return {
        "run_id": RUN,
        "status": "completed",
        "profile": "p",
        "connection": "acme",
        "closed_at": "2026-01-01T00:00:00Z",
        "paused": None,
        "error": None,
        "error_code": None,
        "waiting": [],
        "failed_by_class": {},
        "source": {"key": "inbox/p/file.csv"},
        **changes,
        "outcomes": {**counts, **changes.get("outcomes", {})},
    }


def failed(kind: ErrorClass, rows: int = 3) -> dict[str, Any]:
    return document(
        status="completed_with_failures",
        outcomes={"failed": rows},
        failed_by_class={kind.value: rows},
    )


def test_a_run_that_went_well_needs_nothing_but_its_files() -> None:
    assert next_commands(document()) == [RESULTS]
    assert next_commands(document(outcomes={"skipped": 2})) == [RESULTS]


@pytest.mark.parametrize("kind", [ErrorClass.ROW, ErrorClass.FILE, ErrorClass.LOST])
def test_rows_that_are_wrong_are_mended_before_they_are_sent_again(kind: ErrorClass) -> None:
    assert next_commands(failed(kind)) == [
        FAILED_ROWS,
        RESULTS,
        f"jobferry run results/{RUN}/failed.csv --profile p",
        RETRY,
    ]


@pytest.mark.parametrize(
    "kind", [ErrorClass.CONFLICT, ErrorClass.THROTTLE, ErrorClass.VENDOR, ErrorClass.STOPPED]
)
def test_rows_that_failed_for_the_moment_go_again_as_they_are(kind: ErrorClass) -> None:
    commands = next_commands(failed(kind))
    assert commands == [FAILED_ROWS, RETRY, RESULTS]


@pytest.mark.parametrize("code", ["vendor_unauthorized", "http_401", "vendor_unreachable"])
def test_a_refused_account_is_mended_first_and_then_all_is_sent(code: str) -> None:
    stopped = document(
        status="aborted",
        error="No.",
        error_code=code,
        outcomes={"succeeded": 0, "failed": 1, "skipped": 9},
        failed_by_class={"account": 1},
    )
    assert next_commands(stopped) == [TEST, RERUN, RESULTS]


def test_a_word_that_nobody_knows_is_the_account_when_it_stopped_the_run() -> None:
    stopped = document(
        status="aborted",
        error="No.",
        error_code="Zonked",
        outcomes={"failed": 1, "skipped": 9},
        failed_by_class={"row": 1},
    )
    assert next_commands(stopped)[:2] == [TEST, RERUN]


def test_a_request_that_no_vendor_takes_is_mended_in_the_profile() -> None:
    stopped = document(
        status="aborted", error="No.", error_code="too_many_records", outcomes={"failed": 9}
    )
    assert next_commands(stopped)[:2] == ["jobferry profile show p", RERUN]


def test_refused_rows_of_a_run_that_went_on() -> None:
    assert next_commands(failed(ErrorClass.ACCOUNT))[:2] == [TEST, RERUN]


def test_unknown_rows_are_asked_for_before_anything_is_sent() -> None:
    unresolved = document(
        status="unresolved",
        outcomes={"unknown": 2, "failed": 1},
        failed_by_class={"conflict": 1},
    )
    assert next_commands(unresolved)[:2] == [
        f"jobferry resolve {RUN} --wait",
        f"jobferry rows {RUN} --status unknown",
    ]
    assert "done twice" in next_steps(unresolved)[1].text


def test_rejected_rows_are_mended() -> None:
    rejected = document(status="completed_with_failures", outcomes={"rejected": 1})
    assert next_commands(rejected) == [
        f"jobferry rows {RUN} --status rejected",
        RESULTS,
        f"jobferry run results/{RUN}/rejected.csv --profile p",
    ]
    assert next_steps(rejected)[0].text.startswith("1 row was never sent:")


def test_rows_with_the_key_of_another_and_other_cells() -> None:
    conflicting = document(status="completed_with_failures", outcomes={"skipped": 1})
    assert next_commands(conflicting) == [f"jobferry rows {RUN} --status skipped", RESULTS]


def test_a_run_that_somebody_stopped_can_be_sent_on() -> None:
    stopped = document(
        status="aborted", error="Stopped.", error_code="aborted", outcomes={"skipped": 5}
    )
    assert next_commands(stopped) == [RERUN, RESULTS]


def test_a_file_that_cannot_be_used() -> None:
    refused = document(status="failed", error="No header.", outcomes={"succeeded": 0})
    assert next_commands(refused) == [
        "jobferry plan ./file.csv --profile p",
        "jobferry profile show p",
    ]
    assert next_commands({**refused, "profile": "unknown"}) == ["jobferry profile list"]


@pytest.mark.parametrize(
    ("code", "outcomes", "first"),
    [
        ("trial", {}, f"jobferry rows {RUN}"),
        ("trial", {"failed": 1}, FAILED_ROWS),
        ("trial", {"unknown": 1}, f"jobferry rows {RUN} --status unknown"),
        ("breaker", {"failed": 200}, FAILED_ROWS),
        ("policy", {"failed": 1}, FAILED_ROWS),
        ("connection_changed", {}, TEST),
        ("same_content", {}, f"jobferry resume {RUN}"),
        ("vendor_warning", {}, f"jobferry resume {RUN}"),
    ],
)
def test_a_paused_run_waits_for_a_yes_or_a_no(
    code: str, outcomes: dict[str, int], first: str
) -> None:
    paused = document(status="paused", closed_at=None, paused={"code": code}, outcomes=outcomes)
    commands = next_commands(paused)
    assert commands[0] == first
    assert commands[-2:] == [f"jobferry resume {RUN}", f"jobferry abort {RUN}"]
    assert WATCH not in commands


@pytest.mark.parametrize(
    ("wait", "first"),
    [
        ("problem", f"jobferry problems {RUN}"),
        ("rate_limit", "jobferry connection show acme"),
        ("vendor_unreachable", TEST),
        ("credentials_unusable", TEST),
        ("slots", WATCH),
    ],
)
def test_an_open_run_is_followed_after_a_look_at_what_it_waits_for(wait: str, first: str) -> None:
    commands = next_commands(
        document(status="running", closed_at=None, waiting=[{"for": wait}, {"for": wait}])
    )
    assert commands == list(dict.fromkeys((first, WATCH)))


@pytest.mark.parametrize("status", ["completed_with_failures", "unresolved", "aborted"])
def test_every_step_is_a_sentence_with_a_command(status: str) -> None:
    for step in next_steps(
        document(
            status=status,
            error="x",
            outcomes=dict.fromkeys(("failed", "rejected", "skipped", "unknown"), 7),
            failed_by_class={kind.value: 1 for kind in ErrorClass},
        )
    ):
        assert step.text[-1] in ".:"
        assert step.commands
