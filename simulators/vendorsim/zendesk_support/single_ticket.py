"""`POST /tickets`: one ticket at once, or as a job with `async=true`.

The only endpoint with a documented Idempotency-Key: the same key within two hours repeats the
answer, with another body it is refused.
"""

from __future__ import annotations

from vendorsim.effects import RecordEffect
from vendorsim.values import JsonObject, Reply, json_reply
from vendorsim.zendesk_support import replies, tickets
from vendorsim.zendesk_support.account import Call, IdempotentAnswer
from vendorsim.zendesk_support.operations import VENDOR
from vendorsim.zendesk_support.submissions import submit

_KEY_SECONDS = 7_200


def create_ticket(call: Call) -> Reply:
    """Create one ticket."""
    key = call.http.headers.get("idempotency-key")
    if not key:
        return _create(call)
    now, answers = call.account.world.clock.now(), call.account.idempotency
    known = answers.get(key)
    if known and known.expires_at > now:
        if known.body != call.body:
            return replies.idempotency_mismatch()
        return known.reply.with_headers(("x-idempotency-lookup", "hit"))
    reply = _create(call)
    answers[key] = IdempotentAnswer(call.body, reply, now + _KEY_SECONDS)
    return reply.with_headers(("x-idempotency-lookup", "miss"))


def _create(call: Call) -> Reply:
    ticket = call.change("ticket")
    description = tickets.description_of(ticket)
    if not description:
        return replies.record_invalid("base", f"Description: {tickets.BLANK_DESCRIPTION}")
    if call.query.get("async", "").lower() == "true":
        return _create_as_job(call, ticket)
    table, now = call.account.store.tickets, call.account.world.clock.now()
    (ticket_id,) = table.reserve(1)
    record = table.insert(ticket_id, tickets.stored(ticket) | {"description": description}, now)
    tickets.add_comments(call.account.store, ticket_id, ticket, now)
    call.account.world.ledger.record(
        RecordEffect(
            vendor=VENDOR,
            kind=table.kind,
            action="created",
            id=ticket_id,
            external_id=record.external_id,
            job_id=None,
            request_id=call.exchange.request_id,
            index=0,
            at=now,
            fields=ticket,
        )
    )
    return json_reply({"ticket": tickets.present(record)}, 201)


def _create_as_job(call: Call, ticket: JsonObject) -> Reply:
    """202 with the id that the ticket will have; it cannot be read until the job has ended."""
    upcoming = call.account.store.tickets.upcoming()
    return submit(call, tickets.CREATE, [ticket], status=202, more={"ticket": {"id": upcoming}})
