"""What the operator does now, with the commands to type."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobferry.domain.inbox import UNKNOWN
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.reporting.html.markup import Html, command, tag
from jobferry.reporting.html.model import RunReport


def next_steps(report: RunReport) -> list[tuple[str, ...]]:
    """What a person does now, in order; each step is prose and commands."""
    folder = f"results/{report.run_id}"

    def send(name: str) -> Html:
        return command("jobferry", "run", f"{folder}/{name}", "--profile", report.profile)

    if report.status is RunStatus.FAILED and report.profile == UNKNOWN:
        profiles = command("jobferry", "profile", "list")
        return [("Look which profile it is for, and upload the file to its folder:", profiles)]
    if report.status is RunStatus.FAILED and not report.jobs.get("submitted"):
        # "./" keeps a name that starts with a dash from being read as an option.
        name = "./" + (PurePosixPath(report.source).name or "FILE.csv")
        plan = command("jobferry", "plan", name, "--profile", report.profile)
        return [
            ("Mend what the reason above names, then look at the plan, which sends nothing:", plan)
        ]

    steps: list[tuple[str, ...]] = []
    if report.count(OutcomeStatus.FAILED):
        steps.append(
            (
                "Mend the cells of ",
                tag("code", "failed.csv"),
                " that the errors below name, and send the file as it then is:",
                send("failed.csv"),
                "Where nothing is wrong with the rows, or records were mended at the vendor, send "
                "them once more as they are:",
                command("jobferry", "retry", report.run_id),
            )
        )
    if report.count(OutcomeStatus.REJECTED):
        steps.append(
            (
                "Mend the cells of ",
                tag("code", "rejected.csv"),
                " and send the file as it then is:",
                send("rejected.csv"),
            )
        )
    if report.count(OutcomeStatus.UNKNOWN):
        steps.append(
            (
                "Ask the vendor once more; nothing is sent by it:",
                command("jobferry", "resolve", report.run_id),
                "What is then still in ",
                tag("code", "unknown.csv"),
                ", look up at the vendor. Send only rows that are not there, or they are doubled:",
                command("jobferry", "rows", report.run_id, "--status", "unknown"),
            )
        )
    # Without an abort or an error, what was skipped are duplicates, and they need nobody.
    stopped = report.status is RunStatus.ABORTED or report.error is not None
    if stopped and report.count(OutcomeStatus.SKIPPED):
        steps.append(
            (
                "Rows that were never sent are in ",
                tag("code", "skipped.csv"),
                ". To send them now:",
                send("skipped.csv"),
            )
        )
    if steps:
        fetch = command("jobferry", "results", report.run_id, "--out", folder)
        steps.insert(0, ("Fetch the result files:", fetch))
    if steps and report.error is not None:
        test = command("jobferry", "connection", "test", report.connection)
        steps.insert(
            0, ("Once the reason above is out of the way, see that the vendor welcomes us:", test)
        )
    return steps
