"""What became of the run, in one sentence."""

from __future__ import annotations

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.reporting.formatting import counted, listed, number
from jobferry.reporting.html.model import RunReport

_PREDICATES = {
    OutcomeStatus.FAILED: ("failed", "failed"),
    OutcomeStatus.REJECTED: ("was rejected", "were rejected"),
    OutcomeStatus.SKIPPED: ("was skipped", "were skipped"),
    OutcomeStatus.UNKNOWN: ("is unknown", "are unknown"),
}

_TROUBLE = (OutcomeStatus.FAILED, OutcomeStatus.REJECTED, OutcomeStatus.UNKNOWN)


def verdict(report: RunReport) -> tuple[str, str]:
    """The tone (`good`, `fair`, `bad`) and the sentence."""
    if not report.closed:
        return _so_far(report)
    if not report.adds_up:
        total = sum(report.outcomes.values())
        return "bad", (
            f"The run does not add up: the file has {counted(report.rows, 'row')}, "
            f"but {counted(total, 'outcome')} were counted. Do not rely on these figures."
        )
    if report.status is RunStatus.FAILED and not report.jobs.get("submitted"):
        return "bad", "The run failed before anything was sent."
    if report.status is RunStatus.FAILED:
        return "bad", f"The run failed: {tally(report)}."
    if report.status is RunStatus.ABORTED:
        # Whoever stops a run that goes well need not be alarmed.
        tone = "fair" if report.count(OutcomeStatus.SUCCEEDED) else "bad"
        return tone, f"The run was aborted: {tally(report)}."
    if report.status is RunStatus.UNRESOLVED:
        return "bad", f"The run ended with rows that nobody can vouch for: {tally(report)}."
    sentence = tally(report)
    return _tone(report), f"{sentence[0].upper()}{sentence[1:]}."


def _so_far(report: RunReport) -> tuple[str, str]:
    """The tone and the sentence of a run that is open."""
    troubled = sum(report.count(status) for status in _TROUBLE)
    tone = "fair" if troubled or report.status is RunStatus.PAUSED else "good"
    known = f"{number(report.settled)} of {counted(report.rows, 'row')} have their outcome"
    others = [
        f"{number(count)} {_PREDICATES[status][count != 1]}"
        for status in _TROUBLE
        if (count := report.count(status))
    ]
    so_far = listed([known, *others])
    match report.status:
        case RunStatus.PAUSED:
            return tone, f"The run is paused and waits for your yes or no: {so_far}."
        case RunStatus.PLANNING:
            return tone, f"The file is being read: {counted(report.rows, 'row')} so far."
        case _:
            return tone, f"The run goes on: {so_far}."


def _tone(report: RunReport) -> str:
    if report.status is RunStatus.COMPLETED:
        return "good"
    return "fair" if report.count(OutcomeStatus.SUCCEEDED) else "bad"


def tally(report: RunReport) -> str:
    """`290 of 300 rows succeeded, 6 failed and 1 was skipped`."""
    good = report.count(OutcomeStatus.SUCCEEDED)
    if report.rows == 0:
        return "the file has no rows, so there was nothing to send"
    if good == report.rows:
        return "the only row succeeded" if good == 1 else f"all {number(good)} rows succeeded"
    others = [
        f"{number(count)} {_PREDICATES[status][count != 1]}"
        for status in _PREDICATES
        if (count := report.count(status))
    ]
    rows = counted(report.rows, "row")
    if good == 0:
        return f"none of {rows} succeeded: {listed(others)}"
    return listed([f"{number(good)} of {rows} succeeded", *others])
