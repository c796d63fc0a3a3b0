"""How to make the simulated Shelf behave as a scenario of the adapter kit wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from jobferry.domain.types import JsonObject
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import validate
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from tests.contract.conformance.bench import Bench
from tests.contract.fourth_vendor.simulator import KEY, ShelfSimulator
from vendorsim.simulator import Simulator

DOCUMENT = Path(__file__).parent / "shelf.yaml"

SHELF_DOCUMENT: JsonObject = validate(yaml.safe_load(DOCUMENT.read_text()))

SHELF = vendor_from(SHELF_DOCUMENT)

_ONE_READER = "jobs have one reader: there is no list to fall back on"


def error(status: int, kind: str, text: str) -> JsonObject:
    """A refusal in Shelf's own form."""
    return {"status": status, "body": {"problem": {"kind": kind, "text": text}}}


class ShelfBench(Bench):
    """A client of the adapter and the simulator that it talks to."""

    title: ClassVar[str] = "Shelf, declared"
    vendor: ClassVar[Vendor] = SHELF
    simulator: ClassVar[type[Simulator]] = ShelfSimulator
    credentials: ClassVar[Mapping[str, str]] = {"bearer": KEY}
    wrong_credentials: ClassVar[Mapping[str, str]] = {"bearer": "not-the-key"}
    secrets: ClassVar[tuple[str, ...]] = (KEY, "not-the-key")

    create: ClassVar[Operation] = SHELF.operations["books.add"]
    write: ClassVar[JsonObject] = {"method": "POST", "path": "v1/imports$"}
    readers: ClassVar[JsonObject] = {"method": "GET", "path": "v1/imports$"}
    harmless: ClassVar[JsonObject] = readers

    replies: ClassVar[Mapping[str, JsonObject]] = {
        "invalid record": error(422, "bad_book", "title: cannot be blank"),
        "malformed request": error(400, "bad_request", "this is not so"),
        "too many records": error(400, "too_many", "no more than 100 books"),
        "body too large": {"status": 413, "html": True},
        "address too long": {"status": 414, "html": True},
        "unauthorized": error(401, "unknown_key", "The key is not known"),
        "forbidden": error(403, "not_allowed", "Bulk import is off"),
        **dict.fromkeys(
            ("database conflict", "deadlock", "update conflict"),
            error(409, "shelf_busy", "Somebody else is at the shelf"),
        ),
        "too many jobs": {"too_many_jobs": True},
        "too many jobs as 400": error(400, "imports_full", "Too many imports"),
        "too many jobs as 422": error(422, "imports_full", "Too many imports"),
        "job id that is a path": {"body": {"import": {"id": "../books/1"}}, "after": True},
    }
    fates: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "some rows failed": {"status": "done"},
        "all rows failed": {"status": "done"},
        # A line without its index could be anyone's.
        "results without index": {"rows": "????"},
        "the job died at once": {"status": "broken"},
        "the job died half-way": {"status": "broken"},
        "the job was called off": {
            "does": {"status_word": "called_off"},
            "rows": "----",
            "status": "called_off",
        },
    }
    words: ClassVar[tuple[str, str, str]] = ("working", "waiting", "done")
    lacks: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("killed with results", "killed without results"),
            "no import is killed on its way; it breaks or is called off",
        ),
        **dict.fromkeys(("unknown by id, still listed", "only ever listed"), _ONE_READER),
    }

    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for `create`, each with an external id of its own."""
        return [
            {"title": f"{prefix} title {n}", "external_id": f"{prefix}-{n}"} for n in range(count)
        ]
