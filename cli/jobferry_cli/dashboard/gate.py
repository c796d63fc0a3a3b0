"""The door of the server: every request passes `security`, every answer carries its headers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobferry_cli.dashboard.security import (
    TOKEN_FIELD,
    TOKEN_HEADER,
    Asked,
    Entry,
    Guard,
    Refusal,
    headers,
)

FORM_BYTES = 64 * 1024
"""Of a form, at the most."""

FORM = "application/x-www-form-urlencoded"

USED = (
    "This address has let a browser in before, and lets in no other. The terminal where "
    "`jobferry dashboard` runs shows a new one."
)


class Gate:
    """The application, for those who may use it.

    Args:
        renewed: called when somebody comes with the address that was used: print a new one.
    """

    def __init__(
        self, app: ASGIApp, guard: Guard, entry: Entry, renewed: Callable[[], None]
    ) -> None:
        self._app, self._guard, self._entry, self._renewed = app, guard, entry, renewed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        found = _headers(scope)
        form = None
        if scope["method"] == "POST" and _kind(found) == FORM:
            body = await _read(receive)
            if body is None:
                await _refuse(Refusal(413, "This form is too large."), scope, receive, send)
                return
            form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        asked = _asked(scope, found, form or {})
        if asked.path == "/" and asked.method == "GET":
            await self._enter(asked, scope, receive, send)
            return
        refused = self._guard.refusal(asked)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
            return
        scope = {**scope, "state": {**scope.get("state", {}), "form": form or {}}}
        await self._app(scope, receive, _with_headers(send))

    async def _enter(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Exchange the token of the address for a cookie."""
        guard = self._guard
        refused = guard.wrong_host(asked)
        given = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        token = given.get(TOKEN_FIELD, "")
        if refused is None and token and self._entry.take(token):
            answer = _let_in(guard, asked)
            await answer(scope, receive, _with_headers(send))
            return
        if refused is None and token and self._entry.was_used(token):
            self._renewed()
            refused = Refusal(403, USED)
        text = "Open the address that the terminal shows where `jobferry dashboard` runs."
        await _refuse(refused or Refusal(403, text), scope, receive, send)


def _let_in(guard: Guard, asked: Asked) -> Response:
    """The cookie, and the way to an address without the token."""
    cookie = {"set-cookie": guard.set_cookie()}
    if asked.site in (None, "none", "same-origin"):
        return RedirectResponse(guard.root, 303, cookie)
    # Where a page elsewhere holds the link (a terminal in the browser), a redirect counts as that
    # page's, and goes without the cookie. What this page does counts as ours.
    root = escape(guard.root)
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Jobferry</title>'
        f'<meta http-equiv="refresh" content="0; url={root}">'
        f'<main><p><a href="{root}">Open the page</a></p></main></html>',
        headers=cookie,
    )


def _headers(scope: Scope) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in scope["headers"]:
        found[name.decode("latin-1").lower()].append(value.decode("latin-1"))
    return {name: tuple(values) for name, values in found.items()}


def _kind(found: dict[str, tuple[str, ...]]) -> str:
    return next(iter(found.get("content-type", ())), "").partition(";")[0].strip().lower()


def _asked(scope: Scope, found: dict[str, tuple[str, ...]], form: dict[str, str]) -> Asked:
    def first(name: str) -> str | None:
        return next(iter(found.get(name, ())), None)

    return Asked(
        method=scope["method"],
        hosts=found.get("host", ()),
        path=scope["path"],
        cookie="; ".join(found.get("cookie", ())),
        token=first(TOKEN_HEADER) or form.get(TOKEN_FIELD, ""),
        origin=first("origin"),
        site=first("sec-fetch-site"),
    )


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > FORM_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _refuse(refused: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    answer: Response = HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Jobferry</title>'
        f"<main><h1>Jobferry</h1><p>{escape(refused.text)}</p></main></html>",
        refused.status,
    )
    await answer(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = [
                (name.encode(), value.encode())
                for name, value in headers().items()
                if name.encode() not in own
            ]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sent
