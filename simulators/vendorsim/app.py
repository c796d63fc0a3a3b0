"""The ASGI application: the control plane, the vendors, and the faults in between."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vendorsim import control
from vendorsim.misbehaviour import distorted, replacement
from vendorsim.simulator import Simulator
from vendorsim.values import Reply, json_reply
from vendorsim.world import Exchange, Vendor

_IDS = re.compile(r"/(\d+|V3-[0-9a-f]{32}|[A-Z]{2,}-\d+|[0-9a-f-]{36})(?=/|$)")


@dataclass(frozen=True, slots=True)
class _Late:
    """A request that is done at a moment after its answer.

    generation  of the simulator, which a reset ends
    """

    due: float
    generation: int
    vendor: Vendor
    scope: Scope
    body: bytes
    exchange: Exchange


class App:
    """Serves one simulator. State lives in the event loop's thread, so nothing needs a lock."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._control = Router(control.routes(simulator))
        self._generation = 0
        self._routers: dict[int, Router] = {}
        self._late: list[_Late] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._carry_out_late()
        if scope["path"].startswith("/_sim"):
            await self._control(scope, receive, send)
            return
        body = await _read_body(receive)
        path = scope["path"].removesuffix(".json")
        vendor = self._simulator.vendor_of(path)
        if vendor is None:
            await _send(json_reply({"error": "No vendor is served here"}, 404), scope, send)
            return
        await self._exchange(vendor, {**scope, "path": path}, body, receive, send)

    async def _exchange(
        self, vendor: Vendor, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        method, path = scope["method"], scope["path"]
        simulator, clock = self._simulator, self._simulator.world.clock
        effect = simulator.faults.pick(method, path)
        exchange = Exchange(simulator.next_request_id(), effect)
        ledger = simulator.world.ledger

        answer = replacement(effect, vendor)
        if effect.accepted_after is not None:
            due = clock.now() + effect.accepted_after
            late = _Late(due, simulator.generation, vendor, scope, body, exchange)
            bisect.insort(self._late, late, key=lambda each: each.due)
        if not effect.after:
            await clock.sleep(effect.hang)
        if effect.after or not (answer or effect.reset):
            true_answer = await self._carry_out(vendor, scope, body, exchange)
            answer = answer or true_answer.with_headers(*effect.headers.items())
        if effect.after:
            await clock.sleep(effect.hang)

        throttled = (
            exchange.throttled
            or effect.too_many_jobs
            or (answer is not None and answer.status == 429)
        )
        label = f"{method} {_IDS.sub('/{id}', path)}"
        ledger.request(vendor.request_kind(method, path), label, throttled=throttled)
        if effect.reset:
            await _reset(scope, receive)
        elif answer is not None:
            answer = answer.with_headers(("X-Request-Id", exchange.request_id))
            if effect.truncated:
                await _send_half(answer, scope, receive, send)
            else:
                await _send(distorted(answer, effect), scope, send)

    async def _carry_out_late(self) -> None:
        """Carry out the requests whose answers went out long ago, and that are due by now."""
        now = self._simulator.world.clock.now()
        while self._late and self._late[0].due <= now:
            late = self._late.pop(0)
            if late.generation == self._simulator.generation:
                late.exchange.at = late.due
                await self._carry_out(late.vendor, late.scope, late.body, late.exchange)

    async def _carry_out(
        self, vendor: Vendor, scope: Scope, body: bytes, exchange: Exchange
    ) -> Reply:
        """The vendor's own answer, caught before it is sent."""
        state = {**scope.get("state", {}), "exchange": exchange}
        caught: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def catch(message: Message) -> None:
            caught.append(message)

        await self._router(vendor)({**scope, "state": state}, receive, catch)
        headers = Headers(raw=caught[0]["headers"])
        return Reply(
            caught[0]["status"],
            b"".join(message.get("body", b"") for message in caught[1:]),
            headers.get("content-type", ""),
            tuple(
                (name, value)
                for name, value in headers.items()
                if name not in ("content-type", "content-length")
            ),
        )

    def _router(self, vendor: Vendor) -> Router:
        if self._generation != self._simulator.generation:
            self._generation = self._simulator.generation
            self._routers = {
                id(each): Router(each.routes, redirect_slashes=False, default=_not_found(each))
                for each in self._simulator.vendors
            }
        return self._routers[id(vendor)]


def _not_found(vendor: Vendor) -> ASGIApp:
    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        await _send(vendor.not_found(), scope, send)

    return answer


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(reply: Reply, scope: Scope, send: Send) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await reply.response()(scope, receive, send)


async def _send_half(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Announce the whole body, send half of it, and close."""
    raw = reply.response().raw_headers
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    scope["state"]["connection"].close()
    await _gone(receive)


async def _reset(scope: Scope, receive: Receive) -> None:
    """Close the connection without a word."""
    scope["state"]["connection"].abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed; it would answer otherwise."""
    while (await receive())["type"] != "http.disconnect":
        pass
