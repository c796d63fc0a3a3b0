"""Runs: claimed once, planned page by page, counted by settled chunks only.

Every write of a run's item but the first is conditioned on the item being there. A function that
was far behind would otherwise make a new item of a run that is deleted, one without a name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from jobferry.domain.chunk import PlannedChunk
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import (
    Figures,
    Pause,
    PlanState,
    Resolving,
    Run,
    RunGoneError,
    RunStatus,
    Source,
    StopReason,
)
from jobferry.domain.trouble import POLL, SOURCE, SUBMIT, Trouble, after_failure
from jobferry.store import keys
from jobferry.store.plan_pages import decode_chunks, encode_chunks, page_start, parts_of_page
from jobferry.store.table import ConditionFailedError, Item, Put, Table, Update

_OPEN = "attribute_exists(pk) AND attribute_not_exists(closed_at)"

MOST_WARNINGS = 20
"""Warnings that a run keeps; more tell nothing new."""

WARNING_CHARACTERS = 300

_TRIES = 5
"""Lanes that warn at the same moment meet; each try lets one of them pass."""


COUNTED = tuple(f.name for f in fields(Figures))


class Runs:
    """Access to `RUN#<run>`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, run: Run) -> bool:
        """Claim a run; false when it exists already."""
        item: Item = {
            "pk": keys.run(run.run_id),
            "sk": keys.META,
            "time_pk": keys.ALL_RUNS,
            "time_sk": f"{run.started_at:017.3f}#{run.run_id}",
            "run_id": run.run_id,
            "status": run.status.value,
            "profile": run.profile,
            "revision": run.revision,
            "connection": run.connection,
            "operation": run.operation,
            "source": asdict(run.source),
            "started_at": run.started_at,
            "priority": run.priority,
            "execution": run.execution,
            # The item itself has no end while the run is open: `close` gives it one.
            "kept_until": run.expires_at,
        }
        if run.vendor:
            item |= {"vendor": run.vendor, "base_url": run.base_url}
        if run.pause is not None:
            item["pause"] = _pause_item(run.pause)
        if run.origin is not None:
            item["origin"] = run.origin
        if run.job_rows is not None:
            item["job_rows"] = run.job_rows
        if run.trial is not None:
            item["trial"] = run.trial
        if run.error is not None:
            item["error"] = run.error
        item |= {keys.BY + what: name for what, name in run.by.items()}
        try:
            self._table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            return False
        return True

    def first_with(self, run: Run, content: str, now: float, expires_at: int) -> tuple[str, float]:
        """The first run of a profile that carries this content: this one, if there was none.

        Args:
            content: the same for files of the same bytes.
            expires_at: when it is forgotten (epoch seconds).

        Returns:
            Its id, and when that was noted (epoch seconds). It may be deleted or failed since.
        """
        mark = _content_mark(run, content, now, expires_at)
        try:
            self._table.write(Put(mark, condition="attribute_not_exists(pk)"))
        except ConditionFailedError:
            found = self._table.get(mark["pk"], mark["sk"]) or mark
            return str(found["run_id"]), found["noted_at"]
        return run.run_id, now

    def carries_first(self, run: Run, content: str, now: float, expires_at: int) -> None:
        """From now on this run is the first one with this content."""
        self._table.write(Put(_content_mark(run, content, now, expires_at)))

    def get(self, run_id: str) -> Run | None:
        item = self._table.get(keys.run(run_id), keys.META)
        return _run(item) if item else None

    def must_get(self, run_id: str) -> Run:
        run = self.get(run_id)
        if run is None:
            raise RunGoneError(f"there is no run {run_id}")
        return run

    def newest(
        self, *, before: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[str, Run]]:
        """(cursor, run), newest first; `before` is the cursor of the last one already seen."""
        pages = self._table.query(
            keys.ALL_RUNS,
            until=before,
            newest_first=True,
            # The cursor's own run comes first.
            limit=limit if limit is None or before is None else limit + 1,
            index=keys.RUNS_BY_TIME,
        )
        for item in pages:
            if item["time_sk"] != before:
                yield item["time_sk"], _run(item)

    def take_over(self, run_id: str, execution: str, previous: str) -> bool:
        """Make `execution` the one that carries the run, if `previous` still is."""
        return self._change(
            run_id,
            assign={"execution": execution, "relaunches": 0, "settled_at_relaunch": -1},
            remove=("rests",),
            condition="execution = :previous AND attribute_not_exists(closed_at)",
            values={":previous": previous},
        )

    def note_unpacked(self, run_id: str, data: Source) -> bool:
        """Note where the unpacked file lies; false when that is known already, or it is closed."""
        return self._change(
            run_id,
            assign={"unpacked": asdict(data)},
            condition=f"{_OPEN} AND attribute_not_exists(unpacked)",
        )

    def checkpoint(
        self,
        run_id: str,
        before: PlanState,
        after: PlanState,
        counts: Mapping[OutcomeStatus, int],
        now: float,
    ) -> bool:
        """Move the plan forward and count the rows that will not be sent.

        False when another planner has moved it already; then nothing was counted.
        """
        plan: dict[str, Any] = {
            "plan_offset": after.offset,
            "plan_row": after.row,
            "plan_chunks": after.chunks,
            "plan_done": after.done,
            "plan_trial_chunks": after.trial_chunks,
            "plan_conflicts": after.conflicts,
            "dialect": json.dumps(after.dialect),
        }
        if after.done:
            plan |= {"planned_at": now}
        condition = "plan_offset = :offset AND plan_done = :undone AND attribute_not_exists(forced)"
        values: dict[str, Any] = {":undone": False, ":offset": before.offset}
        if before.dialect is None:
            condition = "attribute_not_exists(plan_done) AND attribute_not_exists(forced)"
            values = {}
        return self._change(
            run_id,
            assign=plan,
            add={f"n_{status.value}": n for status, n in counts.items() if n},
            condition=f"#status = :planning AND {condition}",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value, **values},
        )

    def put_page(self, run: Run, chunks: Sequence[PlannedChunk]) -> None:
        """Store a page of the plan, whole or as far as it is cut, in items that the table takes.

        chunks  from the first chunk of the page on

        An item that holds more already stays as it is: every planner cuts the same chunks, and one
        that is behind must not take back what another has noted as planned.
        """
        for part in parts_of_page(chunks):
            last = part[-1].number
            page = {
                "pk": keys.run(run.run_id),
                "sk": keys.page(part[0].number),
                "chunks": encode_chunks(part),
                "last": last,
                "expires_at": run.expires_at,
            }
            as_much = Put(
                page,
                condition="attribute_not_exists(pk) OR #last <= :last",
                names={"#last": "last"},
                values={":last": last},
            )
            with suppress(ConditionFailedError):
                self._table.write(as_much)

    def planned_chunks(self, run_id: str, first: int, count: int) -> list[PlannedChunk]:
        """Up to `count` chunks from number `first` on, as planned."""
        last = first + count - 1
        pages = self._table.query(
            keys.run(run_id), since=keys.page(page_start(first)), until=keys.page(last)
        )
        return [
            chunk
            for page in pages
            for chunk in decode_chunks(page["chunks"])
            if first <= chunk.number <= last
        ]

    def begin(self, run_id: str, lanes: int, forecast: Mapping[str, Any]) -> None:
        """The plan is done and lanes may claim."""
        self._change(
            run_id,
            assign={
                "status": RunStatus.RUNNING.value,
                "lanes": lanes,
                "forecast": json.dumps(forecast),
            },
            condition="#status = :planning",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value},
        )

    def relaunch(self, run_id: str, relaunches: int, settled: int) -> None:
        """Note that lanes start once more, and how far the run was.

        A lane that asks to be renewed notes (0, -1): it is alive, whatever it waits for.
        """
        self._change(
            run_id,
            assign={"relaunches": relaunches, "settled_at_relaunch": settled},
            condition=_OPEN,
        )

    def note_stuck(self, run: Run, now: float) -> float:
        """Lanes start once more; returns since when they do with as many rows settled as now."""
        if run.settled_rows == run.stuck_rows:
            return run.stuck_since
        self._change(
            run.run_id,
            assign={"stuck_rows": run.settled_rows, "stuck_since": now},
            condition=_OPEN,
        )
        return now

    def prioritise(self, run_id: str, priority: str, now: float, *, by: str | None = None) -> bool:
        """Keep another priority of a run; lanes tell the jobs that were made before.

        Args:
            by: who asks for it; None: nobody knows.

        Returns:
            False when it is closed, or gone.
        """
        named, unnamed = _last_by("priority", by)
        return self._change(
            run_id,
            assign={"priority": priority, "priority_at": now, **named},
            remove=unnamed,
            condition=_OPEN,
        )

    def abort(
        self, run_id: str, stop: StopReason, *, end_jobs: bool, by: str | None = None
    ) -> bool:
        """Stop sending, and note whether lanes ask the vendor to end jobs. The first reason stays.

        Args:
            by: who asks for it; None: nobody knows. The first one stays, too.

        Returns:
            False when it is closed, or gone.
        """
        return self._change(
            run_id,
            assign={"end_jobs": True} if end_jobs else {},
            assign_once={
                "halt": {"code": stop.code, "reason": stop.reason},
                **_first_by("aborted", by),
            },
            condition=_OPEN,
        )

    def force(self, run_id: str, stop: StopReason, *, by: str | None = None) -> bool:
        """Have a run closed with what is known of it. The first reason and who had it stay.

        Returns:
            False when it is closed, or gone.
        """
        return self._change(
            run_id,
            assign={"forced": True},
            assign_once={
                "halt": {"code": stop.code, "reason": stop.reason},
                **_first_by("aborted", by),
            },
            remove=("rests",),
            condition=_OPEN,
        )

    def ask_resolve(self, run: Run, now: float, *, by: str | None = None) -> bool:
        """Open a closed run again, so that an execution asks about its unknown rows.

        Returns:
            False when it is open already, or gone.
        """
        asked = Resolving(now, unknown=run.outcomes.get(OutcomeStatus.UNKNOWN, 0))
        named, unnamed = _last_by("resolved", by)
        return self._change(
            run.run_id,
            assign={"resolving": asdict(asked), "status": RunStatus.CLOSING.value, **named},
            remove=("closed_at", "close", "rests", "expires_at", *unnamed),
            condition="attribute_exists(closed_at)",
        )

    def go_on_resolving(self, run_id: str, before: Resolving, after: Resolving) -> bool:
        """Note how far a resolve is; false when somebody else is further, or it is over."""
        return self._change(
            run_id,
            assign={"resolving": asdict(after)},
            condition=f"resolving = :before AND {_OPEN}",
            values={":before": asdict(before)},
        )

    def warn(self, run_id: str, text: str) -> None:
        """Keep a warning for a person: each once, and not more than `MOST_WARNINGS`."""
        text = text[:WARNING_CHARACTERS]
        for _ in range(_TRIES):
            item = self._table.get(keys.run(run_id), keys.META)
            if item is None:
                return
            before = item.get("warnings")
            known = json.loads(before or "[]")
            if text in known or len(known) >= MOST_WARNINGS:
                return
            was = "attribute_not_exists(warnings)" if before is None else "warnings = :before"
            if self._change(
                run_id,
                assign={"warnings": json.dumps([*known, text])},
                condition=f"attribute_exists(pk) AND {was}",
                values={} if before is None else {":before": before},
            ):
                return

    def stop(self, run_id: str, stop: StopReason) -> bool:
        """Stop sending. The first reason stays; false when the run is closed or gone."""
        return self._change(
            run_id,
            assign_once={"halt": {"code": stop.code, "reason": stop.reason}},
            condition=_OPEN,
        )

    def count_bisection(self, run_id: str) -> None:
        """One more job was refused as a whole and halved."""
        self._change(run_id, add={"halved": 1}, condition=_OPEN)

    def note_trouble(self, run: Run, where: str, code: str, text: str, now: float) -> Trouble:
        """Something keeps the run from going on; returns what is known of it now.

        Lanes that note the same at once lose a count: there will be others.
        """
        trouble = after_failure(run.troubles.get(where), code, text, now)
        self._change(
            run.run_id,
            assign={
                keys.TROUBLE + where: {
                    "code": trouble.code,
                    "text": trouble.text,
                    "since": trouble.since,
                    "last": trouble.last,
                    "times": trouble.times,
                }
            },
            condition=_OPEN,
        )
        return trouble

    def end_trouble(self, run: Run, where: str) -> None:
        """What kept the run from going on at this place does so no more."""
        self._change(run.run_id, remove=(keys.TROUBLE + where,), condition="attribute_exists(pk)")

    def pause(self, run_id: str, pause: Pause) -> bool:
        """Send nothing more until somebody says so; false when it is paused, stopped or over."""
        return self._change(
            run_id,
            assign={"pause": _pause_item(pause)},
            condition=f"{_OPEN} AND attribute_not_exists(pause) AND attribute_not_exists(halt)",
        )

    def rest(self, run_id: str) -> bool:
        """Note that the execution of a paused run ends; false when the run is paused no more."""
        return self._change(
            run_id,
            assign={"rests": True},
            condition="attribute_exists(pause) AND attribute_not_exists(halt)",
        )

    def resume(self, run: Run, *, by: str | None = None) -> bool:
        """End the pause, and remember what was seen of the run; false when it is over already.

        Args:
            run: as it was read; a pause that has come since stays.
            by: who asks for it; None: nobody knows.
        """
        if run.pause is None:
            return False
        named, unnamed = _last_by("resumed", by)
        return self._change(
            run.run_id,
            assign={
                "failures_seen": json.dumps(run.failures),
                "carried_seen": run.processed,
                **named,
            },
            remove=("pause", *unnamed),
            condition=f"pause = :seen AND execution = :execution AND {_OPEN}",
            values={":seen": asdict(run.pause), ":execution": run.execution},
        )

    def save_close(self, run_id: str, key: str | None) -> None:
        """Keep where the state of closing lies, for the next invocation to go on from there.

        None: the files are about to be completed; from here on closing begins anew.
        """
        self._change(
            run_id,
            assign={"close": key, "status": RunStatus.CLOSING.value},
            condition=_OPEN,
        )

    def close(
        self,
        run_id: str,
        status: RunStatus,
        now: float,
        requests: Mapping[str, int],
        figures: Mapping[str, Any],
        error: str | None = None,
        *,
        expires_at: int = 0,
        resolving: Resolving | None = None,
    ) -> bool:
        """Give the run its final status; false when it has one already.

        Args:
            expires_at: when the table forgets it (epoch seconds); 0: never.
            resolving: as it was read before the proof of the sum. Whoever proved it before an
                operator asked for a resolve has old files and an old status, and is too late.
        """
        fields: dict[str, Any] = {
            "figures": json.dumps(figures),
            "status": status.value,
            "closed_at": now,
            "requests": dict(requests),
        }
        if expires_at:
            fields["expires_at"] = expires_at
        if error is not None:
            fields["error"] = error
        same = "attribute_not_exists(resolving)" if resolving is None else "resolving = :resolving"
        troubles = tuple(keys.TROUBLE + where for where in (SUBMIT, POLL, SOURCE))
        closed = self._change(
            run_id,
            assign=fields,
            remove=("close", "pause", "rests", *troubles),
            condition=f"{_OPEN} AND {same}",
            values={} if resolving is None else {":resolving": asdict(resolving)},
        )
        if not expires_at:
            return closed
        with suppress(ConditionFailedError):
            self._table.write(
                Update(
                    keys.run(run_id),
                    keys.POOL,
                    assign={"expires_at": expires_at},
                    condition="attribute_exists(pk)",
                )
            )
        return closed

    def prolong(self, run: Run, expires_at: int) -> None:
        """Keep what is written of an open run for longer: what is written from now on."""
        self._change(
            run.run_id, assign={"kept_until": expires_at}, condition="attribute_exists(pk)"
        )

    def prolong_items(self, run: Run, expires_at: int) -> None:
        """Keep chunks, plan and figures of a run for longer; those written already."""
        for item in self._table.query(keys.run(run.run_id)):
            if 0 < item.get("expires_at", 0) < expires_at - 86_400:
                with suppress(ConditionFailedError):
                    self._table.write(_prolonged(item, expires_at))

    def fail(self, run_id: str, reason: str) -> bool:
        """The file or the profile cannot be used at all; CloseRun gives the closing time.

        Rows that were counted before this was known count no more.

        Returns:
            False when the run is planned, failed, closed or gone: what may have been sent, and
            what is counted, stays as it is.
        """
        nothing = {f"n_{status.value}": 0 for status in OutcomeStatus}
        return self._change(
            run_id,
            assign={"status": RunStatus.FAILED.value, "error": reason, **nothing},
            condition="#status = :planning AND (attribute_not_exists(plan_done) "
            "OR plan_done = :undone)",
            names={"#status": "status"},
            values={":planning": RunStatus.PLANNING.value, ":undone": False},
        )

    def delete(self, run: Run, *, by: str | None = None) -> None:
        """Forget a closed run: chunks, plan and counts, and its own entry last.

        A mark stays, so that a late event for the same file does not carry it once more.

        Args:
            by: who asks for it, kept with the mark; None: nobody knows.
        """
        pk = keys.run(run.run_id)
        mark: Item = {"pk": pk, "sk": keys.DELETED, "expires_at": run.expires_at}
        if by is not None:
            mark["by"] = by
        self._table.put_many([mark])
        kept = (keys.META, keys.DELETED)
        self._table.delete_many(
            (pk, item["sk"]) for item in self._table.query(pk) if item["sk"] not in kept
        )
        self._table.delete_many([(pk, keys.META)])

    def is_deleted(self, run_id: str) -> bool:
        """Whether there was such a run, and an operator has deleted it."""
        return self._table.get(keys.run(run_id), keys.DELETED) is not None

    def deleted_by(self, run_id: str) -> str | None:
        """Who has deleted a run, as far as known."""
        return (self._table.get(keys.run(run_id), keys.DELETED) or {}).get("by")

    def count(
        self, run: Run, lane: int, counts: Mapping[str, int], *, alive_until: float = 0.0
    ) -> None:
        """Add to the figures of one lane; lanes have items of their own so that none waits.

        Args:
            heard_until: epoch seconds by which the lane counts again, if it lives; 0: it has ended.
        """
        added = {kind: n for kind, n in counts.items() if n}
        self._table.write(
            Update(
                keys.run(run.run_id),
                keys.lane(lane),
                add=added,
                assign={"heard_until": alive_until},
                assign_once={"expires_at": run.expires_at},
            )
        )

    def alive_until(self, run_id: str) -> dict[int, float]:
        """Lane → when it should be heard of again (epoch seconds); 0 of one that has ended."""
        return {
            int(item["sk"].removeprefix(keys.LANE)): item.get("heard_until", 0.0)
            for item in self._table.query(keys.run(run_id), prefix=keys.LANE)
        }

    def figures(self, run_id: str) -> Figures:
        """What all lanes counted together."""
        total: Counter[str] = Counter()
        for item in self._table.query(keys.run(run_id), prefix=keys.LANE):
            total.update({name: item[name] for name in COUNTED if name in item})
        return Figures(**{name: total[name] for name in COUNTED})

    def requests(self, run_id: str) -> dict[str, int]:
        """Requests of all lanes by kind: submit, poll, other."""
        return self.figures(run_id).requests

    def _change(self, run_id: str, **change: Any) -> bool:
        try:
            self._table.write(Update(keys.run(run_id), keys.META, **change))
        except ConditionFailedError:
            return False
        return True


