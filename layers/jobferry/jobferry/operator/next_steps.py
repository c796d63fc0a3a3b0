"""What the operator types next, as a run's status document says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jobferry.domain.commands import Command, command
from jobferry.domain.inbox import UNKNOWN
from jobferry.domain.run import RunStatus


def next_commands(document: Mapping[str, Any]) -> list[Command]:
    """Commands with ids filled in, the most useful first.

    Args:
        document: `show_run.run_document`; `next` itself may be missing.
    """
    run_id, outcomes = document["run_id"], document["outcomes"]
    if document["paused"]:
        rows = [command("rows", run_id, "--status", "failed")] if outcomes["failed"] else []
        return [*rows, command("resume", run_id), command("abort", run_id)]
    if document["closed_at"] is None:
        return [*_while_open(document), command("watch", run_id)]
    if document["status"] == RunStatus.FAILED and document["profile"] == UNKNOWN:
        return [command("profile", "list")]
    if document["status"] == RunStatus.FAILED:
        # "./" keeps a name that starts with a dash from being read as an option.
        file = "./" + PurePosixPath(document["source"]["key"]).name
        return [command("plan", file, "--profile", document["profile"])]
    commands = [
        command("rows", run_id, "--status", status)
        for status in ("unknown", "failed", "rejected")
        if outcomes[status]
    ]
    if outcomes["unknown"]:
        commands.insert(0, command("resolve", run_id, "--wait"))
    if document["error"] and outcomes["failed"]:
        # The account refused us: its rows failed, where those of an operator's stop are skipped.
        commands.insert(0, command("connection", "test", document["connection"]))
    if document["status"] == RunStatus.ABORTED:
        commands.append(command("rerun", run_id))
    elif outcomes["failed"]:
        commands.append(command("retry", run_id))
    return [*commands, command("results", run_id, "--out", f"results/{run_id}")]


def _while_open(document: Mapping[str, Any]) -> list[Command]:
    """What helps with what an open run waits for."""
    found = []
    for wait in document["waiting"]:
        match wait["for"]:
            case "problem":
                found.append(command("problems", document["run_id"]))
            case "rate_limit":
                found.append(command("connection", "show", document["connection"]))
            case (
                "vendor_unreachable"
                | "vendor_unavailable"
                | "credentials_unusable"
                | "address_not_allowed"
            ):
                found.append(command("connection", "test", document["connection"]))
    return list(dict.fromkeys(found))
