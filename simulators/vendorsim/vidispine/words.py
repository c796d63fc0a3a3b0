"""The words of the API: states, priorities, job types.

Sources: the JobApi reference, the constants of vidispine/admin-tool, and the job reference of
apidoc.vidispine.com.
"""

from __future__ import annotations

READY = "READY"
STARTED = "STARTED"
WAITING = "WAITING"
FINISHED = "FINISHED"
FINISHED_WARNING = "FINISHED_WARNING"
FAILED_TOTAL = "FAILED_TOTAL"
ABORTED = "ABORTED"

ENDED = frozenset({FINISHED, FINISHED_WARNING, FAILED_TOTAL, ABORTED})

STATES = ENDED | {
    READY,
    STARTED,
    WAITING,
    "HOLD",
    "VIDINET_JOB",
    "ABORT_PENDING",
    "ABORTED_PENDING",
}
"""Words that a state filter may name."""

PRIORITIES = ("LOWEST", "LOW", "MEDIUM", "HIGH", "HIGHEST", "IMMEDIATE")
MEDIUM = "MEDIUM"

JOB_TYPES = [
    "NONE",
    "IMPORT",
    "PLACEHOLDER_IMPORT",
    "RAW_IMPORT",
    "AUTO_IMPORT",
    "SHAPE_IMPORT",
    "SIDECAR_IMPORT",
    "ESSENCE_VERSION",
    "TRANSCODE",
    "TRANSCODE_RANGE",
    "RAW_TRANSCODE",
    "CONFORM",
    "TIMELINE",
    "THUMBNAIL",
    "ANALYZE",
    "FILE_ANALYZE",
    "IMF_ANALYZE",
    "OTIF_ANALYZE",
    "SHAPE_UPDATE",
    "EXPORT",
    "COPY_FILE",
    "MOVE_FILE",
    "DELETE_FILE",
    "FCS_RESTORE",
    "ARCHIVE",
    "RESTORE",
    "LIST_ITEMS",
    "DELETE_LIBRARY",
    "UPDATE_LIBRARY_ITEM_METADATA",
    "DELETE_USER",
    "VXA_INITIALIZE",
    "TEST_TRANSFER",
]

FATES = ("fail", "warn", "stuck")
FATE_KEY = "sim-fate"
"""Metadata key that decides how a job of the simulator goes: one of `FATES`."""

FATE_TYPES = {f"SIM_{fate.upper()}": fate for fate in FATES}
"""Job types that decide the same."""
