"""Finding the job of a ticket update whose answer was lost, where it adds comments.

An update makes no record, and tickets change for many reasons. What tells its job is that it
changed tickets of ours and no others, and that our comment has stood there since: comments are
only ever added. Where no job tells, the tickets themselves may: while nothing was said in any of
them since, the update was not made. Updates without a comment are never looked for: they may be
repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.protocol import LostSubmission
from jobferry.vendors.zendesk.errors import json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API, JobReader
from jobferry.vendors.zendesk_support.lost_jobs import Verdict, ids_in, items_in, records_of, search
from jobferry.vendors.zendesk_support.lost_records import made_since
from jobferry.vendors.zendesk_support.results import is_refusal

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

TICKETS_READ = 3
"""Tickets of a job whose comments are read at the most; mostly the first one decides."""


def find_update(account: Account, jobs: JobReader, lost: LostSubmission, now: float) -> Found:
    """Look for a lost update of tickets, some of which it gave comments."""
    comments = _comments_by_ticket(lost.records)
    ours = {str(record.get("id")) for record in lost.records}

    def changed_ours(raw: JsonObject) -> Verdict:
        items = items_in(raw)
        changed = ids_in(items)
        if not changed:
            return Verdict.DOUBTFUL
        if changed - ours:
            return Verdict.NOT_OURS
        done = [str(item.get("id")) for item in items if not is_refusal(item)]
        telling = [ticket_id for ticket_id in done if ticket_id in comments]
        for ticket_id in telling[:TICKETS_READ]:
            verdict = _spoken(account, ticket_id, comments[ticket_id], lost.sent_at)
            if verdict is not Verdict.DOUBTFUL:
                return verdict
        return Verdict.DOUBTFUL

    searched = search(jobs, lost, len(lost.records), changed_ours)
    found = searched.conclusion(now - lost.sent_at)
    if found.state is not FoundState.UNDECIDABLE:
        return found
    return _weighed(account, ours, comments, lost.sent_at, found)


def _weighed(
    account: Account,
    ours: Set[str],
    comments: Mapping[str, Sequence[JsonObject]],
    sent_at: float,
    found: Found,
) -> Found:
    """What the tickets themselves make of what the jobs could not decide.

    A comment changes its ticket, so that only tickets that have changed since are read. All of them
    have to be without a new comment before none of our rows was carried out.
    """
    tickets = records_of(account, "tickets", ours)
    if tickets is None:
        return Found(FoundState.PENDING, reason="the tickets could not be read", readable=False)
    changed = {str(t.get("id")) for t in tickets if made_since(t, sent_at, "updated_at")}
    if len(tickets) < len(ours) or changed - comments.keys():
        return found
    for ticket_id in sorted(changed):
        verdict = _spoken(account, ticket_id, comments[ticket_id], sent_at)
        if verdict is Verdict.UNREADABLE:
            reason = "the comments of a ticket could not be read"
            return Found(FoundState.PENDING, reason=reason, readable=False)
        if verdict is not Verdict.NOT_OURS:
            return found
    return Found(FoundState.ABSENT)


def _comments_by_ticket(records: Sequence[JsonObject]) -> dict[str, list[JsonObject]]:
    """Our comments by the id of their ticket; tickets that get none are missing."""
    comments: dict[str, list[JsonObject]] = {}
    for record in records:
        comment = record.get("comment")
        given = comment if isinstance(comment, dict) else {"body": comment}
        if _plain(given.get("body")) or _plain(given.get("html_body")):
            comments.setdefault(str(record.get("id")), []).append(given)
    return comments


def _spoken(
    account: Account, ticket_id: str, ours: Sequence[JsonObject], sent_at: float
) -> Verdict:
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
        return Verdict.UNREADABLE
    page = json_object(answer)
    listed = page.get("comments")
    theirs = [c for c in (listed if isinstance(listed, list) else []) if isinstance(c, dict)]
    since = [comment for comment in theirs if made_since(comment, sent_at)]
    if any(_says_the_same(their, our) for their in since for our in ours):
        return Verdict.OURS
    return Verdict.DOUBTFUL if since or not _shows_the_newest(page, theirs) else Verdict.NOT_OURS


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
