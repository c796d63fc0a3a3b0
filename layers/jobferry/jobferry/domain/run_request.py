"""What starts a run, or goes on with one: the same value for every trigger."""

from __future__ import annotations

from dataclasses import dataclass

FAIL = "fail"
IGNORE = "ignore"
NOTHING_NEW = (FAIL, IGNORE)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What every trigger asks for.

    Attributes:
        version_id: None: the current version
        firing: tells two firings of a schedule apart, so that each is a run of its own even if the
            file has not changed
        problem: why it cannot be processed, whatever is in the file
        by: who has started it, where the input tells
        uploader: who has uploaded the file, as far as S3's event tells
        newest: `key` is what keys begin with; the newest file among them is meant
        fired_at: when the schedule fired that asks for it (ISO 8601)
        nothing_new: what a firing leaves that finds no file which was not sent before: a failed
            run that says so (`fail`), or none (`ignore`)
    """

    profile: str
    bucket: str
    key: str
    version_id: str | None = None
    firing: str | None = None
    problem: str | None = None
    by: str | None = None
    uploader: str | None = None
    newest: bool = False
    fired_at: str | None = None
    nothing_new: str = FAIL


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Carry on a run; `previous` is the execution that was carrying it."""

    run_id: str
    previous: str
