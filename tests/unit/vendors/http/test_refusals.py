"""What an answer means, the same for every adapter: not sent, unclear, refused to the account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.vendors.answers import (
    Ambiguous,
    JobPhase,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
    throttle_of,
)
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.client import DeclaredClient
from jobferry.vendors.declarative.loading import read_document
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from jobferry.vendors.operation import Operation, compact_json
from jobferry.vendors.protocol import VendorClient
from jobferry.vendors.vidispine.adapter import OPERATIONS as VIDISPINE
from jobferry.vendors.vidispine.client import VidispineClient
from jobferry.vendors.zendesk_sunshine.adapter import OPERATIONS as SUNSHINE
from jobferry.vendors.zendesk_sunshine.adapter import ZendeskSunshineClient
from jobferry.vendors.zendesk_support.adapter import ZendeskSupportClient
from jobferry.vendors.zendesk_support.operations import OPERATIONS as SUPPORT
from tests.unit.vendors.script import Script

_DOCUMENT = yaml.safe_load(
    (Path(__file__).parents[3] / "contract" / "declared_sunshine" / "sunshine.yaml").read_text()
)
DECLARED = vendor_from(_DOCUMENT)


def declared(http: HttpClient) -> VendorClient:
    return DeclaredClient(http, read_document(_DOCUMENT))


ADAPTERS = {
    "support": (ZendeskSupportClient, SUPPORT["tickets.create"]),
    "sunshine": (ZendeskSunshineClient, SUNSHINE["resources.post"]),
    "vidispine": (VidispineClient, VIDISPINE["jobs.create"]),
    "declared": (declared, DECLARED.operations["resources.post"]),
}
RECORDS: list[dict[str, Any]] = [{"type": "x", "subject": "s"}]
UNKNOWN_JOB = {
    "support": {"error": "RecordNotFound", "description": "Not found"},
    "sunshine": {"errors": [{"code": "NotFound", "title": "Job not found"}]},
    "vidispine": {"notFound": {"type": "Job", "id": "J-1"}},
    "declared": {"errors": [{"code": "NotFound", "title": "Job not found"}]},
}
each_adapter = pytest.mark.parametrize("name", ADAPTERS)


def submit(name: str, answer: Answer | NoAnswer) -> object:
    make, operation = ADAPTERS[name]
    client: VendorClient = make(Script(answer))  # type: ignore[operator]
    assert isinstance(operation, Operation)
    return client.submit(operation, RECORDS, "token")


@each_adapter
@pytest.mark.parametrize("cause", ThrottleReason)
def test_what_was_not_sent_says_for_want_of_what(name: str, cause: ThrottleReason) -> None:
    assert submit(name, NoAnswer(sent=False, reason="x", cause=cause)) == Throttled(cause)


@each_adapter
def test_what_may_have_been_sent_is_ambiguous(name: str) -> None:
    assert submit(name, NoAnswer(sent=True, reason="why")) == Ambiguous("why")


@each_adapter
@pytest.mark.parametrize("status", [100, 101, 102, 103, 199, 408, 500, 502, 599, 600, 999])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error": "TooMuch"}'])
def test_only_http_s_own_refusals_are_clear(name: str, status: int, body: bytes) -> None:
    submitted = submit(name, Answer(status, {"retry-after": "7"}, body))

    assert submitted == Ambiguous(f"the vendor answered with HTTP {status}", 7.0)


@each_adapter
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (402, b"", "vendor_payment_required"),
        (402, b'{"error": "PaymentRequired"}', "vendor_payment_required"),
        (404, b"", "vendor_not_found"),
        (404, b"<html>There is no help desk configured at this address</html>", "vendor_not_found"),
        (404, b"[]", "vendor_not_found"),
        (410, b"<html>", "vendor_gone"),
        (423, b"<html>", "vendor_locked"),
        (401, b"", "vendor_unauthorized"),
        (403, b"<html>", "vendor_forbidden"),
        (301, b"", "vendor_redirects"),
        (308, b"{}", "vendor_redirects"),
    ],
)
def test_what_is_refused_to_the_account_stops_the_run(
    name: str, status: int, body: bytes, code: str
) -> None:
    refused = submit(name, Answer(status, {}, body))

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.RUN, code)
    assert error_class(refused.code, refused.message) is ErrorClass.ACCOUNT
    assert "help desk" not in refused.message


@each_adapter
@pytest.mark.parametrize("job_id", ["J-1"])
def test_a_job_is_unknown_only_where_the_vendor_says_so(name: str, job_id: str) -> None:
    make, _ = ADAPTERS[name]
    unknown = Answer(404, {}, compact_json(UNKNOWN_JOB[name]))
    empty = {"job_statuses": [], "data": [], "job": [], "hits": 0}
    nothing = Answer(200, {}, compact_json(empty))
    first = nothing if name == "vidispine" else unknown
    second = unknown if name == "vidispine" else nothing
    gone = make(Script(first, second)).poll([job_id])  # type: ignore[operator]
    page = make(Script(Answer(404, {}, b"<html>"))).poll([job_id])  # type: ignore[operator]

    assert gone.readings[job_id].phase is JobPhase.GONE
    assert page.readings == {}
    assert page.refused is not None
    assert page.refused.code == "vendor_not_found"


@each_adapter
def test_free_text_is_no_code(name: str) -> None:
    said = "Email jane.doe@example.com is in use \x1b]0;x\x07" + "!" * 5_000
    bodies = {
        "support": {"error": said},
        "sunshine": {"errors": [{"code": said}]},
        "vidispine": {"invalidInput": {"explanation": said}},
        "declared": {"errors": [{"code": said}]},
    }
    refused = submit(name, Answer(422, {}, compact_json(bodies[name])))

    assert isinstance(refused, Refused)
    assert refused.code in {"vendor_error", "invalidInput"}
    assert refused.message.startswith("Email jane.doe@example.com is in use")
    assert len(refused.message) <= 500


@each_adapter
def test_a_wait_that_nobody_can_mean_is_marked(name: str) -> None:
    throttled = submit(name, Answer(429, {"retry-after": "1e12"}, b""))
    ambiguous = submit(name, Answer(503, {"retry-after": "31536000"}, b""))

    assert isinstance(throttled, Throttled)
    assert isinstance(ambiguous, Ambiguous)
    assert (throttled.retry_after, throttled.absurd_hint) == (None, True)
    assert (ambiguous.retry_after, ambiguous.absurd_hint) == (None, True)
    asked = throttle_of(Ambiguous("x", 5.0, absurd_hint=True))
    assert asked is not None
    assert asked.absurd_hint
