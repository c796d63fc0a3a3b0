"""What a person does next with a run: one answer for the command, the report, the page, events and
mails. A function of the run's status document.

What helps depends on the class of the errors (`domain.error_codes`): rows that are wrong are
mended, a vendor that failed is asked again, a refused account is mended first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from jobferry.domain.commands import Command, Step, command, other_command
from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.domain.inbox import INBOX, UNKNOWN, suffix_of
from jobferry.domain.run import ABORTED, RunStatus
from jobferry.reporting.formatting import counted

Document = Mapping[str, Any]

_AGAIN = (ErrorClass.CONFLICT, ErrorClass.THROTTLE, ErrorClass.VENDOR, ErrorClass.STOPPED)
"""Classes of errors with which rows may go again as they are."""

_MENDED = (ErrorClass.ROW, ErrorClass.FILE, ErrorClass.LOST)
"""Classes of errors with which rows fail again, unless somebody mends something."""


def commands_of(steps: Iterable[Step]) -> list[Command]:
    """The commands of some steps, each once."""
    return list(dict.fromkeys(each for step in steps for each in step.commands))


def next_steps(document: Document) -> list[Step]:
    """What to do next, the most useful first, with commands that name the run.

    Args:
        document: `status.run_document`; `next` and `steps` themselves may be missing.
    """
    if document["paused"]:
        return _paused(document)
    if document["closed_at"] is None:
        return _open(document)
    if document["status"] == RunStatus.FAILED:
        return [_other_file(document)]
    return _closed(document)


def _paused(document: Document) -> list[Step]:
    run_id, outcomes = document["run_id"], document["outcomes"]
    code = document["paused"]["code"]
    steps = []
    if outcomes["failed"] or outcomes["unknown"]:
        status = "failed" if outcomes["failed"] else "unknown"
        steps.append(
            Step(
                f"Look at the rows that are {status}, or at all kinds of errors in the report.",
                (command("rows", run_id, "--status", status), command("report", run_id)),
            )
        )
    elif code == "trial":
        steps.append(Step("Look at what the trial made at the vendor.", (command("rows", run_id),)))
    if code in ("connection_changed", "policy", "snapshot") and document["connection"]:
        steps.append(
            Step(
                "Look at the connection.", (command("connection", "test", document["connection"]),)
            )
        )
    return [
        *steps,
        Step("If all is well, send the rest.", (command("resume", run_id),)),
        Step("If not, end the run; rows not yet sent are skipped.", (command("abort", run_id),)),
    ]


def _open(document: Document) -> list[Step]:
    steps = []
    for wait in document["waiting"]:
        match wait["for"]:
            case "problem":
                steps.append(
                    Step("See what its jobs wait for.", (command("problems", document["run_id"]),))
                )
            case "rate_limit":
                show = command("connection", "show", document["connection"])
                steps.append(Step("See how long the vendor wants nothing sent.", (show,)))
            case (
                "vendor_unreachable"
                | "vendor_unavailable"
                | "credentials_unusable"
                | "address_not_allowed"
            ):
                test = command("connection", "test", document["connection"])
                steps.append(Step("Find out whether the vendor can be reached now.", (test,)))
    follow = Step("Follow it.", (command("watch", document["run_id"]),))
    return [*dict.fromkeys(steps), follow]


def _other_file(document: Document) -> Step:
    """The step after a file that could not be used."""
    if document["profile"] == UNKNOWN:
        return Step(
            "See which profile it is for, and run it with that one.", (command("profile", "list"),)
        )
    source = document["source"]
    if suffix_of(source["key"]) is None and not source["key"].startswith(INBOX):
        return Step(
            "See what lies there and when the schedule fires again; what is put there until then "
            "is sent then.",
            (
                other_command("aws", "s3", "ls", f"s3://{source['bucket']}/{source['key']}"),
                command("schedule", "list"),
            ),
        )
    # "./" keeps a name that starts with a dash from being read as an option.
    file = "./" + (PurePosixPath(document["source"]["key"]).name or "FILE.csv")
    return Step(
        "Mend what the reason names, in the file or in the profile; then look at the plan, which "
        "sends nothing.",
        (
            command("plan", file, "--profile", document["profile"]),
            command("profile", "show", document["profile"]),
        ),
    )


def _closed(document: Document) -> list[Step]:
    run_id, outcomes = document["run_id"], document["outcomes"]
    fetch = command("results", run_id, "--out", f"results/{run_id}")
    steps = _account(document)
    troubled = outcomes["failed"] or outcomes["rejected"] or outcomes["unknown"] or steps
    doubtful = document["status"] == RunStatus.COMPLETED_WITH_FAILURES
    if not troubled and not doubtful and not _cut_short(document):
        return [Step("The result files have the vendor's id of every row.", (fetch,))]
    steps += _unknown(document)
    steps += _failed(document, fetch)
    if outcomes["rejected"]:
        steps.append(
            Step(
                f"{_rows(outcomes['rejected'])} never sent: mend the cells of `rejected.csv` that "
                "the errors name, and run that file.",
                (
                    command("rows", run_id, "--status", "rejected"),
                    *(() if fetch in commands_of(steps) else (fetch,)),
                    _run_file(document, "rejected.csv"),
                ),
            )
        )
    if _cut_short(document) and not _refused(document):
        steps.append(
            Step(
                f"{_rows(outcomes['skipped'])} not sent any more. To send them, and all others "
                "that were surely not applied:",
                (command("rerun", run_id),),
            )
        )
    if outcomes["skipped"] and document["status"] == RunStatus.COMPLETED_WITH_FAILURES:
        steps.append(
            Step(
                "Skipped rows have the key of another row; where their other cells differ from it, "
                "find out which is right.",
                (command("rows", run_id, "--status", "skipped"),),
            )
        )
    if not any(fetch in step.commands for step in steps):
        steps.append(Step("Everything by row is in the result files.", (fetch,)))
    return steps


def _account(document: Document) -> list[Step]:
    """What comes first when the account, and not a row, was refused."""
    if not _refused(document):
        return []
    if error_class(document["error_code"]) is ErrorClass.FILE:
        show = command("profile", "show", document["profile"])
        mend = Step(
            "The request was refused, not the rows: mend what the reason names in the profile.",
            (show,),
        )
    else:
        test = command("connection", "test", document["connection"])
        mend = Step(
            "The account was refused, not the rows. Mend what the reason names, and check that the "
            "vendor accepts us.",
            (test,),
        )
    return [
        mend,
        Step(
            "Then send all rows that were surely not applied.",
            (command("rerun", document["run_id"]),),
        ),
    ]


def _refused(document: Document) -> bool:
    """Whether something that is no row's fault stopped the run, or would have."""
    if not document["connection"]:
        return False
    stopped = document["error_code"] not in (None, ABORTED)
    return stopped or _of_class(document, (ErrorClass.ACCOUNT,)) > 0


