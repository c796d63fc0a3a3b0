"""How long a cold function takes until it is ready, beside boto3 and a DynamoDB client alone.

    python benchmarks/import_time.py [FUNCTION …] [--repeats N] [--layer DIR]
                                     [--json FILE] [--top N]

Every measurement is a fresh interpreter that imports the function's `app.py` as Lambda does, with
the environment that `template.yaml` gives it. The baseline is measured in turn with them, so that
a busy machine slows all alike; the ratio is that of medians. What boto3 imports where it finds it,
and Lambda's runtime does not have, is hidden from all of them (`HIDDEN`). CPU time is given
besides: it is what Lambda's share of a core stretches, and other work on the machine hardly moves
it, so the target is held against its ratio.

`first use` is what the first event of a Zendesk run makes on top, but for the client that reads
secrets: what a function leaves until it is needed.
`--layer` measures a built layer (`.aws-sam/build/JobferryLayer/python`) as it would be deployed:
nothing is written beside it, so a layer without bytecode is compiled anew every time.
No request is sent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
LAYER = ROOT / "layers" / "jobferry"
FUNCTIONS = ROOT / "functions"

TARGET_RATIO = 1.25
HOT = ("submit_jobs", "poll_jobs", "settle_job")
"""The functions of a lane's iteration; the target is theirs."""

HIDDEN = ("awscrt", "OpenSSL", "cryptography")
"""Modules of the development environment that neither the layer nor Lambda's runtime has, which
brings boto3, botocore, s3transfer, jmespath, urllib3, dateutil and six. boto3 imports them where
it finds them, which makes a baseline that no function has.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html"""

_HIDING = f"sys.modules.update(dict.fromkeys({HIDDEN!r}))"

BASELINE = "import boto3; boto3.client('dynamodb')"

_S3 = "app.deps.objects._client()"
_VENDOR = "from jobferry.vendors.registry import BUILT_IN; BUILT_IN.named('zendesk_support')"
_HTTP = "import jobferry.vendors.http.client, aws_lambda_powertools.utilities.parameters"
_CSV = "import jobferry.csvfile.records, jobferry.binding.column_binding"
FIRST_USE: Mapping[str, Sequence[str]] = {
    "submit_jobs": (_VENDOR, _S3, _CSV, _HTTP),
    "poll_jobs": (_VENDOR, _S3, _CSV, _HTTP),
    "settle_job": (_VENDOR, _S3),
}

# Runs in the fresh interpreter: {ready} and {later} are what is measured.
_PROBE = """
import sys, time
{hiding}
def clocks():
    return time.perf_counter(), time.process_time()
before = clocks()
{ready}
ready, modules = clocks(), len(sys.modules)
{later}
used = clocks()
import json
print(json.dumps(dict(
    ready=ready[0] - before[0], cpu=ready[1] - before[1], first_use=used[0] - ready[0],
    first_use_cpu=used[1] - ready[1], modules=modules)))
"""

_MARK = "== the function itself =="


def measure(
    functions: Sequence[str] = HOT, repeats: int = 15, layer: Path = LAYER
) -> dict[str, Any]:
    """Time these functions.

    Returns:
        `baseline` and, under `functions`, per name: medians of seconds until ready (`ready`) and of
        CPU seconds (`cpu`), the same of the first use (`first_use`, `first_use_cpu`), the modules
        imported, the ratios to the baseline (`ratio`, `cpu_ratio`), the function's memory as
        deployed (`memory_mb`), and whether the target is `held` (None: it has none).
    """
    template = read_template()
    probes = {"": _probe(BASELINE)} | {
        name: _probe("import app", FIRST_USE.get(name, ())) for name in functions
    }
    environments = {name: environment(template, name, layer) for name in probes}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in probes}
    for turn in range(repeats + 1):
        for name, probe in probes.items():
            result = json.loads(_python(["-c", probe], environments[name]).stdout)
            if turn:  # the first one warms the disk
                seen[name].append(result)
    medians = {
        name: {key: statistics.median(each[key] for each in results) for key in results[0]}
        for name, results in seen.items()
    }
    baseline = medians.pop("")
    return {
        "python": sys.version.split()[0],
        "repeats": repeats,
        "layer": str(layer),
        "target_ratio": TARGET_RATIO,
        "baseline": baseline,
        "functions": {
            name: _judged(name, found, baseline) | {"memory_mb": _memory(template, name)}
            for name, found in medians.items()
        },
    }


def _judged(
    name: str, found: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float | bool | None]:
    cpu_ratio = found["cpu"] / baseline["cpu"]
    return {
        **found,
        "ratio": found["ready"] / baseline["ready"],
        "cpu_ratio": cpu_ratio,
        "held": cpu_ratio <= TARGET_RATIO if name in HOT else None,
    }


