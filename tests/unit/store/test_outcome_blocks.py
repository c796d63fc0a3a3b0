"""Outcome blocks: nothing is lost in them, none is too large, and they are small."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.store import keys
from jobferry.store.outcome_blocks import (
    BLOCK_BYTES,
    CHUNK_BYTES,
    BlockSize,
    block_item,
    decode,
    encode,
    fitted,
    split_in_blocks,
    text_bytes,
)

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.integers(1, 3 * keys.ROWS_PER_PARTITION)
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        row=ROWS,
        status=st.sampled_from(OutcomeStatus),
        vendor_id=TEXTS,
        error_code=TEXTS,
        error=TEXTS,
        job_id=TEXTS,
        attempts=st.integers(0, 5),
    ),
    unique_by=lambda outcome: outcome.row,
    max_size=60,
)


def in_order(outcomes: list[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda outcome: outcome.row)


@given(OUTCOMES)
def test_a_block_gives_back_what_was_put_in(outcomes: list[Outcome]) -> None:
    assert decode(encode(in_order(outcomes))) == in_order(outcomes)


@given(OUTCOMES)
def test_each_row_is_in_one_block_of_its_partition(outcomes: list[Outcome]) -> None:
    blocks = list(split_in_blocks(outcomes))
    assert [outcome for block in blocks for outcome in block] == in_order(outcomes)
    assert all(len({keys.partition_of(o.row) for o in block}) == 1 for block in blocks)
    assert len(blocks) <= BlockSize().add(outcomes).blocks


def noise(count: int, characters: int) -> str:
    return "".join(random.Random(count).choices("0123456789abcdefäöü€😀", k=characters))


def test_no_item_is_larger_than_the_table_takes() -> None:
    rows = range(1, 2_001)
    worst = [Outcome(r, OutcomeStatus.FAILED, noise(r, 255), None, noise(r, 500)) for r in rows]
    blocks = list(split_in_blocks(worst))
    assert len(blocks) <= BlockSize().add(worst).blocks
    for block in blocks:
        assert sum(map(text_bytes, block)) <= BLOCK_BYTES
        assert len(block_item("run", block, 0)["outcomes"]) < 400_000


def test_a_chunk_of_many_long_texts_fits_one_transaction() -> None:
    rows = range(1, 10_001)
    outcomes = [Outcome(r, OutcomeStatus.FAILED, str(r), "code", "€" * 500) for r in rows]
    short = fitted(outcomes)
    assert sum(map(text_bytes, short)) <= CHUNK_BYTES
    assert all(o.error and set(o.error) == {"€"} for o in short)
    assert [o.row for o in short] == list(rows)


def test_what_fits_stays_as_it_is() -> None:
    outcomes = [Outcome(r, OutcomeStatus.FAILED, str(r), "code", "x" * 500) for r in range(1, 101)]
    assert fitted(outcomes) is outcomes


def test_a_hundred_rows_that_succeeded_take_about_a_write_unit() -> None:
    ids = random.Random(7)
    outcomes = [
        Outcome(row, OutcomeStatus.SUCCEEDED, str(ids.randrange(10**12, 10**13)), job_id="j" * 32)
        for row in range(1, 101)
    ]
    assert len(block_item("tickets-0123456789ab", outcomes, 0)["outcomes"]) < 900
