"""A deployment in memory that looks like one of practice, and its page on a real port.

Runs are in virtual time: an open one goes on when `OpenRun.go_on` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.routes import LaneRoute
from jobferry.domain.run import Run
from jobferry.domain.types import JsonObject
from jobferry.lane.state import LaneState
from jobferry.steps.open_run import open_run
from jobferry.vendors.registry import LOADERS, VendorRegistry
from jobferry_cli.dashboard.command import RunningPage, serving
from tests.unit.cli.shell import Shell
from virtual.clock import START
from virtual.vendor import CREATE, KEY_FIELD
from virtual.world import World

VENDOR = "zendesk_support"
OPERATION = "tickets.create"
TICKETS = "new-tickets"
PRIORITIES = ("low", "normal", "high", "urgent")
TODAY = 331.8 * 86_400 + START
"""When it is now: late in November."""

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202e'

_COLUMNS = {
    "Subject": "subject",
    "Body": "body",
    "Ref": KEY_FIELD,
    "Requester": "requester",
    "Priority": {"field": "priority", "enum": list(PRIORITIES)},
}
_SUBJECTS = ("Refund", "Contract", "Invoice", "Delivery", "Login", "Warranty")


class TicketWorld(World):
    """The world with a vendor that is named as a real one."""

    def fresh_vendors(self) -> VendorRegistry:
        fake = super().fresh_vendors().named(self.vendor.name)
        operation = replace(
            fake.operations[CREATE],
            name=OPERATION,
            required=(("subject",),),
            fields=("subject", "body", KEY_FIELD, "requester", "priority"),
        )
        tickets = replace(
            fake, name=VENDOR, title="Zendesk Support", operations={OPERATION: operation}
        )
        return VendorRegistry(
            self.store.config, {**LOADERS, VENDOR: lambda: tickets}, monotonic=self.clock.now
        )


def tickets(rows: int, *, wrong: bool = True, start: int = 1) -> str:
    """A CSV of tickets. With `wrong`, some have mistakes that are seen before they are sent."""
    lines = ["Subject,Body,Ref,Requester,Priority"]
    for n in range(start, start + rows):
        priority = "asap" if wrong and n % 60 == 7 else PRIORITIES[n % 4]
        ref = n - 1 if wrong and n % 90 == 41 else n
        body = "" if wrong and n % 100 == 12 else f"A question of person{n}"
        subject = f"{_SUBJECTS[n % 6]} question {n}"
        lines.append(f"{subject},{body},ref-{ref:05d},person{n}@example.com,{priority}")
    return "\n".join(lines) + "\n"


def judged(record: JsonObject) -> RecordResult:
    """Some requesters have an address that the vendor does not take."""
    number = int(str(record[KEY_FIELD]).rpartition("-")[2])
    if number % 29 == 3:
        text = f"Requester: Email: {record['requester']} is not properly formatted"
        return RecordResult(OutcomeStatus.FAILED, code="TicketCreateFailed", text=text)
    if number % 83 == 5:
        text = "Description: cannot be blank"
        return RecordResult(OutcomeStatus.FAILED, code="TicketCreateFailed", text=text)
    return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id=str(35_000 + number))


@dataclass
class OpenRun:
    """A run in progress, whose lane does a step when it is told."""

    world: World
    run_id: str
    state: LaneState

    def go_on(self, seconds: float = 21.0) -> bool:
        """Work for so long, at the most; false when nothing is left."""
        self.world.seconds["poll"] = seconds
        if self.state.state is LaneRoute.WORKING:
            self.state = self.world.poll(self.world.submit(self.state))
        return self.state.state is LaneRoute.WORKING

    def end(self) -> Run:
        """Work to the end, and close."""
        while self.go_on(600.0):
            pass
        self.world.close(self.run_id)
        return self.world.run(self.run_id)


class Scene:
    """The world, and what people see of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shell = Shell(world)
        stack = self.shell._connect(None)
        # The page reads in threads of its own, and the world's actors know nothing of those.
        deps = replace(stack.deps, parallel_map=lambda work, items, _: [work(i) for i in items])
        self.stack = replace(stack, deps=deps)

    def open_run(self, rows: int = 6_000, name: str = "november tickets.csv") -> OpenRun:
        """A run whose rows are planned."""
        request = self.world.drop(tickets(rows), profile=TICKETS, name=name)
        opened = open_run(request, "arn:execution:0", self.world.deps)
        self.world.plan(opened["run_id"])
        return OpenRun(self.world, opened["run_id"], LaneState(opened["run_id"], 0))

    def closed_run(self, rows: int, name: str, *, wrong: bool = True, start: int = 1) -> Run:
        body = tickets(rows, wrong=wrong, start=start)
        return self.world.processed(body, profile=TICKETS, name=name)

    def trial(self, rows: int, name: str) -> Run:
        """A run that waits for a yes after its trial."""
        options = {"jobferry-trial": "100"}
        body = tickets(rows, start=70_000, wrong=False)
        return self.world.execute(
            self.world.drop(body, profile=TICKETS, name=name, options=options)
        )

    def pass_days(self, days: float) -> None:
        self.world.clock.sleep(days * 86_400)


@contextmanager
def scene() -> Iterator[Scene]:
    """An empty one."""
    with TicketWorld(max_records=100, max_jobs=10, slots=10) as world:
        world.clock.sleep(TODAY - START)
        world.account.result_of = judged
        world.store.config.put_connection(
            Connection("acme", VENDOR, "https://acme.zendesk.com", requests_per_minute=400)
        )
        world.put_profile(
            {
                "name": TICKETS,
                "operation": OPERATION,
                "columns": _COLUMNS,
                "row_key": "Ref",
                "batch_size": 100,
            }
        )
        world.store.config.delete_profile("things")
        yield Scene(world)


@contextmanager
def furnished() -> Iterator[tuple[Scene, OpenRun]]:
    """One with a few runs, of which one is open and one waits."""
    with scene() as made:
        made.closed_run(800, "october tickets.csv", wrong=False)
        made.pass_days(0.4)
        made.closed_run(300, "tickets of monday.csv", start=20_000)
        made.pass_days(0.1)
        made.world.processed("Ref,Title\n1,a\n", profile=TICKETS, name="export.csv")
        made.pass_days(0.05)
        made.trial(1_200, "renewals.csv")
        made.pass_days(0.004)
        running = made.open_run()
        for _ in range(2):
            running.go_on()
        yield made, running


@contextmanager
def served(made: Scene) -> Iterator[RunningPage]:
    with serving(lambda: made.stack, "jobferry", 0) as page:
        yield page
