"""How fast planning is, and how much memory it takes, whatever the size of the file.

    python benchmarks/plan_speed.py [ROWS …] [--large] [--case NAME …] [--json FILE]

The real step `plan_run` plans a file on this disk: pages of chunks and checkpoints go to the tests'
table in memory; items of rows that are not sent are built as DynamoDB gets them, and dropped, so
that a file of any size can be planned. What the SDK, the network and S3 take is not in it.

Each file is planned in a process of its own, so that peak memory belongs to it alone. It is
written first, as a spreadsheet would export it: 7 columns, about 120 bytes a row, one enum, one
list, one optional datetime, unique row keys; some cells hold a delimiter or a line break. `CASES`
are that file and others like it. Speed is judged by CPU seconds, which are those of one core;
`csv.reader`, which does nothing with its rows, reads the same file beside it, so that a machine's
own speed can be taken out.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.memory import peak_mb
from jobferry.binding.profile_document import validate
from jobferry.deps import Deps
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Source
from jobferry.domain.run_request import RunRequest
from jobferry.runtime.settings import Settings
from jobferry.steps.open_run import open_run
from jobferry.steps.plan_run import plan_run
from jobferry.store.objects import Head
from jobferry.store.operations import Item
from jobferry.store.wire import wire_of
from jobferry.vendors.connections import Connections, max_jobs
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry.vendors.registry import BUILT_IN
from virtual.clock import Clock
from virtual.objects import FakeObjects
from virtual.table import FakeTable, fake_store

DEFAULT_SIZES = (100_000, 1_000_000)
LARGE = 10_000_000
TARGET_ROWS_PER_SECOND = 200_000
TARGET_PEAK_MB = 256
NAME = "plan-speed"
VENDOR = "zendesk_support"
INBOX = "inbox-bucket"
STEP_SECONDS = 900.0

PROFILE = {
    "name": NAME,
    "connection": NAME,
    "operation": "tickets.create",
    "columns": {
        "Ref": "external_id",
        "Subject": "subject",
        "Body": "comment.body",
        "Requester": "requester.email",
        "Priority": {"field": "priority", "enum": ["low", "normal", "high", "urgent"]},
        "Tags": {"field": "tags", "type": "list", "separator": "|"},
        "Due": {"field": "due_at", "type": "datetime", "optional": True},
    },
    "row_key": "Ref",
    "max_rejected": 1,
}


@dataclass(frozen=True)
class Case:
    """A kind of file.

    Attributes:
        breaks_every, rejected_every: rows from one with a line break, or that is rejected, to the
            next
        columns: the file has so many more, each an optional integer or text
        share: of the rows that are asked for, where rows are long
        judged: held against the target
    """

    keyed: bool = True
    random_keys: bool = False
    encoding: str = "utf-8"
    breaks_every: int = 20
    rejected_every: int | None = None
    columns: int = 0
    share: float = 1.0
    judged: bool = False

    @property
    def profile(self) -> Mapping[str, Any]:
        more = {
            f"C{n:03}": {"field": f"c{n}", "type": _TYPES[n % 2], "optional": True}
            for n in range(self.columns)
        }
        columns = {**PROFILE["columns"], **more}  # type: ignore[dict-item]
        return {**PROFILE, "columns": columns, "row_key": "Ref" if self.keyed else None}

    def rows(self, count: int) -> Iterator[Sequence[str]]:
        """The rows, the same every time."""
        source = random.Random(1)
        priorities = ("low", "normal", "high", "urgent")
        for n in range(count):
            rejected = self.rejected_every is not None and n % self.rejected_every == 0
            yield (
                source.randbytes(16).hex() if self.random_keys else f"REF-{n:08}",
                f"Printer {n % 997} does not print",
                "Hello,\nit smokes" if n % self.breaks_every == 0 else "Paper jam, tray 2",
                f"someone{n % 9973}@example.com",
                "at once" if rejected else priorities[n % 4],
                "printer|hardware",
                "2026-03-31T09:30:00Z" if n % 2 else "",
                *(str(n * c % 997) if c % 3 else "" for c in range(self.columns)),
            )


_TYPES = ("integer", "string")
CASES = {
    "keys in order": Case(judged=True),
    "keys at random": Case(random_keys=True, judged=True),
    "no row key": Case(keyed=False),
    "line break in each row": Case(breaks_every=1),
    "UTF-16": Case(encoding="utf-16"),
    "one row in five rejected": Case(rejected_every=5),
    "200 columns": Case(columns=193, share=0.1),
}


def write_sample(path: Path, rows: int, case: Case) -> None:
    """A file of `rows` rows, the same every time."""
    with path.open("w", newline="", encoding=case.encoding) as file:
        writer = csv.writer(file)
        writer.writerow(case.profile["columns"])
        writer.writerows(case.rows(rows))


class _Objects(FakeObjects):
    """Objects in memory, but for one file of this disk."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def head(self, bucket: str, key: str, version_id: str | None) -> Head:
        found = super().head(bucket, key, version_id)
        return replace(found, source=replace(found.source, size=self._path.stat().st_size))

    def read_range(self, source: Source, offset: int, length: int) -> bytes:
        with self.stream(source, offset) as file:
            return file.read(length)

    def stream(self, source: Source, offset: int = 0) -> BinaryIO:  # noqa: ARG002
        file = self._path.open("rb")
        file.seek(offset)
        return file