def heaviest(function: str, layer: Path = LAYER, top: int = 20) -> list[tuple[str, float, float]]:
    """The modules that a function imports beyond the baseline, dearest first.

    Returns:
        (module, milliseconds of its own, milliseconds with what it imports).
    """
    code = f"import sys; {_HIDING}\n{BASELINE}\nprint({_MARK!r}, file=sys.stderr)\nimport app"
    variables = environment(read_template(), function, layer)
    report = _python(["-X", "importtime", "-c", code], variables).stderr.partition(_MARK)[2]
    found = re.findall(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", report, re.MULTILINE)
    lines = [(name, int(own) / 1000, int(whole) / 1000) for own, whole, name in found]
    return sorted(lines, key=lambda line: -line[1])[:top]


def _probe(ready: str, later: Sequence[str] = ()) -> str:
    return _PROBE.format(hiding=_HIDING, ready=ready, later="\n".join(later))


def _python(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the function cannot be imported:\n{done.stderr}")
    return done


def read_template() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    return parsed


def _properties(template: Mapping[str, Any], function: str) -> dict[str, Any]:
    """A function's properties, found by its folder."""
    for resource in template["Resources"].values():
        properties: dict[str, Any] = resource.get("Properties", {})
        if properties.get("CodeUri") == f"functions/{function}":
            return properties
    raise LookupError(f"template.yaml has no function {function}")


def _memory(template: Mapping[str, Any], function: str) -> int:
    standard = template["Globals"]["Function"]["MemorySize"]
    return int(_properties(template, function).get("MemorySize", standard))


def environment(template: Mapping[str, Any], function: str, layer: Path) -> dict[str, str]:
    """The environment of a function, or of the baseline (""), without the machine's AWS settings.

    References become the defaults of parameters, or the names of resources.
    """
    plain = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if not function:
        return plain
    variables = {
        **template["Globals"]["Function"]["Environment"]["Variables"],
        **_properties(template, function).get("Environment", {}).get("Variables", {}),
    }
    parameters = template["Parameters"]
    plain |= {name: _plain(value, parameters) for name, value in variables.items()}
    plain["PYTHONPATH"] = os.pathsep.join((str(FUNCTIONS / function), str(layer)))
    if layer != LAYER:
        plain["PYTHONDONTWRITEBYTECODE"] = "1"
    return plain


def _plain(value: Any, parameters: Mapping[str, Any]) -> str:
    """A reference's default or name; of a condition, what it comes to where it does not hold."""
    while isinstance(value, dict | list):
        value = next(iter(value.values())) if isinstance(value, dict) else value[-1]
    return str(parameters.get(value, {}).get("Default", value))


def _figures(results: Mapping[str, Any]) -> Table:
    table = Table(title=f"Ready after a cold start (median of {results['repeats']})")
    for heading in ("function", "ready ms", "ratio", "CPU ratio", "modules", "first use ms", "MB"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    baseline = results["baseline"]
    table.add_row(
        "boto3 + DynamoDB client",
        f"{baseline['ready'] * 1000:.0f}",
        "1.00",
        "1.00",
        f"{baseline['modules']:.0f}",
        "",
        "",
    )
    for name, found in results["functions"].items():
        colour = {True: "green", False: "red", None: "default"}[found["held"]]
        table.add_row(
            name,
            f"{found['ready'] * 1000:.0f}",
            f"[{colour}]{found['ratio']:.2f}[/]",
            f"{found['cpu_ratio']:.2f}",
            f"{found['modules']:.0f}",
            f"{found['first_use'] * 1000:.0f}" if name in FIRST_USE else "",
            f"{found['memory_mb']}",
        )
    return table


def _dearest(function: str, layer: Path, top: int) -> Table:
    table = Table(title=f"{function}: dearest imports beyond the baseline")
    for heading in ("module", "own ms", "with imports ms"):
        table.add_column(heading, justify="left" if heading == "module" else "right")
    for module, own, whole in heaviest(function, layer, top):
        table.add_row(module, f"{own:.1f}", f"{whole:.1f}")
    return table


def main() -> int:
    names = sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py"))
    parser = argparse.ArgumentParser(description="Time until a cold function is ready.")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--layer", type=Path, default=LAYER, help="folder of a built layer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--top", type=int, metavar="N", help="also list the N dearest imports")
    arguments = parser.parse_args()
    functions = arguments.functions or names
    if unknown := set(functions) - set(names):
        parser.error(f"no such function: {', '.join(sorted(unknown))}")
    results = measure(functions, arguments.repeats, arguments.layer.resolve())
    console = Console(stderr=True)
    console.print(_figures(results))
    if arguments.top:
        for name in functions:
            console.print(_dearest(name, arguments.layer.resolve(), arguments.top))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
