"""How a good answer is made a bad one: values, forms, statuses and headers that nobody expects.

Everything is drawn from a seed and the name of the request, so that threads which ask in another
order get the same answers, and one mutation can be taken away without changing the others.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jobferry.vendors.answer_gate import safe_headers
from jobferry.vendors.answers import ThrottleReason
from jobferry.vendors.http.client import Answer, NoAnswer

CANARY = "jane.doe@example.com wrote this"
"""Stands in texts that are the vendor's own, and must never be in what is logged."""

_LONG_NUMBER, _DEEP, _DEEPER = "@@number@@", "@@deep@@", "@@deeper@@"
_RAW = {
    f'"{_LONG_NUMBER}"': "9" * 5_000,
    f'"{_DEEP}"': "[" * 400 + '"x"' + "]" * 400,
    f'"{_DEEPER}"': '{"a":' * 3_000 + "1" + "}" * 3_000,
}
"""What Python cannot write as JSON, put in afterwards."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    7,
    1.5,
    math.nan,
    math.inf,
    1e300,
    2**63,
    -(2**63) - 1,
    10**400,
    _LONG_NUMBER,
    _DEEP,
    _DEEPER,
    "",
    " ",
    "\x00",
    "cut \ud83d",
    "\udc00",
    "\x1b]0;owned\x07",
    CANARY,
    "x" * 5_000,
    "9" * 5_000,
    "😀" * 300,
    "٣",
    "../../users/me",
    "a,b",
    "Failed",
    "error",
    "completed",
    "failed",
    "FINISHED",
    "ABORTED",
    "aborted",
    "TooManyJobs",
    "DatabaseConflict",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59+00:00",
    "2026-99-99",
    [],
    {},
    [[]],
    [{}],
    {"a": {"b": []}},
    [None, 1, "x"],
    {"id": {}},
    {"key": {}, "value": []},
)

STATUSES = (
    *(100, 101, 103, 199, 201, 202, 204, 206, 207, 300, 301, 302, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 414, 418, 422, 423, 429, 451),
    *(500, 501, 502, 503, 504, 520, 599, 600, 999),
)

WAITS = ("0", "7", "-3", "3601", "1e12", "nan", "inf", "9" * 400, "soon", "", "1799999999", "\xff")
WAITS += ("Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 9999 12:00:30 GMT", "1767225690000", "5, 5")

HEADERS = {
    "Retry-After": WAITS,
    "Date": ("Sun, 01 Mar 2026 12:00:00 GMT", "yesterday", "Sun, 01 Mar 0001 12:00:00 GMT", ""),
    "X-Rate-Limit": ("700", "0", "-1", "9" * 400, "NaN", "\xb2"),
    "ratelimit-remaining": ("0", "9" * 30, "x"),
    "ratelimit-reset": ("60", "0", "9" * 9, "1e9", "-5"),
    "zendesk-ratelimit-inflight-jobs": ("total=30; remaining=0", "total=0", "total=" + "9" * 99),
    "Content-Type": ("text/html", "\xff\xfe", "x" * 70_000),
}

BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"true",
    b"NaN",
    b"-Infinity",
    b"7",
    b"9" * 5_000,
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b"<html><body>There is no help desk here</body></html>",
    b"<a>" * 2_000,
    b"<JobDocument><jobId>\xff</jobId></JobDocument>",
    b'<?xml version="1.0" encoding="nonsense"?><a/>',
    b"<a>&#0;</a>",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"FINISHED",
    b"FAILED_TOTAL\r\n",
    CANARY.encode(),
)


@dataclass
class Reply:
    """An answer while it is being mutated."""

    document: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    lost: NoAnswer | None = None

    def answer(self) -> Answer | NoAnswer:
        if self.lost is not None:
            return self.lost
        body = encoded(self.document) if self.body is None else self.body
        return Answer(self.status, safe_headers(self.headers), body)


def encoded(document: Any) -> bytes:
    """JSON as nobody should write it: lone surrogates, NaN, numbers and depths without bound."""
    text = json.dumps(document)
    for mark, raw in _RAW.items():
        text = text.replace(mark, raw)
    return text.encode()


def mutate(reply: Reply, draw: random.Random) -> None:
    """Change one thing about an answer."""
    kind = draw.choices(
        ("value", "missing", "shape", "status", "header", "body", "cut", "bytes", "lost"),
        (40, 10, 10, 12, 10, 6, 4, 4, 4),
    )[0]
    if kind == "status":
        reply.status = draw.choice(STATUSES)
    elif kind == "header":
        name = draw.choice(list(HEADERS))
        reply.headers[name] = draw.choice(HEADERS[name])
    elif kind == "body":
        reply.body = draw.choice(BODIES)
    elif kind == "lost":
        reply.lost = NoAnswer(
            sent=draw.random() < 0.5,
            reason="the connection broke",
            cause=draw.choice(list(ThrottleReason)),
            too_large=draw.random() < 0.3,
        )
    elif kind in ("cut", "bytes"):
        body = bytearray(encoded(reply.document) if reply.body is None else reply.body)
        at = draw.randrange(len(body) + 1)
        body[at : at + 1] = (
            b"" if kind == "cut" else bytes(draw.choice((0, 0x80, 0xED, 0xFF)) for _ in "ab")
        )
        reply.body = bytes(body[:at]) if kind == "cut" else bytes(body)
    else:
        reply.document = _with_change(copy.deepcopy(reply.document), kind, draw)


def _with_change(document: Any, kind: str, draw: random.Random) -> Any:
    places = list(_places(document))
    if not places or draw.random() < 0.02:
        return draw.choice(VALUES)
    holder, key = draw.choice(places)
    if kind == "missing":
        del holder[key]
    elif kind == "value":
        holder[key] = copy.deepcopy(draw.choice(VALUES))
    elif isinstance(holder, list) and draw.random() < 0.5:
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        forms = ([holder[key]], {"0": holder[key]}, str(holder[key]), {str(key): holder[key]})
        holder[key] = copy.deepcopy(draw.choice(forms))
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds a value."""
    keys = (
        value.keys()
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    for key in keys:
        yield value, key
        yield from _places(value[key])
