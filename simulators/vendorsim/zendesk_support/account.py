"""The simulated account: its records, its jobs, its limits, and one request to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from starlette.requests import Request as HttpRequest

from vendorsim.values import JsonObject, Reply
from vendorsim.world import Exchange, World
from vendorsim.zendesk_support import replies
from vendorsim.zendesk_support.auth import EMAIL, Gate
from vendorsim.zendesk_support.jobs import JobBook
from vendorsim.zendesk_support.records import Record, Store
from vendorsim.zendesk_support.throttle import Throttle

MAX_ITEMS = 100
"""Records in one request, ids in one query."""


class Account:
    """Everything there is, starting with the agent that the credentials belong to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = Store()
        self.jobs = JobBook(world, self.store)
        self.throttle = Throttle()
        self.gate = Gate(world)
        self.idempotency: dict[str, IdempotentAnswer] = {}
        now = world.clock.now()
        (agent_id,) = self.store.users.reserve(1)
        agent: JsonObject = {"name": "Sim Agent", "email": EMAIL, "role": "admin"}
        self.agent: Record = self.store.users.insert(agent_id, agent, now)
        (group_id,) = self.store.groups.reserve(1)
        self.store.groups.insert(group_id, {"name": "Support"}, now)


@dataclass(frozen=True, slots=True)
class IdempotentAnswer:
    """What a key was used for, and what was answered; kept until `expires_at`."""

    body: bytes
    reply: Reply
    expires_at: float


@dataclass(slots=True)
class Call:
    """One request to the account, with its parts read the way the vendor reads them."""

    account: Account
    http: HttpRequest
    body: bytes
    exchange: Exchange
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.query = dict(self.http.query_params)

    @property
    def path(self) -> str:
        return self.http.url.path

    @property
    def url(self) -> str:
        """The address without its query, for the links of a paged list."""
        return str(self.http.url.replace(query=""))

    def part(self, name: str) -> str:
        """A placeholder of the path."""
        return str(self.http.path_params[name])

    def document(self) -> JsonObject:
        """The JSON body; an absent one is empty. Raises RequestRefused."""
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body.decode())
        except ValueError as error:
            raise replies.RequestRefused(replies.unparsable()) from error
        if not isinstance(value, dict):
            raise replies.RequestRefused(replies.unparsable())
        return value

    def records(self, name: str) -> list[JsonObject]:
        """The body's list of objects `name`, not empty. Raises RequestRefused."""
        records = self.document().get(name)
        if not isinstance(records, list) or not records:
            raise self.invalid(name, "an array")
        for index, record in enumerate(records):
            if not isinstance(record, dict):
                raise self.invalid(f"{name}.{index}", "an object")
            if "id" in record and not _is_id(record["id"]):
                raise self.invalid(f"{name}.{index}.id", "an integer")
        return records

    def change(self, name: str) -> JsonObject:
        """The body's object `name`; an absent body changes nothing. Raises RequestRefused."""
        change = self.document().get(name, {})
        if not isinstance(change, dict):
            raise self.invalid(name, "an object")
        return change

    def texts(self, name: str) -> list[str] | None:
        """A comma-separated query parameter; None if it is not there."""
        given = self.query.get(name)
        if given is None:
            return None
        texts = [text.strip() for text in given.split(",") if text.strip()]
        if len(texts) > MAX_ITEMS:
            raise replies.RequestRefused(replies.too_many_values(MAX_ITEMS))
        return texts

    def ids(self, name: str = "ids") -> list[int] | None:
        """A comma-separated query parameter of numbers; None if it is not there."""
        texts = self.texts(name)
        if texts is None:
            return None
        if not all(text.isdecimal() for text in texts):
            raise self.invalid(name, "a list of integers")
        return [int(text) for text in texts]

    def invalid(self, attribute: str, rule: str) -> replies.RequestRefused:
        return replies.RequestRefused(replies.invalid_attribute(self.path, attribute, rule))


def _is_id(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (isinstance(value, str) and value.isdecimal())
