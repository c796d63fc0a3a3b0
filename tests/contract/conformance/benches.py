"""The vendors that play the scenarios. A vendor joins with a line here."""

from __future__ import annotations

from tests.contract.conformance.bench import Bench
from tests.contract.declared_sunshine.bench import DeclaredSunshineBench
from tests.contract.documents.bench import DOCUMENT_BENCHES
from tests.contract.vidispine.bench import VidispineBench
from tests.contract.zendesk_sunshine.bench import SunshineBench
from tests.contract.zendesk_support.bench import ZendeskBench

BENCHES: tuple[type[Bench], ...] = (
    ZendeskBench,
    SunshineBench,
    DeclaredSunshineBench,
    VidispineBench,
    *DOCUMENT_BENCHES,
)
