"""The endpoints that start a job: what they accept, and the job they make of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from vendorsim.values import JsonObject, Reply, json_reply
from vendorsim.zendesk_support import agents, custom_objects, replies, tickets, users
from vendorsim.zendesk_support.account import MAX_ITEMS, Call
from vendorsim.zendesk_support.jobs import Request
from vendorsim.zendesk_support.operations import Operation
from vendorsim.zendesk_support.throttle import jobs_header

Endpoint = Callable[[Call], Reply]

_MERGE_COMMENTS = {
    "target_comment",
    "source_comment",
    "target_comment_is_public",
    "source_comment_is_public",
}


def submit(
    call: Call,
    operation: Operation,
    records: Sequence[JsonObject],
    *,
    bulk: bool = False,
    target: str = "",
    status: int = 200,
    more: JsonObject | None = None,
) -> Reply:
    """Start a job, or refuse one too many; `more` joins the job status in the answer."""
    if len(records) > MAX_ITEMS:
        raise replies.RequestRefused(_too_many(operation))
    jobs, settings = call.account.jobs, call.account.world.settings
    limit, running = settings.max_jobs, jobs.running_ids
    if limit and len(running) >= limit:
        call.exchange.throttled = True
        refusal = replies.too_many_jobs(settings.too_many_jobs_status, operation.worker, running)
        raise replies.RequestRefused(refusal.with_headers(jobs_header(limit, len(running))))
    kept, left_out = operation.permitted(records)
    job = jobs.submit(Request(operation, kept, bulk, target), call.exchange)
    headers = [jobs_header(limit, len(running) + 1)] if limit else []
    headers += replies.restricted_keys(left_out)
    return json_reply({**(more or {}), "job_status": jobs.describe(job)}, status, tuple(headers))


def create_many(operation: Operation, plural: str) -> Endpoint:
    """POST a list of records."""

    def endpoint(call: Call) -> Reply:
        return submit(call, operation, call.records(plural))

    return endpoint


def update_many(
    operation: Operation, singular: str, plural: str, *, external: bool = True
) -> Endpoint:
    """PUT one change for the ids in the query, or a list of records with their ids."""

    def endpoint(call: Call) -> Reply:
        targets = _targets(call, external=external)
        if targets is None:
            return submit(call, operation, call.records(plural))
        change = call.change(singular)
        records = [{**change, **target} for target in targets]
        return submit(call, operation, records, bulk=True)

    return endpoint


def for_each_id(operation: Operation, *, external: bool = False) -> Endpoint:
    """DELETE or PUT that does the same to every id in the query."""

    def endpoint(call: Call) -> Reply:
        targets = _targets(call, external=external)
        if not targets:
            raise call.invalid("ids", "a list of integers")
        return submit(call, operation, targets)

    return endpoint


def delete_ticket_permanently(call: Call) -> Reply:
    """DELETE of one deleted ticket."""
    ticket_id = int(call.part("id"))
    if call.account.store.tickets.get_deleted(ticket_id) is None:
        return replies.not_found()
    return submit(call, tickets.DELETE_PERMANENTLY, [{"id": ticket_id}])


def merge_tickets(call: Call) -> Reply:
    """POST of the tickets to merge into the one in the path: ids as numbers or as objects."""
    if call.account.store.tickets.get(int(call.part("id"))) is None:
        return replies.not_found()
    given = call.document().get("ids")
    if not isinstance(given, list) or not given:
        raise call.invalid("ids", "an array")
    ids = [item.get("id") if isinstance(item, dict) else item for item in given]
    if not all(isinstance(each, int) for each in ids):
        raise call.invalid("ids", "an array of integers")
    comments = {name: value for name, value in call.document().items() if name in _MERGE_COMMENTS}
    return submit(
        call,
        tickets.MERGES[call.account.world.settings.merge_results],
        [{"id": each, **comments} for each in ids],
        target=call.part("id"),
    )


def set_agent_attributes(call: Call) -> Reply:
    """POST of attribute values for many agents, under the path that the account serves."""
    served = call.account.world.settings.agent_jobs_path
    if served not in ("both", call.path.rpartition("/")[2]):
        return replies.no_such_endpoint()
    action, items = _job(call, agents.OPERATIONS)
    attributes = call.document()["job"].get("attributes")
    values = attributes.get("attribute_values") if isinstance(attributes, dict) else None
    given = [value.get("id") for value in values or [] if isinstance(value, dict)]
    if not given or not all(_is_uuid(each) for each in given):
        raise call.invalid("job.attributes.attribute_values", "an array of attribute values")
    agent_ids = [int(item) for item in items if str(item).isdecimal()]
    if len(agent_ids) != len(items):
        raise call.invalid("job.items", "an array of integers")
    records = [{"id": agent_id, "attribute_values": given} for agent_id in agent_ids]
    return submit(call, agents.OPERATIONS[action], records)


def custom_object_job(call: Call) -> Reply:
    """POST of an action on records of one custom object; answers 201."""
    action, items = _job(call, custom_objects.OPERATIONS)
    named = custom_objects.DELETED_BY.get(action)
    if named:
        records = [{named: str(item)} for item in items]
    elif all(isinstance(item, dict) for item in items):
        records = items
    else:
        raise call.invalid("job.items", "an array of objects")
    operation = custom_objects.OPERATIONS[action]
    return submit(call, operation, records, target=call.part("key"), status=201)


def _targets(call: Call, *, external: bool) -> list[JsonObject] | None:
    """What the query names, as the fields that tell a record; None if it names nothing."""
    ids = call.ids()
    if ids is not None:
        return [{"id": each} for each in ids]
    external_ids = call.texts("external_ids") if external else None
    if external_ids is not None:
        return [{"external_id": each} for each in external_ids]
    return None


def _job(call: Call, actions: Collection[str]) -> tuple[str, list[Any]]:
    """The action and the items of a `{"job": …}` body."""
    job = call.document().get("job")
    if not isinstance(job, dict):
        raise call.invalid("job", "an object")
    action, items = job.get("action"), job.get("items")
    if action not in actions:
        raise call.invalid("job.action", f"one of {', '.join(actions)}")
    if not isinstance(items, list) or not items:
        raise call.invalid("job.items", "an array")
    return str(action), items


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _too_many(operation: Operation) -> Reply:
    if operation in (users.CREATE, users.CREATE_OR_UPDATE):
        return replies.too_many_users(MAX_ITEMS)
    return replies.too_many_values(MAX_ITEMS)
