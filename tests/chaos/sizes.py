"""Batches, pages and blocks, made small so that few rows fill many of them.

With the sizes of production, a file of nine rows is one page, one batch, one block and one
iteration. A part of all scenarios is run with sizes of one to three instead; all of them are
patched here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from random import Random
from types import ModuleType
from unittest import mock

from jobferry.operator import resolve_run, row_cells
from jobferry.scheduler.settings import SchedulerSettings
from jobferry.settlement import abandon_run
from jobferry.store import (
    chunk_moves,
    chunk_settling,
    keys,
    plan_pages,
    plan_writer,
    row_items,
    rows,
)
from jobferry.vendors.zendesk_sunshine import jobs
from jobferry.vendors.zendesk_support import job_statuses
from virtual import table

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


_Use = tuple[ModuleType, str, Callable[[int], int]]


def _same(size: int) -> int:
    return size


_USES: Mapping[str, Sequence[_Use]] = {
    "claim": ((chunk_moves, "CLAIM_BATCH", _same), (abandon_run, "CLAIM_BATCH", _same)),
    "settle": ((chunk_settling, "SETTLE_BATCH", _same),),
    "transaction": (
        (chunk_moves, "TRANSACTION_ITEMS", lambda size: 1 + size),
        (rows, "TRANSACTION_ITEMS", lambda size: 1 + size),
        (row_items, "TRANSACTION_ITEMS", lambda size: 1 + size),
        # A chunk, its block, and what else one transaction holds.
        (chunk_settling, "TRANSACTION_ITEMS", lambda size: 5 + 2 * size),
    ),
    "batch": ((table, "BATCH_WRITE_ITEMS", _same), (table, "BATCH_GET_ITEMS", _same)),
    "page": (
        (plan_pages, "CHUNKS_PER_PAGE", _same),
        (plan_writer, "CHUNKS_PER_PAGE", _same),
        (row_cells, "CHUNKS_PER_PAGE", _same),
        (plan_writer, "CHUNKS_AT_ONCE", lambda size: 2 * size),
    ),
    "block": (
        (keys, "ROWS_PER_BLOCK", _same),
        (keys, "ROWS_PER_PARTITION", lambda size: 1 + size),
        (keys, "ROWS_PER_PERSON_BLOCK", lambda size: 1 + size),
    ),
    "rejects": ((plan_writer, "REJECTS_AT_ONCE", _same),),
    "listed": ((job_statuses, "LIST_PAGE", _same), (jobs, "PER_PAGE", _same)),
    "resolved": ((resolve_run, "JOBS_AT_ONCE", _same),),
    "query": ((table, "PAGE_ITEMS", _same),),
}
"""Field of `Sizes` → (module, constant, its value for a size); the rest is in `scheduling_of`."""


def patches(sizes: Sizes) -> Iterator[tuple[ModuleType, str, int]]:
    """(module, name, value) of every constant that is not as in production."""
    for each, uses in _USES.items():
        size = getattr(sizes, each)
        if size:
            yield from ((module, name, value(size)) for module, name, value in uses)


@contextmanager
def patched(sizes: Sizes) -> Iterator[None]:
    """The code with these sizes."""
    with ExitStack() as stack:
        for module, name, value in patches(sizes):
            stack.enter_context(mock.patch.object(module, name, value))
        yield
