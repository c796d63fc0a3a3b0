"""Batches, pages and blocks, made small so that few rows fill many of them.

With the sizes of production, a file of nine rows is one page, one batch, one block and one
iteration. A part of all scenarios is run with sizes of one to three instead; all of them are
patched here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from random import Random
from types import ModuleType
from unittest import mock

from jobferry.operator import resolve_run
from jobferry.scheduler.settings import SchedulerSettings
from jobferry.settlement import abandon_run
from jobferry.store import chunk_moves, chunk_settling, keys, plan_pages, plan_writer, rows
from jobferry.vendors.zendesk_sunshine import jobs
from jobferry.vendors.zendesk_support import job_statuses
from tests.fakes import table

LEAST, MOST = 1, 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done at once; 0 is as in production.

    claim        chunks claimed in one transaction
    settle       chunks counted in one transaction
    transaction  jobs ended, or rows resolved, in one transaction
    batch        items in one batch of writes
    page         chunks whose spans share an item
    block        rows that share a partition
    iteration    finished chunks with which an iteration ends
    iterations   iterations after which a lane is renewed
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
    iterations: int = 0
    group: int = 0
    rejects: int = 0
    listed: int = 0
    resolved: int = 0
    query: int = 0


PRODUCTION = Sizes()


def draw_sizes(rng: Random) -> Sizes:
    """All of them small."""
    return Sizes(*(rng.randint(LEAST, MOST) for _ in fields(Sizes)))


def scheduling_of(sizes: Sizes, usual: SchedulerSettings) -> SchedulerSettings:
    """The scheduler's numbers with these sizes."""
    changes: dict[str, int] = {}
    if sizes.claim:
        changes |= {"claim_batch": sizes.claim, "skipped_per_iteration": 2 * sizes.claim}
    if sizes.iteration:
        changes["iteration_chunks"] = sizes.iteration
    if sizes.iterations:
        # An iteration of one group has 31 events.
        changes["max_events"] = 30 * sizes.iterations + 40
    if sizes.group:
        changes["settle_group"] = sizes.group
    return replace(usual, **changes)


def patches(sizes: Sizes) -> Iterator[tuple[ModuleType, str, int]]:
    """(module, name, value) of every constant that is not as in production."""
    if sizes.claim:
        for module in (chunk_moves, abandon_run):
            yield module, "CLAIM_BATCH", sizes.claim
    if sizes.settle:
        yield chunk_settling, "SETTLE_BATCH", sizes.settle
    if sizes.transaction:
        for holder in (chunk_moves, rows):
            yield holder, "TRANSACTION_ITEMS", 1 + sizes.transaction
    if sizes.batch:
        yield table, "BATCH_WRITE_ITEMS", sizes.batch
        yield table, "BATCH_GET_ITEMS", sizes.batch
    if sizes.page:
        for planner in (plan_pages, plan_writer):
            yield planner, "CHUNKS_PER_PAGE", sizes.page
        yield plan_writer, "CHUNKS_AT_ONCE", 2 * sizes.page
    if sizes.block:
        yield keys, "ROWS_PER_BLOCK", sizes.block
        yield keys, "ROWS_PER_PERSON_BLOCK", 1 + sizes.block
    if sizes.rejects:
        yield plan_writer, "REJECTS_AT_ONCE", sizes.rejects
    if sizes.listed:
        yield job_statuses, "LIST_PAGE", sizes.listed
        yield jobs, "PER_PAGE", sizes.listed
    if sizes.resolved:
        yield resolve_run, "JOBS_AT_ONCE", sizes.resolved
    if sizes.query:
        yield table, "PAGE_ITEMS", sizes.query


@contextmanager
def patched(sizes: Sizes) -> Iterator[None]:
    """The code with these sizes."""
    with ExitStack() as stack:
        for module, name, value in patches(sizes):
            stack.enter_context(mock.patch.object(module, name, value))
        yield
