"""Find rows of a run: by number, by what became of them, by a text of theirs.

The answer comes in pages. A page ends when it is full or when its time is up, and says how far it
has looked; its cursor goes on from there, so that no row is shown twice and none is left out. What
needs a person is looked up in the sparse index. The key of a row stands in the file alone, so that
a search for a text reads the file beside the outcomes, in flat memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.header_names import places_of
from jobferry.csvfile.reader import RawRow, read_rows
from jobferry.deps import Deps
from jobferry.domain.error_codes import FileRefused
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.domain.trouble import SOURCE_UNREADABLE
from jobferry.operator.row_cells import RowPlaces, cells_of
from jobferry.store.objects import SourceError
from jobferry.store.row_items import FOR_A_PERSON

PAGE_SECONDS = 8.0
"""How long one page is looked for: a person waits for it, or a page in a browser."""

MORE_SECONDS = 0.5
"""How long a page that is full looks whether there is more."""

ROWS_PER_CLOCK_CHECK = 500

FEW = 2_000
"""Rows of a status whose keys are read one by one; for more of them the file is read as a whole."""

ROWS_AT_ONCE = 100
"""Of these, how many are read side by side."""

_CURSOR = re.compile(r"([0-9]{1,12})(?::([0-9]{1,15}))?")


class BadCursorError(ValueError):
    """A cursor that no page of this run has named."""


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows are wanted: those that all of it is true of.

    Attributes:
        error_code: exactly.
        find: a part of the vendor's id, of the row's key or of the error's text, in any case.
    """

    status: OutcomeStatus | None = None
    row: int | None = None
    error_code: str | None = None
    find: str | None = None

    def wants(self, outcome: Outcome) -> bool:
        """Whether a row is among those wanted, whatever texts it has."""
        return (
            self.status in (None, outcome.status)
            and self.row in (None, outcome.row)
            and self.error_code in (None, outcome.error_code)
        )


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row that was found.

    Attributes:
        key: of the row, where the search has read it.
    """

    outcome: Outcome
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows that were found, in order.

    Attributes:
        cursor: to go on with; None when there is nothing more. With a full page there may be.
        searched_all: it ends at the last row of the run, and not where it was full or out of time.
        searched_to: the last row that was looked at.
        keys_unread: why no keys were searched (a code of `domain.trouble`); None: they were, or
            the search was for no text, or the profile has no `row_key`.
    """

    rows: Sequence[FoundRow]
    cursor: str | None
    searched_all: bool
    searched_to: int
    keys_unread: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row that was looked at.

    Attributes:
        end: byte after it in the file; 0 where the file is not read
    """

    outcome: Outcome | None
    row: int
    key: str | None = None
    end: int = 0

    @property
    def cursor(self) -> str:
        return f"{self.row}:{self.end}" if self.end else f"{self.row}"


def find_rows(
    run: Run,
    query: RowQuery,
    deps: Deps,
    *,
    limit: int,
    after: str | None = None,
    seconds: float = PAGE_SECONDS,
) -> RowPage:
    """A page of the rows that are wanted, in the order of the file.

    Args:
        limit: rows of a page.
        after: the cursor of the page before.
        seconds: after which the page ends, full or not.

    Raises:
        BadCursorError
    """
    last = _position(after)
    search = _Search(run, query, deps)
    until = deps.now() + seconds
    found: list[FoundRow] = []
    for count, seen in enumerate(search.rows_after(last), 1):
        if seen.outcome is not None and _matches(seen.outcome, seen.key, query):
            if len(found) == limit:
                return RowPage(found, last.cursor, False, last.row, search.keys_unread)
            found.append(FoundRow(seen.outcome, seen.key))
            if len(found) == limit:
                until = min(until, deps.now() + MORE_SECONDS)
        last = seen
        if count % ROWS_PER_CLOCK_CHECK == 0 and deps.now() >= until:
            return RowPage(found, last.cursor, False, last.row, search.keys_unread)
    return RowPage(found, None, True, run.plan.row, search.keys_unread)


def profile_of(run: Run, deps: Deps) -> Profile | None:
    """The profile that a run was opened with; None where it is gone."""
    kept = deps.store.config.profile(run.profile, run.revision)
    return None if kept is None else Profile.from_document(kept[1], kept[0])


def key_place(run: Run, profile: Profile | None) -> int | None:
    """The column of the file that holds the `row_key`; None where there is none."""
    name = None if profile is None else profile.row_key
    if name is None or run.plan.dialect is None:
        return None
    try:
        return places_of(run.plan.dialect["header"], [name])[name]
    except FileRefused:
        return None


def _position(cursor: str | None) -> _Seen:
    if cursor is None:
        return _Seen(None, 0)
    said = _CURSOR.fullmatch(cursor)
    if said is None:
        raise BadCursorError(cursor)
    return _Seen(None, int(said[1]), end=int(said[2] or 0))


def _matches(outcome: Outcome, key: str | None, query: RowQuery) -> bool:
    if not query.wants(outcome):
        return False
    if query.find is None:
        return True
    wanted = query.find.casefold()
    texts = (outcome.vendor_id, key, outcome.error)
    return any(wanted in text.casefold() for text in texts if text)


class _Search:
    """One way through the rows of a run, by what is asked for."""

    def __init__(self, run: Run, query: RowQuery, deps: Deps) -> None:
        self._run, self._query, self._deps = run, query, deps
        self._rows = deps.store.rows
        self.keys_unread: str | None = None

    def rows_after(self, last: _Seen) -> Iterator[_Seen]:
        """Rows after this one that may be wanted, in order."""
        query, first = self._query, last.row + 1
        if query.row is not None:
            outcome = self._rows.get(self._run.run_id, query.row) if query.row >= first else None
            return self._with_keys(iter([] if outcome is None else [outcome]))
        if not self._in_index():
            if query.find is not None and self._key_place is not None:
                return self._beside_the_file(last)
            outcomes = self._rows.between(self._run.run_id, first, self._run.plan.row)
            return (_Seen(outcome, outcome.row) for outcome in outcomes)
        return self._with_keys(self._rows.for_a_person(self._run.run_id, self._run.plan.row, first))

    def _in_index(self) -> bool:
        """Whether all rows that may be wanted are in the sparse index, and no more than are cheap
        to look at."""
        query = self._query
        if query.status not in FOR_A_PERSON:
            # Skipped rows have codes, and some that succeeded: of what the vendor warned of.
            return False
        return query.find is None or self._run.outcomes.get(query.status, 0) <= FEW

    def _with_keys(self, outcomes: Iterator[Outcome]) -> Iterator[_Seen]:
        """These rows, with their keys where a text is looked for."""
        place = None if self._query.find is None else self._key_place
        if place is None:
            yield from (_Seen(outcome, outcome.row) for outcome in outcomes)
            return
        while batch := list(islice(outcomes, ROWS_AT_ONCE)):
            wanted = [outcome.row for outcome in batch if self._query.wants(outcome)]
            cells = cells_of(self._run, wanted, self._deps)
            if len(cells) < len(wanted):
                self.keys_unread = SOURCE_UNREADABLE
            for outcome in batch:
                found = cells.get(outcome.row)
                key = None if found is None else _key(found[1], place)
                yield _Seen(outcome, outcome.row, key)

    def _beside_the_file(self, last: _Seen) -> Iterator[_Seen]:
        """Every row after this one, its key read from the file."""
        run, place = self._run, self._key_place or 0
        outcomes = self._rows.between(run.run_id, last.row + 1, run.plan.row)
        outcome = next(outcomes, None)
        row = last.row
        try:
            for raw in self._raw_rows(last):
                while outcome is not None and outcome.row < raw.number:
                    outcome = next(outcomes, None)
                row = raw.number
                same = outcome is not None and outcome.row == row
                end = raw.offset + raw.length
                yield _Seen(outcome if same else None, row, _key(raw.cells, place), end)
        except SourceError as error:
            self.keys_unread = error.code
        except FileRefused:
            self.keys_unread = SOURCE_UNREADABLE
        if self.keys_unread is not None:
            for left in self._rows.between(run.run_id, row + 1, run.plan.row):
                yield _Seen(left, left.row)

    def _raw_rows(self, last: _Seen) -> Iterator[RawRow]:
        run = self._run
        dialect = Dialect.from_json(dict(run.plan.dialect or {}))
        offset, before = last.end, last.row
        if not offset:
            place = RowPlaces(run, self._deps).of(last.row + 1)
            offset, before = place.offset, place.first - 1
        if offset >= run.file.size:
            return
        with self._deps.objects.stream(run.file, offset) as stream:
            for raw in read_rows(stream, dialect, offset=offset, row=before):
                if raw.number > run.plan.row:
                    return
                if raw.number > last.row:
                    yield raw

    @cached_property
    def _key_place(self) -> int | None:
        return key_place(self._run, profile_of(self._run, self._deps))


def _key(cells: Sequence[str], place: int) -> str | None:
    return cells[place].strip() if place < len(cells) else None