def _content_mark(run: Run, content: str, now: float, expires_at: int) -> Item:
    return {
        "pk": keys.profile(run.profile),
        "sk": keys.content(content),
        "run_id": run.run_id,
        "noted_at": now,
        "expires_at": expires_at,
    }


def _first_by(what: str, by: str | None) -> dict[str, str]:
    """What notes who did something first; nothing where that is not known."""
    return {} if by is None else {keys.BY + what: by}


def _last_by(what: str, by: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """(attributes to set, to remove) that note who did something last.

    Where that is not known, the name of who did it before must not stay.
    """
    return ({}, (keys.BY + what,)) if by is None else ({keys.BY + what: by}, ())


def _prolonged(item: Item, expires_at: int) -> Update:
    return Update(
        item["pk"],
        item["sk"],
        assign={"expires_at": expires_at},
        condition="attribute_exists(pk)",
    )


def _pause_item(pause: Pause) -> dict[str, Any]:
    return {"code": pause.code, "reason": pause.reason, "at": pause.at}


def _trouble(item: Mapping[str, Any]) -> Trouble:
    return Trouble(item["code"], item["text"], item["since"], item["last"], item["times"])


def _run(item: Item) -> Run:
    unpacked = item.get("unpacked")
    resolving = item.get("resolving")
    stop, pause = item.get("halt"), item.get("pause")
    return Run(
        run_id=item["run_id"],
        status=RunStatus(item["status"]),
        profile=item["profile"],
        revision=item["revision"],
        connection=item["connection"],
        operation=item["operation"],
        source=Source(**item["source"]),
        started_at=item["started_at"],
        priority=item["priority"],
        execution=item["execution"],
        origin=item.get("origin"),
        closed_at=item.get("closed_at"),
        planned_at=item.get("planned_at"),
        plan=PlanState(
            offset=item.get("plan_offset", 0),
            row=item.get("plan_row", 0),
            chunks=item.get("plan_chunks", 0),
            done=item.get("plan_done", False),
            dialect=json.loads(item.get("dialect", "null")),
            trial_chunks=item.get("plan_trial_chunks", 0),
            conflicts=item.get("plan_conflicts", 0),
        ),
        outcomes={status: item.get(f"n_{status.value}", 0) for status in OutcomeStatus},
        jobs_settled=item.get("jobs_settled", 0),
        stop=StopReason(stop["code"], stop["reason"]) if stop else None,
        pause=Pause(pause["code"], pause["reason"], pause["at"]) if pause else None,
        suspended=item.get("rests", False),
        trial=item.get("trial"),
        failures={
            name.removeprefix(keys.FAILED): n
            for name, n in item.items()
            if name.startswith(keys.FAILED)
        },
        failures_seen=json.loads(item.get("failures_seen", "{}")),
        processed_seen=item.get("carried_seen", 0),
        error=item.get("error"),
        lanes=item.get("lanes", 0),
        relaunches=item.get("relaunches", 0),
        settled_at_relaunch=item.get("settled_at_relaunch", -1),
        stuck_rows=item.get("stuck_rows", -1),
        stuck_since=item.get("stuck_since", 0.0),
        close=item.get("close"),
        requests=item.get("requests", {}),
        job_rows=item.get("job_rows"),
        forecast=json.loads(item.get("forecast", "null")),
        figures=json.loads(item.get("figures", "null")),
        bisected=item.get("halved", 0),
        settle_calls=item.get("settle_calls", 0),
        settle_gb_ms=item.get("settle_gb_ms", 0),
        settle_units=item.get("settle_units", 0),
        settle_reads=item.get("settle_reads", 0),
        vendor=item.get("vendor", ""),
        base_url=item.get("base_url", ""),
        troubles={
            name.removeprefix(keys.TROUBLE): _trouble(value)
            for name, value in item.items()
            if name.startswith(keys.TROUBLE)
        },
        # Runs of before have an end from the beginning.
        expires_at=item["kept_until"] if "kept_until" in item else item.get("expires_at", 0),
        end_jobs=item.get("end_jobs", False),
        priority_at=item.get("priority_at", 0.0),
        forced=item.get("forced", False),
        resolving=Resolving(**resolving) if resolving else None,
        warnings=tuple(json.loads(item.get("warnings", "[]"))),
        by={
            name.removeprefix(keys.BY): value
            for name, value in item.items()
            if name.startswith(keys.BY)
        },
        unpacked=Source(**unpacked) if unpacked else None,
    )
