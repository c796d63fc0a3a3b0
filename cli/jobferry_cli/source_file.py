"""A CSV on this machine, read as the stack will read it."""

from __future__ import annotations

from pathlib import Path

from jobferry.commands import command, other_command
from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.mapping import RowMapping
from jobferry.csvfile.problems import FileRefused
from jobferry.steps.binding import bind_columns
from jobferry_cli.errors import CommandError
from jobferry_cli.profiles import UsableProfile


def bind(file: Path, usable: UsableProfile) -> tuple[Dialect, RowMapping]:
    """How the file is written, and what the profile makes of its columns.

    Raises:
        CommandError: the file cannot be used with this profile, or not be read.
    """
    profile = usable.profile
    try:
        with file.open("rb") as stream:
            sample = stream.read(SAMPLE_BYTES)
        dialect = detect(
            sample,
            whole=len(sample) < SAMPLE_BYTES,
            encoding=profile.encoding,
            delimiter=profile.delimiter,
        )
        return dialect, bind_columns(profile, usable.operation, usable.vendor, dialect.header)
    except FileRefused as refusal:
        raise refused(file, profile.name, refusal) from None
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror}.",
            next_command=other_command("ls", "-l", file),
        ) from None


def refused(file: Path, profile: str, refusal: FileRefused) -> CommandError:
    """Why the whole file cannot be used, as a failure of the command."""
    return CommandError(
        f"{file} cannot be used with the profile {profile}. {refusal.message}",
        next_command=command("plan", file, "--profile", profile),
    )
