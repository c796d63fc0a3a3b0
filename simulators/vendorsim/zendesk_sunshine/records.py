"""The object and relationship records of the account. Ids are UUIDs; a deleted record is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vendorsim.values import JsonObject, iso_time

STANDARD_OBJECT = "zen:"
"""How ids of tickets, users and the like start where a relationship names them."""


@dataclass(slots=True)
class Resource:
    """An object record; times are epoch seconds."""

    id: str
    type: str
    external_id: str | None
    attributes: JsonObject
    created_at: float
    updated_at: float

    def shown(self) -> JsonObject:
        return {
            "id": self.id,
            "type": self.type,
            "external_id": self.external_id,
            "attributes": self.attributes,
            "created_at": iso_time(self.created_at),
            "updated_at": iso_time(self.updated_at),
        }


@dataclass(slots=True)
class Relationship:
    """A relationship record: `source` and `target` are ids of object records or `zen:…`."""

    id: str
    relationship_type: str
    source: str
    target: str
    created_at: float

    def shown(self) -> JsonObject:
        return {
            "id": self.id,
            "relationship_type": self.relationship_type,
            "source": self.source,
            "target": self.target,
            "created_at": iso_time(self.created_at),
        }


class Store:
    """Every record. `mint` makes an id that was never used."""

    def __init__(self, mint: Callable[[], str]) -> None:
        self._mint = mint
        self.resources: dict[str, Resource] = {}
        self.relationships: dict[str, Relationship] = {}
        self._by_external_id: dict[tuple[str, str], Resource] = {}

    def add_resource(
        self,
        type_key: str,
        external_id: str | None,
        attributes: JsonObject,
        at: float,
        record_id: str | None = None,
    ) -> Resource:
        record = Resource(record_id or self._mint(), type_key, external_id, attributes, at, at)
        self.resources[record.id] = record
        if external_id is not None:
            self._by_external_id[type_key, external_id] = record
        return record

    def patch(self, record: Resource, attributes: JsonObject, at: float) -> None:
        """Lay `attributes` over those of a record."""
        record.attributes = record.attributes | attributes
        record.updated_at = at

    def remove_resource(self, record: Resource) -> None:
        del self.resources[record.id]
        if record.external_id is not None:
            del self._by_external_id[record.type, record.external_id]

    def find(self, type_key: str, external_id: str) -> Resource | None:
        """The object record of a type with this external id, exactly."""
        return self._by_external_id.get((type_key, external_id))

    def of_type(self, type_key: str) -> Iterator[Resource]:
        return (record for record in self.resources.values() if record.type == type_key)

    def knows(self, reference: str) -> bool:
        """Whether a relationship may name this: an object record, or a standard object."""
        return reference in self.resources or reference.startswith(STANDARD_OBJECT)

    def add_relationship(
        self, type_key: str, source: str, target: str, at: float, record_id: str | None = None
    ) -> Relationship:
        record = Relationship(record_id or self._mint(), type_key, source, target, at)
        self.relationships[record.id] = record
        return record
