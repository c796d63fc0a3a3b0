"""What can be written: plain values, translated for DynamoDB by `table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]


@dataclass(frozen=True)
class Update:
    """One `UpdateItem`.

    Attributes:
        assign: attributes to set
        assign_once: attributes to set where they are absent
        add: numbers to add, or members to put into sets
        take: members to take out of sets
        remove: attributes to remove

    Attributes:
        condition: a DynamoDB condition expression; `#name` and `:name` placeholders in it are
            resolved from `names` and `values`
    """

    pk: str
    sk: str
    assign: Mapping[str, Any] = field(default_factory=dict)
    assign_once: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, float | set[int]] = field(default_factory=dict)
    take: Mapping[str, set[int]] = field(default_factory=dict)
    remove: Sequence[str] = ()
    condition: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Put:
    item: Item
    condition: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    pk: str
    sk: str


Operation = Update | Put | Delete
