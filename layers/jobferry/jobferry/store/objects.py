"""S3: versions of source files read by range or as a stream, and the archive written once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.domain.run import Source
from jobferry.domain.trouble import SOURCE_MISSING, SOURCE_UNAVAILABLE, SOURCE_UNREADABLE
from jobferry.store.reopened_stream import ReopenedStream, read_fully

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""Size of an uploaded part; S3 takes at least 5 MiB for all but the last."""


class ObjectMissingError(Exception):
    """There is no such object or version."""


class SourceError(Exception):
    """The pinned version of a run's file cannot be read, and repeating it at once does not help.

    Args:
        code: why (`troubles`): it is gone, S3 does not let us read it, or S3 does not answer
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UploadGoneError(Exception):
    """An upload in parts is no more: it was completed, or dropped."""


class DeniedError(Exception):
    """S3 does not let us see an object. That is no proof that it is not there."""


@dataclass(frozen=True, slots=True)
class Head:
    """What S3 says of an object.

    Attributes:
        options: user metadata, names in lower case
        content: the same for two objects of the same bytes; empty where nobody can tell
    """

    source: Source
    options: dict[str, str]
    content: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object.

    Attributes:
        stored_at: epoch seconds
        size: bytes
    """

    key: str
    version_id: str
    stored_at: float
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's current version: when it was stored (epoch seconds), and its bytes."""

    key: str
    stored_at: float
    size: int


