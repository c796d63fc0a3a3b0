"""The parameters of a request, read the way the vendor reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from vendorsim.vidispine.errors import invalid_input

_FLAGS = {"true": True, "false": False}


def matrix_pairs(path: str) -> list[tuple[str, str]]:
    """Parameters of 4.x in a path: `/job;state=READY;user=false`."""
    return [
        (unquote_plus(name), unquote_plus(value))
        for name, _, value in (part.partition("=") for part in path.split(";")[1:])
    ]


class Parameters:
    """Parameters by name; a name may be there several times."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def text(self, name: str) -> str | None:
        """The value, if there is one that is not empty."""
        return next((value for value in self._values.get(name, ()) if value), None)

    def texts(self, name: str) -> list[str]:
        """The values of all occurrences, each taken apart at its commas."""
        parts = (part.strip() for value in self._values.get(name, ()) for part in value.split(","))
        return [part for part in parts if part]

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """Values of the form `key=value`, one per occurrence. Raises RequestRefused."""
        found: list[tuple[str, str]] = []
        for text in self._values.get(name, ()):
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise invalid_input(name, "Not of the form key=value", text)
            found.append((key, value))
        return found

    def flag(self, name: str, *, default: bool) -> bool:
        """`true`, `True`, `false` or `False`. Raises RequestRefused."""
        given = self.text(name)
        if given is None:
            return default
        if given.lower() not in _FLAGS:
            raise invalid_input(name, "Not a boolean", given)
        return _FLAGS[given.lower()]

    def number(self, name: str, default: int) -> int:
        """A number that is not negative. Raises RequestRefused."""
        given = self.text(name)
        if given is None:
            return default
        if not given.isdecimal():
            raise invalid_input(name, "Not a number", given)
        return int(given)

    def moment(self, name: str) -> float | None:
        """Epoch seconds of an ISO 8601 time; without an offset it is UTC. Raises RequestRefused."""
        given = self.text(name)
        if given is None:
            return None
        try:
            # A "+" that nobody escaped arrives as a blank.
            moment = datetime.fromisoformat(given.replace(" ", "+"))
        except ValueError:
            raise invalid_input(name, "Not an ISO 8601 time", given) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def word(self, name: str, allowed: Iterable[str]) -> str | None:
        """One of the words that the vendor knows. Raises RequestRefused."""
        given = self.text(name)
        if given is not None and given not in allowed:
            raise invalid_input(name, "Unknown value", given)
        return given
