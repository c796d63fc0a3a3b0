"""Profiles as people write them (YAML, JSON), checked once and made canonical.

The only module that imports pydantic: hot handlers read the canonical document instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from dateutil import tz
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from jobferry.binding.profile_fit import ProfileError
from jobferry.csvfile.encoding import is_text_codec
from jobferry.domain.document_words import KEY, Problem, did_you_mean, ended, in_words
from jobferry.domain.error_codes import ErrorClass
from jobferry.domain.names import NAME
from jobferry.domain.profile import MAX_REJECTED, Breaker, ColumnType, Empty, OnDuplicate, Policy


class _Column(BaseModel):
    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1)
    type: ColumnType = ColumnType.STRING
    optional: bool = False
    enum: tuple[str, ...] = ()
    separator: str = Field(default=",", min_length=1)
    format: str | None = Field(default=None, min_length=2)
    timezone: str | None = None
    decimal: Literal[".", ","] = "."
    values: dict[str, Any] = Field(default_factory=dict)
    empty: Empty | None = None
    trim: bool | None = None

    @field_validator("values", mode="before")
    @classmethod
    def _cells(cls, value: Any) -> Any:
        # YAML reads `values: {1: high}` as a number; cells are texts.
        return (
            {str(cell): sent for cell, sent in value.items()} if isinstance(value, dict) else value
        )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and tz.gettz(value) is None:
            raise ValueError("is no time zone that is known; write it as Europe/Oslo")
        return value

    @model_validator(mode="after")
    def _settings_fit_the_type(self) -> _Column:
        moments = (ColumnType.DATE, ColumnType.DATETIME)
        if self.format is not None and self.type not in moments:
            raise ValueError("`format` is for the types date and datetime")
        zoned = self.timezone is not None or "%z" in (self.format or "%z")
        if self.type is ColumnType.DATETIME and not zoned:
            raise ValueError("`format` of a datetime needs %z, or a `timezone` beside it")
        if self.timezone is not None and self.type is not ColumnType.DATETIME:
            raise ValueError("`timezone` is for the type datetime")
        if self.decimal != "." and self.type is not ColumnType.NUMBER:
            raise ValueError("`decimal` is for the type number")
        return self

    @field_validator("enum", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        # YAML reads `enum: [1, 2]` as numbers; cells are texts.
        return [str(item) for item in value] if isinstance(value, list | tuple) else value


def _column(value: Any) -> Any:
    return {"field": value} if isinstance(value, str) else value


_Entry = Annotated[_Column, BeforeValidator(_column)]
"""A column as people write it: a field's path, or a mapping."""

_ONE, _SEVERAL = "one", "several"
_Entries = Annotated[
    Annotated[_Entry, Tag(_ONE)] | Annotated[list[_Entry], Field(min_length=1), Tag(_SEVERAL)],
    Discriminator(lambda value: _SEVERAL if isinstance(value, list) else _ONE),
]
"""The fields of one cell: a column, or a list of columns."""


def _no_switch(value: Any) -> Any:
    # YAML reads `no` as false, which would count as 0.
    if value is True or value is False:
        raise ValueError("must be a number; YAML reads yes, no, on and off as true and false")
    return value


_Whole = Annotated[int, BeforeValidator(_no_switch)]
_Number = Annotated[float, BeforeValidator(_no_switch)]


class _Breaker(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: _Number = Field(default=Breaker().share, ge=0, lt=1)
    at_least: _Whole = Field(default=Breaker().at_least, ge=1)


def _switch(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


def _breaker(value: Any) -> Any:
    # YAML reads a bare `off` as false.
    return None if value is False or value == "off" else value


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    connection: str = Field(pattern=NAME)
    operation: str
    columns: dict[str, _Entries] | None = None
    constants: dict[str, Any] = Field(default_factory=dict)
    row_key: str | None = None
    batch_size: _Whole | None = Field(default=None, ge=1)
    max_attempts: _Whole = Field(default=3, ge=1, le=20)
    on_error: dict[ErrorClass, Policy] = Field(default_factory=dict)
    breaker: Annotated[_Breaker | None, BeforeValidator(_breaker)] = Field(default_factory=_Breaker)
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    add_external_id: bool = True
    trim: bool = False
    null_values: tuple[str, ...] = ()
    on_duplicate: OnDuplicate | None = None
    order: Literal["file"] | None = None
    max_rejected: _Number = Field(default=MAX_REJECTED, gt=0, le=1)
    ramp: Annotated[bool, BeforeValidator(_switch)] = True
    row_items: Literal["all"] | None = None
    snapshot: bool = False

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None and not is_text_codec(value):
            raise ValueError("is no text encoding that Python knows, such as utf-8 or cp1252")
        return value

    @field_validator("null_values", mode="before")
    @classmethod
    def _null_texts(cls, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _row_key_is_mapped(self) -> _Profile:
        if self.row_key is not None and self.row_key not in (self.columns or {self.row_key}):
            raise ValueError(f"row_key {self.row_key!r} is not one of the columns")
        return self


def validate(document: Any) -> dict[str, Any]:
    """The canonical form of a profile document.

    Raises:
        ProfileError: with every problem found, each a `Problem` that knows its place.
    """
    if not isinstance(document, Mapping):
        raise ProfileError([Problem("A profile is a mapping with name, connection and operation.")])
    try:
        return _Profile.model_validate(document).model_dump(mode="json")
    except ValidationError as error:
        found = [_problem(dict(problem)) for problem in error.errors(include_url=False)]
        raise ProfileError(list(found)) from None
    except (ValueError, RecursionError):
        raise ProfileError([Problem("constants: holds itself, or what JSON cannot.")]) from None


_TAG_PLACE = 2
"""Where pydantic names which form of `columns.<header>` it read."""


def _problem(problem: Mapping[str, Any]) -> Problem:
    loc = [p for i, p in enumerate(problem["loc"]) if i != _TAG_PLACE or p not in (_ONE, _SEVERAL)]
    kind, said, value = problem["type"], problem.get("ctx", {}), problem.get("input")
    if loc and loc[-1] == KEY:
        # What is wrong is a key; it stands before that mark.
        text = f"{_place(loc[:-2])}: {str(loc[-2])!r} {in_words(kind, said, value)}"
        return Problem(ended(text), loc[:-1])
    if kind == "extra_forbidden":
        hint = did_you_mean(loc[-1], _settings_beside(loc))
        return Problem(ended(f"{_place(loc)}: there is no such setting{hint}"), loc)
    form = _FORMS.get(str(loc[0])) if loc and kind in ("model_type", "list_type") else None
    return Problem(ended(f"{_place(loc)}: {form or in_words(kind, said, value)}"), loc)


_FORMS = {
    "columns": "must be the path of a field, or a mapping with `field`, or a list of these",
    "breaker": "must be off, or a mapping with share and at_least",
}


def _place(loc: Sequence[Any]) -> str:
    return ".".join(map(str, loc)) or "profile"


def _settings_beside(loc: Sequence[Any]) -> list[str]:
    """The settings that are known where an unknown one stands."""
    inside: dict[Any, type[BaseModel]] = {"columns": _Column, "breaker": _Breaker}
    model = inside.get(loc[0], _Profile) if len(loc) > 1 else _Profile
    return list(model.model_fields)
