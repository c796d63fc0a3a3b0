"""A token shows one report, for its time, and only as it was made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.operator.report_link import (
    CLOCK_SECONDS,
    KEY_SECONDS,
    MOST_TOKEN,
    LinkKey,
    LinkKeyError,
    make_link,
    make_token,
    run_of,
)

KEY = "k" * 64
NOW = 1_800_000_000
HOUR = 3_600
MOST = 72 * HOUR
RUN = "new-tickets-1f0c2b7a9d3e"

RUNS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", fullmatch=True)


@given(RUNS, st.integers(0, 30 * 86_400), st.integers(1, 720 * HOUR))
def test_a_token_shows_its_run_for_its_time(run_id: str, after: int, seconds: int) -> None:
    token = make_token(KEY, run_id, NOW, seconds)
    assert len(token) <= MOST_TOKEN
    shown = run_of(token, KEY, NOW + after, 720 * HOUR)
    assert shown == (run_id if after < seconds else None)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_character_is_accepted(at: int, by: int) -> None:
    token = make_token(KEY, RUN, NOW, HOUR)
    at %= len(token)
    changed = token[:at] + chr((ord(token[at]) + by) % 256) + token[at + 1 :]
    assert changed == token or run_of(changed, KEY, NOW, MOST) is None


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_changed_bit_is_accepted(at: int, bit: int) -> None:
    token = make_token(KEY, RUN, NOW, HOUR).encode()
    at %= len(token)
    changed = token[:at] + bytes([token[at] ^ (1 << bit)]) + token[at + 1 :]
    assert run_of(changed.decode("latin-1"), KEY, NOW, MOST) is None


@given(st.text(max_size=300))
def test_no_other_text_is_accepted(text: str) -> None:
    assert run_of(text, KEY, NOW, MOST) is None


@given(st.integers(0, 200))
def test_a_part_of_a_token_is_none(length: int) -> None:
    token = make_token(KEY, RUN, NOW, HOUR)
    for part in (token[:length], token[length:], token + token[:length], token[:length] + token):
        assert part == token or run_of(part, KEY, NOW, MOST) is None


@given(RUNS, RUNS)
def test_the_signature_of_another_run_is_not_accepted(run_id: str, other: str) -> None:
    claim, _ = make_token(KEY, run_id, NOW, HOUR).split(".")
    _, signature = make_token(KEY, other, NOW, HOUR).split(".")
    shown = run_of(f"{claim}.{signature}", KEY, NOW, MOST)
    assert shown == (run_id if run_id == other else None)


@pytest.mark.parametrize("key", ["", "x" * 64, KEY[:-1], KEY + " ", KEY.upper()])
def test_another_key_ends_all_of_them(key: str) -> None:
    assert run_of(make_token(KEY, RUN, NOW, HOUR), key, NOW, MOST) is None
    assert run_of(make_token(key, RUN, NOW, HOUR), KEY, NOW, MOST) is None


def test_a_shorter_time_holds_for_those_made_before() -> None:
    token = make_token(KEY, RUN, NOW, 720 * HOUR)
    assert run_of(token, KEY, NOW + HOUR - 1, HOUR) == RUN
    assert run_of(token, KEY, NOW + HOUR, HOUR) is None
    assert run_of(token, KEY, NOW, 0) is None


def test_a_token_of_the_future_is_none_but_for_clocks_that_differ() -> None:
    token = make_token(KEY, RUN, NOW, HOUR)
    assert run_of(token, KEY, NOW - CLOCK_SECONDS, MOST) == RUN
    assert run_of(token, KEY, NOW - CLOCK_SECONDS - 1, MOST) is None


@pytest.mark.parametrize("run_id", ["", "../other", "a b", "a/b", "r" * 81])
def test_what_is_no_run_is_shown_to_nobody(run_id: str) -> None:
    assert run_of(make_token(KEY, run_id, NOW, HOUR), KEY, NOW, MOST) is None


@pytest.mark.parametrize("base", ["https://x.example/", "https://x.example"])
def test_an_address_ends_with_its_token(base: str) -> None:
    link = make_link(base, KEY, RUN, NOW + 0.7, 72)
    assert link.url == f"https://x.example/{make_token(KEY, RUN, NOW, MOST)}"
    assert link.until == NOW + MOST


class TestKey:
    def test_it_is_read_once_in_a_while(self) -> None:
        values, now = ["a" * 64, "b" * 64], [100.0]
        key = LinkKey(lambda: values.pop(0), lambda: now[0])
        assert [key(), key()] == ["a" * 64] * 2
        now[0] += KEY_SECONDS
        assert key() == "b" * 64

    @pytest.mark.parametrize("text", ["", "short", "x" * 31])
    def test_one_that_can_be_guessed_is_none(self, text: str) -> None:
        key = LinkKey(lambda: text, lambda: 0.0)
        with pytest.raises(LinkKeyError, match="32 characters") as error:
            key()
        assert not text or text not in str(error.value)
