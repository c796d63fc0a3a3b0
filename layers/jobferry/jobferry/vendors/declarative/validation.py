"""Vendors' documents as people write them (YAML, JSON), checked once and made canonical.

Functions read the canonical document instead (`declarative.document`): pydantic is too slow to be
imported where jobs are sent and polled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from jobferry.domain.document_words import KEY, Problem, ended, in_words
from jobferry.domain.names import NAME
from jobferry.domain.profile import ColumnType
from jobferry.vendors.credentials import is_header_text
from jobferry.vendors.declarative.cross_checks import between_sections
from jobferry.vendors.declarative.document import CREDENTIALS
from jobferry.vendors.declarative.loading import extractor

MOST_BYTES = 100_000
"""Of a canonical document: it must fit an item of the table, and be read by every cold function."""


class DocumentError(ValueError):
    """The document describes no vendor.

    Args:
        problems: each in a sentence that begins with its place
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _jmespath(text: str) -> str:
    try:
        extractor(text)
    except ValueError:
        raise ValueError(f"is no JMESPath expression: {text!r}") from None
    return text


def _address(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must begin with /")
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        raise ValueError("must be a path as it is sent, without blanks and #")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _header(name: str) -> str:
    reserved = {"accept", "connection", "content-length", "content-type", "host", "cookie"}
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) or name.lower() in reserved:
        raise ValueError("must be the name of a header that can hold a key, as X-Api-Key")
    return name


def _prefix(text: str) -> str:
    if text.strip() and not is_header_text(text.strip()):
        raise ValueError("must be visible characters")
    return text


