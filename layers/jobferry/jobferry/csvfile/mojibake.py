"""Text that was UTF-8, was read as something else, and was saved again: `CafÃ©`.

A spreadsheet that opens a UTF-8 file as text of its own code page shows such letters, and saves
them as they are shown.
"""

from __future__ import annotations

_CODE_PAGES = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "mac_roman")
"""What spreadsheets take a file without a mark for, by the language of the machine."""


def is_garbled(text: str) -> bool:
    """Whether a text turns into sense when it is re-read as UTF-8.

    Text that people write does not: letters beyond ASCII would have to follow each other just as
    the bytes of UTF-8 do.
    """
    return any(_turns_into_sense(text, page) for page in _CODE_PAGES)


def _turns_into_sense(text: str, page: str) -> bool:
    try:
        sense = b"".join(_byte(character, page) for character in text).decode()
    except UnicodeError:
        return False
    return sense != text and sense.isprintable()


def _byte(character: str, page: str) -> bytes:
    try:
        return character.encode(page)
    except UnicodeEncodeError:
        # Bytes that a code page leaves open are shown as control characters.
        if page.startswith("cp") and "\x80" <= character <= "\x9f":
            return character.encode("latin-1")
        raise
