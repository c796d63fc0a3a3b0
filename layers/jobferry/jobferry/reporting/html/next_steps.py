"""What the operator does now, with the commands to type."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobferry.domain.inbox import UNKNOWN
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.reporting.html.markup import Html, command, tag
from jobferry.reporting.html.model import RunReport

Step = tuple[str, ...]
"""Prose and commands."""


def next_steps(report: RunReport) -> list[Step]:
    """What a person does now, in order."""
    if report.status is RunStatus.FAILED and not report.jobs.get("submitted"):
        return [_other_file(report)]
    folder = f"results/{report.run_id}"
    steps = [
        *_failed(report, folder),
        *_rejected(report, folder),
        *_unknown(report),
        *_never_sent(report, folder),
    ]
    if steps:
        fetch = command("jobferry", "results", report.run_id, "--out", folder)
        steps.insert(0, ("Fetch the result files:", fetch))
    if steps and report.error is not None:
        test = command("jobferry", "connection", "test", report.connection)
        steps.insert(
            0, ("Once the reason above is out of the way, see that the vendor welcomes us:", test)
        )
    return steps


def _other_file(report: RunReport) -> Step:
    """The step after a file that could not be used."""
    if report.profile == UNKNOWN:
        profiles = command("jobferry", "profile", "list")
        return ("Look which profile it is for, and upload the file to its folder:", profiles)
    # "./" keeps a name that starts with a dash from being read as an option.
    name = "./" + (PurePosixPath(report.source).name or "FILE.csv")
    plan = command("jobferry", "plan", name, "--profile", report.profile)
    return ("Mend what the reason above names, then look at the plan, which sends nothing:", plan)


def _send(report: RunReport, folder: str, name: str) -> Html:
    return command("jobferry", "run", f"{folder}/{name}", "--profile", report.profile)


def _failed(report: RunReport, folder: str) -> list[Step]:
    if not report.count(OutcomeStatus.FAILED):
        return []
    return [
        (
            "Mend the cells of ",
            tag("code", "failed.csv"),
            " that the errors below name, and send the file as it then is:",
            _send(report, folder, "failed.csv"),
            "Where nothing is wrong with the rows, or records were mended at the vendor, send "
            "them once more as they are:",
            command("jobferry", "retry", report.run_id),
        )
    ]


def _rejected(report: RunReport, folder: str) -> list[Step]:
    if not report.count(OutcomeStatus.REJECTED):
        return []
    return [
        (
            "Mend the cells of ",
            tag("code", "rejected.csv"),
            " and send the file as it then is:",
            _send(report, folder, "rejected.csv"),
        )
    ]


def _unknown(report: RunReport) -> list[Step]:
    if not report.count(OutcomeStatus.UNKNOWN):
        return []
    return [
        (
            "Ask the vendor once more; nothing is sent by it:",
            command("jobferry", "resolve", report.run_id),
            "What is then still in ",
            tag("code", "unknown.csv"),
            ", look up at the vendor. Send only rows that are not there, or they are doubled:",
            command("jobferry", "rows", report.run_id, "--status", "unknown"),
        )
    ]


def _never_sent(report: RunReport, folder: str) -> list[Step]:
    # Without an abort or an error, what was skipped are duplicates, and they need nobody.
    stopped = report.status is RunStatus.ABORTED or report.error is not None
    if not (stopped and report.count(OutcomeStatus.SKIPPED)):
        return []
    return [
        (
            "Rows that were never sent are in ",
            tag("code", "skipped.csv"),
            ". To send them now:",
            _send(report, folder, "skipped.csv"),
        )
    ]
