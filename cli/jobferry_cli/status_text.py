"""A run's status document as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobferry.reporting.formatting import counted, duration, listed, number
from jobferry_cli.moments import both_times
from jobferry_cli.progress import progress_line


def status_lines(document: Mapping[str, Any]) -> list[str]:
    """The whole picture of a run in a few lines."""
    source = document["source"]
    outcomes = [f"{number(n)} {name}" for name, n in document["outcomes"].items() if n]
    jobs, requests = document["jobs"], document["requests"]
    closed = document["closed_at"] is not None
    lines = [
        f"Run       {document['run_id']}",
        f"Status    {_words(document['status'])}",
        f"Profile   {document['profile']}, priority {document['priority']}",
        f"File      s3://{source['bucket']}/{source['key']}",
        f"Rows      {number(document['rows'])}{': ' if outcomes else ''}{listed(outcomes)}",
        f"Jobs      {number(jobs['finished'])} of {number(jobs['planned'])} finished, "
        f"{counted(sum(requests.values()), 'request')}",
        f"Time      {duration(document['seconds'])} since {both_times(document['started_at'])}"
        + (f", closed {both_times(document['closed_at'])}" if closed else "")
        + (f", and {duration(idle)} paused" if (idle := document["paused_seconds"]) else ""),
    ]
    if document["origin"]:
        lines.append(f"Origin    {document['origin']}")
    lines += [f"{action.title():<9} by {by}" for action, by in document["by"].items() if by]
    # A pause is what it waits for; it is said once. Many jobs may wait for one and the same.
    lines += list(dict.fromkeys(map(_waiting, _but_pauses(document))))
    if document["paused"]:
        lines.append(f"Paused    {document['paused']['reason']}")
    lines += [f"Warning   {text}" for text in document["warnings"]]
    if document["error"]:
        lines.append(f"Reason    {document['error']}")
    if not closed:
        lines.append(f"Progress  {progress_line(document)}")
    for step in document["steps"]:
        lines.append(f"          {step['text']}")
        lines += [f"Next:     {command}" for command in step["commands"]]
    return lines


def _but_pauses(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    paused = document["paused"]
    return [each for each in document["waiting"] if not paused or each["text"] != paused["reason"]]


def _waiting(entry: Mapping[str, Any]) -> str:
    """What a run waits for, since when, and until when."""
    since = f" (since {both_times(entry['since'])})" if entry["since"] else ""
    until = f" (until {both_times(entry['until'])})" if entry["until"] else ""
    return f"Waiting   {entry['text']}{since}{until}"


def _words(status: str) -> str:
    return status.replace("_", " ")
