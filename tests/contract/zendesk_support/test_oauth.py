"""Client credentials before the simulator: tokens come and go unseen, and no row notices."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from jobferry.vendors.answers import (
    Accepted,
    JobPhase,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.addresses import LOOPBACK
from tests.contract.conformance.bench import Secret
from tests.contract.zendesk_support.bench import ZendeskBench

CLIENT = {"client_id": "sim-client", "client_secret": "sim-secret"}
WRONG = {**CLIENT, "client_secret": "not-the-secret"}
TOKENS = {"method": "POST", "path": "oauth/tokens$"}
_ACCESS_TOKEN = re.compile(r"\b[0-9a-f]{64}\b")


def holding(bench: ZendeskBench, *secrets: Mapping[str, str]) -> ZendeskBench:
    """The bench with other credentials."""
    bench.secret = Secret(list(secrets))
    bench.client = bench.vendor.client(bench.sim.url, bench.secret, reach=LOOPBACK)
    return bench


def tokens_granted(bench: ZendeskBench) -> int:
    by_path: dict[str, int] = bench.sim.effects()["requests"]["by_path"]
    return by_path.get("POST /oauth/tokens", 0)


def test_one_token_carries_a_job_to_its_end(
    bench: ZendeskBench, caplog: pytest.LogCaptureFixture
) -> None:
    holding(bench, CLIENT)
    rows = bench.records(3)
    job_id = bench.submitted(rows)
    bench.pass_time()

    results = bench.results(bench.create, job_id, rows)

    assert [result.status for result in results] == ["succeeded"] * 3
    assert tokens_granted(bench) == 1
    # The token, the submission, the poll.
    assert bench.client.requests_made == 3
    assert not _ACCESS_TOKEN.search(caplog.text)
    assert "sim-secret" not in caplog.text
    bench.show_no_secret()


def test_a_token_that_ran_out_is_fetched_anew_and_the_job_sent_once(bench: ZendeskBench) -> None:
    holding(bench, CLIENT)
    assert bench.client.test() is None
    bench.pass_time(86_400)

    job_id = bench.submitted(bench.records(1))

    assert tokens_granted(bench) == 2
    assert [job["job_id"] for job in bench.jobs()] == [job_id]
    bench.pass_time()
    assert bench.client.poll([job_id]).readings[job_id].phase is JobPhase.ENDED


def test_a_wrong_secret_ends_the_run(bench: ZendeskBench) -> None:
    holding(bench, WRONG)

    refused = bench.client.submit(bench.create, bench.records(1), "token")

    assert isinstance(refused, Refused)
    assert (refused.scope, refused.code) == (RefusalScope.RUN, "vendor_unauthorized")
    assert bench.jobs() == []
    # Once more with the secret read afresh, and no further.
    assert tokens_granted(bench) == 2
    assert isinstance(bench.client.test(), Refused)


def test_a_secret_that_was_changed_is_read_afresh(bench: ZendeskBench) -> None:
    holding(bench, WRONG, CLIENT)

    assert isinstance(bench.client.submit(bench.create, bench.records(1), "token"), Accepted)
    assert bench.secret.asked == [False, True]


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        ({"rate_limited": "json", "retry_after": 9}, Throttled(ThrottleReason.RATE, 9.0)),
        ({"status": 503}, Throttled(ThrottleReason.UNREACHABLE)),
        ({"reset": True}, Throttled(ThrottleReason.UNREACHABLE)),
        ({"status": 200, "html": True}, Throttled(ThrottleReason.CREDENTIALS)),
    ],
    ids=["throttled", "down", "reset", "unreadable"],
)
def test_no_token_means_nothing_was_sent(
    bench: ZendeskBench, effect: dict[str, object], expected: Throttled
) -> None:
    holding(bench, CLIENT)
    bench.befall(TOKENS, 1, **effect)

    answer = bench.client.submit(bench.create, bench.records(1), "token")

    assert answer == expected
    assert bench.writes() == 0
    assert isinstance(bench.client.submit(bench.create, bench.records(1), "token"), Accepted)
