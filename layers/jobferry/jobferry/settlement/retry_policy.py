"""Which rows go again, and how: pure decisions from what the vendor said of them.

A row goes again only if the vendor said that nothing was done, or if the operation may be repeated.
A job that was refused as a whole is bisected until the row to blame stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from jobferry.domain.error_codes import ErrorClass, error_class
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.profile import DEFAULT_POLICIES, Policy
from jobferry.domain.row_verdict import by_vendor_error

BISECTIONS = 20
"""Jobs bisected before any has succeeded: more would not be a row's fault but the profile's."""

BISECTIONS_PER_JOB = 2
"""Jobs bisected for each job that was settled besides."""

_FIRST_WAIT = 5.0
_LONGEST_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Results of a chunk's rows, sorted by what is to be done.

    Attributes:
        decided: (position, result): the final word
        again: positions of retried rows
        stop: (code, text) of a class that stops the run
    """

    decided: Sequence[tuple[int, RecordResult]]
    again: Sequence[int]
    stop: tuple[str, str] | None = None


def sort_out(
    results: Sequence[RecordResult],
    *,
    attempt: int,
    max_attempts: int,
    repeatable: bool,
    policies: Mapping[str, str],
) -> Verdicts:
    """Sort the results of a chunk that was sent for the `attempt`-th time.

    Args:
        repeatable: sending the same rows again leaves the same state.
        policies: error class → policy, where the profile differs from the default.
    """
    decided: list[tuple[int, RecordResult]] = []
    again: list[int] = []
    stop: tuple[str, str] | None = None
    for position, reported in enumerate(results):
        result = by_vendor_error(reported, repeatable=repeatable)
        policy = policy_for(result, repeatable=repeatable, policies=policies)
        if policy is Policy.RETRY and attempt < max_attempts:
            again.append(position)
            continue
        if policy is Policy.STOP and stop is None:
            stop = (result.code or "", result.text or "")
        decided.append((position, result))
    return Verdicts(decided, again, stop)


_OVERTAKEN = "A later row changed the same record before this one could go again (order: file)."


def kept_in_order(
    verdicts: Verdicts, results: Sequence[RecordResult], names: Sequence[str]
) -> Verdicts:
    """The verdicts of a chunk whose rows take effect in order: what is overtaken stays as it is.

    A row that went again after a later one of the same record has been applied would undo it.

    Args:
        names: the record that each row means; empty where it names none.
    """
    last: dict[str, int] = {}
    for position, result in verdicts.decided:
        if names[position] and result.status is OutcomeStatus.SUCCEEDED:
            last[names[position]] = max(position, last.get(names[position], -1))
    overtaken = [at for at in verdicts.again if last.get(names[at], -1) > at]
    reported = [
        (at, replace(results[at], text=" ".join(filter(None, (results[at].text, _OVERTAKEN)))))
        for at in overtaken
    ]
    again = [at for at in verdicts.again if at not in set(overtaken)]
    return replace(
        verdicts, decided=sorted((*verdicts.decided, *reported), key=itemgetter(0)), again=again
    )


def policy_for(result: RecordResult, *, repeatable: bool, policies: Mapping[str, str]) -> Policy:
    """What the profile wants for a result; a success is left alone."""
    if result.status not in (OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN):
        return Policy.FAIL
    unknown = result.status is OutcomeStatus.UNKNOWN
    kind = ErrorClass.LOST if unknown else error_class(result.code, result.text)
    wanted = policies.get(kind.value)
    policy = DEFAULT_POLICIES.get(kind, Policy.FAIL) if wanted is None else Policy(wanted)
    if policy is Policy.RETRY and unknown and not repeatable:
        # It may have been done: whatever the profile wants, it is not sent twice.
        return Policy.FAIL
    return policy


def may_bisect(bisected: int, jobs_settled: int) -> bool:
    """Whether one more job that was refused as a whole is bisected."""
    return bisected < BISECTIONS + BISECTIONS_PER_JOB * jobs_settled


def bisected_rows(rows: Sequence[int]) -> list[Sequence[int]]:
    """The rows of a chunk in two parts, in order; one row alone stays as it is."""
    middle = (len(rows) + 1) // 2
    return [part for part in (rows[:middle], rows[middle:]) if part]


def again_at(now: float, attempt: int) -> float:
    """When rows go again that were sent `attempt` times: later and later."""
    return now + min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** max(0, attempt - 1))
