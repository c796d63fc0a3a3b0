"""`objects.Objects` in memory: versions, metadata, ranges, uploads in parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.domain.run import Source
from jobferry.domain.trouble import SOURCE_MISSING, SOURCE_UNAVAILABLE, SOURCE_UNREADABLE
from jobferry.store.objects import (
    DeniedError,
    Head,
    ObjectMissingError,
    Objects,
    SourceError,
    Stored,
    UploadGoneError,
    Version,
    _status,
    source_code,
)
from virtual.effects import Effects

SMALLEST_PART = 5 * 1024 * 1024
"""S3 refuses to complete an upload in which a part, other than the last, is smaller."""


@dataclass(frozen=True, slots=True)
class _Version:
    version_id: str
    body: bytes
    options: Mapping[str, str]
    content_type: str
    stored_at: float = 0.0


@dataclass
class _Upload:
    key: str
    content_type: str
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)


class FakeObjects(Objects):
    """Buckets that live as long as the object. All of them keep versions.

    Args:
        effects: called before and after every request that changes something.
        smallest_part: lower it to see uploads in parts without megabytes.
        now: epoch seconds.
    """

    def __init__(
        self,
        archive_bucket: str = "archive",
        effects: Effects | None = None,
        smallest_part: int = SMALLEST_PART,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        # The client of the real one is left out on purpose.
        self.archive_bucket = archive_bucket
        self.effects = effects or Effects()
        self._smallest_part = smallest_part
        self._now = now
        self.denied: dict[str, float] = {}
        """Key → until when (epoch seconds) it may not be read."""
        self._versions: dict[tuple[str, str], list[_Version]] = {}
        self._uploads: dict[str, _Upload] = {}
        self._numbers = count(1)
        self._lock = RLock()

    def upload(
        self,
        bucket: str,
        key: str,
        body: bytes,
        options: Mapping[str, str] | None = None,
        content_type: str = "text/csv",
        *,
        new: bool = False,
    ) -> str:
        """What a person does with a file; returns the version's id.

        Args:
            new: only where there is none yet (`If-None-Match: *`); else the one that is there.
        """
        with self._lock:
            if new and (there := self.current_version(bucket, key)) is not None:
                return there
            version = _Version(
                f"v{next(self._numbers)}", body, dict(options or {}), content_type, self._now()
            )
            self._versions.setdefault((bucket, key), []).append(version)
            return version.version_id

    def keys(self, prefix: str = "", bucket: str | None = None) -> list[str]:
        """Keys of a bucket, of the archive unless another is named."""
        wanted = bucket or self.archive_bucket
        with self._lock:
            found = (key for held, key in self._versions if held == wanted)
            return sorted(key for key in found if key.startswith(prefix))

    def everything(self) -> list[tuple[str, str]]:
        """(bucket, key) of all objects."""
        with self._lock:
            return sorted(self._versions)

    def current_version(self, bucket: str, key: str) -> str | None:
        """The id of an object's current version; None: there is no object."""
        versions = self._versions.get((bucket, key))
        return versions[-1].version_id if versions else None

    def bytes_of(self, bucket: str, key: str) -> bytes:
        return self._current(bucket, key).body

    def content_type(self, key: str) -> str:
        return self._current(self.archive_bucket, key).content_type

    @property
    def open_uploads(self) -> int:
        """Uploads in parts that were begun and neither completed nor dropped."""
        return len(self._uploads)

    def head(self, bucket: str, key: str, version_id: str | None) -> Head:
        try:
            self._note_read(bucket)
            version = self._current(bucket, key, version_id)
        except ClientError as error:
            if _status(error) == 404:
                raise ObjectMissingError(f"s3://{bucket}/{key}") from None
            if _status(error) in (400, 403):
                raise DeniedError(f"s3://{bucket}/{key}") from None
            raise
        return Head(
            Source(bucket, key, version.version_id, len(version.body)),
            {name.lower(): value for name, value in version.options.items()},
            f"{hashlib.md5(version.body).hexdigest()}-{len(version.body)}",
        )

    def stored(self, bucket: str, prefix: str) -> Iterator[Stored]:
        if self.denied.get(prefix, 0.0) > self._now():
            raise DeniedError(f"s3://{bucket}/{prefix}")
        with self._lock:
            found = [
                Stored(key, versions[-1].stored_at, len(versions[-1].body))
                for (held, key), versions in sorted(self._versions.items())
                if held == bucket and key.startswith(prefix)
            ]
        yield from found

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[Version]:
        with self._lock:
            found = [
                Version(key, version.version_id, version.stored_at, len(version.body))
                for (held, key), versions in sorted(self._versions.items())
                if held == bucket and key.startswith(prefix) and key > after
                for version in versions
            ]
        yield from found

    def read_range(self, source: Source, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        self._note_read_of_a_run(source)
        return self._from(source, offset)[:length]

    def stream(self, source: Source, offset: int = 0) -> BinaryIO:
        self._note_read_of_a_run(source)
        return BytesIO(self._from(source, offset) if offset else self._body(source))

    def put(self, key: str, body: bytes, content_type: str) -> None:
        with self.effects.around("objects.put"):
            self.upload(self.archive_bucket, key, bytes(body), content_type=content_type)

    def put_first(self, key: str, document: Any) -> bool:
        with self.effects.around("objects.put"), self._lock:
            there = self.current_version(self.archive_bucket, key)
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            self.upload(self.archive_bucket, key, body, content_type="application/json", new=True)
        return there is None

    def get(self, key: str) -> bytes:
        self._note_read(self.archive_bucket)
        try:
            return self._current(self.archive_bucket, key).body
        except ClientError:
            raise ObjectMissingError(key) from None

    def put_file(self, key: str, path: Path) -> None:
        self.put(key, path.read_bytes(), "binary/octet-stream")

    def get_file(self, key: str, path: Path) -> None:
        self.effects.pass_time("objects.get")
        path.write_bytes(self._current(self.archive_bucket, key).body)

    def delete(self, key: str) -> None:
        with self.effects.around("objects.delete"), self._lock:
            self._versions.pop((self.archive_bucket, key), None)

    def lose(self, source: Source) -> None:
        """The bucket's life cycle has removed an object, with all its versions."""
        with self._lock:
            del self._versions[source.bucket, source.key]

    def delete_prefix(self, prefix: str) -> int:
        with self.effects.around("objects.delete"), self._lock:
            found = [(self.archive_bucket, key) for key in self.keys(prefix)]
            return sum(len(self._versions.pop(each)) for each in found)

    def delete_uploads(self, bucket: str, prefix: str) -> int:
        return self._delete(bucket, self.keys(prefix, bucket))

    def delete_upload(self, bucket: str, key: str) -> int:
        return self._delete(bucket, [key])

    def delete_version(self, source: Source) -> int:
        with self.effects.around("objects.delete"), self._lock:
            versions = self._versions.get((source.bucket, source.key), [])
            left = [each for each in versions if each.version_id != source.version_id]
            if left:
                self._versions[source.bucket, source.key] = left
            else:
                self._versions.pop((source.bucket, source.key), None)
            return len(versions) - len(left)

    def _delete(self, bucket: str, keys: list[str]) -> int:
        with self.effects.around("objects.delete"), self._lock:
            return sum(len(self._versions.pop((bucket, key), [])) for key in keys)

    def begin_upload(self, key: str, content_type: str) -> str:
        with self.effects.around("objects.begin_upload"), self._lock:
            upload_id = f"u{next(self._numbers)}"
            self._uploads[upload_id] = _Upload(key, content_type)
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        with self.effects.around("objects.put_part"), self._lock:
            tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            self._upload(key, upload_id).parts[number] = (tag, bytes(body))
        return tag

    def end_upload(self, key: str, upload_id: str, tags: list[str]) -> str:
        with self.effects.around("objects.end_upload"), self._lock:
            upload = self._upload(key, upload_id)
            bodies = []
            for number, tag in enumerate(tags, 1):
                stored, body = upload.parts.get(number, ("", b""))
                if stored != tag:
                    raise _error("InvalidPart", 400)
                bodies.append(body)
            if not bodies or any(len(body) < self._smallest_part for body in bodies[:-1]):
                raise _error("EntityTooSmall", 400)
            del self._uploads[upload_id]
            return self.upload(
                self.archive_bucket, key, b"".join(bodies), content_type=upload.content_type
            )

    def drop_upload(self, key: str, upload_id: str) -> None:
        with self.effects.around("objects.drop_upload"), self._lock:
            self._uploads.pop(upload_id, None)

    def _note_read(self, bucket: str) -> None:
        """Called before every read, with what is read: the archive, or somebody's source."""
        kind = "objects.read" if bucket == self.archive_bucket else "source.read"
        self.effects.on_read(kind)
        self.effects.pass_time("objects.get")

    def _note_read_of_a_run(self, source: Source) -> None:
        try:
            self._note_read(source.bucket)
        except ClientError as error:
            raise SourceError(source_code(_status(error))) from None
        except BotoCoreError:
            raise SourceError(SOURCE_UNAVAILABLE) from None

    def _body(self, source: Source) -> bytes:
        if self._now() < self.denied.get(source.key, 0.0):
            raise SourceError(SOURCE_UNREADABLE)
        try:
            return self._current(source.bucket, source.key, source.version_id).body
        except ClientError:
            raise SourceError(SOURCE_MISSING) from None

    def _from(self, source: Source, offset: int) -> bytes:
        body = self._body(source)
        if offset >= len(body):
            raise _error("InvalidRange", 416)
        return body[offset:]

    def _current(self, bucket: str, key: str, version_id: str | None = None) -> _Version:
        with self._lock:
            for version in reversed(self._versions.get((bucket, key), ())):
                if version_id in (None, version.version_id):
                    return version
        raise _error("NoSuchKey" if version_id is None else "NoSuchVersion", 404)

    def _upload(self, key: str, upload_id: str) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise UploadGoneError
        return upload


def _error(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": code},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "FakeObjects",
    )
