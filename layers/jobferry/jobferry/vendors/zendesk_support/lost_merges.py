"""Finding the job of a merge whose answer was lost.

A merge makes no record. What tells its job is that it is a merge and names the ticket that was to
be merged; and where no job tells enough, the ticket itself does: a merge closes it, so that while
it is open nothing was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Found, FoundState
from jobferry.vendors.protocol import LostSubmission
from jobferry.vendors.zendesk_support.job_statuses import JobReader
from jobferry.vendors.zendesk_support.lost_jobs import Verdict, ids_in, items_in, records_of, search

if TYPE_CHECKING:
    from jobferry.vendors.zendesk.client import Account

_CLOSED = "closed"


def find_merge(account: Account, jobs: JobReader, lost: LostSubmission, now: float) -> Found:
    """Look for a lost merge of one ticket."""
    (record,) = lost.records
    source, target = str(record.get("id")), str(record.get("target_id"))

    def merged_ours(raw: JsonObject) -> Verdict:
        ids = ids_in(items_in(raw))
        if source in ids and "merge" in str(raw.get("job_type")).casefold():
            return Verdict.OURS
        # A job that names only the target may have merged any ticket into it.
        return Verdict.DOUBTFUL if not ids or ids & {source, target} else Verdict.NOT_OURS

    # Zendesk does not say whether the total of a merge counts its target.
    searched = search(jobs, lost, None, merged_ours)
    found = searched.conclusion(now - lost.sent_at)
    if found.state is not FoundState.UNDECIDABLE or not searched.complete:
        return found
    tickets = records_of(account, "tickets", {source})
    if tickets is None:
        return Found(FoundState.PENDING, reason="the ticket could not be read", readable=False)
    if tickets and tickets[0].get("status") not in (None, _CLOSED):
        return Found(FoundState.ABSENT)
    return Found(
        FoundState.UNDECIDABLE, reason="the ticket is closed or gone, and no job tells by what"
    )
