"""`make demo`: a sample CSV through the whole system, on this machine and nothing else.

Builds and deploys the real template onto the embedded emulator, drops one of `examples/` into
the inbox bucket as anybody would, follows the run that the upload starts, and keeps its
results. What it starts, it stops.

    python tools/demo.py --out build/demo --vendor zendesk_support
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from jobferry.domain.run_request import RunRequest
from jobferry.steps.open_run import run_id_of

ROOT = Path(__file__).parent.parent
# Vendor → example, and the name of its profile.
SAMPLES = {
    "zendesk_support": ("tickets.create", "new-tickets"),
    "zendesk_sunshine": ("resources.external_id_set", "sunshine-products"),
    "vidispine": ("jobs.create.import", "vidispine-imports"),
}
OPEN_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description="A sample CSV through the whole system.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--vendor", choices=SAMPLES, default="zendesk_support")
    arguments = parser.parse_args()
    out: Path = arguments.out.absolute()
    example, profile = SAMPLES[arguments.vendor]
    sample = ROOT / "examples" / arguments.vendor / f"{example}.csv"
    shutil.rmtree(out / "results", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    # The demo keeps out of the way of a stack that somebody works with.
    os.environ["JOBFERRY_HOME"] = str(out / "stack")
    began = time.monotonic()
    up = _jobferry("local", "up", "--port", "0", "--simulator-port", "0", "--json")
    try:
        return _follow(json.loads(up.stdout), sample, profile, out, began)
    finally:
        _jobferry("local", "down", "--json")


def _follow(stack: dict[str, Any], sample: Path, profile: str, out: Path, began: float) -> int:
    """Upload the sample, follow its run, keep what came out; returns the exit code."""
    run_id = _upload(stack, sample, profile)
    print(f"Uploaded {sample.name}; its run is {run_id}.", file=sys.stderr)
    _wait_for_event(run_id)
    watched = subprocess.run(
        [_command(), "watch", run_id, "--json"], stdout=subprocess.PIPE, check=False
    )
    if watched.returncode not in (0, 3, 4):
        print("The run could not be followed to its end.", file=sys.stderr)
        return watched.returncode
    summary = json.loads(watched.stdout)
    _jobferry("results", run_id, "--out", str(out / "results"))
    shutil.move(out / "results" / "report.html", out / "report.html")
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    adds_up = summary["closed_at"] is not None and summary["rows"] == sum(
        summary["outcomes"].values()
    )
    _print_summary(summary, out, time.monotonic() - began, adds_up=adds_up)
    return 0 if adds_up else 1


def _wait_for_event(run_id: str) -> None:
    """Wait until the upload's event has started the run."""
    deadline = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < deadline:
        known = subprocess.run(
            [_command(), "status", run_id, "--json"], capture_output=True, check=False
        )
        if known.returncode == 0:
            return
        time.sleep(0.5)
    raise SystemExit(f"The upload started no run within {OPEN_SECONDS:.0f} s.")


def _upload(stack: dict[str, Any], sample: Path, profile: str) -> str:
    """Drop the sample into the inbox; returns the run id that this version of it will have."""
    session = boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=stack["region"]
    )
    endpoint = stack["endpoint_url"]
    stacks = session.client("cloudformation", endpoint_url=endpoint).describe_stacks(
        StackName=stack["stack"]
    )
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks["Stacks"][0]["Outputs"]}
    bucket, key = outputs["InboxBucketName"], f"inbox/{profile}/{sample.name}"
    answer = session.client("s3", endpoint_url=endpoint).put_object(
        Bucket=bucket, Key=key, Body=sample.read_bytes()
    )
    return run_id_of(RunRequest(profile, bucket, key), answer["VersionId"])


def _print_summary(summary: dict[str, Any], out: Path, seconds: float, *, adds_up: bool) -> None:
    outcomes = summary["outcomes"]
    print(f"\n{summary['rows']} rows, {summary['status']} in {summary['seconds']} s:")
    for status, count in outcomes.items():
        print(f"  {status:<10} {count:>6}")
    print(
        f"  {'sum':<10} {sum(outcomes.values()):>6}   {'adds up' if adds_up else 'DOES NOT ADD UP'}"
    )
    print(f"\nResults  {out / 'results'}\nReport   {out / 'report.html'}")
    print(f"Summary  {out / 'summary.json'}\nAll of it took {seconds:.0f} s.")


def _command() -> str:
    return str(Path(sys.executable).parent / "jobferry")


def _jobferry(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([_command(), *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"`jobferry {' '.join(arguments)}` failed with {done.returncode}.")
    return done


if __name__ == "__main__":
    sys.exit(main())
