"""What is right and wrong with a stack, judged from what was gathered: values in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, TypeVar

from jobferry.domain.commands import Command, command, other_command
from jobferry.reporting.formatting import counted, duration, listed, number

OK, WARNING, WRONG = "ok", "warning", "wrong"
RESULTS = (OK, WARNING, WRONG)

EXPECTED_OUTPUTS = (
    "Version",
    "ScheduleGroupName",
    "ScheduleRoleArn",
    "TriggerDlqUrl",
    "SweepFunctionName",
    "SweepMinutes",
    "AlarmTopicArn",
    "RunTopicArn",
    "ViewerPolicyArn",
    "OperatorPolicyArn",
    "ProfileAuthorPolicyArn",
    "AdministratorPolicyArn",
)
"""Outputs that the commands can do without. One that is missing tells of an older template."""

MISSED_SWEEPS = 3
LEAST_CONCURRENCY = 100
"""Lambda invocations at once. An account that is new has ten, which a run or two take."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be found out, and why."""

    why: str


T = TypeVar("T")
Known: TypeAlias = T | Unknown


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the answer.

    Attributes:
        name: stable, for scripts
        result: one of `RESULTS`
        next: what to type where something is to be done
        known: it could be found out; else `text` says why not, and the result is a warning
    """

    name: str
    result: str
    text: str
    next: Command | None = None
    known: bool = True

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was gathered of a stack.

    Attributes:
        version: of the command
        outputs: of the CloudFormation stack
        rights: kind of work → whether the caller may do it
        reached: what is reached → None, or what is wrong with it
        connections: name → None, or (what is wrong, whether it passes by itself); None: not asked
        subscriptions: of the topic of alarms: how many are confirmed, and how many wait for that
        listeners: the same of the topic of runs
        ringing: names of alarms that have gone off
        swept_at: when the last sweep began (epoch seconds); 0: never
        paused, waiting: run → why
        undelivered: events that started nothing
        concurrency: (functions of the account at once, those not reserved)
        executions: open executions that the account may have
    """

    version: str
    stack: str
    now: float
    outputs: Mapping[str, str]
    identity: Known[str] = Unknown("it was not asked for")
    rights: Known[Mapping[str, bool]] = Unknown("it was not asked for")
    reached: Mapping[str, Known[str | None]] = field(default_factory=dict)
    connections: Mapping[str, Known[tuple[str, bool] | None]] | None = None
    subscriptions: Known[tuple[int, int]] = Unknown("it was not asked for")
    listeners: Known[tuple[int, int]] = Unknown("it was not asked for")
    ringing: Known[Sequence[str]] = Unknown("it was not asked for")
    swept_at: Known[float] = Unknown("it was not asked for")
    paused: Known[Mapping[str, str]] = Unknown("it was not asked for")
    waiting: Known[Mapping[str, str]] = Unknown("it was not asked for")
    undelivered: Known[int] = Unknown("it was not asked for")
    concurrency: Known[tuple[int, int]] = Unknown("it was not asked for")
    executions: Known[int] = Unknown("it was not asked for")


def checks(seen: Snapshot) -> list[Check]:
    """Every check, in the order in which things are mended."""
    return [
        _outputs(seen),
        _version(seen),
        _identity(seen),
        *_rights(seen),
        *_reached(seen),
        _sweep(seen),
        _undelivered(seen),
        _told(seen, "alarms", seen.subscriptions, "AlarmEmail"),
        _told(seen, "runs", seen.listeners, "RunEmail"),
        _ringing(seen),
        *_connections(seen),
        *_troubles(seen),
        _concurrency(seen),
        _executions(seen),
    ]


def all_right(found: Sequence[Check]) -> bool:
    """Whether nothing is wrong; warnings and what is not known are no faults."""
    return all(check.result != WRONG for check in found)


def no_stack(text: str, next_command: Command) -> list[Check]:
    """The answer where there is no stack to look at."""
    return [Check("stack", WRONG, text, next_command)]