class Objects:
    """Source files (any bucket the role may read) and the stack's archive bucket.

    Args:
        client: gives a boto3 S3 client; asked at each use, so that it may be made at the first.
        archive_bucket: where evidence, plans and results lie.
    """

    def __init__(self, client: Callable[[], S3Client], archive_bucket: str) -> None:
        self._client = client
        self.archive_bucket = archive_bucket

    def head(self, bucket: str, key: str, version_id: str | None) -> Head:
        """Pin an object: its current version, or the one asked for.

        Raises:
            ObjectMissingError
            DeniedError
        """
        request: Any = {"Bucket": bucket, "Key": key}
        if version_id is not None:
            request["VersionId"] = version_id
        try:
            answer = self._client().head_object(**request)
        except ClientError as error:
            if _status(error) == 404:
                raise ObjectMissingError(f"s3://{bucket}/{key}") from None
            if _status(error) in _NOT_OURS:
                raise DeniedError(f"s3://{bucket}/{key}") from None
            raise
        return Head(
            Source(bucket, key, answer.get("VersionId", "null"), answer["ContentLength"]),
            {name.lower(): value for name, value in answer.get("Metadata", {}).items()},
            f"{answer['ETag'].strip(chr(34))}-{answer['ContentLength']}"
            if answer.get("ETag")
            else "",
        )

    def stored(self, bucket: str, prefix: str) -> Iterator[Stored]:
        """The objects below a prefix, by key. Raises DeniedError where they may not be listed."""
        pages = self._client().get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield Stored(found["Key"], found["LastModified"].timestamp(), found["Size"])
        except ClientError as error:
            if _status(error) in (404, *_NOT_OURS):
                raise DeniedError(f"s3://{bucket}/{prefix}") from None
            raise

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[Version]:
        """All versions of the objects below a prefix, in the order of their keys.

        Args:
            after: only those whose keys come after this one.
        """
        pages = self._client().get_paginator("list_object_versions")
        request: Any = {"Bucket": bucket, "Prefix": prefix}
        if after:
            request["KeyMarker"] = after
        for page in pages.paginate(**request):
            for found in page.get("Versions", []):
                if found["Key"] == after:
                    continue  # not every engine leaves its versions out
                stored_at = found["LastModified"].timestamp()
                yield Version(found["Key"], found["VersionId"], stored_at, found["Size"])

    def read_range(self, source: Source, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` of a pinned version.

        Raises:
            SourceError: it is gone, or may not be read.
        """
        if length == 0:
            return b""
        with self._reading(source, offset, offset + length - 1) as body:
            return read_fully(body, length)

    def stream(self, source: Source, offset: int = 0) -> BinaryIO:
        """A pinned version from `offset` on, to be read in blocks.

        What breaks off is opened again where it broke: S3 closes a connection now and then, and a
        file is read for up to a quarter of an hour with pauses.

        Raises:
            SourceError: it is gone, or may not be read; also while it is read.
        """
        return self._reading(source, offset, None)

    def _reading(self, source: Source, offset: int, last: int | None) -> BinaryIO:
        def opened(at: int) -> BinaryIO:
            end = "" if last is None else last
            wanted = f"bytes={at}-{end}" if at or last is not None else None
            return self._open(source, wanted, at)

        return cast("BinaryIO", ReopenedStream(opened, offset))

    def _open(self, source: Source, wanted: str | None, offset: int) -> BinaryIO:
        request: Any = {
            "Bucket": source.bucket,
            "Key": source.key,
            "VersionId": source.version_id,
        }
        if wanted is not None:
            request["Range"] = wanted
        try:
            answer = self._client().get_object(**request)
        except ClientError as error:
            raise SourceError(source_code(_status(error))) from None
        except BotoCoreError:
            raise SourceError(SOURCE_UNAVAILABLE) from None
        body = cast("BinaryIO", answer["Body"])
        if wanted is not None and "ContentRange" not in answer:
            # A server may answer a range request with the whole object (RFC 9110, 14.2); AWS
            # never does, but an emulator that reads a version by its id may.
            _skip(body, offset)
        return body

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object of the archive; the same key again replaces it."""
        self._client().put_object(
            Bucket=self.archive_bucket, Key=key, Body=body, ContentType=content_type
        )

    def put_json(self, key: str, document: Any) -> None:
        self.put(key, _json_bytes(document), "application/json")

    def put_first(self, key: str, document: Any) -> bool:
        """Write an object of the archive that nobody may replace.

        Returns:
            False when there is one, which stays as it is. It may be this very document, where the
            answer to an earlier request was lost.
        """
        try:
            self._client().put_object(
                Bucket=self.archive_bucket,
                Key=key,
                Body=_json_bytes(document),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            # 409: another one is just being written under this key.
            if _status(error) == 412:
                return False
            raise
        return True

    def get(self, key: str) -> bytes:
        """An object of the archive.

        Raises:
            ObjectMissingError: S3 says that it is not there; that it may not be read is no proof.
        """
        try:
            return self._client().get_object(Bucket=self.archive_bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _status(error) == 404:
                raise ObjectMissingError(key) from None
            raise

    def get_json(self, key: str) -> Any:
        return json.loads(self.get(key))

    def put_file(self, key: str, path: Path) -> None:
        """Write a file of up to 5 GB to the archive."""
        with path.open("rb") as file:
            self._client().put_object(Bucket=self.archive_bucket, Key=key, Body=file)

    def get_file(self, key: str, path: Path) -> None:
        """Fetch an object of the archive into a file."""
        body = self._client().get_object(Bucket=self.archive_bucket, Key=key)["Body"]
        with path.open("wb") as file:
            shutil.copyfileobj(cast("BinaryIO", body), file, 1024 * 1024)

    def begin_upload(self, key: str, content_type: str) -> str:
        """Start an upload in parts; returns its id."""
        answer = self._client().create_multipart_upload(
            Bucket=self.archive_bucket, Key=key, ContentType=content_type
        )
        return answer["UploadId"]

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Upload part `number` (from 1); returns its tag. The same number again replaces it.

        Raises:
            UploadGoneError
        """
        with _upload_gone():
            answer = self._client().upload_part(
                Bucket=self.archive_bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
            )
        return answer["ETag"]

    def end_upload(self, key: str, upload_id: str, tags: list[str]) -> str:
        """Make one object of the parts, whose tags are given in order; returns its version.

        Raises:
            UploadGoneError
        """
        with _upload_gone():
            answer = self._client().complete_multipart_upload(
                Bucket=self.archive_bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": i, "ETag": tag} for i, tag in enumerate(tags, 1)]
                },
            )
        return answer.get("VersionId", "null")

    def drop_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; it may be gone already."""
        with suppress(UploadGoneError), _upload_gone():
            self._client().abort_multipart_upload(
                Bucket=self.archive_bucket, Key=key, UploadId=upload_id
            )

    def delete_prefix(self, prefix: str) -> int:
        """Remove all that the archive holds under a prefix, every version of it.

        Returns:
            How many versions were removed; none when it is repeated.
        """
        return self._delete_versions(self.archive_bucket, prefix, lambda _: True)

    def delete_uploads(self, bucket: str, prefix: str) -> int:
        """Remove all that another bucket holds under a prefix, as `delete_prefix`."""
        return self._delete_versions(bucket, prefix, lambda _: True)

    def delete_upload(self, bucket: str, key: str) -> int:
        """Remove every version of one object, as `delete_prefix`."""
        return self._delete_versions(bucket, key, lambda version: version["Key"] == key)

    def delete_version(self, source: Source) -> int:
        """Remove just this version of an object."""
        return self._delete_versions(
            source.bucket,
            source.key,
            lambda version: (
                (version["Key"], version["VersionId"]) == (source.key, source.version_id)
            ),
        )

    def _delete_versions(
        self, bucket: str, prefix: str, is_meant: Callable[[Mapping[str, Any]], bool]
    ) -> int:
        client = self._client()
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        removed = 0
        for page in pages:
            listed: Any = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            found = filter(is_meant, listed)
            versions: Any = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in found]
            if not versions:
                continue
            answer = client.delete_objects(
                Bucket=bucket, Delete={"Objects": versions, "Quiet": True}
            )
            for refusal in answer.get("Errors", []):
                code, message = refusal.get("Code", ""), refusal.get("Message", "")
                raise ClientError({"Error": {"Code": code, "Message": message}}, "DeleteObjects")
            removed += len(versions)
        return removed


def _json_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


_NOT_THERE = frozenset({404, 405})
"""405: the version that is asked for is a delete marker
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)."""

_NOT_OURS = frozenset({400, 403})
"""403: no permission, or a key of KMS that is not to be had. 400 is said of that, too."""


def source_code(status: int) -> str:
    """Why a run's file cannot be read, by the HTTP status of S3's answer (0: there was none)."""
    if status in _NOT_THERE:
        return SOURCE_MISSING
    return SOURCE_UNREADABLE if status in _NOT_OURS else SOURCE_UNAVAILABLE


@contextmanager
def _upload_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchUpload":
            raise UploadGoneError from None
        raise


def _skip(body: BinaryIO, count: int) -> None:
    while count > 0:
        block = body.read(min(count, 1024 * 1024))
        if not block:
            return
        count -= len(block)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
