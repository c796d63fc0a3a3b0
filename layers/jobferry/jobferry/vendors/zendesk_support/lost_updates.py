"""Finding the job of a ticket update or a merge whose answer was lost.

Neither makes a record, and tickets change for many reasons. The job of an update changed tickets of
ours and no others, and our comment has stood there since: comments are only ever added. Updates
without a comment are never looked for: they may be repeated. The job of a merge is one that says so
and names the ticket that was to be merged. Where no job tells, the tickets themselves may: while
nothing was said in any of them since, the update was not made, and one that is open was not merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found
from jobferry.vendors.job_search import Made, Match, RecordLookup, decide
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API, JobReader
from jobferry.vendors.zendesk_support.lost_jobs import (
    LIST_TRUSTED,
    ids_in,
    items_in,
    records_of,
    search,
)
from jobferry.vendors.zendesk_support.lost_records import made_since
from jobferry.vendors.zendesk_support.results import is_refusal

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

TICKETS_READ = 3
"""Tickets of a job whose comments are read at the most; mostly the first one decides."""

_CLOSED = "closed"


def find_merge(account: Account, jobs: JobReader, lost: LostSubmission, now: float) -> Found:
    """Look for a lost merge of one ticket."""
    (record,) = lost.records
    source, target = str(record.get("id")), str(record.get("target_id"))

    def merged_ours(raw: JsonObject) -> Match:
        ids = ids_in(items_in(raw))
        if source in ids and "merge" in str(raw.get("job_type")).casefold():
            return Match.OURS
        # A job that names only the target may have merged any ticket into it.
        return Match.DOUBTFUL if not ids or ids & {source, target} else Match.NOT_OURS

    # Zendesk does not say whether the total of a merge counts its target.
    result = search(jobs, lost, None, merged_ours)

    def look_up(absent: bool) -> RecordLookup:
        if absent or not result.complete:
            return RecordLookup(Made.NO_LOOK_UP)
        tickets = records_of(account, "tickets", {source})
        if tickets is None:
            return RecordLookup(Made.UNREADABLE)
        still_open = bool(tickets) and tickets[0].get("status") not in (None, _CLOSED)
        return RecordLookup(Made.NONE if still_open else Made.SOME, whole=True)

    return decide(result, now - lost.sent_at, LIST_TRUSTED, look_up)


def find_update(account: Account, jobs: JobReader, lost: LostSubmission, now: float) -> Found:
    """Look for a lost update of tickets, some of which it gave comments."""
    comments = _comments_by_ticket(lost.records)
    ours = {str(record.get("id")) for record in lost.records}

    def changed_ours(raw: JsonObject) -> Match:
        items = items_in(raw)
        changed = ids_in(items)
        if not changed:
            return Match.DOUBTFUL
        if changed - ours:
            return Match.NOT_OURS
        done = [str(item.get("id")) for item in items if not is_refusal(item)]
        telling = [ticket_id for ticket_id in done if ticket_id in comments]
        for ticket_id in telling[:TICKETS_READ]:
            match = _spoken(account, ticket_id, comments[ticket_id], lost.sent_at)
            if match is not Match.DOUBTFUL:
                return match
        return Match.DOUBTFUL

    def look_up(absent: bool) -> RecordLookup:
        if absent:
            return RecordLookup(Made.NO_LOOK_UP)
        return RecordLookup(_commented(account, ours, comments, lost.sent_at), whole=True)

    result = search(jobs, lost, len(lost.records), changed_ours)
    return decide(result, now - lost.sent_at, LIST_TRUSTED, look_up)


def _commented(
    account: Account,
    ours: Set[str],
    comments: Mapping[str, Sequence[JsonObject]],
    sent_at: float,
) -> Made:
    """Whether the tickets themselves show what the jobs could not decide.

    A comment changes its ticket, so that only tickets that have changed since are read. All of them
    have to be without a new comment before none of our rows was applied.
    """
    tickets = records_of(account, "tickets", ours)
    if tickets is None:
        return Made.UNREADABLE
    changed = {str(t.get("id")) for t in tickets if made_since(t, sent_at, "updated_at")}
    if len(tickets) < len(ours) or changed - comments.keys():
        return Made.SOME
    for ticket_id in sorted(changed):
        match = _spoken(account, ticket_id, comments[ticket_id], sent_at)
        if match is not Match.NOT_OURS:
            return Made.UNREADABLE if match is Match.UNREADABLE else Made.SOME
    return Made.NONE


def _comments_by_ticket(records: Sequence[JsonObject]) -> dict[str, list[JsonObject]]:
    """Our comments by the id of their ticket; tickets that get none are missing."""
    comments: dict[str, list[JsonObject]] = {}
    for record in records:
        comment = record.get("comment")
        given = comment if isinstance(comment, dict) else {"body": comment}
        if _plain(given.get("body")) or _plain(given.get("html_body")):
            comments.setdefault(str(record.get("id")), []).append(given)
    return comments


def _spoken(account: Account, ticket_id: str, ours: Sequence[JsonObject], sent_at: float) -> Match:
    """Whether one of our comments was added to a ticket since they were sent.

    Newest first, in one page:
    https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/#list-comments
    """
    answer = account.request(
        "GET",
        f"{API}/tickets/{ticket_id}/comments",
        params={"sort": "-created_at", "page[size]": "100"},
    )
    if problem_of(answer) is not None:
        return Match.UNREADABLE
    page = json_object(answer)
    listed = page.get("comments")
    theirs = [c for c in (listed if isinstance(listed, list) else []) if isinstance(c, dict)]
    since = [comment for comment in theirs if made_since(comment, sent_at)]
    if any(_says_the_same(their, our) for their in since for our in ours):
        return Match.OURS
    return Match.DOUBTFUL if since or not _shows_the_newest(page, theirs) else Match.NOT_OURS


def _says_the_same(theirs: JsonObject, ours: JsonObject) -> bool:
    if body := _plain(ours.get("body")):
        return body == _plain(theirs.get("body"))
    # Zendesk wraps what was sent as HTML into an element of its own.
    return _plain(ours.get("html_body")) in _plain(theirs.get("html_body"))


def _shows_the_newest(page: JsonObject, comments: Sequence[JsonObject]) -> bool:
    """Whether a page of comments holds the newest: all of them, or sorted as it was asked for."""
    if not comments:
        return False
    first, last = (str(comment.get("created_at")) for comment in (comments[0], comments[-1]))
    meta = page.get("meta")
    complete = not (isinstance(meta, dict) and meta.get("has_more"))
    return complete or first > last


def _plain(text: object) -> str:
    """A text without regard to blanks and ends of lines, which are not kept as they were sent."""
    return " ".join(str(text).split()) if text else ""
