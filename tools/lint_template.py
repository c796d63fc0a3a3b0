"""Holds the template against cfn-lint and checkov, without AWS and without a network.

    python tools/lint_template.py [--template template.yaml] [--checkov CHECKOV]

cfn-lint reads the template as it is written, and as CloudFormation gets it, in regions of all three
partitions. checkov reads what CloudFormation gets. What it should not complain of says so beside
its resource, with the reason, in the shape that checkov itself reads:

    Metadata:
      checkov: {skip: [{id: CKV_AWS_116, comment: Step Functions calls it and sees its errors.}]}

An exception for a resource holds for what SAM makes of it, too (its role, say). One without a
reason is refused, and so is one that checkov does not complain of.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.api import lint  # type: ignore[import-untyped]
from samtranslator.translator.arn_generator import (  # type: ignore[import-untyped]
    ArnGenerator,
)
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

TEMPLATE = Path("template.yaml")
# A partition's first region, for which the template is translated, and regions of it.
REGIONS = {
    "us-east-1": ["us-east-1", "eu-central-1"],
    "us-gov-west-1": ["us-gov-west-1"],
    "cn-north-1": ["cn-north-1"],
}
LOCAL_PATHS = ("CodeUri", "ContentUri", "DefinitionUri")
SHORTEST_REASON = 15


class GateError(Exception):
    """A tool did not work; the message is its own."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A check that a resource of the template fails.

    Attributes:
        resource: logical id.
        check: checkov's id, `CKV_AWS_18`.
        text: what checkov wants.
    """

    resource: str
    check: str
    text: str


class ManagedPolicies:
    """Stands in for the list that SAM asks IAM for: only what tracing and logging attach."""

    def load(self) -> dict[str, str]:
        names = ("service-role/AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess")
        return {name.rpartition("/")[2]: f"arn:aws:iam::aws:policy/{name}" for name in names}


def parse(text: str) -> dict[str, Any]:
    """A template with every intrinsic function in its long form."""
    parsed: dict[str, Any] = yaml_parse(text)
    return parsed


@contextmanager
def in_region(region: str) -> Iterator[None]:
    """Let SAM's translator run in a region; left alone, it remembers its first one for good."""
    environment = os.environ.get("AWS_DEFAULT_REGION")
    remembered = ArnGenerator.BOTO_SESSION_REGION_NAME
    os.environ["AWS_DEFAULT_REGION"] = region
    ArnGenerator.BOTO_SESSION_REGION_NAME = region
    try:
        yield
    finally:
        ArnGenerator.BOTO_SESSION_REGION_NAME = remembered
        if environment is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = environment


def translate(source: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The template as CloudFormation gets it in a region: translated by SAM's own translator."""
    body = copy.deepcopy(dict(source))
    for resource in body["Resources"].values():
        for key in LOCAL_PATHS:
            if isinstance(resource.get("Properties", {}).get(key), str):
                # `sam package` would have put the files there.
                resource["Properties"][key] = "s3://packaged/artifact"
    with in_region(region):
        translated: dict[str, Any] = transform(body, {}, ManagedPolicies())
    return translated


def translations(source: Mapping[str, Any]) -> dict[str, list[str]]:
    """The template as CloudFormation gets it → the regions in which it does."""
    found: dict[str, list[str]] = {}
    for first, regions in REGIONS.items():
        found.setdefault(json.dumps(translate(source, first), indent=1), []).extend(regions)
    return found


def problems_of_cfn_lint(text: str, title: str, regions: list[str]) -> list[str]:
    """Errors and warnings of cfn-lint, one line each."""
    return [
        f"{title}:{match.linenumber} {match.rule.id} {match.message}"
        for match in lint(text, regions=regions)
    ]


def exceptions_of(source: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(resource, check) → the reason that stands beside the resource."""
    return {
        (name, skip["id"]): skip.get("comment", "")
        for name, resource in source["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }


def without_exceptions(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as checkov shall read it, so that it tells of all it would complain of."""
    body = copy.deepcopy(dict(template))
    for resource in body["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    return body


def owner_of(resource: str, written: Iterable[str]) -> str:
    """The resource of the source that SAM made this one of; itself when it is written there."""
    owners = [name for name in written if resource.startswith(name)]
    return max(owners, key=len, default=resource)


def judge(
    findings: Iterable[Finding], exceptions: Mapping[tuple[str, str], str], written: Iterable[str]
) -> list[str]:
    """What is left of the findings, and exceptions that are no longer any; one line each."""
    names = list(written)
    problems = []
    used = set()
    for finding in sorted(findings):
        for name in (finding.resource, owner_of(finding.resource, names)):
            if (name, finding.check) in exceptions:
                used.add((name, finding.check))
                break
        else:
            problems.append(f"{finding.resource} {finding.check} {finding.text}")
    for (name, check), reason in sorted(exceptions.items()):
        if (name, check) not in used:
            problems.append(f"{name} {check} is excepted, and checkov does not complain of it.")
        elif len(reason) < SHORTEST_REASON:
            problems.append(f"{name} {check} is excepted without a reason.")
    return problems


def findings_of(report: Mapping[str, Any]) -> list[Finding]:
    """The failed checks of checkov's JSON.

    Raises:
        GateError: checkov could not read the template, or looked at nothing.
    """
    summary = report.get("summary", report)
    if summary.get("parsing_errors") or not summary.get("passed"):
        raise GateError(f"checkov did not read the template: {summary}")
    return [
        Finding(item["resource"].rpartition(".")[2], item["check_id"], item["check_name"])
        for item in report["results"]["failed_checks"]
    ]


def run_checkov(checkov: Path, template: Mapping[str, Any]) -> list[Finding]:
    """What checkov complains of; it downloads nothing and tells nobody.

    Raises:
        GateError: it did not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(template), encoding="utf-8")
        command = [str(checkov), "--file", str(path), "--framework", "cloudformation"]
        done = subprocess.run(
            [*command, "--skip-download", "--quiet", "--compact", "--output", "json"],
            check=False,
            capture_output=True,
            text=True,
        )
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise GateError(f"checkov said nothing useful: {done.stderr.strip()[-500:]}") from error
    return findings_of(report)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="cfn-lint and checkov on the template.")
    parser.add_argument("--template", type=Path, default=TEMPLATE)
    parser.add_argument("--checkov", type=Path, help="the command; without it cfn-lint alone")
    given = parser.parse_args(arguments)
    text = given.template.read_text(encoding="utf-8")
    source = parse(text)
    everywhere = [region for regions in REGIONS.values() for region in regions]
    problems = problems_of_cfn_lint(text, given.template.name, everywhere)
    for translated, regions in translations(source).items():
        problems += problems_of_cfn_lint(translated, f"translated for {regions[0]}", regions)
    if given.checkov is not None:
        body = without_exceptions(translate(source, next(iter(REGIONS))))
        try:
            findings = run_checkov(given.checkov, body)
            problems += judge(findings, exceptions_of(source), source["Resources"])
        except GateError as error:
            problems.append(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