Text = Annotated[str, Field(min_length=1)]
Path = Annotated[str, Field(min_length=1), AfterValidator(_jmespath)]
Address = Annotated[str, AfterValidator(_address)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Count = Annotated[int, Field(ge=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _KeyHeader(_Section):
    name: Annotated[str, AfterValidator(_header)]
    prefix: Annotated[str, AfterValidator(_prefix)] = ""


class _HeaderForm(_Section):
    header: _KeyHeader


class _Test(_Section):
    path: Address
    shows: Path


class _Submit(_Section):
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Address | None = None
    body: dict[str, Any] | None = None
    job_id: Path


class _ReadBack(_Section):
    path: Address
    record: Path = "@"
    same: Annotated[list[Text], Field(min_length=1)]


class _Operation(_Section):
    summary: Text
    repeatable: Flag
    method: Literal["POST", "PUT", "PATCH", "DELETE"] | None = None
    path: Address | None = None
    body: dict[str, Any] | None = None
    record: Path | None = None
    required: list[str | list[str]] = Field(default_factory=list)
    fields: list[Text] = Field(default_factory=list)
    match_on: list[Text] = Field(default_factory=list)
    adds: list[Text] = Field(default_factory=list)
    types: dict[str, ColumnType] = Field(default_factory=dict)
    max_records: Count | None = None
    max_bytes: Count | None = None
    external_id_field: str = ""
    undone_by: str = ""
    undone_by_field: str = "id"
    cannot_undo: str = ""
    read_back: _ReadBack | None = None


class _JobList(_Section):
    path: Address
    jobs: Path
    next: Path | None = None
    ends: list[Text] = Field(default_factory=list)


class _Poll(_Section):
    path: Address
    batch: Count = 1
    jobs: Path = "@"
    id: Path | None = None
    status: Path
    ended: Annotated[list[Text], Field(min_length=1)]
    progress: Path | None = None
    total: Path | None = None
    listing: _JobList | None = Field(default=None, alias="list")


class _LookUp(_Section):
    path: Address
    records: Path
    field: Text
    batch: Count = 1
    created: Path | None = None


class _Search(_Section):
    path: Address | None = None
    jobs: Path | None = None
    next: Path | None = None
    created: Path | None = None
    token: Path | None = None
    complete: Flag = False
    kept_seconds: Count | None = None
    read_back: _ReadBack | None = None
    look_up: _LookUp | None = None


class _Results(_Section):
    path: Address | None = None
    url: Path | None = None
    next: Path | None = None
    rows: Path
    succeeded: Path
    failed: Path
    id: Path | None = None
    code: Path | None = None
    text: Path | None = None
    index: Path | None = None
    key: Path | None = None
    partial: list[Text] = Field(default_factory=list)
    nothing_done: list[Text] = Field(default_factory=list)


class _Errors(_Section):
    code: Path | None = None
    message: Path | None = None
    retry_after: Path | None = None
    slots: Pattern | None = None
    retry: Pattern | None = None
    run: Pattern | None = None


class _Limits(_Section):
    max_records: Count
    max_bytes: Count
    max_jobs: Count
    retention_seconds: Count
    refuses_excess: Flag = False


class _Vendor(_Section):
    name: Annotated[str, Field(pattern=NAME)]
    title: Text
    base_path: Annotated[str, AfterValidator(lambda text: _address(text) if text else text)] = ""
    credentials: Annotated[
        list[Literal["email_token", "bearer", "password"] | _HeaderForm], Field(min_length=1)
    ]
    test: _Test
    submit: _Submit
    operations: Annotated[dict[str, _Operation], Field(min_length=1)]
    poll: _Poll
    results: _Results
    errors: _Errors = Field(default_factory=_Errors)
    search: _Search | None = None
    limits: _Limits


def validate(document: Any) -> dict[str, Any]:
    """The canonical form of a vendor's document: what is as it would be unsaid is left out.

    Raises:
        DocumentError: with every problem found.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(["A vendor is a mapping with name, title, operations and more."])
    problems: list[str] = []
    canonical: dict[str, Any] = {}
    try:
        read = _Vendor.model_validate(document)
        canonical = read.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    except ValidationError as error:
        problems = list(dict.fromkeys(map(_sentence, map(dict, error.errors()))))
    except (ValueError, RecursionError):
        raise DocumentError([Problem("the document: holds itself, or what JSON cannot.")]) from None
    problems += map(Problem, between_sections(document))
    if not problems and len(json.dumps(canonical)) > MOST_BYTES:
        problems.append(f"the document: has more than {MOST_BYTES:,} bytes.")
    if problems:
        raise DocumentError(problems)
    return canonical


# In the words of the document


def _sentence(problem: dict[str, Any]) -> Problem:
    loc = tuple(problem["loc"])
    keys = tuple(_without_forms(loc))
    place = ".".join(map(str, keys)) or "the document"
    kind, said, value = problem["type"], problem.get("ctx", {}), problem.get("input")
    if keys and keys[-1] == KEY:
        parent = ".".join(map(str, keys[:-2])) or "the document"
        text = f"{parent}: {str(keys[-2])!r} {in_words(kind, said, value)}"
        return Problem(ended(text), keys[:-1])
    if kind == "extra_forbidden":
        near = get_close_matches(str(loc[-1]), _keys_beside(loc), n=1)
        hint = f", did you mean {near[0]!r}?" if near else "."
        parent = ".".join(map(str, loc[:-1])) or "the document"
        return Problem(f"{parent}: unknown key {str(loc[-1])!r}{hint}", keys)
    if loc[:1] == ("credentials",) and len(loc) > 1 and loc[-1] not in ("name", "prefix"):
        forms = f"{', '.join(CREDENTIALS)} or {{header: {{name: X-Api-Key}}}}"
        return Problem(f"credentials: may be {forms}.", keys[:2])
    return Problem(ended(f"{place}: {in_words(kind, said, value)}"), keys)


def _without_forms(loc: tuple[Any, ...]) -> Iterator[Any]:
    """A place without pydantic's names of the forms that a value may have."""
    forms = {"str", "_HeaderForm", "list[str]"}
    return (part for part in loc if part not in forms and not str(part).startswith("literal["))


def _keys_beside(loc: tuple[Any, ...]) -> list[str]:
    """The keys that are known where an unknown one stands."""
    annotation: Any = _Vendor
    for part in loc[:-1]:
        model = _model_in(annotation)
        if model is not None:
            annotation = _fields(model).get(part)
        elif get_origin(_without_none(annotation)) is dict:
            annotation = get_args(_without_none(annotation))[1]
    model = _model_in(annotation)
    return [] if model is None else list(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Keys of a section, as people write them, and what may stand there."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _without_none(annotation: Any) -> Any:
    """`X` of `X | None` and of `Annotated[X, …]`."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kept = [each for each in get_args(annotation) if each is not type(None)]
        return _without_none(kept[0])
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    found = _without_none(annotation)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found
    if get_origin(found) is list:
        return next(filter(None, map(_model_in, get_args(get_args(found)[0]))), None)
    return None
