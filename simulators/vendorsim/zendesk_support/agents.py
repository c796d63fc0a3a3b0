"""Attribute values of agents: one job sets, adds or removes the same values for many agents.

The results are assumed to look like those of an update.
"""

from __future__ import annotations

from collections.abc import Callable

from vendorsim.values import JsonObject
from vendorsim.zendesk_support.operations import Operation, Row, RowRefused


def _apply(action: str) -> Callable[[Row], JsonObject]:
    def apply(row: Row) -> JsonObject:
        agent = row.store.users.get(row.record["id"])
        if agent is None or agent.fields.get("role", "end-user") == "end-user":
            raise RowRefused("Agent", "not found")
        given = list(row.record["attribute_values"])
        held = list(agent.fields.get("attribute_values", []))
        values = {
            "upsert": list(dict.fromkeys([*held, *given])),
            "update": given,
            "delete": [value for value in held if value not in given],
        }[action]
        row.store.users.update(agent, {"attribute_values": values}, row.at)
        row.note("updated", row.store.users, agent)
        return {"action": action, "id": agent.id, "status": "Updated", "success": True}

    return apply


OPERATIONS = {
    action: Operation(
        name="agents.set_attributes",
        job_type=f"Bulk {action} agent instance values",
        worker="AgentInstanceValuesJob",
        doing="Updating agent #{n}",
        failure="AgentUpdateFailed",
        apply=_apply(action),
        failure_id=True,
    )
    for action in ("upsert", "update", "delete")
}
