"""What is wrong with a document that a person wrote, in our own words.

The library that reads documents names a kind of fault and a place. Its own sentences speak of
dictionaries, instances and patterns; none of them is shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KEY = "[key]"
"""How the library ends the place of a key, rather than of its value."""


class Problem(str):
    """A sentence that begins with its place.

    Attributes:
        place: the keys that lead there in the document; empty where it is the whole of it
    """

    __slots__ = ("place",)
    place: tuple[Any, ...]

    def __new__(cls, text: str, place: Sequence[Any] = ()) -> Problem:
        made = super().__new__(cls, text)
        made.place = tuple(place)
        return made


_WORDS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_unicode": "must be a text of whole characters",
    "string_pattern_mismatch": (
        "must be up to 48 letters, digits, - and _, beginning with a letter or a digit"
    ),
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of a few digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "none_required": "must be empty",
    "invalid_key": "must be a text, as every key is",
    "recursion_loop": "must not hold itself",
}

_BOUNDS = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_long": "is too long; the most is {max_length} characters",
    "too_long": "has too many entries; the most is {max_length}",
}

_QUOTES = frozenset({"string_type", "invalid_key"})
"""Where YAML may have read a word as something else."""


def in_words(kind: str, said: Mapping[str, Any], value: object = None) -> str:
    """What is wrong with a value, without its place.

    Args:
        kind: as the library names the fault.
        said: what the library knows of it besides.
        value: what stands there.
    """
    if kind in ("value_error", "assertion_error"):
        return str(said.get("error") or "cannot be used")
    if kind in ("literal_error", "enum"):
        return one_of(value, re.findall(r"'([^']*)'", str(said.get("expected", ""))))
    if kind in ("string_too_short", "too_short"):
        return _too_short(kind, said.get("min_length", 1))
    if kind in _BOUNDS:
        if kind == "string_too_long" and said.get("max_length") == 1:
            return "must be one character"
        figures = {name: _figure(bound) for name, bound in said.items()}
        return _BOUNDS[kind].format_map(defaultdict(lambda: "another value", figures))
    words = _WORDS.get(kind, "cannot be used as it is")
    if kind in _QUOTES and value is not None and not isinstance(value, str | list | dict):
        return f"{words}; put it in quotes"
    return words


def one_of(value: object, known: Sequence[str]) -> str:
    """That a word is none of those that may stand there, and which was likely meant."""
    if not known:
        return "must be another word"
    words = f"must be {known[0]}" if len(known) == 1 else f"must be one of {', '.join(known)}"
    return f"{words}{did_you_mean(value, known)}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'name'?` after a word that is none, where one is like it."""
    # Late: a profile that is right needs no guess, and functions read it cold.
    from difflib import get_close_matches

    # A key that a blank, a dash or capitals keep from being one is always meant.
    plain = {name.casefold(): name for name in known}
    asked = re.sub(r"[\s-]+", "_", str(word).strip()).casefold()
    near = get_close_matches(asked, plain, n=1)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def ended(text: str) -> str:
    """The text as a sentence: with a full stop, unless it asks."""
    return text if text.endswith("?") else f"{text}."


def _figure(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, int | float) else str(bound)


def _too_short(kind: str, least: int) -> str:
    if kind == "too_short":
        return "must not be empty"
    if least > 1:
        return f"must be a text of {least} characters or more"
    return "must be a text that is not empty"
