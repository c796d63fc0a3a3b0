"""How fast planning is, and how much memory it takes, whatever the size of the file.

    python benchmarks/plan_speed.py [ROWS …] [--keys sequential|random] [--json]

Each size runs in a process of its own, so that peak memory belongs to it alone. The file is
written first, as a spreadsheet would export it: 7 columns, about 120 bytes a row, one enum, one
list, one optional date, unique row keys; some cells hold a delimiter or a line break.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))

from jobferry.csvfile.dialect import SAMPLE_BYTES, detect
from jobferry.csvfile.mapping import compile_mapping
from jobferry.csvfile.planner import ChunkLimits, ChunkSpec, plan
from jobferry.csvfile.reader import read_rows
from jobferry.csvfile.seen import SeenKeys
from jobferry.model import Column, ColumnType, Profile, Reject

DEFAULT_SIZES = (100_000, 1_000_000)
TARGET_ROWS_PER_SECOND = 100_000
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


def measure(path: Path, keys: str) -> dict[str, Any]:
    """Plan the file once."""
    started = time.perf_counter()
    chunks = rejects = rows = 0
    with path.open("rb") as file, tempfile.TemporaryDirectory() as folder:
        dialect = detect(file.read(SAMPLE_BYTES), whole=path.stat().st_size <= SAMPLE_BYTES)
        file.seek(dialect.data_offset)
        mapping = compile_mapping(PROFILE, dialect.header)
        with SeenKeys(Path(folder) / "seen.sqlite") as seen:
            source = read_rows(file, dialect, offset=dialect.data_offset, row=0)
            for item in plan(source, mapping, LIMITS, seen):
                if isinstance(item, Reject):
                    rejects += 1
                    continue
                chunks += isinstance(item, ChunkSpec)
                rows = item.end_row
            seen.save(rows)
    seconds = time.perf_counter() - started
    # The kernel counts in kilobytes on Linux and in bytes on macOS.
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return {
        "rows": rows,
        "keys": keys,
        "bytes": path.stat().st_size,
        "chunks": chunks,
        "rejects": rejects,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed and memory of planning.")
    parser.add_argument("rows", nargs="*", type=int, default=DEFAULT_SIZES)
    parser.add_argument("--keys", choices=("sequential", "random"), default="sequential")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.keys)))
        return 0
    results = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample.csv"
            write_sample(path, rows, arguments.keys)
            command = (__file__, "--measure", str(path), "--keys", arguments.keys)
            run = subprocess.run(
                (sys.executable, *command), check=True, capture_output=True, text=True
            )
        result = json.loads(run.stdout)
        results.append(result)
        print(
            f"{result['rows']:>12,} rows  {result['bytes'] / result['rows']:>5.0f} B/row  "
            f"{result['seconds']:>8.2f} s  {result['rows_per_second']:>9,} rows/s  "
            f"{result['peak_rss_mb']:>6.1f} MB",
            file=sys.stderr,
        )
    held = all(
        result["rows_per_second"] >= TARGET_ROWS_PER_SECOND
        and result["peak_rss_mb"] <= TARGET_PEAK_MB
        for result in results
    )
    if arguments.json:
        targets = {"rows_per_second": TARGET_ROWS_PER_SECOND, "peak_rss_mb": TARGET_PEAK_MB}
        print(json.dumps({"targets": targets, "held": held, "results": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
