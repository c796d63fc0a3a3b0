"""Documents in the three forms that the vendor speaks: JSON, XML with a namespace, plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from xml.etree import ElementTree as ET

from vendorsim.values import TEXT, JsonObject, Reply, json_reply

NAMESPACE = "http://xml.vidispine.com/schema/vidispine"
XML = "application/xml;charset=UTF-8"


class Form(StrEnum):
    """A form of answer, by its media type."""

    JSON = "application/json"
    XML = "application/xml"
    TEXT = "text/plain"


class Document(NamedTuple):
    """An answer before it has a form.

    root   name of its XML element
    value  what JSON shows; keys without a value are left out of XML
    text   as plain text; None where the vendor has no such form
    """

    root: str
    value: JsonObject
    text: str | None = None


def chosen_form(accept: str, *, text: bool) -> Form | None:
    """The form that an `Accept` header wants most; None if it wants none of ours.

    text  whether plain text is on offer. `*/*` gets XML (assumed).
    """
    offered = [Form.XML, Form.JSON, *([Form.TEXT] if text else [])]
    for wanted in _by_weight(accept or "*/*"):
        for form in offered:
            major, _, minor = wanted.partition("/")
            if wanted == form or (major in ("*", form.split("/")[0]) and minor == "*"):
                return form
    return None


def _by_weight(accept: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        weighed.append((-float(weight) if weight.replace(".", "", 1).isdigit() else 0.0, name))
    return [name for _, name in sorted(weighed, key=lambda pair: pair[0])]


def reply(document: Document, form: Form, status: int = 200) -> Reply:
    """The document as an answer."""
    if form is Form.TEXT:
        return Reply(status, (document.text or "").encode(), TEXT)
    if form is Form.XML:
        return Reply(status, to_xml(document.root, document.value), XML)
    return json_reply(document.value, status)


def with_single_objects(value: JsonObject) -> JsonObject:
    """The same with every list of one as the one thing, as a converter from XML may leave it."""
    return {name: _single(inner) for name, inner in value.items()}


def _single(value: object) -> object:
    if isinstance(value, dict):
        return with_single_objects(value)
    if isinstance(value, list):
        shown = [_single(each) for each in value]
        return shown[0] if len(shown) == 1 else shown
    return value


def to_xml(root: str, value: JsonObject) -> bytes:
    """Nested objects as nested elements; a list is a repeated element."""
    element = ET.Element(root, {"xmlns": NAMESPACE})
    _fill(element, value)
    return bytes(ET.tostring(element, encoding="UTF-8", xml_declaration=True))


def _fill(element: ET.Element, value: JsonObject) -> None:
    for name, inner in value.items():
        for each in inner if isinstance(inner, list) else [inner]:
            if each is None:
                continue
            child = ET.SubElement(element, name)
            if isinstance(each, dict):
                _fill(child, each)
            else:
                child.text = str(each).lower() if isinstance(each, bool) else str(each)


def read_metadata(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Keys and values of a SimpleMetadataDocument; an absent body has none.

    Raises ValueError when it is not such a document.
    """
    if not body.strip():
        return []
    if "xml" in content_type:
        return list(_xml_fields(body))
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError(content_type)  # noqa: TRY004  a document, not a type of ours
    fields = document.get("field") or []
    return list(_json_fields([fields] if isinstance(fields, dict) else fields))


def _xml_fields(body: bytes) -> Iterator[tuple[str, str]]:
    text = body.decode()
    if "<!DOCTYPE" in text:
        # No document of the vendor has one, and its entities could explode.
        raise ValueError(text[:20])
    try:
        root = ET.fromstring(text)  # noqa: S314  no DOCTYPE, no entities
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    for field in root.iter(f"{{{NAMESPACE}}}field"):
        key = field.findtext(f"{{{NAMESPACE}}}key")
        if key is None:
            raise ValueError(root.tag)
        yield key, field.findtext(f"{{{NAMESPACE}}}value") or ""


def _json_fields(fields: Iterable[object]) -> Iterator[tuple[str, str]]:
    for field in fields:
        if not isinstance(field, dict) or not isinstance(field.get("key"), str):
            raise ValueError(type(field).__name__)  # noqa: TRY004  a document, not a type of ours
        value = field.get("value")
        yield field["key"], "" if value is None else str(value)


def key_values(pairs: Iterable[tuple[str, str]]) -> list[JsonObject]:
    """Pairs in the vendor's form."""
    return [{"key": key, "value": value} for key, value in pairs]


def vendor_time(at: float) -> str:
    """Epoch seconds as the vendor writes them: `2020-10-02T15:36:54.047+0000`, without a colon."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def crlf(lines: Sequence[str]) -> str:
    """Lines as plain text lists have them."""
    return "".join(f"{line}\r\n" for line in lines)
