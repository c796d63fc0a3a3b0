"""`jobferry cost`: what runs of some form cost, by item; needs neither a stack nor AWS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from jobferry.domain import prices
from jobferry.domain.latency import Latency
from jobferry.reporting import costs
from jobferry.reporting.costs import Load
from jobferry.reporting.forecast import Terms, expected_costs, forecast
from jobferry.reporting.formatting import counted, dollars, duration, number
from jobferry_cli.app import App, global_options, pass_app
from jobferry_cli.output import put_json, put_table, put_text

MILLION = 1_000_000
SPREAD = 0.3
"""Of the logarithm of a job's seconds: most end within a third of the mean."""
POLL_BATCH = 100
"""Jobs that one poll may read, at the least."""


def terms_for(
    job_seconds: float, max_jobs: int, per_minute: int | None, *, refuses_excess: bool
) -> Terms:
    """The conditions of an account, from what an operator knows of it.

    Args:
        job_seconds: of a job on average.
        per_minute: requests; None: no limit.
        refuses_excess: a job too many is refused at no cost.
    """
    latency = Latency(math.log(job_seconds) - SPREAD**2 / 2, SPREAD, 0)
    return Terms(max_jobs, per_minute, max(POLL_BATCH, max_jobs), latency, refuses_excess)


def cost_document(
    load: Load, terms: Terms, runs_per_month: float, connections: int
) -> dict[str, Any]:
    """What a run, a million rows and a month cost, as scripts read it (US dollars)."""
    items = expected_costs(load, terms)
    scale = MILLION / load.rows
    fixed = costs.fixed_month(connections)
    run = sum(items.values())
    of_runs = runs_per_month * run
    expected = forecast(load, terms)
    return {
        "prices": {"region": prices.REGION, "as_of": prices.AS_OF},
        "assumed": {
            **asdict(load),
            "job_seconds": round(terms.latency.mean, 3),
            "max_jobs": terms.max_jobs,
            "requests_per_minute": terms.per_minute,
            "refuses_excess": terms.estimates,
            "runs_per_month": runs_per_month,
            "connections": connections,
        },
        "run": {
            "seconds": expected.seconds,
            "requests": expected.requests,
            "items": _rounded(items),
            "together": round(run, 6),
        },
        "million_rows": {
            "items": _rounded({name: scale * amount for name, amount in items.items()}),
            "together": round(scale * run, 6),
        },
        "month": {
            "runs": round(of_runs, 6),
            "fixed": _rounded(fixed),
            "together": round(of_runs + sum(fixed.values()), 6),
        },
    }


def _rounded(amounts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(amount, 6) for name, amount in amounts.items()}


_COUNT = click.IntRange(min=1)
_MORE_THAN_NOTHING = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--rows", type=_COUNT, default=MILLION, show_default=True, help="Of a run.")
@click.option("--rows-per-job", type=_COUNT, default=100, show_default=True)
@click.option(
    "--job-seconds", type=_MORE_THAN_NOTHING, default=10.0, show_default=True, help="On average."
)
@click.option("--max-jobs", type=_COUNT, default=30, show_default=True, help="Jobs in flight.")
@click.option("--requests-per-minute", type=click.IntRange(min=2), help="None: no limit.")
@click.option(
    "--refuses-excess",
    is_flag=True,
    help="A job too many is refused at no cost (Zendesk Support): slots are filled sooner.",
)
@click.option(
    "--failed-share",
    type=click.FloatRange(0, 1),
    default=costs.FAILED_SHARE,
    show_default=True,
    help="Part of the rows that need a person.",
)
@click.option("--row-items", is_flag=True, help="As `row_items: all` of a profile.")
@click.option(
    "--row-bytes", type=_MORE_THAN_NOTHING, default=costs.ROW_BYTES, show_default=True,
    help="Of a row in the file.",
)  # fmt: skip
@click.option("--retention-days", type=_COUNT, default=costs.RETENTION_DAYS, show_default=True)
@click.option("--runs-per-month", type=click.FloatRange(min=0), default=1.0, show_default=True)
@click.option("--connections", type=click.IntRange(min=0), default=1, show_default=True)
@global_options
@pass_app
def cost(app: App, /, rows: int, rows_per_job: int, **options: Any) -> None:
    """Show what runs cost, by item, without a stack.

    For a run, for a million rows in such runs, and for a month with what is due whatever runs.
    """
    load = Load(
        rows,
        costs.rows_in_jobs(rows, rows_per_job),
        failed_share=options["failed_share"],
        every_row=options["row_items"],
        row_bytes=options["row_bytes"],
        retention_days=options["retention_days"],
    )
    terms = terms_for(
        options["job_seconds"],
        options["max_jobs"],
        options["requests_per_minute"],
        refuses_excess=options["refuses_excess"],
    )
    document = cost_document(load, terms, options["runs_per_month"], options["connections"])
    if app.as_json:
        put_json(document)
        return
    _show(document)


def _show(document: Mapping[str, Any]) -> None:
    run, million, month = document["run"], document["million_rows"], document["month"]
    runs = document["assumed"]["runs_per_month"]
    lines = [
        (item, dollars(amount), dollars(million["items"][item]), dollars(runs * amount))
        for item, amount in run["items"].items()
    ]
    together = (dollars(run["together"]), dollars(million["together"]), dollars(month["runs"]))
    lines.append(("together", *together))
    lines += [
        (f"fixed: {item}", "", "", dollars(amount)) for item, amount in month["fixed"].items()
    ]
    lines.append(("a month in all", "", "", dollars(month["together"])))
    put_table(("Item", "A run", "A million rows", "A month"), lines)
    put_text("", *_assumed(document))


def _assumed(document: Mapping[str, Any]) -> list[str]:
    given, run = document["assumed"], document["run"]
    rate = given["requests_per_minute"]
    limit = "no limit of requests" if rate is None else f"{number(rate)} requests a minute"
    items = ", an item for every row" if given["every_row"] else ""
    return [
        f"A run: {counted(given['rows'], 'row')} of {given['row_bytes']:g} bytes in "
        f"{counted(given['jobs'], 'job')} of {duration(given['job_seconds'])}, "
        f"{number(given['max_jobs'])} in flight, {limit}; about {duration(run['seconds'])}.",
        f"Assumed: {100 * given['failed_share']:g} % of the rows need a person{items}; kept for "
        f"{counted(given['retention_days'], 'day')} with point-in-time recovery; no free tier.",
        f"A month: {given['runs_per_month']:g} of such runs, "
        f"{counted(given['connections'], 'connection')}.",
        f"List prices of {document['prices']['region']}, {document['prices']['as_of']}.",
    ]
