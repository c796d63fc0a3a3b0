"""How much is done at once: batches, pages and blocks, shrunk so that few rows fill many of them.

With the sizes of earnest, a file of nine rows is one page, one batch, one block and one lap. A part
of all stories is carried out with sizes of one to three instead; all of them are patched here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from random import Random
from types import ModuleType
from unittest import mock

from jobferry.lane import submitter
from jobferry.operator import resolve_run
from jobferry.scheduler import lanes
from jobferry.settlement import abandon_run
from jobferry.steps import plan_run
from jobferry.store import chunks, keys, rows, runs
from jobferry.vendors.zendesk_sunshine import jobs
from jobferry.vendors.zendesk_support import job_statuses
from tests.fakes import table

LEAST, MOST = 1, 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done at once; 0 is as in earnest.

    claim        chunks claimed in one transaction
    settle       chunks counted in one transaction
    transaction  jobs ended, or rows resolved, in one transaction
    batch        items in one batch of writes
    page         chunks whose spans share an item
    block        rows that share a partition
    lap          finished chunks with which a lap ends
    laps         laps after which a lane is renewed
    group        chunks that one SettleJob takes
    rejects      rejected rows that planning writes at once
    listed       jobs on one page of a vendor's list, where there may be several
    resolved     jobs that `resolve` reads at once
    query        items that one page of a query holds
    """

    claim: int = 0
    settle: int = 0
    transaction: int = 0
    batch: int = 0
    page: int = 0
    block: int = 0
    iteration: int = 0
    laps: int = 0
    group: int = 0
    rejects: int = 0
    listed: int = 0
    resolved: int = 0
    query: int = 0


IN_EARNEST = Sizes()


def draw_sizes(rng: Random) -> Sizes:
    """All of them shrunk."""
    return Sizes(*(rng.randint(LEAST, MOST) for _ in fields(Sizes)))


def patches(sizes: Sizes) -> Iterator[tuple[ModuleType, str, int]]:
    """(module, name, value) of every constant that is not as in earnest."""
    if sizes.claim:
        for module in (chunks, submitter, abandon_run):
            yield module, "CLAIM_BATCH", sizes.claim
        yield submitter, "SKIPPED_PER_ITERATION", 2 * sizes.claim
    if sizes.settle:
        yield chunks, "SETTLE_BATCH", sizes.settle
    if sizes.transaction:
        for holder in (chunks, rows):
            yield holder, "TRANSACTION_ITEMS", 1 + sizes.transaction
    if sizes.batch:
        yield table, "BATCH_WRITE_ITEMS", sizes.batch
        yield table, "BATCH_GET_ITEMS", sizes.batch
    if sizes.page:
        for planner in (runs, plan_run):
            yield planner, "CHUNKS_PER_PAGE", sizes.page
        yield plan_run, "CHUNKS_AT_ONCE", 2 * sizes.page
    if sizes.block:
        yield keys, "ROWS_PER_BLOCK", sizes.block
        yield keys, "ROWS_PER_PERSON_BLOCK", 1 + sizes.block
    if sizes.iteration:
        yield lanes, "ITERATION_CHUNKS", sizes.iteration
    if sizes.laps:
        # A lap of one group has 31 events.
        yield lanes, "MAX_EVENTS", 30 * sizes.laps + 40
    if sizes.group:
        yield lanes, "SETTLE_GROUP", sizes.group
    if sizes.rejects:
        yield plan_run, "REJECTS_AT_ONCE", sizes.rejects
    if sizes.listed:
        yield job_statuses, "LIST_PAGE", sizes.listed
        yield jobs, "PER_PAGE", sizes.listed
    if sizes.resolved:
        yield resolve_run, "JOBS_AT_ONCE", sizes.resolved
    if sizes.query:
        yield table, "PAGE_ITEMS", sizes.query


@contextmanager
def shrunk(sizes: Sizes) -> Iterator[None]:
    """The code with these sizes."""
    with ExitStack() as stack:
        for module, name, value in patches(sizes):
            stack.enter_context(mock.patch.object(module, name, value))
        yield
