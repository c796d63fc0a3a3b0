"""The plain values that the simulated vendors share."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

JsonObject = dict[str, Any]

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, before it is sent."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """The same answer with more headers."""
        return Reply(self.status, self.body, self.content_type, (*self.headers, *headers))

    def response(self) -> Response:
        """The answer as Starlette sends it."""
        headers = dict(self.headers)
        if self.content_type:
            headers["content-type"] = self.content_type
        return Response(self.body, self.status, headers)


def json_reply(
    value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """`value` as a JSON answer; one half of a surrogate pair is written as its escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    body = text.encode(errors="backslashreplace")
    return Reply(status, body, JSON, headers)


def seeded(seed: int, purpose: str) -> random.Random:
    """Random numbers that depend on the seed and the purpose alone."""
    return random.Random(f"{seed}:{purpose}")  # noqa: S311  repeatable choices, no secrets


def distorted(
    results: list[JsonObject], quirks: Sequence[str], draws: random.Random
) -> list[JsonObject] | None:
    """The results of a job as its faults leave them."""
    shown = [dict(result) for result in results]
    for quirk in quirks:
        if quirk == "null":
            return None
        if quirk == "short":
            shown = shown[:-1]
        elif quirk == "reordered":
            draws.shuffle(shown)
        elif quirk == "no_index":
            for result in shown:
                result.pop("index", None)
        elif quirk == "empty_row" and shown:
            shown[draws.randrange(len(shown))] = {}
    return shown


def iso_time(at: float) -> str:
    """Epoch seconds as the vendors write them: `2023-09-18T23:34:42Z`."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
