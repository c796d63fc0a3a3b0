"""A run's status document as people read it, and the commands that come next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jobferry.model import RunStatus
from jobferry.report.figures import counted, duration, listed, number
from jobferry_cli.output import printable
from jobferry_cli.progress import progress_line


def status_text(document: Mapping[str, Any]) -> str:
    """The whole picture of a run in a few lines."""
    source = document["source"]
    outcomes = [f"{number(n)} {name}" for name, n in document["outcomes"].items() if n]
    jobs, requests = document["jobs"], document["requests"]
    closed = document["closed_at"] is not None
    lines = [
        f"Run       {document['run_id']}",
        f"Status    {_words(document['status'])}",
        f"Profile   {document['profile']}, priority {document['priority']}",
        printable(f"File      s3://{source['bucket']}/{source['key']}"),
        f"Rows      {number(document['rows'])}{': ' if outcomes else ''}{listed(outcomes)}",
        f"Jobs      {number(jobs['finished'])} of {number(jobs['planned'])} finished, "
        f"{counted(sum(requests.values()), 'request')}",
        f"Time      {duration(document['seconds'])} since {document['started_at']}"
        + (f", closed {document['closed_at']}" if closed else ""),
    ]
    if document["origin"]:
        lines.append(f"Origin    {document['origin']}")
    if document["waiting"]:
        waiting = document["waiting"]
        needs = listed(list(dict.fromkeys(str(job["waiting_for"]) for job in waiting)))
        jobs = counted(len(waiting), "job")
        lines.append(printable(f"Waiting   {jobs} at the vendor until somebody acts: {needs}"))
    if document["paused"]:
        lines.append(printable(f"Paused    {document['paused']['reason']}"))
    if document["error"]:
        lines.append(printable(f"Reason    {document['error']}"))
    if not closed:
        lines.append(f"Progress  {progress_line(document)}")
    lines += [f"Next:     {command}" for command in next_commands(document)]
    return "\n".join(lines)


def next_commands(document: Mapping[str, Any]) -> list[str]:
    """What the operator types now, ids filled in; the most useful first."""
    run_id, outcomes = document["run_id"], document["outcomes"]
    if document["paused"]:
        rows = [f"jobferry rows {run_id} --status failed"] if outcomes["failed"] else []
        return [*rows, f"jobferry resume {run_id}", f"jobferry abort {run_id}"]
    if document["closed_at"] is None:
        waiting = [f"jobferry problems {run_id}"] if document["waiting"] else []
        return [*waiting, f"jobferry watch {run_id}"]
    if document["status"] == RunStatus.FAILED:
        # "./" keeps a name that starts with a dash from being read as an option.
        file = "./" + PurePosixPath(document["source"]["key"]).name
        return [f"jobferry plan {shlex.quote(file)} --profile {document['profile']}"]
    commands = [
        f"jobferry rows {run_id} --status {status}"
        for status in ("unknown", "failed", "rejected")
        if outcomes[status]
    ]
    if document["error"] and outcomes["failed"]:
        # The account refused us: its rows failed, where those of an operator's stop are skipped.
        commands.insert(0, f"jobferry connection test {document['connection']}")
    if document["status"] == RunStatus.ABORTED:
        commands.append(f"jobferry rerun {run_id}")
    elif outcomes["failed"]:
        commands.append(f"jobferry retry {run_id}")
    return [*commands, f"jobferry results {run_id} --out results/{run_id}"]


def _words(status: str) -> str:
    return status.replace("_", " ")
