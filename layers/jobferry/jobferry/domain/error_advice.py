"""What to do about an error, by its code or by its class: the advice of every surface.

docs/errors.md has the same sentences; a test keeps the two in step. In commands, RUN stands for the
run and NAME for its connection; `advice` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobferry.domain.error_codes import ErrorClass, error_class

_BY_CLASS: Mapping[ErrorClass, str] = {
    ErrorClass.ROW: (
        "Mend the row in the result file and run that file, or mend the record at the vendor and "
        "`jobferry retry RUN`."
    ),
    ErrorClass.CONFLICT: "Somebody changed the same record: `jobferry retry RUN`.",
    ErrorClass.THROTTLE: "The vendor was asked too much at once: `jobferry retry RUN` later.",
    ErrorClass.LOST: "It may have been applied: look the row up at the vendor first.",
    ErrorClass.ACCOUNT: (
        "Mend the account (`jobferry connection test NAME`), then `jobferry rerun RUN`."
    ),
    ErrorClass.VENDOR: "The vendor failed: `jobferry retry RUN`; look up unknown rows first.",
    ErrorClass.FILE: "Mend the file or the profile and run it again.",
    ErrorClass.STOPPED: ("Nothing is wrong with the row: `jobferry rerun RUN` when it may go on."),
}

_BY_CODE: Mapping[str, str] = {
    "empty_file": "Export it again.",
    "excel_workbook": 'Save it as "CSV UTF-8".',
    "archive": "Unpack it, and run the CSV in it.",
    "binary_file": "Export the table as CSV.",
    "web_page": "Download the file itself.",
    "wrong_encoding": "Correct `encoding`, or save as UTF-8.",
    "unknown_encoding": "Save as UTF-8, or say `encoding: cp1252` in the profile.",
    "unknown_delimiter": "Say `delimiter` in the profile.",
    "no_header": "Make the line with the column names the first.",
    "unreadable_header": "Mend the first line.",
    "text_before_header": "Delete them.",
    "too_many_columns": "Look whether the delimiter is right.",
    "missing_column": "Add it, or take it out of the profile; capital letters count.",
    "duplicate_column": "Rename or delete one.",
    "conflicting_columns": "Give each a field of its own in the profile.",
    "not_gzip": "Name it `FILE.csv`, or pack it with gzip.",
    "damaged_gzip": "Pack and upload it again.",
    "unpacks_too_far": "Upload it as a plain CSV.",
    "file_too_large": "Split it, or deploy with a larger parameter.",
    "too_many_rows": "Split it, or deploy with a larger parameter.",
    "wrong_delimiter": "Mend it, or leave it out.",
    "two_encodings": "Save both parts as CSV UTF-8 and join them again.",
    "garbled_text": "Fetch it again and save it as CSV UTF-8.",
    "too_many_rejected": "Look whether it is the right file for the profile.",
    "unclosed_quote": "Close it, or double quotes inside the cell.",
    "text_after_quote": "Double quotes inside the cell.",
    "blank_before_quote": "Remove the blank.",
    "stray_line_break": "Quote the cell.",
    "nul_character": "Export it again; they are no text.",
    "wrong_cell_count": "Quote cells with the delimiter in them.",
    "cell_too_large": "Shorten it.",
    "row_too_large": "Shorten its cells.",
    "missing_value": "Fill it, or make the column `optional`.",
    "not_allowed": "Write one of them, exactly.",
    "not_an_integer": "Mend the cell.",
    "not_a_number": "Mend the cell: a point for decimals, nothing between thousands.",
    "number_not_exact": "Fewer digits, or make the column a string.",
    "rounded_number": "Format the column as text, and save anew.",
    "not_a_boolean": "Write `true` or `false`.",
    "not_a_date": "Write `2026-01-31`.",
    "not_a_datetime": "Write `2026-01-31T09:30:00Z`.",
    "not_an_email": "Write `ann@example.com`.",
    "not_json": "Mend the cell.",
    "missing_row_key": "Fill it: it distinguishes the rows.",
    "conflicting_row_key": "Find out which of them is right.",
    "repeated_header": "Delete it.",
    "cut_row": "Take it from the first file.",
    "vendor_rule": "As the reason says.",
    "duplicate_row_key": "Nothing, or give it a key of its own.",
    "aborted": "`jobferry rerun RUN` when it may go on.",
    "invalid_id": "Mend the ids; name all rows by `id` or all by `external_id`.",
    "merge_into_itself": "Mend `target_id`.",
    "bad_jobmetadata": "Map to `jobmetadata.<key>`.",
    "bad_priority": "Use one that it knows.",
    "one_merge_per_job": "Leave `batch_size` out of the profile.",
    "too_many_records": "Lower `batch_size` in the profile.",
    "reserved_field": "Take it out of the profile.",
    "source_missing": "Upload the file again.",
    "source_unreadable": "Mend the right, then `jobferry rerun RUN`.",
    "source_unavailable": "`jobferry rerun RUN`.",
    "tags_need_one_change": "`batch_size: 1`, or map `tags`.",
    "attributes_differ": "Make them constants, or `batch_size: 1`.",
    "custom_object_not_named": "Write the key in the profile's operation.",
    "connection_gone": (
        "Look up the rows that are `unknown`; put the connection back, then `jobferry rerun RUN`."
    ),
    "vendor_unauthorized": "`jobferry connection put NAME … --credentials NEW.json`.",
    "vendor_forbidden": "Give its user the role, or have the feature switched on.",
    "address_not_allowed": (
        "Set `VendorCidrs`, or put the connection with another address, then `jobferry rerun RUN`."
    ),
    "credentials_unusable": (
        "`jobferry connection put NAME … --credentials FILE.json`, then `jobferry rerun RUN`."
    ),
    "vendor_unreachable": (
        "`jobferry connection test NAME`; mend the base URL, then `jobferry rerun RUN`."
    ),
    "vendor_redirects": "Correct the connection's base URL.",
    "vendor_not_found": "Correct the connection's base URL.",
    "vendor_payment_required": "Settle it with the vendor.",
    "vendor_gone": "Correct the connection's base URL, or ask the vendor.",
    "vendor_locked": "Have it unlocked.",
    "vendor_quota_exceeded": "Delete records, or raise the quota.",
    "failed": "Look at the text; look the row up.",
    "vendor_error": "Read the text; mend the row.",
    "job_aborted": "`jobferry retry RUN`.",
    "vendor_unavailable": "`jobferry retry RUN`, with `--unknown` for such rows.",
    "vendor_throttles": "Lower the other load on the account, then `jobferry rerun RUN`.",
    "aborted_by_force": "`jobferry resolve RUN` asks the vendor for it; else look the rows up.",
    "submission_lost": "Look the rows up.",
    "carried_out_twice": "Look up what both jobs made, and take one away.",
    "job_forgotten": "Look the rows up.",
    "job_never_ended": "`jobferry resolve RUN` reads it once more; else look the rows up.",
    "job_partly_failed": "Look the rows up; `batch_size: 1` gives each its own word.",
    "job_state_unknown": "Look the job up.",
    "job_without_results": "Look the rows up.",
    "job_id_unusable": "Look the rows up.",
    "record_id_unusable": "Look the rows up.",
    "result_missing": "Look the row up.",
    "result_says_nothing": "Look the row up.",
    "evidence_missing": "Look the rows up.",
    "answer_unusable": "Look the rows up.",
    "DatabaseConflict": "`jobferry retry RUN`.",
    "DatabaseDeadlock": "`jobferry retry RUN`.",
    "UpdateConflict": "`jobferry retry RUN`; with `updated_stamp` mapped, take a fresh one.",
    "conflict": "See what it is doing; `jobferry retry RUN`.",
    "APIRateLimitExceeded": "Jobferry waits by itself; as a row's error: `jobferry retry RUN`.",
    "TooManyJobs": "Jobferry waits by itself; as a row's error: `jobferry retry RUN`.",
    "TooManyRequests": (
        "`jobferry retry RUN` later; a full account: delete records or raise the quota."
    ),
    "Forbidden": "Give its user the role, or have the feature switched on.",
    "forbidden": "Give the user the role.",
    "notAuthorized": "`jobferry connection put NAME … --credentials NEW.json`.",
    "licenseFault": "Speak to whoever runs the site.",
    "notYetImplemented": "Use another operation or job type.",
    "internalServer": "`jobferry retry RUN`.",
    "InternalServerError": "`jobferry retry RUN`.",
    "ServiceUnavailable": "`jobferry retry RUN`.",
    "TooManyValues": "Lower `batch_size` in the profile.",
    "ABORTED": "`jobferry retry RUN` when it may go on.",
}


def advice(code: str, text: str, run_id: str, connection: str) -> str:
    """What to do about rows that ended with this error: a sentence, commands in backticks.

    Args:
        code: an outcome's `error_code`.
        text: what the vendor said besides.
    """
    kind = error_class(code, text)
    # The text may say more than the code: a full account under the code of a rate limit.
    by_text = error_class(code) is not kind
    found = _BY_CLASS[kind] if by_text else _BY_CODE.get(code, _BY_CLASS[kind])
    for place, name in ((" RUN", run_id), (" NAME", connection)):
        if name:
            found = found.replace(place, f" {name}")
    return found


def advised_codes() -> Mapping[str, str]:
    """The advice of every code that has its own."""
    return dict(_BY_CODE)
