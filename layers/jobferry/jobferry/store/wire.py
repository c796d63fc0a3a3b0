"""Values and updates in DynamoDB's own form.

Numbers are `int` or `float` on our side; DynamoDB's `Decimal` does not leave this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from jobferry.store.operations import Item, Update

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def update_request(update: Update) -> dict[str, Any]:
    names: dict[str, str] = dict(update.names)
    values: dict[str, Any] = dict(update.values)

    def placeholder(attribute: str, value: Any, kind: str) -> tuple[str, str]:
        name, slot = f"#{kind}_{attribute}", f":{kind}_{attribute}"
        names[name] = attribute
        values[slot] = value
        return name, slot

    sets = ["{} = {}".format(*placeholder(a, v, "s")) for a, v in update.assign.items()]
    for attribute, value in update.assign_once.items():
        name, slot = placeholder(attribute, value, "o")
        sets.append(f"{name} = if_not_exists({name}, {slot})")
    adds = ["{} {}".format(*placeholder(a, v, "a")) for a, v in update.add.items()]
    deletes = ["{} {}".format(*placeholder(a, v, "d")) for a, v in update.take.items()]
    removes = []
    for attribute in update.remove:
        names[f"#r_{attribute}"] = attribute
        removes.append(f"#r_{attribute}")
    clauses = [("SET", sets), ("ADD", adds), ("DELETE", deletes), ("REMOVE", removes)]
    request: dict[str, Any] = {
        "Key": key_of(update.pk, update.sk),
        "UpdateExpression": " ".join(
            f"{word} {', '.join(parts)}" for word, parts in clauses if parts
        ),
    }
    if update.condition:
        request["ConditionExpression"] = update.condition
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = wire_of(values)
    return request


def key_condition(
    pk: str, prefix: str | None, since: str | None, until: str | None, keys: tuple[str, str]
) -> dict[str, Any]:
    """What a query asks of the two key attributes: a prefix of the second, or a closed range."""
    condition = ""
    values: dict[str, Any] = {":pk": pk}
    if prefix is not None:
        condition = " AND begins_with(#sk, :prefix)"
        values[":prefix"] = prefix
    elif since is not None and until is not None:
        condition = " AND #sk BETWEEN :since AND :until"
        values |= {":since": since, ":until": until}
    elif since is not None:
        condition = " AND #sk >= :since"
        values[":since"] = since
    elif until is not None:
        condition = " AND #sk <= :until"
        values[":until"] = until
    pk_name, sk_name = keys
    return {
        "KeyConditionExpression": f"#pk = :pk{condition}",
        "ExpressionAttributeNames": {"#pk": pk_name, **({"#sk": sk_name} if condition else {})},
        "ExpressionAttributeValues": wire_of(values),
    }


def key_of(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def wire_of(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serializer.serialize(_decimal(value)) for name, value in item.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {key: _decimal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_decimal(inner) for inner in value]
    return value


def plain_of(item: Mapping[str, Any]) -> Item:
    return {name: _number(_deserializer.deserialize(value)) for name, value in item.items()}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Binary):
        return bytes(cast("Any", value))
    if isinstance(value, dict):
        return {key: _number(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_number(inner) for inner in value]
    if isinstance(value, set):
        return {_number(inner) for inner in value}
    return value
