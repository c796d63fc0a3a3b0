"""What a fault does to an answer; pure, so that the order of things is seen in `app` alone."""

from __future__ import annotations

import json

from vendorsim.faults import Effect
from vendorsim.values import HTML, JSON, TEXT, Reply
from vendorsim.world import Vendor

_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def replacement(effect: Effect, vendor: Vendor) -> Reply | None:
    """The answer that takes the place of the true one; None leaves the true one."""
    reply: Reply | None = None
    if effect.rate_limited:
        reply = vendor.rate_limited(effect.rate_limited, effect.retry_after)
    elif effect.too_many_jobs:
        reply = vendor.too_many_jobs()
    elif effect.html:
        title = f"{effect.status or 502} Server Error"
        reply = Reply(effect.status or 502, _PAGE.format(title).encode(), HTML)
    elif effect.accepted_after is not None and effect.status is None and effect.body is None:
        reply = Reply(504, _PAGE.format("504 Gateway Timeout").encode(), HTML)
    elif effect.status is not None or effect.body is not None:
        reply = _given(effect)
    return reply and reply.with_headers(*effect.headers.items())


def _given(effect: Effect) -> Reply:
    if isinstance(effect.body, str):
        body, content_type = effect.body.encode(), TEXT
    elif effect.body is None:
        body, content_type = b"", TEXT
    else:
        body, content_type = json.dumps(effect.body).encode(), JSON
    headers = () if effect.retry_after is None else (("Retry-After", str(effect.retry_after)),)
    return Reply(effect.status or 200, body, effect.content_type or content_type, headers)


def distorted(answer: Reply, effect: Effect) -> Reply:
    """The answer as it leaves: cut short where the effect says so."""
    if not effect.malformed:
        return answer
    cut = answer.body[: max(1, len(answer.body) * 2 // 3)]
    return Reply(answer.status, cut, answer.content_type, answer.headers)
