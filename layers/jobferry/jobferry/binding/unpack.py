"""Unpack: a packed file becomes a plain object of the archive, once, before it is planned.

Chunks are byte ranges, so the bytes that they count must lie somewhere. They are uploaded in
parts of fixed size as they are unpacked. Whoever goes on after a pause or a crash unpacks from the
start again, as nothing else is possible, but uploads only the parts that are not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobferry.csvfile.gzipped import unpack
from jobferry.deps import Deps
from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.inbox import is_packed, plain_suffix
from jobferry.domain.run import Run, Source
from jobferry.store.objects import PART_BYTES, ObjectMissingError, Objects, UploadGoneError

FOLDER = "unpacked"
"""Folder of the archive; what lies there is kept as long as the results of its run."""

PARTS_PER_SAVE = 16
"""Parts that a crash makes somebody upload again, at the most."""


def unpacked(run: Run, deps: Deps, deadline: float) -> Run | None:
    """The run with a file that can be read by range: as it is, unless its source is packed.

    Args:
        deadline: epoch seconds at which to put the work aside.

    Returns:
        None: it must be called again.

    Raises:
        FileRefused: the file is no gzip file, is damaged, or holds too much.
        SourceError: it is gone, or may not be read.
    """
    if run.unpacked is not None or not is_packed(run.source.key):
        return run
    try:
        data = _upload(run, _saved(run, deps), deps, deadline)
    except UploadGoneError:
        # Whoever completed it died before that was noted: begin anew.
        data = _upload(run, None, deps, deadline)
    if data is None:
        return None
    deps.store.runs.note_unpacked(run.run_id, data)
    deps.log("file unpacked", run_id=run.run_id, packed=run.source.size, size=data.size)
    # Another one may have been faster; what it noted is what counts.
    now = deps.store.runs.must_get(run.run_id)
    return None if now.unpacked is None else now


def _upload(run: Run, saved: dict[str, Any] | None, deps: Deps, deadline: float) -> Source | None:
    upload = _Upload(
        deps.objects,
        f"{FOLDER}/{run.run_id}/source{plain_suffix(run.source.key)}",
        _state_key(run),
        **saved or {},
    )
    there = len(upload.tags)
    try:
        with deps.objects.stream(run.source) as stream:
            for block in unpack(stream, deps.settings.max_file_bytes):
                upload.add(block)
                if deps.now() >= deadline and len(upload.tags) > there:
                    upload.save()
                    return None
        return upload.complete()
    except FileRefused:
        upload.drop()
        raise


def _state_key(run: Run) -> str:
    return f"plans/{run.run_id}/unpacking.json"


def _saved(run: Run, deps: Deps) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = deps.objects.get_json(_state_key(run))
    except ObjectMissingError:
        return None
    return state


@dataclass
class _Upload:
    """An upload in parts, all of the same size but for the last.

    upload_id  None: not begun
    tags       of the parts that are there
    """

    objects: Objects
    key: str
    state_key: str
    upload_id: str | None = None
    tags: list[str] = field(default_factory=list)
    number: int = 0
    size: int = 0
    buffer: bytearray = field(default_factory=bytearray)

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self.buffer += block
        while len(self.buffer) >= PART_BYTES:
            self._put(bytes(self.buffer[:PART_BYTES]))
            del self.buffer[:PART_BYTES]

    def _put(self, part: bytes) -> None:
        self.number += 1
        if self.number <= len(self.tags):
            return
        if self.upload_id is None:
            self.upload_id = self.objects.begin_upload(self.key, "text/csv")
            self.save()
        self.tags.append(self.objects.put_part(self.key, self.upload_id, self.number, part))
        if self.number % PARTS_PER_SAVE == 0:
            self.save()

    def save(self) -> None:
        """Note what is there, for whoever goes on."""
        state = {"upload_id": self.upload_id, "tags": self.tags}
        self.objects.put_json(self.state_key, state)

    def complete(self) -> Source:
        """Make one object of it.

        Raises:
            FileRefused: nothing was packed in the file.
        """
        if self.buffer:
            self._put(bytes(self.buffer))
        if self.upload_id is None:
            raise FileRefused(
                RefusalCode.EMPTY_FILE,
                "The packed file is empty: there is nothing in it. Check the export.",
            )
        version_id = self.objects.end_upload(self.key, self.upload_id, self.tags)
        return Source(self.objects.archive_bucket, self.key, version_id, self.size)

    def drop(self) -> None:
        if self.upload_id is not None:
            self.objects.drop_upload(self.key, self.upload_id)
