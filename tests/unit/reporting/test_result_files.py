"""How large a result file may become, and what its cells may do."""

from __future__ import annotations

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.reporting.result_files import part_bytes
from jobferry.store.objects import PART_BYTES
from virtual.world import World

GB = 10**9


def test_ten_thousand_parts_are_half_a_terabyte_and_none_fills_the_memory() -> None:
    sizes = [part_bytes(parts) for parts in range(10_000)]
    assert sizes[0] == sizes[999] == PART_BYTES
    assert sizes == sorted(sizes)
    assert max(sizes) <= 64 * 1024 * 1024
    # The largest file that may be taken, and a kilobyte of outcome for each of its rows.
    assert sum(sizes) > 53 * GB + 100_000_000 * 1_000
    assert sum(sizes) > 500 * GB


def test_what_steers_a_terminal_in_a_vendors_text_is_shown_and_not_run() -> None:
    world_text = "no\x1b]0;title\x07\x1b[2J\x9b31m \u202etxt\r"
    with World() as world:
        world.account.result_of = lambda _: RecordResult(
            OutcomeStatus.FAILED, code="Bad\x1b[1m", text=world_text
        )
        run = world.processed('Name,Ref\n"a\x1b[2Jb",r1\n')
        written = world.objects.get(f"results/{run.run_id}/failed.csv").decode()
    own = written.partition("failed")[2]
    assert "no␛]0;title␇␛[2J⟨U+009B⟩31m ⟨U+202E⟩txt␍" in own
    assert "Bad␛[1m" in own
    assert not any(character in own for character in "\x1b\x07\x9b\u202e")