class _Table(FakeTable):
    """A table in memory that builds and counts the items of rows, and keeps none."""

    def __init__(self) -> None:
        super().__init__()
        self.row_items = 0

    def put_many(self, items: Iterable[Item]) -> None:
        others = []
        for item in items:
            if item["pk"].startswith("ROWS#"):
                wire_of(item)
                self.row_items += 1
            else:
                others.append(item)
        super().put_many(others)


def measure_file(path: Path, name: str) -> dict[str, Any]:
    """Plan the file once."""
    case = CASES[name]
    table, clock = _Table(), Clock()
    deps = _deps(table, path, case, clock)
    key = f"inbox/{NAME}/rows.csv"
    version = deps.objects.upload(INBOX, key, b"stands for the file on the disk")  # type: ignore[attr-defined]
    run_id = open_run(RunRequest(NAME, INBOX, key, version), "arn:execution", deps)["run_id"]
    at_rest = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        started, started_cpu = time.perf_counter(), time.process_time()
        plan_run(run_id, deps, deps.now() + STEP_SECONDS, Path(folder) / "plan")
        seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
    peak = peak_mb()
    run = deps.store.runs.must_get(run_id)
    rows, rejects = run.plan.row, run.outcomes.get(OutcomeStatus.REJECTED, 0)
    if not run.plan.done or table.row_items != rejects:
        raise AssertionError(f"{name}: {rows} rows planned, {rejects} rejected")
    per_core, reader_cpu = round(rows / cpu), _csv_reader_seconds(path, case.encoding)
    held = per_core >= TARGET_ROWS_PER_SECOND and peak <= TARGET_PEAK_MB
    return {
        "case": name,
        "rows": rows,
        "bytes": path.stat().st_size,
        "chunks": run.plan.chunks,
        "rejects": rejects,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "rows_per_second": round(rows / seconds),
        "rows_per_cpu_second": per_core,
        "csv_reader_rows_per_cpu_second": round(rows / reader_cpu),
        "times_csv_reader": round(cpu / reader_cpu, 2),
        "peak_rss_mb": peak,
        "peak_rss_mb_before": at_rest,
        "held": held if case.judged else None,
    }


def _deps(table: _Table, path: Path, case: Case, clock: Clock) -> Deps:
    """What the step works with, and the profile of a file."""
    store = fake_store(table)
    connection = Connection(NAME, VENDOR, "http://127.0.0.1:9")
    store.config.put_connection(connection)
    store.limits.ensure(NAME, max_jobs(connection, BUILT_IN.named(VENDOR)))
    store.config.put_profile(NAME, validate(case.profile))
    return Deps(
        settings=Settings("table", INBOX, "archive", "secrets/", 30, LOOPBACK),
        store=store,
        objects=_Objects(path),
        connections=Connections(
            store.config, lambda _name, _afresh: '{"bearer": "sim-token"}', reach=LOOPBACK
        ),
        now=clock.now,
        sleep=clock.advance,
    )


def _csv_reader_seconds(path: Path, encoding: str) -> float:
    """CPU seconds of Python's own reader over the same file, which does nothing with its rows."""
    started = time.process_time()
    with path.open(newline="", encoding=encoding) as file:
        for _ in csv.reader(file):
            pass
    return time.process_time() - started


def measure(
    sizes: Sequence[int] = DEFAULT_SIZES, names: Sequence[str] = tuple(CASES)
) -> dict[str, Any]:
    """Plan a file of each size of each kind; a JSON document."""
    results = []
    for name in names:
        for rows in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "sample.csv"
                write_sample(path, int(rows * CASES[name].share), CASES[name])
                command = (__file__, "--measure", str(path), "--case", name)
                run = subprocess.run(
                    (sys.executable, *command), check=True, stdout=subprocess.PIPE, text=True
                )
            results.append(json.loads(run.stdout))
    return {
        "targets": {
            "rows_per_cpu_second": TARGET_ROWS_PER_SECOND,
            "peak_rss_mb": TARGET_PEAK_MB,
        },
        "held": all(result["held"] is not False for result in results),
        "results": results,
    }


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as people read them."""
    shown = Table(title="Planning", title_justify="left")
    for column in (
        "file",
        "rows",
        "B/row",
        "s",
        "CPU s",
        "rows/s",
        "rows/CPU s",
        "× csv.reader",
        "MB",
        "held",
    ):
        shown.add_column(column, justify="left" if column == "file" else "right")
    for result in results:
        shown.add_row(
            result["case"],
            f"{result['rows']:,}",
            f"{result['bytes'] / result['rows']:.0f}",
            f"{result['seconds']:.2f}",
            f"{result['cpu_seconds']:.2f}",
            f"{result['rows_per_second']:,}",
            f"{result['rows_per_cpu_second']:,}",
            f"{result['times_csv_reader']:.2f}",
            f"{result['peak_rss_mb']:.0f}",
            {True: "yes", False: "no", None: ""}[result["held"]],
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of planning.")
    parser.add_argument("rows", nargs="*", type=int, default=DEFAULT_SIZES)
    parser.add_argument("--large", action="store_true", help=f"also {LARGE:,} rows")
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_file(arguments.measure, arguments.case[0])))
        return 0
    sizes = [*arguments.rows, *([LARGE] if arguments.large else [])]
    results = measure(sizes, arguments.case)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        table(results["results"])
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
