"""What the operator types next, as a run's status document says it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jobferry.inbox import UNKNOWN
from jobferry.model import RunStatus


def next_commands(document: Mapping[str, Any]) -> list[str]:
    """Commands with ids filled in, the most useful first.

    Args:
        document: `show_run.run_document`; `next` itself may be missing.
    """
    run_id, outcomes = document["run_id"], document["outcomes"]
    if document["paused"]:
        rows = [f"jobferry rows {run_id} --status failed"] if outcomes["failed"] else []
        return [*rows, f"jobferry resume {run_id}", f"jobferry abort {run_id}"]
    if document["closed_at"] is None:
        return [*_while_open(document), f"jobferry watch {run_id}"]
    if document["status"] == RunStatus.FAILED and document["profile"] == UNKNOWN:
        return ["jobferry profile list"]
    if document["status"] == RunStatus.FAILED:
        # "./" keeps a name that starts with a dash from being read as an option.
        file = "./" + PurePosixPath(document["source"]["key"]).name
        return [f"jobferry plan {shlex.quote(file)} --profile {document['profile']}"]
    commands = [
        f"jobferry rows {run_id} --status {status}"
        for status in ("unknown", "failed", "rejected")
        if outcomes[status]
    ]
    if outcomes["unknown"]:
        commands.insert(0, f"jobferry resolve {run_id} --wait")
    if document["error"] and outcomes["failed"]:
        # The account refused us: its rows failed, where those of an operator's stop are skipped.
        commands.insert(0, f"jobferry connection test {document['connection']}")
    if document["status"] == RunStatus.ABORTED:
        commands.append(f"jobferry rerun {run_id}")
    elif outcomes["failed"]:
        commands.append(f"jobferry retry {run_id}")
    return [*commands, f"jobferry results {run_id} --out results/{run_id}"]


def _while_open(document: Mapping[str, Any]) -> list[str]:
    """What helps with what an open run waits for."""
    found = []
    for wait in document["waiting"]:
        match wait["for"]:
            case "problem":
                found.append(f"jobferry problems {document['run_id']}")
            case "rate_limit":
                found.append(f"jobferry connection show {document['connection']}")
            case "vendor_unreachable" | "vendor_unavailable" | "credentials_unusable":
                found.append(f"jobferry connection test {document['connection']}")
    return list(dict.fromkeys(found))
