"""How fast planning is, and how much memory it takes, whatever the size of the file.

    python benchmarks/plan_speed.py [ROWS …] [--large] [--keys sequential|random …] [--json FILE]

Each file is planned in a process of its own, so that peak memory belongs to it alone. It is
written first, as a spreadsheet would export it: 7 columns, about 120 bytes a row, one enum, one
list, one optional date, unique row keys; some cells hold a delimiter or a line break. Row keys
count up, or are 32 random characters. Speed is judged by CPU seconds, which are those of one core
and which other work on the machine hardly moves; `csv.reader` reads the same file beside it,
so that a machine's own speed can be taken out.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.memory import peak_mb
from jobferry.csvfile.dialect import SAMPLE_BYTES, detect
from jobferry.csvfile.duplicate_keys import SeenKeys
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.plan_items import ChunkLimits, ChunkSpec
from jobferry.csvfile.planner import plan
from jobferry.csvfile.reader import read_blocks
from jobferry.domain.outcome import RejectedRow
from jobferry.domain.profile import Column, ColumnType, Profile

DEFAULT_SIZES = (100_000, 1_000_000)
LARGE = 10_000_000
KEYS = ("sequential", "random")
TARGET_ROWS_PER_SECOND = 200_000
TARGET_PEAK_MB = 256

PROFILE = Profile(
    name="benchmark",
    connection="benchmark",
    operation="tickets.create",
    columns={
        "Ref": Column("external_id"),
        "Subject": Column("subject"),
        "Body": Column("comment.body"),
        "Requester": Column("requester.email"),
        "Priority": Column("priority", enum=("low", "normal", "high", "urgent")),
        "Tags": Column("tags", type=ColumnType.LIST, separator="|"),
        "Due": Column("due_at", type=ColumnType.DATETIME, optional=True),
    },
    row_key="Ref",
)
LIMITS = ChunkLimits(max_records=100, max_bytes=1024 * 1024, body_overhead=14)


def write_sample(path: Path, rows: int, keys: str) -> None:
    """A file of `rows` rows, the same every time."""
    source = random.Random(1)
    priorities = ("low", "normal", "high", "urgent")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(PROFILE.columns or ())
        for number in range(rows):
            writer.writerow(
                (
                    f"REF-{number:08}" if keys == "sequential" else source.randbytes(16).hex(),
                    f"Printer {number % 997} does not print",
                    "Hello,\nit smokes" if number % 20 == 0 else "Paper jam, tray 2",
                    f"someone{number % 9973}@example.com",
                    priorities[number % 4],
                    "printer|hardware",
                    "2026-03-31T09:30:00Z" if number % 2 else "",
                )
            )


def measure_file(path: Path, keys: str) -> dict[str, Any]:
    """Plan the file once."""
    started, started_cpu = time.perf_counter(), time.process_time()
    chunks = rejects = rows = 0
    with path.open("rb") as file, tempfile.TemporaryDirectory() as folder:
        dialect = detect(file.read(SAMPLE_BYTES), whole=path.stat().st_size <= SAMPLE_BYTES)
        file.seek(dialect.data_offset)
        mapping = compile_mapping(PROFILE, dialect.header)
        with SeenKeys(Path(folder) / "seen.keys") as seen:
            source = read_blocks(file, dialect, offset=dialect.data_offset, row=0)
            for item in plan(source, mapping, LIMITS, seen):
                if isinstance(item, RejectedRow):
                    rejects += 1
                    continue
                chunks += isinstance(item, ChunkSpec)
                rows = item.end_row
            seen.save(rows)
    seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
    peak = peak_mb()
    per_core = round(rows / cpu)
    reader_cpu = _csv_reader_seconds(path)
    return {
        "rows": rows,
        "keys": keys,
        "bytes": path.stat().st_size,
        "chunks": chunks,
        "rejects": rejects,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "rows_per_second": round(rows / seconds),
        "rows_per_cpu_second": per_core,
        "csv_reader_rows_per_cpu_second": round(rows / reader_cpu),
        "times_csv_reader": round(cpu / reader_cpu, 2),
        "peak_rss_mb": peak,
        "held": per_core >= TARGET_ROWS_PER_SECOND and peak <= TARGET_PEAK_MB,
    }


def _csv_reader_seconds(path: Path) -> float:
    """CPU seconds of Python's own reader over the same file, which does nothing with its rows."""
    started = time.process_time()
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.reader(file):
            pass
    return time.process_time() - started


def measure(sizes: Sequence[int] = DEFAULT_SIZES, keys: Sequence[str] = KEYS) -> dict[str, Any]:
    """Plan a file of each size with each kind of row keys; a JSON document."""
    results = []
    for kind in keys:
        for rows in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "sample.csv"
                write_sample(path, rows, kind)
                command = (__file__, "--measure", str(path), "--keys", kind)
                run = subprocess.run(
                    (sys.executable, *command), check=True, stdout=subprocess.PIPE, text=True
                )
            results.append(json.loads(run.stdout))
    return {
        "targets": {
            "rows_per_cpu_second": TARGET_ROWS_PER_SECOND,
            "peak_rss_mb": TARGET_PEAK_MB,
        },
        "held": all(result["held"] for result in results),
        "results": results,
    }


def table(results: Sequence[dict[str, Any]]) -> Table:
    """The results as people read them."""
    shown = Table(title="Planning", title_justify="left")
    for column in (
        "row keys",
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
        shown.add_column(column, justify="left" if column == "row keys" else "right")
    for result in results:
        shown.add_row(
            result["keys"],
            f"{result['rows']:,}",
            f"{result['bytes'] / result['rows']:.0f}",
            f"{result['seconds']:.2f}",
            f"{result['cpu_seconds']:.2f}",
            f"{result['rows_per_second']:,}",
            f"{result['rows_per_cpu_second']:,}",
            f"{result['times_csv_reader']:.2f}",
            f"{result['peak_rss_mb']:.0f}",
            "yes" if result["held"] else "no",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of planning.")
    parser.add_argument("rows", nargs="*", type=int, default=DEFAULT_SIZES)
    parser.add_argument("--large", action="store_true", help=f"also {LARGE:,} rows")
    parser.add_argument("--keys", choices=KEYS, nargs="+", default=KEYS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure_file(arguments.measure, arguments.keys[0])))
        return 0
    sizes = [*arguments.rows, *([LARGE] if arguments.large else [])]
    results = measure(sizes, arguments.keys)
    Console(stderr=True, width=None if sys.stderr.isatty() else 120).print(
        table(results["results"])
    )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
