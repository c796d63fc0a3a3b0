"""Error codes sorted by what helps: mend the row, try again, ask the vendor, mend the account.

A code is Jobferry's own (`snake_case`; all of them are here) or the vendor's word
(`RecordInvalid`), of which those are here that mean anything but "mend the row". docs/errors.md has
every code with its meaning and what to do; a test keeps the two in step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache


class ErrorClass(StrEnum):
    """What a row with an error needs."""

    ROW = "row"
    """Mend the row (or the record at the vendor): sent again as it is, it fails again."""
    CONFLICT = "conflict"
    """Somebody else changed the same record at that moment; nothing was done. May go again."""
    THROTTLE = "throttle"
    """The vendor was asked too much at once; nothing was done. May go again, later."""
    LOST = "lost"
    """It may have been carried out: look it up at the vendor before it is sent again."""
    ACCOUNT = "account"
    """The account or the connection: every row would meet the same until a person acts."""
    VENDOR = "vendor"
    """The vendor failed. May go again, later, where that does no harm."""
    FILE = "file"
    """The file or its profile cannot be used as it is."""
    STOPPED = "stopped"
    """Somebody stopped the run, or the job at the vendor; nothing is wrong with the row."""


_OWN: Mapping[ErrorClass, tuple[str, ...]] = {
    ErrorClass.ROW: (
        "bad_jobmetadata",
        "bad_priority",
        "failed",
        "invalid_id",
        "merge_into_itself",
        "vendor_error",
    ),
    ErrorClass.LOST: (
        "aborted_by_force",
        "answer_unusable",
        "carried_out_twice",
        "evidence_missing",
        "job_forgotten",
        "job_id_unusable",
        "job_never_ended",
        "job_partly_failed",
        "job_state_unknown",
        "job_without_results",
        "record_id_unusable",
        "result_missing",
        "result_says_nothing",
        "submission_lost",
    ),
    ErrorClass.ACCOUNT: (
        "address_not_allowed",
        "connection_gone",
        "credentials_unusable",
        "vendor_forbidden",
        "vendor_gone",
        "vendor_locked",
        "vendor_not_found",
        "vendor_payment_required",
        "vendor_quota_exceeded",
        "vendor_redirects",
        "vendor_unauthorized",
        "vendor_unreachable",
    ),
    ErrorClass.VENDOR: ("job_aborted", "vendor_throttles", "vendor_unavailable"),
    ErrorClass.FILE: (
        "attributes_differ",
        "custom_object_not_named",
        "one_merge_per_job",
        "reserved_field",
        "source_missing",
        "source_unavailable",
        "source_unreadable",
        "tags_need_one_change",
        "too_many_records",
    ),
    ErrorClass.STOPPED: ("aborted",),
}

_VENDORS: Mapping[ErrorClass, tuple[str, ...]] = {
    ErrorClass.CONFLICT: ("conflict", "DatabaseConflict", "DatabaseDeadlock", "UpdateConflict"),
    ErrorClass.THROTTLE: ("APIRateLimitExceeded", "TooManyJobs", "TooManyRequests"),
    ErrorClass.ACCOUNT: (
        "Forbidden",
        "forbidden",
        "licenseFault",
        "notAuthorized",
        "notYetImplemented",
    ),
    ErrorClass.VENDOR: ("internalServer", "InternalServerError", "ServiceUnavailable"),
    ErrorClass.FILE: ("TooManyValues",),
    ErrorClass.STOPPED: ("ABORTED",),
}
"""Words of the vendors, as their references and recorded traffic have them (docs/vendors.md)."""

_BY_HTTP_STATUS: Mapping[int, ErrorClass] = {
    401: ErrorClass.ACCOUNT,
    403: ErrorClass.ACCOUNT,
    409: ErrorClass.CONFLICT,
    413: ErrorClass.FILE,
    414: ErrorClass.FILE,
    429: ErrorClass.THROTTLE,
}
"""For refusals without a word of their own, whose code is `http_<status>`."""

# Words that vendors spell in more ways than anybody has listed.
_BY_FORM: tuple[tuple[re.Pattern[str], ErrorClass], ...] = (
    (re.compile(r"conflict|deadlock|collision|safe_?update", re.IGNORECASE), ErrorClass.CONFLICT),
    (re.compile(r"rate_?limit|too_?many_?(requests|jobs)", re.IGNORECASE), ErrorClass.THROTTLE),
)

# Zendesk names some failed rows by what failed (`TicketUpdateFailed`): why stands in the text.
_BY_TEXT: tuple[tuple[re.Pattern[str], ErrorClass], ...] = (
    (re.compile(r"maximum number of resources", re.IGNORECASE), ErrorClass.ACCOUNT),
    (re.compile(r"safe update prevented|database collision", re.IGNORECASE), ErrorClass.CONFLICT),
)

_HTTP_CODE = re.compile(r"http_([1-5][0-9]{2})")


def error_class(code: str | None, text: str | None = None) -> ErrorClass:
    """What a row with this error needs; an error that nobody knows is the row's own.

    Args:
        code: an outcome's `error_code`, or a run's reason to stop.
        text: what the vendor said besides. Two things stand only there: a quota that never
            clears, under the code of a rate limit, and a conflict, under that of any failure.
    """
    for pattern, kind in _BY_TEXT:
        if text and pattern.search(text):
            return kind
    code, known = code or "", listed_codes()
    if code in known:
        return known[code]
    http = _HTTP_CODE.fullmatch(code)
    if http is not None:
        status = int(http[1])
        of_a_server = ErrorClass.VENDOR if status >= 500 or status == 408 else ErrorClass.ROW
        return _BY_HTTP_STATUS.get(status, of_a_server)
    return next((kind for pattern, kind in _BY_FORM if pattern.search(code)), ErrorClass.ROW)


def may_have_been_done(code: str | None, text: str | None = None) -> bool:
    """Whether a row with this error may have been carried out: the vendor failed over it, and
    unlike our own codes its word does not say that nothing was done."""
    ours = code in _OWN[ErrorClass.VENDOR]
    return error_class(code, text) is ErrorClass.VENDOR and not ours


_NOT_FOUND_CODE = re.compile(r"http_404|http_410|(?!vendor_).*not_?found.*", re.IGNORECASE)
_NOT_FOUND_TEXT = re.compile(
    r"\b(not found|no such|(does|do|did) ?n[o']t exist|could ?n[o']t find|cannot find|can't find"
    r"|no longer exists?|no record|already (been )?deleted|has been deleted|is deleted)\b",
    re.IGNORECASE,
)


def is_not_found(code: str | None, text: str | None = None) -> bool:
    """Whether an error says that there is no such record, by its code or in its words.

    For a row of a deletion that may have been carried out before, this is what a success looks
    like. An address at which there is no vendor (`vendor_not_found`) says nothing of a record.
    """
    if _NOT_FOUND_CODE.fullmatch(code or ""):
        return True
    ours = (code or "").startswith("vendor_") and code != "vendor_error"
    return not ours and _NOT_FOUND_TEXT.search(text or "") is not None


@cache
def listed_codes() -> Mapping[str, ErrorClass]:
    """Every code that is known by name: Jobferry's own, and the vendors' that have a class."""
    # Late, as what reads CSV is not needed to submit, poll or settle until there is an error.
    from jobferry.csvfile.problems import RefusalCode, RejectCode

    return {
        **{code.value: ErrorClass.FILE for code in RefusalCode},
        **{code.value: ErrorClass.ROW for code in RejectCode},
        **{c: kind for table in (_OWN, _VENDORS) for kind, codes in table.items() for c in codes},
    }