def _outputs(seen: Snapshot) -> Check:
    missing = [name for name in EXPECTED_OUTPUTS if name not in seen.outputs]
    if not missing:
        return Check("stack", OK, f"The stack {seen.stack} is there, with all its outputs.")
    return Check(
        "stack",
        WARNING,
        f"The stack {seen.stack} has no output {listed(missing)}: its template is an older one.",
        other_command("make", "deploy", f"STACK={seen.stack}"),
    )


def _version(seen: Snapshot) -> Check:
    deployed = seen.outputs.get("Version")
    if deployed is None:
        return Check(
            "version",
            WARNING,
            f"The command is {seen.version}; the stack does not say.",
            known=False,
        )
    if deployed == seen.version:
        return Check("version", OK, f"Command and stack are {deployed}.")
    older = _numbers(deployed) < _numbers(seen.version)
    next_command = (
        other_command("make", "deploy", f"STACK={seen.stack}")
        if older
        else other_command("git", "checkout", f"v{deployed}")
    )
    which = "an older one: deploy it anew" if older else "a newer one: take the command of it"
    text = f"The command is {seen.version}, the stack {deployed}, {which}."
    return Check("version", WARNING, text, next_command)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _identity(seen: Snapshot) -> Check:
    if isinstance(seen.identity, Unknown):
        return _not_known("identity", "Who you are", seen.identity)
    return Check("identity", OK, f"You are {seen.identity}.")


def _rights(seen: Snapshot) -> Iterator[Check]:
    if isinstance(seen.rights, Unknown):
        yield _not_known("rights", "What you may do with the stack", seen.rights)
        return
    may = [work for work, allowed in seen.rights.items() if allowed]
    may_not = [work for work, allowed in seen.rights.items() if not allowed]
    text = f"You may {listed(may)}" if may else "You may do nothing with the stack"
    if may_not:
        text += f", and not {' or '.join(may_not)}" if may else ""
    # Not to be allowed everything is how it should be.
    yield Check("rights", OK if may else WARNING, f"{text}.")


def _reached(seen: Snapshot) -> Iterator[Check]:
    for name, found in seen.reached.items():
        if isinstance(found, Unknown):
            yield _not_known(name, f"Whether the {name} can be used", found)
        elif found is None:
            yield Check(name, OK, f"The {name} answers.")
        else:
            next_command = other_command(
                "aws", "cloudformation", "describe-stacks", "--stack-name", seen.stack
            )
            yield Check(name, WRONG, f"The {name} does not answer: {found}", next_command)


def _sweep(seen: Snapshot) -> Check:
    if isinstance(seen.swept_at, Unknown):
        return _not_known("sweep", "When the sweep has run", seen.swept_at)
    minutes = seen.outputs.get("SweepMinutes", "5")
    every = 60.0 * (int(minutes) if minutes.isdigit() else 5)
    name = seen.outputs.get("SweepFunctionName")
    look = None if name is None else other_command("aws", "logs", "tail", f"/aws/lambda/{name}")
    if not seen.swept_at:
        # A stack of a minute ago has not been swept yet.
        return Check(
            "sweep", WARNING, "The sweep has not run yet. It does every few minutes.", look
        )
    ago = max(0.0, seen.now - seen.swept_at)
    if ago <= MISSED_SWEEPS * every:
        return Check("sweep", OK, f"The sweep has run {duration(round(ago))} ago.")
    text = (
        f"The sweep has last run {duration(round(ago))} ago, and should every "
        f"{duration(round(every))}: runs that die are not carried on."
    )
    return Check("sweep", WRONG, text, look)


def _undelivered(seen: Snapshot) -> Check:
    if isinstance(seen.undelivered, Unknown):
        return _not_known("queue", "Whether events were lost", seen.undelivered)
    if not seen.undelivered:
        return Check("queue", OK, "No event is in the queue of those that started nothing.")
    text = (
        f"{counted(seen.undelivered, 'event')} started nothing and lie in the queue of undelivered "
        "ones (docs/runbook.md)."
    )
    url = seen.outputs.get("TriggerDlqUrl", "URL")
    next_command = other_command("aws", "sqs", "receive-message", "--queue-url", url)
    return Check("queue", WRONG, text, next_command)


