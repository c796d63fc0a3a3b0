"""What the key of an uploaded object says: whose it is, how it is written, or why it is refused.

Every object below `inbox/` gets a run, also one that cannot be processed: that run is `failed` and
says why. Only the "folders" that S3's console makes are passed over.
"""

from __future__ import annotations

from jobferry.domain.names import is_name

INBOX = "inbox/"

UNKNOWN = "unknown"
"""The profile under which a file is refused that names none."""

MOST_KEY_BYTES = 1_024
"""The longest key that S3 takes."""

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
"""How the names of files end that can be processed, in capital letters or not."""

_SHOWN = 60
"""Characters of a name that a message repeats."""

_SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
_ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar")
_AGAIN = "and drop it in again."

COPYING = ("retry", "rerun")
"""Commands that upload a run's file once more: below its profile, in a folder of their name."""


def copies_of(profile: str, command: str, run_id: str) -> str:
    """What the keys of the uploads begin with that a command has made of a run's file."""
    return f"{INBOX}{profile}/{copy_names(command, run_id)}"


def copy_names(command: str, run_id: str) -> str:
    """The same, without the profile's folder."""
    return f"{command}/{run_id}-"


def suffix_of(key: str) -> str | None:
    """How the name ends, in small letters; None when no such file can be processed."""
    name = key.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def is_packed(key: str) -> bool:
    """Whether the file must be unpacked before it can be read."""
    return (suffix_of(key) or "").endswith(".gz")


def delimiter_of(key: str) -> str | None:
    """What stands between cells, as far as the name of the file says it."""
    return "\t" if (suffix_of(key) or "").startswith(".tsv") else None


def plain_suffix(key: str) -> str:
    """How a file ends that is written like this one and not packed."""
    return ".csv" if delimiter_of(key) is None else ".tsv"


def is_folder(key: str, size: int) -> bool:
    """Whether this is the empty object that stands for a folder, and no file."""
    return key.startswith(INBOX) and key.endswith("/") and size == 0


def profile_of(key: str) -> str:
    """The profile that the folder of an upload names; `unknown` when that is no name."""
    parts = key.removeprefix(INBOX).split("/")
    return parts[0] if len(parts) > 1 and is_name(parts[0]) else UNKNOWN


def why_refused(profile: str, key: str) -> str | None:
    """Why an object below `inbox/` cannot be processed, as far as its key says; None if it may be.

    Args:
        profile: that the run is for.
    """
    if not key.startswith(INBOX):
        return None
    folder, _, name = key.removeprefix(INBOX).rpartition("/")
    if profile == UNKNOWN and profile_of(key) == UNKNOWN and folder.split("/")[0] != UNKNOWN:
        return _no_profile(folder.split("/")[0])
    if suffix_of(key) is None:
        return _no_table(name)
    return None


def no_name(profile: str) -> str:
    """Why no run can be made for a profile that is asked for so."""
    return (
        f"{shown(profile)} is no profile's name: one has up to 48 letters, digits, - and _. "
        "`jobferry profile list` shows those that are there."
    )


def shown(text: str) -> str:
    """A name from outside in quotation marks, as far as a message should repeat it."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _no_profile(folder: str) -> str:
    where = "Drop it into inbox/<profile>/; `jobferry profile list` shows the profiles."
    if not folder:
        return f"The file lies in no profile's folder, so nobody can tell its profile. {where}"
    return f"The file lies in the folder {shown(folder)}, which is no profile's name. {where}"


def _no_table(name: str) -> str:
    low = name.lower()
    what = "A file must be named .csv, .tsv, .csv.gz or .tsv.gz."
    if low.endswith(_SHEETS):
        return f"{what} This is a spreadsheet: save it as CSV UTF-8 {_AGAIN}"
    if low.endswith(_ARCHIVES):
        return (
            f"{what} This is another archive: unpack it, or pack the CSV alone with gzip as "
            f"FILE.csv.gz, {_AGAIN}"
        )
    if "." not in name:
        return f"{what} This name has no such ending. If it is a CSV, add .csv to its name {_AGAIN}"
    return f"{what} This is another kind. If it is a CSV, rename it to FILE.csv {_AGAIN}"
