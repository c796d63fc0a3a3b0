"""`/_sim`: what happened, what shall go wrong, and back to the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vendorsim.faults import Fault
from vendorsim.simulator import Simulator
from vendorsim.values import JsonObject

_CHANGES = TypeAdapter(JsonObject)


class FaultOrder(BaseModel):
    """The body of `POST /_sim/faults`; without `add` it replaces what was set."""

    model_config = ConfigDict(extra="forbid")

    faults: list[Fault] = Field(default_factory=list)
    add: bool = False


class EffectQuery(BaseModel):
    """The query of `GET /_sim/effects`."""

    kind: str | None = None
    action: str | None = None
    after: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, ge=0)


def routes(simulator: Simulator) -> list[Route]:
    """The control plane of one simulator."""

    async def effects(request: Request) -> Response:
        query = EffectQuery.model_validate(dict(request.query_params))
        simulator.advance()
        return JSONResponse(simulator.world.ledger.report(**query.model_dump()))

    async def show_faults(_request: Request) -> Response:
        return JSONResponse({"faults": simulator.faults.remaining()})

    async def set_faults(request: Request) -> Response:
        order = FaultOrder.model_validate_json(await request.body() or b"{}")
        if order.add:
            simulator.faults.add(order.faults)
        else:
            simulator.faults.replace(order.faults)
        return JSONResponse({"faults": simulator.faults.remaining()})

    async def show_settings(_request: Request) -> Response:
        return JSONResponse(simulator.world.settings.model_dump(mode="json"))

    async def change_settings(request: Request) -> Response:
        simulator.change_settings(await _changes(request))
        return await show_settings(request)

    async def reset(request: Request) -> Response:
        simulator.reset(await _changes(request))
        return await show_settings(request)

    served: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/_sim/effects", effects),
        ("GET", "/_sim/faults", show_faults),
        ("POST", "/_sim/faults", set_faults),
        ("GET", "/_sim/settings", show_settings),
        ("POST", "/_sim/settings", change_settings),
        ("POST", "/_sim/reset", reset),
    ]
    return [
        Route(path, _explained(endpoint), methods=[method]) for method, path, endpoint in served
    ]


async def _changes(request: Request) -> JsonObject:
    return _CHANGES.validate_json(await request.body() or b"{}")


def _explained(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Answer 400 with the reasons where the input is not usable."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ValidationError as error:
            reasons = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"errors": reasons}, status_code=400)

    return wrapped
