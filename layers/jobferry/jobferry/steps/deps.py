"""What the steps work with. Built once per warm function, or by tests with other parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobferry.connections import Connections
from jobferry.ledger import Ledger
from jobferry.objects import Objects
from jobferry.settings import Settings


def _no_log(message: str, **keys: Any) -> None:
    """Tests and tools that want no log."""


@dataclass(frozen=True)
class Deps:
    """Collaborators of every step.

    now          epoch seconds
    log, warn    one structured line each; keys only, never a cell or a secret
    emit         counts as metrics
    """

    settings: Settings
    ledger: Ledger
    objects: Objects
    connections: Connections
    now: Callable[[], float] = time.time
    log: Callable[..., None] = _no_log
    warn: Callable[..., None] = _no_log
    emit: Callable[..., None] = _no_log
