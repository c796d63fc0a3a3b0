"""What only Vidispine does, besides the scenarios that every vendor plays."""

from __future__ import annotations

import pytest

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, RefusalScope, Refused
from jobferry.vendors.http.addresses import LOOPBACK
from tests.contract.vidispine.bench import VidispineBench, error


@pytest.mark.parametrize(
    "body",
    [{"jobId": "../item/VX-1"}, {"jobId": ""}, {"jobId": 7}, {"status": "READY"}],
    ids=["path", "empty", "number", "none"],
)
def test_a_success_that_names_no_job_is_ambiguous(bench: VidispineBench, body: JsonObject) -> None:
    bench.befall(bench.write, body=body, after=True)

    assert isinstance(bench.client.submit(bench.create, bench.records(1), "token"), Ambiguous)


@pytest.mark.parametrize(
    ("effect", "code", "scope"),
    [
        (error(403, "licenseFault", "too many items"), "licenseFault", RefusalScope.RUN),
        (error(501, "notYetImplemented", "no"), "notYetImplemented", RefusalScope.RUN),
        ({"status": 404, "html": True}, "vendor_not_found", RefusalScope.RUN),
        (error(409, "conflict", "locked"), "conflict", RefusalScope.CHUNK),
        (error(409, "fileAlreadyExists", "/a"), "fileAlreadyExists", RefusalScope.CHUNK),
        (error(404, "notFound", "no such notification"), "notFound", RefusalScope.CHUNK),
        ({"status": 400, "body": "what?"}, "http_400", RefusalScope.CHUNK),
    ],
    ids=["licence", "no such feature", "no API", "conflict", "file", "not found", "no document"],
)
def test_a_refusal_is_of_the_row_or_of_the_run(
    bench: VidispineBench, effect: JsonObject, code: str, scope: RefusalScope
) -> None:
    bench.befall(bench.write, **effect)

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(answer, Refused)
    assert (answer.code, answer.scope) == (code, scope)
    assert answer.message


@pytest.mark.parametrize("end", ["", "/", "/API", "/API/"])
def test_the_address_may_name_the_api(bench: VidispineBench, end: str) -> None:
    client = bench.vendor.client(bench.sim.url + end, bench.secret, reach=LOOPBACK)

    assert client.test() is None
