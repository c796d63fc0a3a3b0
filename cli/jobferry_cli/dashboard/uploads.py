"""A file on its way from the browser: to this disk, bounded, and planned there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from jobferry.csvfile.bounds import file_too_large
from jobferry.domain.commands import command
from jobferry.domain.inbox import no_name
from jobferry.domain.names import is_name
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.held_files import HeldFile
from jobferry_cli.errors import CommandError
from jobferry_cli.plan_document import planned_document
from jobferry_cli.profiles import usable_profile

MOST_NAME = 200
"""Characters of a file's name."""


class TooLargeError(Exception):
    """More bytes have arrived than a file may have."""


async def receive(stream: AsyncIterator[bytes], path: Path, most: int) -> None:
    """Write what arrives into a file.

    Raises:
        TooLargeError: it is more than `most` bytes; the rest is not read.
    """
    size = 0
    with path.open("wb") as file:
        async for part in stream:
            size += len(part)
            if size > most:
                raise TooLargeError
            await run_in_threadpool(_write, file, part)


def _write(file: BinaryIO, part: bytes) -> None:
    file.write(part)


async def take(desk: Desk, stream: AsyncIterator[bytes], profile: str, name: str) -> HeldFile:
    """Take a file in, and plan it. What cannot be planned is deleted at once.

    Raises:
        CommandError: it cannot be used.
    """
    name = plain_name(name)
    if not is_name(profile):
        raise CommandError(no_name(profile), next_command=command("profile", "list"))
    usable = await run_in_threadpool(usable_profile, desk.stack, profile)
    most = desk.stack.settings.max_file_bytes
    file_id, path = desk.held.room(name)
    try:
        await receive(stream, path, most)
        document = await run_in_threadpool(planned_document, path, usable, desk.stack)
        held = HeldFile(file_id, profile, name, path, {**document, "file": name})
        desk.held.keep(held)
    except TooLargeError:
        raise CommandError(
            file_too_large(most + 1, most).message,
            next_command=command("plan", name, "--profile", profile),
        ) from None
    except CommandError as error:
        # The command speaks of the file by its path, which is ours here.
        error.message = error.message.replace(str(path), name)
        raise
    finally:
        if desk.held.get(file_id) is None:
            desk.held.drop(file_id)
    return held


def plain_name(name: str) -> str:
    """The name of a file, without folders."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()[-MOST_NAME:]
    return "".join(c if c.isprintable() else "_" for c in last) or "file.csv"
