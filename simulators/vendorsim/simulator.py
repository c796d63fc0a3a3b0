"""One simulator: its settings, its faults and its vendors, apart from how they are served."""

from __future__ import annotations

from itertools import count

from vendorsim.clock import Clock, RealClock
from vendorsim.faults import FaultBook
from vendorsim.settings import Scenario
from vendorsim.values import JsonObject
from vendorsim.vidispine.vendor import Vidispine
from vendorsim.world import Vendor, World
from vendorsim.zendesk_sunshine.vendor import ZendeskSunshine
from vendorsim.zendesk_support.vendor import ZendeskSupport


class Simulator:
    """The state behind the server. Not thread-safe: only the server's event loop may touch it."""

    def __init__(self, scenario: Scenario | None = None, clock: Clock | None = None) -> None:
        self._scenario = scenario or Scenario()
        self._clock = clock or RealClock()
        self.generation = 0
        self.reset({})

    def reset(self, changes: JsonObject) -> None:
        """Back to the start, with `changes` to the settings; raises pydantic.ValidationError."""
        settings = self._scenario.settings.changed(changes)
        self.generation += 1
        self.world = World(settings, self._clock)
        self.faults = FaultBook(settings.seed, self._scenario.faults)
        support = ZendeskSupport(self.world)
        sunshine = ZendeskSunshine(self.world, support.gate)
        self.vendors: list[Vendor] = [support, sunshine, Vidispine(self.world)]
        self._request_numbers = count(1)
        for vendor in self.vendors:
            vendor.load(self._scenario.records)

    def change_settings(self, changes: JsonObject) -> None:
        """Change settings from now on; raises pydantic.ValidationError."""
        self.world.settings = self.world.settings.changed(changes)

    def advance(self) -> None:
        """Carry out every job that ended by now."""
        for vendor in self.vendors:
            vendor.advance()

    def next_request_id(self) -> str:
        return f"req-{next(self._request_numbers):06d}"

    def vendor_of(self, path: str) -> Vendor | None:
        """Whose path this is."""
        for vendor in self.vendors:
            if path.startswith(vendor.prefixes):
                return vendor
        return None
