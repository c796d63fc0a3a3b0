"""Zendesk Sunshine once more, its adapter made of a document."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import yaml

from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import validate
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from tests.contract.zendesk_sunshine.bench import SunshineBench

DOCUMENT = Path(__file__).parent / "sunshine.yaml"

DECLARED_SUNSHINE = vendor_from(validate(yaml.safe_load(DOCUMENT.read_text())))


class DeclaredSunshineBench(SunshineBench):
    """The words and differences are the vendor's own, whatever its adapter is made of."""

    title: ClassVar[str] = "Sunshine, declared"
    vendor: ClassVar[Vendor] = DECLARED_SUNSHINE
    create: ClassVar[Operation] = DECLARED_SUNSHINE.operations["resources.post"]
    changes: ClassVar[Operation | None] = None
