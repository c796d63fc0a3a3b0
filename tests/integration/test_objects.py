"""The tests of objects once more, against an S3 API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import INBOX
from tests.unit.store.test_objects import TestArchive, TestSources, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["TestArchive", "TestSources"]


@pytest.fixture
def upload(s3: S3Client) -> Upload:
    def put(key: str, body: bytes, options: dict[str, str]) -> None:
        s3.put_object(Bucket=INBOX, Key=key, Body=body, Metadata=options)

    return put