def _unknown(document: Document) -> list[Step]:
    run_id, unknown = document["run_id"], document["outcomes"]["unknown"]
    if not unknown:
        return []
    return [
        Step(
            f"{_rows(unknown, 'is', 'are')} unknown: sent, and the vendor could not say what "
            "became of them. Ask once more; nothing is sent by it.",
            (command("resolve", run_id, "--wait"),),
        ),
        Step(
            "Look up at the vendor what is then still unknown. Send only rows that are not there, "
            "or they are done twice.",
            (command("rows", run_id, "--status", "unknown"),),
        ),
    ]


def _failed(document: Document, fetch: Command) -> list[Step]:
    run_id = document["run_id"]
    if document["error_code"] not in (None, ABORTED):
        return []  # A rerun sends them, too: they failed for what the reason names.
    show = command("rows", run_id, "--status", "failed")
    steps = []
    again = _of_class(document, _AGAIN)
    if again:
        steps.append(
            Step(
                f"{_rows(again)} not applied because of the moment, and may succeed as they are.",
                (show, command("retry", run_id)),
            )
        )
    mended = _of_class(document, _MENDED)
    if mended:
        steps.append(
            Step(
                f"{_rows(mended)} refused by the vendor: mend the cells of `failed.csv` that the "
                "errors name, and run that file.",
                (show, fetch, _run_file(document, "failed.csv")),
            )
        )
        steps.append(
            Step(
                "If records were mended at the vendor instead, send the rows as they are.",
                (command("retry", run_id),),
            )
        )
    return steps


def _run_file(document: Document, name: str) -> Command:
    file = f"results/{document['run_id']}/{name}"
    return command("run", file, "--profile", document["profile"])


def _cut_short(document: Document) -> bool:
    """Whether rows are skipped because the run was stopped; other skipped rows are repeats."""
    stopped = document["status"] == RunStatus.ABORTED or document["error"] is not None
    return bool(stopped and document["outcomes"]["skipped"])


def _of_class(document: Document, classes: Iterable[ErrorClass]) -> int:
    """Failed rows with errors of these classes."""
    return sum(document["failed_by_class"].get(kind.value, 0) for kind in classes)


def _rows(count: int, was: str = "was", were: str = "were") -> str:
    return f"{counted(count, 'row')} {was if count == 1 else were}"
