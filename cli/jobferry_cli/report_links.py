"""Addresses of reports that open without an AWS account, for whoever may read what they are signed
with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobferry.domain.commands import command
from jobferry.domain.run import Run
from jobferry.domain.timestamps import timestamp
from jobferry.operator.report_link import Link, LinkKey, make_link
from jobferry.reporting.result_files import result_key
from jobferry.store.objects import ObjectMissingError
from jobferry_cli.errors import CommandError
from jobferry_cli.output import note, put_json, put_text

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from jobferry.deps import Deps


@dataclass(frozen=True)
class ReportLinks:
    """What a stack makes addresses of reports from.

    Attributes:
        base: of the function that shows reports
        secret: ARN of the key
        hours: for which an address holds
    """

    client: SecretsManagerClient
    base: str
    secret: str
    hours: int

    def of(self, run_id: str, now: float) -> Link:
        """An address of a run's report."""
        key = LinkKey(self._read, lambda: now)
        return make_link(self.base, key(), run_id, now, self.hours)

    def _read(self) -> str:
        return self.client.get_secret_value(SecretId=self.secret)["SecretString"]


def report_links(client: SecretsManagerClient, outputs: Mapping[str, str]) -> ReportLinks | None:
    """What the outputs of a stack say of its addresses; None: it gives none."""
    base, secret = outputs.get("ReportLinkUrl"), outputs.get("ReportLinkSecretArn")
    if not base or not secret:
        return None
    if outputs["AllowLoopbackHttp"] == "true":
        # An emulator answers at its own address, and not where AWS would.
        name = base.partition("://")[2].partition(".")[0]
        base = f"{client.meta.endpoint_url}/_aws/lambda-url/{name}"
    return ReportLinks(client, base, secret, int(outputs["ReportLinkHours"]))


def give_link(links: ReportLinks | None, run: Run, deps: Deps, *, as_json: bool) -> None:
    """Print an address of a run's report.

    Raises:
        CommandError: the stack gives none, or the run has no report yet.
    """
    if links is None:
        raise CommandError(
            "This stack gives no links to reports: it was deployed with ReportLinkHours=0.",
            next_command=command("report", run.run_id),
        )
    try:
        key = result_key(run.run_id, "report.html")
        deps.objects.head(deps.objects.archive_bucket, key, None)
    except ObjectMissingError:
        raise CommandError(
            f"Run {run.run_id} has no report in the archive: one is put there when a run is paused "
            "or closed.",
            next_command=command("report", run.run_id),
        ) from None
    link = links.of(run.run_id, deps.now())
    until = timestamp(link.until)
    if as_json:
        put_json({"run_id": run.run_id, "url": link.url, "until": until})
        return
    put_text(link.url)
    note(f"Until {until} whoever has this address can read the report, with the cells in it.")
