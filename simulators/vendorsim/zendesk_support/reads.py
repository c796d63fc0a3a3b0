"""The endpoints that only look: records, job statuses, the account."""

from __future__ import annotations

from collections.abc import Callable

from vendorsim.values import JsonObject, Reply, json_reply
from vendorsim.zendesk_support import custom_objects, replies, tickets, users
from vendorsim.zendesk_support.account import Call
from vendorsim.zendesk_support.jobs import list_position
from vendorsim.zendesk_support.operations import ACCOUNT_ID
from vendorsim.zendesk_support.paging import cursor_page, offset_page, wants_cursor
from vendorsim.zendesk_support.records import Record, Store, Table
from vendorsim.zendesk_support.submissions import Endpoint

ChooseTable = Callable[[Store], Table]
Present = Callable[[Record], JsonObject]


def show(choose: ChooseTable, singular: str, present: Present) -> Endpoint:
    """One record by id."""

    def endpoint(call: Call) -> Reply:
        record = choose(call.account.store).get(int(call.part("id")))
        return replies.not_found() if record is None else json_reply({singular: present(record)})

    return endpoint


def show_many(choose: ChooseTable, plural: str, present: Present) -> Endpoint:
    """Records by `ids` or by `external_ids`; what is not there is left out."""

    def endpoint(call: Call) -> Reply:
        table = choose(call.account.store)
        ids, external_ids = call.ids(), call.texts("external_ids")
        found = [record for each in ids or [] if (record := table.get(each))]
        for external_id in external_ids or []:
            found += table.find("external_id", external_id)
        shown = [present(record) for record in found]
        ends: JsonObject = {"next_page": None, "previous_page": None, "count": len(shown)}
        return json_reply({plural: shown, **ends})

    return endpoint


def listing(choose: ChooseTable, plural: str, present: Present) -> Endpoint:
    """All records, or those with an `external_id`, in pages."""

    def endpoint(call: Call) -> Reply:
        table = choose(call.account.store)
        external_id = call.query.get("external_id")
        records = table.find("external_id", external_id) if external_id else table.live()
        if wants_cursor(call.query):
            page, ends = cursor_page(records, _by_id, call.query, call.url)
        else:
            page, ends = offset_page(records, call.query, call.url)
        return json_reply({plural: [present(record) for record in page], **ends})

    return endpoint


def custom_object_records(call: Call) -> Reply:
    """Records of one custom object, with cursors: all, or those of `filter[…]`, case-sensitive."""
    key = call.part("key")
    table = call.account.store.custom_object(key)
    records = table.live()
    for name, field in (("filter[ids]", "id"), ("filter[external_ids]", "external_id")):
        named = call.texts(name)
        if named is not None:
            records = [record for record in records if str(getattr(record, field)) in named]
    page, ends = cursor_page(records, _by_number, call.query, call.url)
    shown = [custom_objects.present(key, record) for record in page]
    return json_reply({"custom_object_records": shown, "count": len(records), **ends})


def ticket_comments(call: Call) -> Reply:
    """What was said in a ticket, oldest first unless asked otherwise."""
    store = call.account.store
    ticket = store.tickets.get(int(call.part("id")))
    if ticket is None:
        return replies.not_found()
    comments = store.comments.find("ticket_id", ticket.id)
    newest_first = call.query.get("sort") == "-created_at" or call.query.get("sort_order") == "desc"
    sign = -1 if newest_first else 1
    ordered = comments[::sign]

    def position(comment: Record) -> tuple[float, ...]:
        return (sign * float(comment.id),)

    if wants_cursor(call.query):
        page, ends = cursor_page(ordered, position, call.query, call.url)
    else:
        page, ends = offset_page(ordered, call.query, call.url)
    return json_reply({"comments": [tickets.present_comment(each) for each in page], **ends})


def show_job(call: Call) -> Reply:
    """One job status."""
    shown = call.account.jobs.get(call.part("id"))
    return replies.not_found() if shown is None else json_reply({"job_status": shown})


def show_many_jobs(call: Call) -> Reply:
    """Job statuses by id, each once; those not known are left out."""
    found = [call.account.jobs.get(each) for each in dict.fromkeys(call.texts("ids") or [])]
    return json_reply({"job_statuses": [_item(call, shown) for shown in found if shown]})


def list_jobs(call: Call) -> Reply:
    """Recent jobs, always with cursors."""
    jobs = call.account.jobs
    page, ends = cursor_page(jobs.listed(), list_position, call.query, call.url)
    return json_reply({"job_statuses": [_item(call, jobs.describe(job)) for job in page], **ends})


def show_myself(call: Call) -> Reply:
    return json_reply({"user": users.present(call.account.agent)})


def show_settings(_call: Call) -> Reply:
    return json_reply({"settings": {"account_id": ACCOUNT_ID}})


def _item(call: Call, shown: JsonObject) -> JsonObject:
    if call.account.world.settings.job_items == "full":
        return shown
    return {"id": shown["id"], "status": shown["status"]}


def _by_number(record: Record) -> tuple[float, ...]:
    """Ids of custom object records are texts; the simulator's end in a number."""
    return (float(str(record.id)[-21:]),)


def _by_id(record: Record) -> tuple[float, ...]:
    return (float(record.id),)
