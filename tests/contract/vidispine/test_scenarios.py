"""The scenarios that every adapter passes, where Vidispine can meet them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobferry.model import JsonObject
from jobferry.vendors.base import Ambiguous, RefusalScope, Refused
from tests.contract import test_adapter_scenarios as kit
from tests.contract.test_adapter_scenarios import READS, WRITES, Read, Write
from tests.contract.vidispine.bench import VidispineBench, error

OWN_WRITES = [case for case in WRITES if case.reply in (None, *VidispineBench.replies)]
"""Without the situations that Vidispine has no words for: it queues without limit."""


@pytest.mark.parametrize("case", OWN_WRITES, ids=str)
def test_a_submission_is_answered_by_what_the_vendor_did(
    case: Write, prompt_bench: VidispineBench, little_patience: Callable[[JsonObject], None]
) -> None:
    kit.test_a_submission_is_answered_by_what_the_vendor_did(case, prompt_bench, little_patience)


@pytest.mark.parametrize("reply", ["invalid record", "malformed request", "forbidden"])
def test_a_refusal_carries_the_vendors_words(bench: VidispineBench, reply: str) -> None:
    kit.test_a_refusal_carries_the_vendors_words(bench, reply)


@pytest.mark.parametrize("code", kit.REDIRECTS)
def test_a_redirect_to_another_host_is_never_followed(bench: VidispineBench, code: int) -> None:
    kit.test_a_redirect_to_another_host_is_never_followed(bench, code)


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


@pytest.mark.parametrize("case", READS, ids=str)
def test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
    case: Read,
    prompt_bench: VidispineBench,
    little_patience: Callable[[JsonObject], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kit.test_a_poll_that_learns_nothing_says_why_and_loses_nothing(
        case, prompt_bench, little_patience, monkeypatch
    )


@pytest.mark.parametrize("case", READS, ids=str)
def test_the_harmless_request_is_judged_like_any_other(
    case: Read, prompt_bench: VidispineBench, little_patience: Callable[[JsonObject], None]
) -> None:
    kit.test_the_harmless_request_is_judged_like_any_other(case, prompt_bench, little_patience)


def test_the_harmless_request_welcomes_good_credentials(bench: VidispineBench) -> None:
    kit.test_the_harmless_request_welcomes_good_credentials(bench)


def test_a_job_may_take_a_moment_to_be_seen(bench: VidispineBench) -> None:
    kit.test_a_job_may_take_a_moment_to_be_seen(bench)


def test_nothing_to_poll_takes_no_request(bench: VidispineBench) -> None:
    kit.test_nothing_to_poll_takes_no_request(bench)


def test_a_secret_that_was_changed_is_read_afresh_once(bench: VidispineBench) -> None:
    kit.test_a_secret_that_was_changed_is_read_afresh_once(bench)


def test_a_secret_that_stays_wrong_stops_the_run(bench: VidispineBench) -> None:
    kit.test_a_secret_that_stays_wrong_stops_the_run(bench)


@pytest.mark.parametrize("end", ["", "/", "/API", "/API/"])
def test_the_address_may_name_the_api(bench: VidispineBench, end: str) -> None:
    client = bench.vendor.client(bench.sim.url + end, bench.secret, allow_loopback_http=True)

    assert client.test() is None
