"""Objects: pinned versions, ranges, the archive, uploads in parts."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from jobferry.domain.run import Source
from jobferry.domain.trouble import SOURCE_MISSING
from jobferry.store.objects import (
    DeniedError,
    ObjectMissingError,
    Objects,
    SourceError,
    UploadGoneError,
)
from virtual.objects import SMALLEST_PART, FakeObjects

INBOX = "inbox-bucket"
KEY = "inbox/things/a.csv"
BODY = bytes(range(256)) * 40

Upload = Callable[[str, bytes, dict[str, str]], None]
"""(key, body, user metadata): what a person does in the inbox."""


@pytest.fixture
def objects() -> Objects:
    return FakeObjects()


@pytest.fixture
def upload(objects: FakeObjects) -> Upload:
    def put(key: str, body: bytes, options: dict[str, str]) -> None:
        objects.upload(INBOX, key, body, options)

    return put


class TestSources:
    def test_a_head_pins_the_version_of_now(self, objects: Objects, upload: Upload) -> None:
        upload(KEY, b"old", {})
        pinned = objects.head(INBOX, KEY, None).source
        upload(KEY, b"newer", {})
        assert pinned.size == 3
        assert objects.read_range(pinned, 0, 3) == b"old"
        assert objects.head(INBOX, KEY, None).source.size == 5
        assert objects.head(INBOX, KEY, pinned.version_id).source == pinned

    def test_options_come_with_names_in_lower_case(self, objects: Objects, upload: Upload) -> None:
        upload(KEY, b"x", {"Jobferry-Priority": "high"})
        assert objects.head(INBOX, KEY, None).options == {"jobferry-priority": "high"}

    def test_what_is_not_there_is_said_to_be_missing(
        self, objects: Objects, upload: Upload
    ) -> None:
        with pytest.raises(ObjectMissingError, match=r"a\.csv"):
            objects.head(INBOX, KEY, None)
        upload(KEY, b"x", {})
        with pytest.raises(ObjectMissingError):
            objects.head(INBOX, KEY, "00000000-0000-4000-8000-000000000000")

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 10), (100, 1), (9_000, 1_240), (10_000, 999), (7, 0)]
    )
    def test_ranges(self, objects: Objects, upload: Upload, offset: int, length: int) -> None:
        upload(KEY, BODY, {})
        source = objects.head(INBOX, KEY, None).source
        assert objects.read_range(source, offset, length) == BODY[offset : offset + length]

    @pytest.mark.parametrize("offset", [0, 1, 10_239])
    def test_streams(self, objects: Objects, upload: Upload, offset: int) -> None:
        upload(KEY, BODY, {})
        with objects.stream(objects.head(INBOX, KEY, None).source, offset) as stream:
            assert stream.read(5) == BODY[offset : offset + 5]
            assert stream.read() == BODY[offset + 5 :]

    def test_all_versions_below_a_prefix_with_their_sizes(
        self, objects: Objects, upload: Upload
    ) -> None:
        for key, body in (("in/a.csv", b"one"), ("in/a.csv", b"three"), ("in/b/", b""), ("c", b"")):
            upload(key, body, {})
        found = list(objects.versions(INBOX, "in/"))
        assert sorted((each.key, each.size) for each in found) == [
            ("in/a.csv", 3),
            ("in/a.csv", 5),
            ("in/b/", 0),
        ]
        after = objects.versions(INBOX, "in/", after="in/a.csv")
        assert [each.key for each in after] == ["in/b/"]
        pinned = objects.head(INBOX, "in/a.csv", None).source
        assert pinned.version_id in {each.version_id for each in found if each.size == 5}

    def test_what_is_stored_below_a_prefix_is_its_current_version(
        self, objects: Objects, upload: Upload
    ) -> None:
        for key, body in (("in/b.csv", b"one"), ("in/a.csv", b"x"), ("in/b.csv", b"three")):
            upload(key, body, {})
        upload("other.csv", b"", {})
        found = list(objects.stored(INBOX, "in/"))
        assert [(each.key, each.size) for each in found] == [("in/a.csv", 1), ("in/b.csv", 5)]
        versions = {each.size: each.stored_at for each in objects.versions(INBOX, "in/b.csv")}
        assert found[1].stored_at == versions[5]
        assert list(objects.stored(INBOX, "nothing/")) == []


class TestArchive:
    def test_all_that_lies_under_a_prefix_goes(self, objects: Objects) -> None:
        for body in (b"one", b"two"):
            objects.put("gone/1/a", body, "text/plain")
        objects.put("gone/1/b", b"x", "text/plain")
        objects.put("gone/12", b"kept", "text/plain")
        assert objects.delete_prefix("gone/1/") == 3
        assert objects.delete_prefix("gone/1/") == 0
        assert objects.get("gone/12") == b"kept"
        with pytest.raises(ObjectMissingError):
            objects.get("gone/1/a")

    def test_what_is_put_can_be_got(self, objects: Objects) -> None:
        objects.put("a/b", b"one", "text/plain")
        objects.put("a/b", b"two", "text/plain")
        assert objects.get("a/b") == b"two"

    def test_json(self, objects: Objects) -> None:
        objects.put_json("a.json", {"text": "ä€", "list": [1, None]})
        assert objects.get("a.json") == '{"text":"ä€","list":[1,null]}'.encode()
        assert objects.get_json("a.json") == {"text": "ä€", "list": [1, None]}

    def test_what_is_put_first_stays(self, objects: Objects) -> None:
        assert objects.put_first("snapshots/r/1.json", {"rows": ["é"]})
        assert not objects.put_first("snapshots/r/1.json", {"rows": []})
        assert objects.get_json("snapshots/r/1.json") == {"rows": ["é"]}

    def test_what_is_missing(self, objects: Objects) -> None:
        with pytest.raises(ObjectMissingError):
            objects.get("a")

    def test_files(self, objects: Objects, tmp_path: Path) -> None:
        (tmp_path / "out").write_bytes(BODY)
        objects.put_file("f", tmp_path / "out")
        objects.get_file("f", tmp_path / "in")
        assert (tmp_path / "in").read_bytes() == BODY

    def test_an_upload_in_parts(self, objects: Objects) -> None:
        upload_id = objects.begin_upload("big.csv", "text/csv")
        objects.put_part("big.csv", upload_id, 1, b"never seen")
        tags = [
            objects.put_part("big.csv", upload_id, 1, b"a" * SMALLEST_PART),
            objects.put_part("big.csv", upload_id, 2, b"end"),
        ]
        with pytest.raises(ObjectMissingError):
            objects.get("big.csv")
        version_id = objects.end_upload("big.csv", upload_id, tags)
        assert objects.get("big.csv") == b"a" * SMALLEST_PART + b"end"
        objects.put("big.csv", b"another", "text/csv")
        made = Source(objects.archive_bucket, "big.csv", version_id, SMALLEST_PART + 3)
        assert objects.read_range(made, SMALLEST_PART - 1, 4) == b"aend"

    def test_an_upload_that_was_dropped_is_gone(self, objects: Objects) -> None:
        upload_id = objects.begin_upload("big.csv", "text/csv")
        tag = objects.put_part("big.csv", upload_id, 1, b"x")
        objects.drop_upload("big.csv", upload_id)
        objects.drop_upload("big.csv", upload_id)
        with pytest.raises(UploadGoneError):
            objects.put_part("big.csv", upload_id, 2, b"y")
        with pytest.raises(UploadGoneError):
            objects.end_upload("big.csv", upload_id, [tag])

    def test_an_upload_that_is_not_ended_leaves_nothing(self, objects: Objects) -> None:
        upload_id = objects.begin_upload("big.csv", "text/csv")
        objects.put_part("big.csv", upload_id, 1, b"x")
        with pytest.raises(ObjectMissingError):
            objects.get("big.csv")


class TestServerThatIgnoresRanges:
    """RFC 9110 lets a server answer a range with the whole object."""

    class Client:
        def get_object(self, **_request: object) -> dict[str, object]:
            return {"Body": BytesIO(BODY)}

    @pytest.mark.parametrize("offset", [1, 5_000, 10_240, 20_000])
    def test_the_range_is_cut_out_here(self, offset: int) -> None:
        objects = Objects(self.Client, "archive")  # type: ignore[arg-type]
        source = Source(INBOX, KEY, "v1", len(BODY))
        assert objects.read_range(source, offset, 7) == BODY[offset : offset + 7]


class TestCodesOfS3:
    """Only an answer that says so is proof that something is not there."""

    class Client:
        def __init__(self, status: int, code: str) -> None:
            self._answer = {
                "Error": {"Code": code, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }

        def get_object(self, **_request: object) -> None:
            raise ClientError(self._answer, "GetObject")  # type: ignore[arg-type]

        def head_object(self, **_request: object) -> None:
            raise ClientError(self._answer, "HeadObject")  # type: ignore[arg-type]

    def objects(self, status: int, code: str) -> Objects:
        return Objects(lambda: self.Client(status, code), "archive")  # type: ignore[arg-type, return-value]

    @pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "404"])
    def test_404_is_missing(self, code: str) -> None:
        objects = self.objects(404, code)
        with pytest.raises(ObjectMissingError):
            objects.get("evidence/a")
        with pytest.raises(ObjectMissingError):
            objects.head(INBOX, KEY, None)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(403, "AccessDenied"), (400, "400"), (400, "ExpiredToken"), (503, "SlowDown"), (500, "")],
    )
    def test_whatever_else_is_no_proof(self, status: int, code: str) -> None:
        objects = self.objects(status, code)
        with pytest.raises(ClientError):
            objects.get("evidence/a")
        with pytest.raises((ClientError, DeniedError)):
            objects.head(INBOX, KEY, None)
        with pytest.raises(SourceError) as told:
            objects.read_range(Source(INBOX, KEY, "v1", 10), 0, 5)
        assert told.value.code != SOURCE_MISSING
