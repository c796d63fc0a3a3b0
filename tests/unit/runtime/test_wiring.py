"""Wiring: which clients are made, when, and how often."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Lock
from typing import Any

import pytest

from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.runtime.settings import Settings
from jobferry.runtime.wiring import build_deps, deadline
from jobferry.vendors.answers import Throttled, ThrottleReason

SETTINGS = Settings("table", "inbox", "archive", "stack/", 30, False)
THREADS = 8


class Client:
    """Answers what these tests ask of S3 and of Secrets Manager."""

    def get_object(self, **_request: str) -> dict[str, Any]:
        return {"Body": BytesIO(b"body")}

    def get_secret_value(self, **_request: str) -> dict[str, str]:
        return {"SecretString": "{}"}


class Session:
    """Notes the clients that are asked for; refuses two at once, as it would break on them."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self._making = Lock()

    def client(self, service: str, **_options: object) -> Client:
        assert self._making.acquire(blocking=False), "two clients were made at once"
        try:
            self.made.append(service)
            return Client()
        finally:
            self._making.release()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def deps(session: Session) -> Deps:
    return build_deps(SETTINGS, session)  # type: ignore[arg-type]


def at_once(work: Any) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda _: work(), range(THREADS)))


@pytest.mark.usefixtures("deps")
def test_only_the_table_is_reached_for_before_the_first_event(session: Session) -> None:
    assert session.made == ["dynamodb"]


def test_a_client_for_objects_is_made_once_however_many_ask(session: Session, deps: Deps) -> None:
    assert at_once(lambda: deps.objects.get("key")) == [b"body"] * THREADS
    assert session.made == ["dynamodb", "s3"]


def test_secrets_are_read_when_a_request_needs_its_header(
    session: Session, deps: Deps, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection("acme", "zendesk_support", "https://acme.example")
    monkeypatch.setattr(deps.store.config, "connection", lambda _name: connection)
    linked = deps.connections.link("acme")
    assert session.made == ["dynamodb"]
    answer = linked.client.test()
    assert answer == Throttled(ThrottleReason.CREDENTIALS)
    assert session.made == ["dynamodb", "secretsmanager"]


def test_garbage_is_collected_afterwards(deps: Deps) -> None:
    deps.objects.get("key")

    assert gc.isenabled()


def test_the_deadline_leaves_the_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 60_000

    monkeypatch.setattr("jobferry.runtime.wiring.time.time", lambda: 1_000.0)

    assert deadline(Context(), margin=15.0) == 1_045.0  # type: ignore[arg-type]
