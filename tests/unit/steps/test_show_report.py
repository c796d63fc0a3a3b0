"""Whoever has an address sees the report; all others see one and the same page."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pytest

from jobferry.operator.report_link import make_token
from jobferry.steps import show_report as module
from jobferry.steps.show_report import HEADERS, show_report
from virtual.world import World, sample_csv

KEY = "k" * 64
HOURS = 72
HOUR = 3_600


@dataclass
class Door:
    """The function behind its address."""

    world: World
    run_id: str
    reads: int = 0

    def token(self, run_id: str | None = None, key: str = KEY, age: int = 0) -> str:
        issued = int(self.world.clock.now()) - age
        return make_token(key, run_id or self.run_id, issued, HOURS * HOUR)

    def key(self) -> str:
        self.reads += 1
        return KEY

    def open(self, path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
        event = {
            "version": "2.0",
            "rawPath": path,
            "headers": headers,
            "requestContext": {"http": {"method": method, "path": path}},
        }
        return self.answer(event)

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        deps = self.world.deps
        settings = replace(deps.settings, report_link_hours=HOURS)
        return show_report(event, replace(deps, settings=settings), self.key)


@pytest.fixture
def door(world: World) -> Door:
    return Door(world, world.execute(world.drop(sample_csv(3))).run_id)


@pytest.fixture
def closed_door(door: Door) -> dict[str, Any]:
    return door.open("/")


def test_the_report_is_shown(world: World, door: Door) -> None:
    answer = door.open(f"/{door.token()}")
    assert answer["statusCode"] == 200
    assert answer["body"].encode() == world.objects.get(f"results/{door.run_id}/report.html")
    assert world.metrics[-1] == {"ReportsShown": 1}


def test_it_is_packed_for_those_who_take_it(world: World, door: Door) -> None:
    answer = door.open(f"/{door.token()}", **{"accept-encoding": "br, gzip"})
    assert (answer["isBase64Encoded"], answer["headers"]["Content-Encoding"]) == (True, "gzip")
    page = gzip.decompress(b64decode(answer["body"]))
    assert page == world.objects.get(f"results/{door.run_id}/report.html")


def test_nobody_keeps_it_frames_it_or_is_told_of_its_address(
    door: Door, closed_door: dict[str, Any]
) -> None:
    for answer in (door.open(f"/{door.token()}"), closed_door):
        headers = answer["headers"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in headers["X-Robots-Tag"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/x",
        "//",
        "/../results",
        "/RUN",
        "/RUN.",
        "/.",
        "/favicon.ico",
        "/\x00",
        "/é" * 200,
    ],
)
def test_what_is_no_token_meets_a_closed_door(
    door: Door, closed_door: dict[str, Any], path: str
) -> None:
    assert door.open(path.replace("RUN", door.run_id)) == closed_door
    assert closed_door["statusCode"] == 403
    assert "jobferry report RUN --link" in closed_door["body"]


def test_every_refusal_is_the_same(world: World, door: Door, closed_door: dict[str, Any]) -> None:
    token = door.token()
    assert door.open(f"/{door.token(key='x' * 64)}") == closed_door
    assert door.open(f"/{door.token(age=HOURS * HOUR)}") == closed_door
    assert door.open(f"/{door.token('things-000000000000')}") == closed_door
    assert door.open(f"/{token}/") == closed_door
    assert door.open(f"/x{token}") == closed_door
    assert door.open(f"/{token}", method="POST") == closed_door
    world.objects.delete_prefix(f"results/{door.run_id}/")
    assert door.open(f"/{token}") == closed_door


def test_the_signature_is_checked_before_anything_is_read(world: World, door: Door) -> None:
    with mock.patch.object(world.objects, "get", side_effect=AssertionError("it was read")):
        assert door.open(f"/{door.token(key='x' * 64)}")["statusCode"] == 403


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"rawPath": 3},
        {"rawPath": "/x", "requestContext": []},
        {"rawPath": "/x", "requestContext": {"http": None}},
        {"rawPath": "/x", "requestContext": {"http": {"method": "GET"}}, "headers": []},
    ],
)
def test_what_is_no_request_meets_a_closed_door(
    door: Door, closed_door: dict[str, Any], event: dict[str, Any]
) -> None:
    assert door.answer(event) == closed_door


def test_only_counts_are_noted(world: World, door: Door) -> None:
    token = door.token()
    lines = len(world.log)
    world.metrics.clear()
    door.open(f"/{token}")
    door.open("/forged")
    assert world.log[lines:] == []
    assert world.metrics == [{"ReportsShown": 1}, {"ReportsRefused": 1}]


def test_one_that_is_too_large_to_be_answered_is_not_shown(
    door: Door, closed_door: dict[str, Any]
) -> None:
    with mock.patch.object(module, "MOST_BYTES", 100):
        assert door.open(f"/{door.token()}") == closed_door


def test_an_answer_is_one_that_lambda_takes(door: Door, closed_door: dict[str, Any]) -> None:
    for answer in (door.open(f"/{door.token()}"), closed_door):
        assert json.loads(json.dumps(answer)) == answer
        assert set(HEADERS) <= set(answer["headers"])
