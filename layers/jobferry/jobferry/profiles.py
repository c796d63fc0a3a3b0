"""Profiles as people write them (YAML, JSON), checked once and made canonical.

The only module that imports pydantic: hot handlers read the canonical document instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from jobferry.errors import ErrorClass
from jobferry.model import Breaker, ColumnType, Profile
from jobferry.retrying import Policy
from jobferry.vendors.base import Operation, Vendor

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"


class ProfileError(ValueError):
    """A profile that cannot be used. `problems` are sentences, each naming its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class _Column(BaseModel):
    model_config = ConfigDict(extra="forbid")

    field: str = Field(min_length=1)
    type: ColumnType = ColumnType.STRING
    optional: bool = False
    enum: tuple[str, ...] = ()
    separator: str = Field(default=",", min_length=1)

    @field_validator("enum", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        # YAML reads `enum: [1, 2]` as numbers; cells are texts.
        return [str(item) for item in value] if isinstance(value, list | tuple) else value


def _column(value: Any) -> Any:
    return {"field": value} if isinstance(value, str) else value


class _Breaker(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = Field(default=Breaker().share, ge=0, lt=1)
    at_least: int = Field(default=Breaker().at_least, ge=1)


def _breaker(value: Any) -> Any:
    # YAML reads a bare `off` as false.
    return None if value is False or value == "off" else value


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    connection: str = Field(pattern=NAME)
    operation: str
    columns: dict[str, Annotated[_Column, BeforeValidator(_column)]] | None = None
    constants: dict[str, Any] = Field(default_factory=dict)
    row_key: str | None = None
    batch_size: int | None = Field(default=None, ge=1)
    max_attempts: int = Field(default=3, ge=1, le=20)
    on_error: dict[ErrorClass, Policy] = Field(default_factory=dict)
    breaker: Annotated[_Breaker | None, BeforeValidator(_breaker)] = Field(default_factory=_Breaker)
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    add_external_id: bool = True

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        known = ("utf-8", "utf-16", "cp1252")
        if value is not None and value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _row_key_is_mapped(self) -> _Profile:
        if self.row_key is not None and self.row_key not in (self.columns or {self.row_key}):
            raise ValueError(f"row_key {self.row_key!r} is not one of the columns")
        return self


def validate(document: Any) -> dict[str, Any]:
    """The canonical form of a profile document.

    Raises:
        ProfileError: with every problem found.
    """
    if not isinstance(document, Mapping):
        raise ProfileError(["A profile is a mapping with name, connection and operation."])
    try:
        return _Profile.model_validate(document).model_dump(mode="json")
    except ValidationError as error:
        raise ProfileError([_sentence(dict(problem)) for problem in error.errors()]) from None


def check_against(profile: Profile, vendor: Vendor) -> Operation:
    """The vendor's operation of a profile, if the profile can work with it.

    Raises:
        ProfileError: unknown operation, or a field that the vendor needs is not mapped.
    """
    operation = vendor.operation(profile.operation, profile.fills())
    if operation is None:
        names = ", ".join(vendor.operations)
        raise ProfileError(
            [f"{vendor.title} has no operation {profile.operation!r}. It has: {names}."]
        )
    if profile.columns is None:
        return operation
    mapped = {column.field for column in profile.columns.values()} | set(profile.constants)
    problems = [
        f"{profile.operation} needs the field {' or '.join(alternatives)}; map a column to it."
        for alternatives in operation.required
        if not any(name in mapped for name in alternatives)
    ]
    if problems:
        raise ProfileError(problems)
    return operation


def _sentence(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "profile"
    if problem["type"] == "extra_forbidden":
        return f"{place}: there is no such setting."
    if problem["type"] == "missing":
        return f"{place}: is missing."
    return f"{place}: {problem['msg']}."
