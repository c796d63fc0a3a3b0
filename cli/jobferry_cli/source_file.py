"""A file on this machine, plain or packed, read as the stack will read it."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from jobferry.binding.column_binding import bind_columns
from jobferry.csvfile.bounds import file_too_large
from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.gzipped import unpack
from jobferry.csvfile.row_mapping import RowMapping
from jobferry.domain.commands import command, other_command
from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.inbox import delimiter_of, is_packed
from jobferry.domain.profile import Profile
from jobferry.runtime.settings import Settings
from jobferry_cli.errors import CommandError
from jobferry_cli.profiles import UsableProfile


def bind(file: Path, usable: UsableProfile, settings: Settings) -> tuple[Dialect, RowMapping]:
    """How the file is written, and what the profile makes of its columns.

    Args:
        settings: of the stack, whose bounds the file must keep.

    Raises:
        CommandError: the file cannot be used with this profile, or not be read.
    """
    profile = usable.profile
    try:
        most = settings.max_file_bytes
        if (size := file.stat().st_size) > most:
            raise file_too_large(size, most)
        sample = b"".join(_start(file, most))[:SAMPLE_BYTES]
        dialect = detect(
            sample,
            whole=len(sample) < SAMPLE_BYTES,
            encoding=profile.encoding,
            delimiter=profile.delimiter or delimiter_of(file.name),
        )
    except FileRefused as refusal:
        raise refused(file, profile.name, refusal) from None
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror}.",
            next_command=other_command("ls", "-l", file),
        ) from None
    try:
        return dialect, bind_columns(profile, usable.operation, usable.vendor, dialect.header)
    except FileRefused as refusal:
        found = _header_found(dialect.header, profile)
        raise refused(file, profile.name, refusal, found) from None


_MOST_NAMES = 30
_MOST_CHARACTERS = 60


def _header_found(header: Sequence[str], profile: Profile) -> list[str]:
    """The header as it stands in the file, and what is likely meant by a column that is missing."""
    shown = [f'"{name[:_MOST_CHARACTERS]}"' for name in header[:_MOST_NAMES]]
    more = len(header) - len(shown)
    lines = [f"Found: {', '.join(shown)}{f' and {more} more' if more else ''}."]
    wanted = dict.fromkeys([*(profile.columns or ()), *filter(None, [profile.row_key])])
    names = set(header)
    for name in wanted:
        if name not in names and (near := _nearest(name, names - wanted.keys())):
            lines.append(f'"{name}" may be "{near[:_MOST_CHARACTERS]}" in this file.')
    return lines


def _nearest(name: str, names: Collection[str]) -> str | None:
    plain = {each.strip().casefold(): each for each in sorted(names) if each.strip()}
    near = get_close_matches(name.strip().casefold(), plain, n=1)
    return plain[near[0]] if near else None


def _start(file: Path, most: int) -> Iterator[bytes]:
    """Blocks of the plain file until they make a sample, or the file ends."""
    with file.open("rb") as stream:
        if not is_packed(file.name):
            yield stream.read(SAMPLE_BYTES)
            return
        taken = 0
        for block in unpack(stream, most):
            yield block
            taken += len(block)
            if taken >= SAMPLE_BYTES:
                return


@contextmanager
def plain(file: Path, most: int) -> Iterator[Path]:
    """The file that can be read by range: itself, or what is packed in it, for a while.

    Args:
        most: bytes that a packed file may hold.

    Raises:
        FileRefused: it cannot be unpacked.
    """
    if not is_packed(file.name):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="jobferry-") as folder:
        path = Path(folder) / "source"
        with file.open("rb") as stream, path.open("wb") as out:
            for block in unpack(stream, most):
                out.write(block)
        yield path


_OF_THE_PROFILE = frozenset(
    {
        RefusalCode.MISSING_COLUMN,
        RefusalCode.NO_HEADER,
        RefusalCode.DUPLICATE_COLUMN,
        RefusalCode.CONFLICTING_COLUMNS,
    }
)
"""Refusals of a header, which the profile's columns are held against."""


def refused(
    file: Path, profile: str, refusal: FileRefused, details: Sequence[str] = ()
) -> CommandError:
    """Why the whole file cannot be used, as a failure of the command.

    Args:
        details: what more is known of the file.
    """
    return CommandError(
        f"{file} cannot be used with the profile {profile}. {refusal.message}",
        details=details if refusal.code in _OF_THE_PROFILE else (),
        next_command=command("profile", "show", profile),
        error_code=refusal.code.value,
    )
