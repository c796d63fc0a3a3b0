"""Both ways to page through a list: by cursor (`page[size]`) and by offset (`page`)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from vendorsim.values import JsonObject
from vendorsim.zendesk_support import replies

T = TypeVar("T")

MAX_PAGE = 100
MAX_PAGES = 100
"""Offset paging ends after 100 pages, that is 10,000 records."""

SortKey = tuple[float, ...]


def wants_cursor(query: Mapping[str, str]) -> bool:
    """Whether the request asks for cursors."""
    return any(name.startswith("page[") for name in query)


def cursor_page(
    items: Sequence[T], key: Callable[[T], SortKey], query: Mapping[str, str], url: str
) -> tuple[list[T], JsonObject]:
    """One page of `items` (sorted by `key`), with the `meta` and `links` that go with it.

    Raises RequestRefused for a cursor that is none, or for both directions at once.
    """
    size = min(MAX_PAGE, _number(query.get("page[size]"), MAX_PAGE))
    after, before = query.get("page[after]"), query.get("page[before]")
    if after and before:
        raise replies.RequestRefused(
            replies.bad_request("page[before] and page[after] cannot be used together")
        )
    if before:
        mark = _decode(before)
        candidates = [item for item in items if key(item) < mark]
        page = candidates[-size:]
    else:
        mark = _decode(after) if after else ()
        candidates = [item for item in items if key(item) > mark]
        page = candidates[:size]
    first, last = (_encode(key(page[0])), _encode(key(page[-1]))) if page else (None, None)
    has_more = len(candidates) > size
    shown = {"page[size]": str(size)}
    forward = {**shown, "page[after]": last}
    backward = {**shown, "page[before]": first}
    more_after = bool(page) and (before is not None or has_more)
    more_before = bool(page) and (has_more if before is not None else after is not None)
    return page, {
        "meta": {"has_more": has_more, "after_cursor": last, "before_cursor": first},
        "links": {
            "next": f"{url}?{urlencode(forward)}" if more_after else None,
            "prev": f"{url}?{urlencode(backward)}" if more_before else None,
        },
    }


def offset_page(
    items: Sequence[T], query: Mapping[str, str], url: str
) -> tuple[list[T], JsonObject]:
    """One numbered page, with `next_page`, `previous_page` and `count`."""
    number = _number(query.get("page"), 1)
    size = min(MAX_PAGE, _number(query.get("per_page"), MAX_PAGE))
    if number > MAX_PAGES or number * size > MAX_PAGES * MAX_PAGE:
        raise replies.RequestRefused(replies.bad_request("Too many pages; use cursor pagination"))

    def link(page: int) -> str:
        kept = {name: value for name, value in query.items() if name != "page"}
        return f"{url}?{urlencode({**kept, 'page': page})}"

    end = number * size
    return list(items[end - size : end]), {
        "next_page": link(number + 1) if end < len(items) else None,
        "previous_page": link(number - 1) if number > 1 else None,
        "count": len(items),
    }


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise replies.RequestRefused(replies.bad_request("page is not a positive number"))
    return int(text)


def _encode(key: SortKey) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode(cursor: str) -> SortKey:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return tuple(float(part) for part in json.loads(base64.urlsafe_b64decode(padded)))
    except (ValueError, TypeError) as error:
        raise replies.RequestRefused(replies.bad_request("page cursor is not valid")) from error
