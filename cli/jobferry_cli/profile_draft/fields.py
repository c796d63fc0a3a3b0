"""Which field a column of somebody's spreadsheet may be meant for, by its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import cache, lru_cache

from jobferry.csvfile.fieldpath import looks_like_path
from jobferry.csvfile.header_names import fold_name
from jobferry.vendors.operation import Operation
from jobferry_cli.profile_draft.synonyms import MERGED, NOUNS, OTHERWISE, SYNONYMS

SURE = 0.7
"""Score from which on a name is taken for a field."""

_EXACT, _KNOWN, _LAST_PART, _WEAK = 1.0, 0.95, 0.9, 0.8
_MISSPELT = 0.86
"""How alike two names are (difflib's ratio) of which one is taken for a slip of the other."""
_SHORTEST_SLIP = 5
"""Letters of a name below which two that differ are two names."""
_NEAR = 0.7
_MOST_NEAR = 3

_NUMBER_SIGNS = re.compile(r"#|№|\b(?:no|nr|num)\b\.?", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-zß-ÿ0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGRAPHS = re.compile(r"([aou])e(?=[^aeiou]|$)")
_CUSTOM_FIELD = re.compile(r"(?:custom[ _]?)?field_?s?[ _\[(#]*([0-9]{5,18})[\])]*", re.IGNORECASE)
_BARE_ID = re.compile(r"[0-9]{6,18}")
_PLACEHOLDER = "<"

_INSTEAD = {"description": "comment.body", "raw_subject": "subject"}
"""Fields that another one does the work of, or that only show what another one has set."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A field that a column may be meant for.

    Attributes:
        score: from 0 to 1; from `SURE` on it is
        misspelt: the names are not the same, but nearly
    """

    field: str
    score: float
    misspelt: bool = False


@cache
def folded(name: str) -> str:
    """A name without case, accents, blanks and marks: `E-Mail Adresse` → `emailadresse`.

    Umlauts are compared with both of their spellings: `Prioritaet`, `Priorität`, `Prioritat`.
    """
    plain = _NUMBER_SIGNS.sub(" number ", fold_name(name)).replace("ß", "ss")
    letters = unicodedata.normalize("NFKD", plain.casefold())
    kept = "".join(c for c in letters if c.isalnum() and not unicodedata.combining(c))
    return _DIGRAPHS.sub(r"\1", kept)


def listed_fields(operation: Operation) -> tuple[str, ...]:
    """Every field that the operation names with its full name."""
    named = (
        *operation.fields,
        *(each for alternatives in operation.required for each in alternatives),
        *operation.match_on,
        *operation.types,
        operation.external_id_field,
    )
    listed = dict.fromkeys(each for each in named if each and _PLACEHOLDER not in each)
    for name, instead in _INSTEAD.items():
        if instead in listed:
            listed.pop(name, None)
    return tuple(listed)


def open_places(operation: Operation) -> tuple[str, ...]:
    """What the operation lists fields under whose names only the account knows: `user_fields.`."""
    return tuple(
        each.partition(_PLACEHOLDER)[0] for each in operation.fields if _PLACEHOLDER in each
    )


def candidates(header: str, operation: Operation) -> list[Candidate]:
    """The fields that a header may name, the likeliest first."""
    path = _own_path(header, operation)
    if path is not None:
        return [Candidate(path, _EXACT)]
    return list(_named(folded(header), operation.name, listed_fields(operation)))


def _own_path(header: str, operation: Operation) -> str | None:
    """The field of a header that is written as a path: a listed one, or in an open place."""
    if header in listed_fields(operation):
        return header
    for place in filter(None, open_places(operation)):
        if place.endswith("["):
            number = _CUSTOM_FIELD.fullmatch(header.strip()) or _BARE_ID.fullmatch(header.strip())
            if number:
                digits = number[1] if number.re is _CUSTOM_FIELD else number[0]
                return f"{place}{digits}]"
        elif header.startswith(place) and header != place and looks_like_path(header):
            return header
    return None


@lru_cache(maxsize=4_096)
def _named(name: str, operation: str, fields: tuple[str, ...]) -> tuple[Candidate, ...]:
    """The fields that a folded name fits; only where there is none, those that it nearly fits."""
    found: dict[str, Candidate] = {}
    for field, score, names in _names(operation, fields):
        if name in names and field not in found:
            found[field] = Candidate(field, score)
    if not found and len(name) >= _SHORTEST_SLIP:
        for field, _, names in _names(operation, fields):
            ratio = max((_alike(name, known) for known in names), default=0.0)
            if ratio >= _MISSPELT and field not in found:
                found[field] = Candidate(field, ratio * _WEAK, misspelt=True)
    return tuple(sorted(found.values(), key=lambda each: -each.score))


def _alike(name: str, known: str) -> float:
    """How alike two names are (difflib's ratio); 0 where they are not."""
    if len(known) < _SHORTEST_SLIP or 2 * min(len(name), len(known)) < _MISSPELT * (
        len(name) + len(known)
    ):
        return 0.0
    matcher = SequenceMatcher(None, name, known)
    return matcher.ratio() if matcher.quick_ratio() >= _MISSPELT else 0.0


@cache
def _names(
    operation: str, fields: tuple[str, ...]
) -> tuple[tuple[str, float, frozenset[str]], ...]:
    """(field, score, folded names) of all fields, the surest names of each first."""
    return tuple(
        (field, score, names)
        for field in fields
        for score, names in (
            (_EXACT, frozenset({folded(field)})),
            (_KNOWN, _known(field) | _of_noun(field, operation, fields)),
            (_LAST_PART, frozenset(_last_part(field, fields))),
            (_WEAK, _split(OTHERWISE.get(field, ""))),
        )
    )


@cache
def _known(field: str) -> frozenset[str]:
    return _split(SYNONYMS.get(field, ""))


def _split(names: str) -> frozenset[str]:
    return frozenset(folded(name) for name in names.split("|") if name.strip())


def _of_noun(field: str, operation: str, fields: Sequence[str]) -> frozenset[str]:
    """`Ticket`, `Ticket ID`, `Ticket #`: the record that a row is about."""
    kind, _, action = operation.partition(".")
    if field not in ("id", "external_id", "name"):
        return frozenset()
    nouns = [noun.strip() for noun in NOUNS.get(kind, kind.rstrip("s")).split("|")]
    if kind == "custom_objects":
        nouns.append(action.partition(".")[0])
    if field == "name":
        alone = () if "id" in fields else ("",)
        return frozenset(folded(f"{noun}{of}") for noun in nouns for of in (*alone, " name"))
    endings = (" id", " number", " key", "") if field == "id" else (" id", " number", " ref")
    names = {folded(f"{noun}{ending}") for noun in nouns for ending in endings}
    also = _split(MERGED) if "target_id" in fields and field == "id" else frozenset()
    return frozenset(names | also | {folded("id"), folded("number"), folded("key")})


def _last_part(field: str, fields: Sequence[str]) -> Iterable[str]:
    """The last part of a path where no other field ends so, and an id without the word."""
    last = field.rpartition(".")[2]
    if sum(each.rpartition(".")[2] == last for each in fields) == 1:
        yield folded(last)
    stem = last.removesuffix("_id")
    if stem != last and stem and last != "external_id":
        yield folded(stem)
        yield folded(f"{stem} number")


def nearest(header: str, operation: Operation) -> tuple[str, ...]:
    """Fields whose names are like a header's: what it may have been meant for."""
    by_name = _to_be_near(listed_fields(operation))
    near = get_close_matches(folded(header), by_name, 3 * _MOST_NEAR, _NEAR)
    return tuple(dict.fromkeys(by_name[name] for name in near))[:_MOST_NEAR]


@cache
def _to_be_near(fields: tuple[str, ...]) -> Mapping[str, str]:
    """Folded name → field; nouns of records are left out, which are like too much."""
    by_name: dict[str, str] = {}
    for field in fields:
        for name in (folded(field), *_last_part(field, fields), *_known(field)):
            by_name.setdefault(name, field)
    return by_name


def snake(header: str) -> str:
    """A header as a key of the vendor's may be written: `Plan type` → `plan_type`."""
    words = _CAMEL.sub(" ", fold_name(header)).replace("ß", "ss")
    for umlaut, letters in _UMLAUTS.items():
        words = words.replace(umlaut, letters)
    plain = unicodedata.normalize("NFKD", words.casefold())
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", kept).strip("_")


_UMLAUTS: Mapping[str, str] = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}


def keyed(header: str, places: Sequence[str]) -> list[str]:
    """The fields of open places that a header would have as its key."""
    key = snake(header)
    if not key or not key[0].isalpha():
        return []
    return [f"{place}{key}" for place in places if not place.endswith("[")]
