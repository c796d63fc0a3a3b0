"""Requests held against a document, and refusals in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from jobferry.vendors.declarative.document import RECORD, RECORDS, TOKEN
from tests.contract.documents.inverse import with_value
from vendorsim.values import JsonObject


@dataclass(frozen=True)
class Template:
    """A path of the document, matched against requests.

    `{id}`, `{ids}`, `{token}` stand for what a request names there.
    """

    text: str

    def match(self, path: str, query: str) -> dict[str, str] | None:
        """What stands at the placeholders; None for a request of another path."""
        own_path, _, own_query = self.text.partition("?")
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(own_path))
        found = re.fullmatch(pattern, path)
        if found is None:
            return None
        values, given = found.groupdict(), dict(parse_qsl(query))
        for name, value in parse_qsl(own_query):
            if name not in given:
                return None
            if value.startswith("{"):
                values[value.strip("{}")] = given[name]
        return values


def matches(template: Any, sent: Any, found: dict[str, Any]) -> bool:
    """Whether a body was made by a template; `found` gets what stands at its placeholders."""
    if template in (RECORDS, RECORD, TOKEN):
        found[template] = sent
        return template != RECORDS or isinstance(sent, list)
    if isinstance(template, dict):
        return (
            isinstance(sent, dict)
            and template.keys() == sent.keys()
            and all(matches(each, sent[key], found) for key, each in template.items())
        )
    if isinstance(template, list):
        return (
            isinstance(sent, list)
            and len(template) == len(sent)
            and all(matches(each, part, found) for each, part in zip(template, sent, strict=True))
        )
    return bool(template == sent)


def refusal_body(said: Mapping[str, Any], code: str, text: str) -> JsonObject:
    """The body of a refusal in which the document finds code and text."""
    errors = said.get("errors", {})
    body: JsonObject = {}
    if errors.get("code"):
        body = with_value(errors["code"], code, body)
    if errors.get("message"):
        body = with_value(errors["message"], text, body)
    return body or {"error": text}


def words_for(said: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Code and text of a refusal of a kind (`slots`, `retry`, `run`), so that its pattern finds it
    and no other does."""
    from hypothesis import find
    from hypothesis import strategies as st

    errors = said.get("errors", {})
    others = [errors[each] for each in ("slots", "retry", "run") if each != kind and each in errors]

    def split(text: str) -> tuple[str, str] | None:
        """The text as a code and a message that mean this kind alone."""
        code, _, message = text.partition(" ")
        for said_so in (("x", text), (code, message)):
            shown = " ".join(said_so)
            fits = all(said_so) and re.search(errors[kind], shown, re.IGNORECASE)
            if fits and not any(re.search(each, shown, re.IGNORECASE) for each in others):
                return said_so
        return None

    pattern = st.from_regex(re.compile(errors[kind], re.IGNORECASE | re.ASCII))
    plain = st.just(errors[kind]) if re.fullmatch(r"[\w ]+", errors[kind]) else pattern
    words = split(find(plain, lambda text: split(text) is not None))
    assert words is not None
    return words
