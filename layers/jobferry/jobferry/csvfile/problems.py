"""What can be wrong with a file or a row: stable codes, and the two ways of saying so.

Texts are for someone with a spreadsheet in front of them: the column, what is wrong, what to do.
They never hold the content of a cell, because they end up in logs, tables and mails.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

CUT_MARK = "[cut by jobferry]"
"""Stands in a result file before what could not be kept whole."""


class RefusalCode(StrEnum):
    """Why a whole file cannot be used."""

    EMPTY_FILE = "empty_file"
    EXCEL_WORKBOOK = "excel_workbook"
    ARCHIVE = "archive"
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

    vendor_code  the code of a vendor's own rule, for `RejectCode.VENDOR_RULE`
    """

    code: RejectCode
    reason: str
    vendor_code: str = ""

    @property
    def told_code(self) -> str:
        """The code that people are told."""
        return self.vendor_code or self.code


class CellError(Exception):
    """The cell cannot be what its column wants.

    code  stable word
    wants  completes the sentence "<column>: …"
    """

    def __init__(self, code: RejectCode, wants: str) -> None:
        super().__init__(code, wants)
        self.code = code
        self.wants = wants


class FileRefused(Exception):
    """The file cannot be used at all; nothing of it is sent.

    code     stable snake_case word
    message  what is wrong and what to do, for a spreadsheet user
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
