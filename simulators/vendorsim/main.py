"""The command `vendorsim`."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from vendorsim.server import serve
from vendorsim.settings import Scenario, load_scenario
from vendorsim.simulator import Simulator


@click.group()
def main() -> None:
    """The vendors' bulk-job APIs on loopback, for tests and for trying things out."""


@main.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8900,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--scenario",
    "scenario_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON: settings, faults, records that are there already.",
)
@click.option("--seed", type=int, help="Decides every id and every choice.")
@click.option("--latency", help="Seconds per job, or a range such as 1-3.")
def serve_command(
    port: int, scenario_file: Path | None, seed: int | None, latency: str | None
) -> None:
    """Serve until interrupted."""
    given = {"seed": seed, "latency": latency}
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        scenario = load_scenario(scenario_file) if scenario_file else Scenario()
        settings = scenario.settings.changed(changes)
    except (ValueError, yaml.YAMLError) as error:
        raise click.UsageError(str(error)) from error
    simulator = Simulator(scenario.model_copy(update={"settings": settings}))
    try:
        serve(simulator, port, lambda url: click.echo(f"vendorsim ready on {url}"))
    except OSError as error:
        message = f"cannot listen on port {port}: {error.strerror}"
        raise click.ClickException(message) from error
