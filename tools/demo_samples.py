"""The examples that the demo sends, and what it knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.demo_mending import Cells, address, moment, own_key

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the examples, and what the demo knows of it.

    Attributes:
        csv: the file; its profile lies beside it
        record: kind of the records that it makes, as the simulator counts them
        cells: what is written into cells that are wrong, by column
        needed: columns that must not be empty
        limits: of the vendor's account, as `jobferry cost` takes them
    """

    csv: Path
    profile: str
    operation: str
    record: str
    cells: Cells
    needed: tuple[str, ...]
    limits: tuple[str, ...] = ()


_EXAMPLES = ROOT / "examples"
SAMPLES = {
    "zendesk_support": Sample(
        _EXAMPLES / "zendesk_support" / "tickets.create.csv",
        "new-tickets",
        "tickets.create",
        "ticket",
        {
            "Body": lambda _: "As on the telephone.",
            "Ref": own_key("Ref", "ref-{:05}"),
            "Requester": address,
            "Priority": lambda _: "normal",
            "Due": moment,
        },
        ("Subject", "Body", "Ref", "Priority"),
        ("--requests-per-minute", "700", "--refuses-excess"),
    ),
    "zendesk_sunshine": Sample(
        _EXAMPLES / "zendesk_sunshine" / "resources.external_id_set.csv",
        "sunshine-products",
        "resources.external_id_set",
        "resource",
        {
            "Sku": own_key("Sku", "gum-1{:02}"),
            "Name": lambda _: "Cherry gum",
            "Price": lambda _: "1.30",
        },
        ("Sku", "Name", "Price"),
    ),
    "vidispine": Sample(
        _EXAMPLES / "vidispine" / "jobs.create.import.csv",
        "vidispine-imports",
        "jobs.create",
        "item",
        {
            "File": lambda row: f"file:///media/{row['Tape']}.mxf",
            "Priority": lambda _: "high",
        },
        ("Tape", "File"),
    ),
}
