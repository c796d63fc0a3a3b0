"""Every error code, and what helps: mend the row, try again, ask the vendor, mend the account.

A code is Jobferry's own (`snake_case`; all of them are here) or the vendor's word
(`RecordInvalid`), of which those are here that mean anything but "mend the row". docs/errors.md has
every code with its meaning and what to do; a test keeps the two in step.

Texts are for someone with a spreadsheet in front of them: the column, what is wrong, what to do.
They never hold the content of a cell, because they end up in logs, tables and mails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import NamedTuple

CUT_MARK = "[cut by jobferry]"
"""Stands in a result file before what could not be kept whole."""


class RefusalCode(StrEnum):
    """Why a whole file cannot be used."""

    EMPTY_FILE = "empty_file"
    EXCEL_WORKBOOK = "excel_workbook"
    ARCHIVE = "archive"
    NOT_GZIP = "not_gzip"
    DAMAGED_GZIP = "damaged_gzip"
    UNPACKS_TOO_FAR = "unpacks_too_far"
    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_ROWS = "too_many_rows"
    BINARY_FILE = "binary_file"
    WEB_PAGE = "web_page"
    WRONG_ENCODING = "wrong_encoding"
    UNKNOWN_ENCODING = "unknown_encoding"
    UNKNOWN_DELIMITER = "unknown_delimiter"
    NO_HEADER = "no_header"
    UNREADABLE_HEADER = "unreadable_header"
    TEXT_BEFORE_HEADER = "text_before_header"
    TOO_MANY_COLUMNS = "too_many_columns"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    CONFLICTING_COLUMNS = "conflicting_columns"
    WRONG_DELIMITER = "wrong_delimiter"
    TWO_ENCODINGS = "two_encodings"
    GARBLED = "garbled_text"
    TOO_MANY_REJECTED = "too_many_rejected"


class RejectCode(StrEnum):
    """Why one row is not sent."""

    UNCLOSED_QUOTE = "unclosed_quote"
    TEXT_AFTER_QUOTE = "text_after_quote"
    STRAY_LINE_BREAK = "stray_line_break"
    NUL_CHARACTER = "nul_character"
    WRONG_CELL_COUNT = "wrong_cell_count"
    CELL_TOO_LARGE = "cell_too_large"
    ROW_TOO_LARGE = "row_too_large"
    MISSING_VALUE = "missing_value"
    NOT_ALLOWED = "not_allowed"
    NOT_AN_INTEGER = "not_an_integer"
    NOT_A_NUMBER = "not_a_number"
    NUMBER_NOT_EXACT = "number_not_exact"
    ROUNDED_NUMBER = "rounded_number"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_DATE = "not_a_date"
    NOT_A_DATETIME = "not_a_datetime"
    NOT_AN_EMAIL = "not_an_email"
    NOT_JSON = "not_json"
    MISSING_ROW_KEY = "missing_row_key"
    DUPLICATE_ROW_KEY = "duplicate_row_key"
    CONFLICTING_ROW_KEY = "conflicting_row_key"
    REPEATED_HEADER = "repeated_header"
    BLANK_BEFORE_QUOTE = "blank_before_quote"
    CUT_ROW = "cut_row"
    VENDOR_RULE = "vendor_rule"


class Problem(NamedTuple):
    """Why a row is not sent: a stable code, and a sentence for the person who mends it.

    Attributes:
        vendor_code: the code of a vendor's own rule, for `RejectCode.VENDOR_RULE`
    """

    code: RejectCode
    reason: str
    vendor_code: str = ""

    @property
    def shown_code(self) -> str:
        """The code that people are told."""
        return self.vendor_code or self.code


class CellError(Exception):
    """The cell cannot be what its column wants.

    Args:
        code: stable word
        wants: completes the sentence "<column>: …"
    """

    def __init__(self, code: RejectCode, wants: str) -> None:
        super().__init__(code, wants)
        self.code = code
        self.wants = wants


class FileRefused(Exception):
    """The file cannot be used at all; nothing of it is sent.

    Args:
        code: stable snake_case word
        message: what is wrong and what to do, for a spreadsheet user
    """

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def column_letters(index: int) -> str:
    """The name a spreadsheet gives to the column at `index` (0 → A, 25 → Z, 26 → AA)."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


class ErrorClass(StrEnum):
    """What a row with an error needs."""

    ROW = "row"
    """Mend the row (or the record at the vendor): sent again as it is, it fails again."""
    CONFLICT = "conflict"
    """Somebody else changed the same record at that moment; nothing was done. May go again."""
    THROTTLE = "throttle"
    """The vendor was asked too much at once; nothing was done. May go again, later."""
    LOST = "lost"
    """It may have been applied: look it up at the vendor before it is sent again."""
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
    """Whether a row with this error may have been applied: the vendor failed over it, and
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

    For a row of a deletion that may have been applied before, this is what a success looks
    like. An address at which there is no vendor (`vendor_not_found`) says nothing of a record.
    """
    if _NOT_FOUND_CODE.fullmatch(code or ""):
        return True
    ours = (code or "").startswith("vendor_") and code != "vendor_error"
    return not ours and _NOT_FOUND_TEXT.search(text or "") is not None


@cache
def listed_codes() -> Mapping[str, ErrorClass]:
    """Every code that is known by name: Jobferry's own, and the vendors' that have a class."""
    return {
        **{code.value: ErrorClass.FILE for code in RefusalCode},
        **{code.value: ErrorClass.ROW for code in RejectCode},
        **{c: kind for table in (_OWN, _VENDORS) for kind, codes in table.items() for c in codes},
    }
