"""Files that were chosen on the page and wait for a yes: on this disk, for a while."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from jobferry.domain.inbox import suffix_of

MOST_FILES = 4
"""Files that wait at once; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """One of them.

    Attributes:
        name: of the file where it was chosen
        plan: what would be sent of it (`plan_document.planned_document`)
    """

    file_id: str
    profile: str
    name: str
    path: Path
    plan: Mapping[str, Any]


class HeldFiles:
    """A folder of this process alone. Leaving the context deletes it with all that is in it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="jobferry-dashboard-"))
        self._files: OrderedDict[str, HeldFile] = OrderedDict()
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def room(self, name: str) -> tuple[str, Path]:
        """(id, path) for a file that is about to arrive. Its ending says how it is written."""
        file_id = secrets.token_urlsafe(9)
        folder = self._folder / file_id
        folder.mkdir()
        return file_id, folder / f"file{suffix_of(name) or '.csv'}"

    def keep(self, held: HeldFile) -> None:
        """A file that has arrived whole."""
        with self._lock:
            self._files[held.file_id] = held
            over = list(self._files)[:-MOST_FILES]
        for file_id in over:
            self.drop(file_id)

    def get(self, file_id: str) -> HeldFile | None:
        with self._lock:
            return self._files.get(file_id)

    @contextmanager
    def taken(self, file_id: str) -> Iterator[HeldFile | None]:
        """A file for one who uses it up: nobody else gets it meanwhile, and it is deleted after.

        Where the block fails, it waits again. None: it is not there.
        """
        with self._lock:
            held = self._files.pop(file_id, None)
        try:
            yield held
        except BaseException:
            if held is not None:
                self.keep(held)
            raise
        if held is not None:
            self.drop(file_id)

    def drop(self, file_id: str) -> None:
        """Delete a file, be it there or not."""
        with self._lock:
            self._files.pop(file_id, None)
        if file_id and "/" not in file_id and not file_id.startswith("."):
            shutil.rmtree(self._folder / file_id, ignore_errors=True)

    @property
    def folder(self) -> Path:
        return self._folder