def _told(seen: Snapshot, name: str, found: Known[tuple[int, int]], parameter: str) -> Check:
    """Whether somebody has subscribed to a topic.

    Args:
        name: what the topic tells of: `alarms`, `runs`.
    """
    if isinstance(found, Unknown):
        return _not_known(name, f"Whether somebody is told of {name}", found)
    confirmed, pending = found
    if confirmed:
        return Check(name, OK, f"{counted(confirmed, 'subscriber')} of {name}.")
    if seen.outputs.get("AllowLoopbackHttp") == "true":
        return Check(name, OK, f"Nobody is told of {name}: it is a local stack.")
    if pending:
        text = f"Nobody is told of {name}: the address has not confirmed its subscription by mail."
        return Check(name, WARNING, text)
    return Check(
        name,
        WARNING,
        f"Nobody is told of {name}: nobody has subscribed to them.",
        other_command(
            "make", "deploy", f"STACK={seen.stack}", f"PARAMS={parameter}=ops@example.com"
        ),
    )


def _ringing(seen: Snapshot) -> Check:
    if isinstance(seen.ringing, Unknown):
        return _not_known("ringing", "Whether an alarm has gone off", seen.ringing)
    if not seen.ringing:
        return Check("ringing", OK, "No alarm has gone off.")
    return Check(
        "ringing",
        WRONG,
        f"{counted(len(seen.ringing), 'alarm')} gone off: {_some(seen.ringing)} (docs/runbook.md).",
        other_command("aws", "cloudwatch", "describe-alarms", "--state-value", "ALARM"),
    )


def _connections(seen: Snapshot) -> Iterator[Check]:
    if seen.connections is None:
        text = "No vendor was asked, as --no-vendors says."
        yield Check("connections", WARNING, text, known=False)
        return
    if not seen.connections:
        text = "There is no connection yet."
        yield Check("connections", WARNING, text, command("connection", "put", "--help"))
    for name, found in seen.connections.items():
        if isinstance(found, Unknown):
            yield _not_known(f"connection {name}", f"Whether {name} works", found)
        elif found is None:
            yield Check(f"connection {name}", OK, f"The vendor of {name} accepts us.")
        else:
            why, passes = found
            result = WARNING if passes else WRONG
            next_command = command("connection", "show" if passes else "test", name)
            yield Check(f"connection {name}", result, f"{name}: {why}", next_command)


def _troubles(seen: Snapshot) -> Iterator[Check]:
    kinds = (("paused", seen.paused), ("waiting", seen.waiting))
    for name, found in kinds:
        if isinstance(found, Unknown):
            yield _not_known(name, f"Which runs are {name}", found)
        elif not found:
            yield Check(name, OK, f"No run is {name}.")
        else:
            run_id, why = next(iter(found.items()))
            others = "" if len(found) == 1 else f" ({number(len(found) - 1)} more)"
            text = f"{run_id} is {name}{others}: {why}"
            yield Check(name, WARNING, text, command("status", run_id))


def _concurrency(seen: Snapshot) -> Check:
    name = "concurrency"
    if isinstance(seen.concurrency, Unknown):
        return _not_known(name, "How many functions may run at once", seen.concurrency)
    whole, free = seen.concurrency
    if free >= LEAST_CONCURRENCY:
        return Check(name, OK, f"The account may run {number(free)} functions at once.")
    text = (
        f"The account may run {number(free)} functions at once (of {number(whole)}); with fewer "
        f"than {LEAST_CONCURRENCY} runs wait for each other. Ask AWS for more (Service Quotas, "
        "Lambda, Concurrent executions)."
    )
    services = other_command("aws", "service-quotas", "list-service-quotas")
    return Check(name, WARNING, text, Command(f"{services} --service-code lambda"))


def _executions(seen: Snapshot) -> Check:
    if isinstance(seen.executions, Unknown):
        return _not_known("executions", "How many executions may be open", seen.executions)
    return Check(
        "executions", OK, f"The account may have {number(seen.executions)} executions open."
    )


def _not_known(name: str, what: str, found: Unknown) -> Check:
    return Check(name, WARNING, f"{what} is not known: {found.why}", known=False)


def _some(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    more = len(names) - len(shown)
    return listed([*shown, *([f"{more} more"] if more else [])])
