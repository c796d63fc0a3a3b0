"""`make demo`: a sample CSV through the whole system, on this machine and nothing else.

Builds and deploys the real template onto the embedded emulator, shows the plan of one of
`examples/`, drops it into the inbox bucket as anybody would, follows the run that this starts,
mends the rows that came back and sends those. What it starts, it stops, but for `--keep`.

    python -m tools.demo --out build/demo --vendor zendesk_support
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from jobferry.domain.run_request import RunRequest
from jobferry.reporting.formatting import counted, duration
from jobferry.steps.open_run import run_id_of
from jobferry_cli.app import App
from jobferry_cli.following import follow
from jobferry_cli.local.processes import LocalError, start
from jobferry_cli.local.state import FOLDER, HOME_VARIABLE, load_state
from jobferry_cli.main import cli
from tools.demo_mending import Mended, mend
from tools.demo_samples import ROOT, SAMPLES, Sample
from tools.demo_words import COMMAND, arrived, cost_lines, mend_lines, outcome_lines

MILLION = 1_000_000
QUIET_SECONDS = 4.0
"""After so long without a word, it is said that something is going on."""
PAGE_SECONDS = 15.0
PAGE = "dashboard"


@dataclass
class Stage:
    """The stack that the demo plays on, by the command's own code.

    Attributes:
        upload: puts a file at a key of the inbox bucket; returns the bucket and the version
        records: how many the vendor holds of what the sample makes; None: nobody counts
    """

    app: App
    upload: Callable[[Path, str], tuple[str, str]]
    records: Callable[[], int | None] = lambda: None
    began: float = field(default_factory=time.monotonic)

    def type(self, *words: object) -> None:
        """Show a command and what it prints.

        Raises:
            SystemExit: it fails.
        """
        _say("", f"$ {shlex.join([COMMAND, *map(str, words)])}")
        asides = io.StringIO()
        with redirect_stderr(asides):
            code = self._run(words)
        if code != 0:
            raise SystemExit(asides.getvalue())

    def ask(self, *words: object) -> dict[str, Any]:
        """The JSON document that a command prints; nothing is shown.

        Raises:
            SystemExit: it fails.
        """
        text = io.StringIO()
        with redirect_stdout(text):
            code = self._run([*words, "--json"])
        if code != 0:
            raise SystemExit(code)
        document: dict[str, Any] = json.loads(text.getvalue().splitlines()[0])
        return document

    def _run(self, words: Sequence[object]) -> int:
        app = App(connect=lambda _: self.app.stack, sleep=self.app.sleep)
        try:
            cli.main([str(word) for word in words], prog_name="jobferry", obj=app)
        except SystemExit as end:
            return int(end.code or 0)
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A sample CSV through the whole system.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--vendor", choices=SAMPLES, default="zendesk_support")
    parser.add_argument("--keep", action="store_true", help="leave the stack and its page up")
    arguments = parser.parse_args()
    out: Path = arguments.out.absolute()
    os.chdir(ROOT)
    sample = SAMPLES[arguments.vendor]
    for left in ("results", "mended"):
        shutil.rmtree(out / left, ignore_errors=True)
    (out / "mended.csv").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    # Unless it is to stay, the demo keeps out of the way of a stack that somebody works with.
    if not arguments.keep:
        os.environ[HOME_VARIABLE] = str(out / "stack")
    home = Path(os.environ.get(HOME_VARIABLE, ROOT / FOLDER)).absolute()
    _say(
        f"A CSV of {counted(len(_rows_of(sample.csv)), 'row')} goes through the whole system, on "
        "this machine and nothing else. It takes about a minute.",
        "What stands behind `$` is what you would type.",
    )
    began = time.monotonic()
    with _stack_up(keep=arguments.keep):
        stage = _stage(home, sample, began)
        ended = play(stage, sample, out)
        if arguments.keep and ended == 0:
            _keep(home)
    if not arguments.keep:
        _say(
            "", "The stack is stopped and gone. To play with one, in this folder:", *_again(sample)
        )
    return ended


def play(stage: Stage, sample: Sample, out: Path) -> int:
    """Plan, run, mend, run again; returns the exit code.

    Leaves `summary.json`, `report.html`, `results/`, `mended.csv` and `mended/` in `out`.
    """
    _title("The plan: what would be sent, and what not")
    stage.type("plan", _shown(sample.csv), "--profile", sample.profile)
    _title("The run: the file is dropped into the inbox bucket, and that starts it")
    first = _sent(stage, sample.csv, sample.profile)
    adds_up = first["closed_at"] is not None and first["rows"] == sum(first["outcomes"].values())
    _say("", *outcome_lines(first, adds_up=adds_up))
    run_id = first["run_id"]
    for status in ("failed", "rejected"):
        if first["outcomes"][status]:
            stage.type("rows", run_id, "--status", status, "--limit", 2)
    stage.ask("results", run_id, "--out", out / "results")
    shutil.move(out / "results" / "report.html", out / "report.html")

    _title("Mending: a person would do it in a spreadsheet")
    mended = _mend(out, sample)
    _say(*mend_lines(mended))
    second = _second_run(stage, sample, out, mended)
    (out / "summary.json").write_text(json.dumps({**first, "mended": second}, indent=2) + "\n")
    there, words = arrived(first, second, mended.there, stage.records(), sample.record)
    _say("", words)

    _title("What there is to look at")
    _say(
        f"Report   {(out / 'report.html').as_uri()}",
        f"Results  {(out / 'results').as_uri()}",
        f"Summary  {(out / 'summary.json').as_uri()}",
        "",
        *cost_lines(*_million(stage, sample)),
        "",
        f"All of it took {duration(round(time.monotonic() - stage.began))}.",
    )
    return 0 if adds_up and there else 1


def _sent(stage: Stage, file: Path, profile: str) -> dict[str, Any]:
    """Drop a file into the inbox and follow its run; returns the last status document."""
    key = f"inbox/{profile}/{file.name}"
    bucket, version = stage.upload(file, key)
    _say("", f"$ aws s3 cp {shlex.quote(_shown(file))} s3://{bucket}/{key}")
    run_id = run_id_of(RunRequest(profile, bucket, key), version)
    return follow(stage.app, run_id, started=True)


def _second_run(stage: Stage, sample: Sample, out: Path, mended: Mended) -> dict[str, Any] | None:
    """Send the mended rows; returns the status document of their run."""
    if not mended.rows:
        return None
    file = out / "mended.csv"
    _say("", f"They go once more, as {_shown(file)}:")
    second = _sent(stage, file, sample.profile)
    for status in ("failed", "rejected", "skipped", "unknown"):
        if second["outcomes"][status]:
            stage.type("rows", second["run_id"], "--status", status)
    stage.ask("results", second["run_id"], "--out", out / "mended")
    return second


def _mend(out: Path, sample: Sample) -> Mended:
    """Mend what came back, and write it into `mended.csv`."""
    files = [out / "results" / f"{name}.csv" for name in ("failed", "rejected", "skipped")]
    mended = mend([row for file in files for row in _rows_of(file)], sample.cells, sample.needed)
    if mended.rows:
        with (out / "mended.csv").open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(mended.rows[0]))
            writer.writeheader()
            writer.writerows(mended.rows)
    return mended


def _million(stage: Stage, sample: Sample) -> tuple[dict[str, Any], list[str]]:
    """What `jobferry cost` says of a million rows, and the command that asks for it."""
    text = io.StringIO()
    with redirect_stdout(text):
        stage._run(["operations", sample.csv.parent.name, "--json"])
    operations = [json.loads(line) for line in text.getvalue().splitlines()]
    (found,) = (each for each in operations if each["operation"] == sample.operation)
    words = [
        "cost",
        *("--rows", str(MILLION), "--rows-per-job", str(found["max_records"])),
        *("--max-jobs", str(found["max_jobs"]), *sample.limits),
    ]
    return stage.ask(*words), words


@contextmanager
def _stack_up(*, keep: bool) -> Iterator[None]:
    """A local stack; stopped at the end, unless it is to be kept and all went well."""
    _title(
        "A stack: the real template on an embedded emulator of AWS, a simulated vendor beside it"
    )
    up = subprocess.Popen(
        [_command(), "local", "up", "--port", "0", "--simulator-port", "0", "--json"],
        stdout=subprocess.DEVNULL,
    )
    if _waited(up) != 0:
        raise SystemExit("The stack could not be started.")
    kept = False
    try:
        yield
        kept = keep
    finally:
        if not kept:
            down = [_command(), "local", "down", "--json"]
            subprocess.run(down, stdout=subprocess.DEVNULL, check=False)


def _waited(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process, with a sign of life now and then; returns its exit code."""
    began = time.monotonic()
    while True:
        try:
            return process.wait(QUIET_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"  … {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        except BaseException:
            process.wait()
            raise


def _stage(home: Path, sample: Sample, began: float) -> Stage:
    """The stage that the stack below `home` makes."""
    state = load_state(home)
    if state is None:
        raise SystemExit(f"There is no stack in {home}.")
    app = App()
    inbox = app.stack.inbox

    def upload(file: Path, key: str) -> tuple[str, str]:
        answer = inbox.client.put_object(Bucket=inbox.bucket, Key=key, Body=file.read_bytes())
        return inbox.bucket, answer["VersionId"]

    def records() -> int:
        with urllib.request.urlopen(f"{state.simulator_url}/_sim/effects?limit=1") as answer:
            counts: dict[str, int] = json.load(answer)["counts"][sample.record]
        return counts["created"]

    return Stage(app, upload, records, began)


def _keep(home: Path) -> None:
    """Say what is left running, and how to stop it; start the page, where the command has one."""
    url = _page(home) if PAGE in cli.list_commands(click.Context(cli)) else None
    _say(
        "",
        "The stack is up" + (f", and its page, for one browser: {url}" if url else "."),
        f"Its runs:             {COMMAND} runs",
        f"Stop all of it with:  {COMMAND} local down",
    )


def _page(home: Path) -> str | None:
    """Start the page in the background, as one of the stack's processes; returns its address."""
    log = home / "page.log"
    state = load_state(home)
    if state is None:
        return None
    state.processes[PAGE] = start([_command(), PAGE, "--no-open", "--json"], log, {})
    state.save(home)
    deadline = time.monotonic() + PAGE_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_text(encoding="utf-8").splitlines():
            if line.startswith('{"url"'):
                return str(json.loads(line)["url"])
        time.sleep(0.2)
    return None


def _again(sample: Sample) -> list[str]:
    """Commands that work in a fresh shell, in the project's folder."""
    file = shlex.quote(_shown(sample.csv))
    return [
        f"  {COMMAND} local up",
        f"  {COMMAND} run {file} --profile {sample.profile} --wait",
        f"  {COMMAND} local down",
    ]


def _rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as text:
        return [
            {name: cell or "" for name, cell in row.items() if name is not None}
            for row in csv.DictReader(text)
        ]


def _shown(path: Path) -> str:
    """A path as it is typed from the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _title(text: str) -> None:
    _say("", f"── {text}")


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def _command() -> str:
    return str(Path(sys.executable).parent / "jobferry")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocalError as error:
        sys.exit(str(error))
