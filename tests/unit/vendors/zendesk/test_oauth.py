"""Access tokens: fetched when needed, kept until shortly before their end, never shown."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.answers import RefusalScope, Refused, Throttled, ThrottleReason
from jobferry.vendors.http.client import Answer, NoAnswer
from jobferry.vendors.operation import compact_json
from jobferry.vendors.zendesk.errors import problem_of
from jobferry.vendors.zendesk.oauth import LIFETIME, LONGEST_LIFETIME, SPARE, ZendeskAuthorizer

CLIENT = {"client_id": "app", "client_secret": "hush"}


def granted(token: object, **more: object) -> Answer:
    return Answer(200, {}, compact_json({"access_token": token, **more}))


class Vendor:
    """Gives a new token each time, or what it is told to answer."""

    def __init__(self, answer: Answer | NoAnswer | None = None, **more: object) -> None:
        self.answer = answer
        self.more = more or {"expires_in": 1800}
        self.asked: list[dict[str, Any]] = []
        self.now = 1_000.0

    def __call__(self, body: bytes) -> Answer | NoAnswer:
        self.asked.append(json.loads(body))
        return self.answer or granted(f"t{len(self.asked)}", **self.more)

    def authorizer(
        self, secret: Callable[[bool], Mapping[str, str]] = lambda _: CLIENT
    ) -> ZendeskAuthorizer:
        return ZendeskAuthorizer(secret, self, monotonic=lambda: self.now)


def test_one_token_serves_many_requests() -> None:
    vendor = Vendor()
    authorize = vendor.authorizer()

    assert [authorize(False) for _ in range(3)] == ["Bearer t1"] * 3
    assert vendor.asked == [
        {"grant_type": "client_credentials", "scope": "read write", **CLIENT},
    ]


@given(st.floats(61, 172_800), st.floats(0, 200_000))
def test_a_token_is_given_up_shortly_before_its_end(lifetime: float, age: float) -> None:
    vendor = Vendor(expires_in=lifetime)
    authorize = vendor.authorizer()
    authorize(False)

    vendor.now += age

    used = authorize(False)
    lives = min(lifetime, LONGEST_LIFETIME) - SPARE
    assert used == ("Bearer t1" if vendor.now < 1_000.0 + lives else "Bearer t2")


@pytest.mark.parametrize("expires_in", [None, "soon", True, 0, -5, [], float("nan"), 10**400])
def test_a_token_without_an_end_lives_as_documented(expires_in: object) -> None:
    vendor = Vendor(expires_in=expires_in)
    authorize = vendor.authorizer()
    authorize(False)

    vendor.now += LIFETIME - SPARE - 1
    assert authorize(False) == "Bearer t1"
    vendor.now += 1
    assert authorize(False) == "Bearer t2"


def test_a_refused_token_is_fetched_anew_with_the_secret_of_the_day() -> None:
    vendor = Vendor()
    refreshed: list[bool] = []

    def secret(refresh: bool) -> Mapping[str, str]:
        refreshed.append(refresh)
        return {**CLIENT, "client_secret": "new" if any(refreshed) else "old"}

    authorize = vendor.authorizer(secret)

    assert [authorize(False), authorize(True), authorize(False)] == [
        "Bearer t1",
        "Bearer t2",
        "Bearer t2",
    ]
    assert [asked["client_secret"] for asked in vendor.asked] == ["old", "new"]


def test_another_secret_gets_a_token_of_its_own() -> None:
    vendor = Vendor()
    secrets = iter([CLIENT, CLIENT, {**CLIENT, "client_id": "other"}])
    authorize = vendor.authorizer(lambda _: next(secrets))

    assert [authorize(False) for _ in range(3)] == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_other_credentials_need_no_token() -> None:
    vendor = Vendor()

    assert vendor.authorizer(lambda _: {"bearer": "b"})(False) == "Bearer b"
    assert str(vendor.authorizer(lambda _: {"email": "e", "token": "t"})(True)).startswith("Basic ")
    assert vendor.asked == []


def test_threads_that_start_together_share_one_token() -> None:
    vendor = Vendor()
    fetch = vendor.__call__

    def slow(body: bytes) -> Answer | NoAnswer:
        time.sleep(0.05)
        return fetch(body)

    authorize = ZendeskAuthorizer(lambda _: CLIENT, slow)
    used: list[object] = []
    threads = [threading.Thread(target=lambda: used.append(authorize(False))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert used == ["Bearer t1"] * 5


@pytest.mark.parametrize("status", [199, 302, 400, 422, 451, 500, 600])
def test_a_token_in_an_answer_that_is_no_success_is_none(status: int) -> None:
    body = compact_json({"access_token": "t1"})

    assert not isinstance(Vendor(Answer(status, {}, body)).authorizer()(False), str)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(401, {}, b"{}"), Refused),
        (Answer(400, {}, b'{"error": "invalid_scope"}'), Refused),
        (Answer(403, {}, b""), Refused),
        (Answer(302, {}, b""), Refused),
        (Answer(402, {}, b""), Refused),
        (Answer(404, {}, b"<html>"), Refused),
        (Answer(404, {}, b'{"error": "InvalidEndpoint"}'), Refused),
        (Answer(410, {}, b""), Refused),
        (Answer(101, {}, b""), Throttled(ThrottleReason.UNREACHABLE)),
        (
            NoAnswer(sent=False, reason="none", cause=ThrottleReason.BUDGET),
            Throttled(ThrottleReason.BUDGET),
        ),
        (Answer(429, {"retry-after": "7"}, b""), Throttled(ThrottleReason.RATE, 7.0)),
        (Answer(503, {}, b""), Throttled(ThrottleReason.UNREACHABLE)),
        (Answer(408, {}, b""), Throttled(ThrottleReason.UNREACHABLE)),
        (Answer(200, {}, b"<html>"), Throttled(ThrottleReason.CREDENTIALS)),
        (granted("two\nlines"), Throttled(ThrottleReason.CREDENTIALS)),
        (granted(""), Throttled(ThrottleReason.CREDENTIALS)),
        (granted(7), Throttled(ThrottleReason.CREDENTIALS)),
        (NoAnswer(sent=True, reason="the connection broke"), Throttled(ThrottleReason.UNREACHABLE)),
        (NoAnswer(sent=False, reason="no way"), Throttled(ThrottleReason.UNREACHABLE)),
    ],
)
def test_without_a_token_nothing_was_done(answer: Answer | NoAnswer, expected: object) -> None:
    instead = Vendor(answer).authorizer()(False)

    assert not isinstance(instead, str)
    problem = problem_of(instead)
    if expected is Refused:
        assert isinstance(problem, Refused)
        assert problem.scope is RefusalScope.RUN
    else:
        assert problem == expected


def test_a_failure_is_not_kept() -> None:
    vendor = Vendor(Answer(503, {}, b""))
    authorize = vendor.authorizer()
    authorize(False)
    vendor.answer = None

    assert authorize(False) == "Bearer t2"


def test_nothing_is_shown() -> None:
    vendor = Vendor()
    authorize = vendor.authorizer()
    authorize(False)

    shown = repr(authorize) + repr(vars(authorize))
    assert "t1" not in shown
    assert "hush" not in shown
