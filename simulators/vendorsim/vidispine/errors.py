"""The vendor's refusals: one document of nine keys of which exactly one says something.

Recorded traffic shows `notFound` and `invalidInput`; the others follow them (assumed).
"""

from __future__ import annotations

from vendorsim.values import JsonObject
from vendorsim.vidispine.documents import Document

_KEYS = (
    "notFound",
    "internalServer",
    "forbidden",
    "notYetImplemented",
    "conflict",
    "invalidInput",
    "licenseFault",
    "fileAlreadyExists",
    "notAuthorized",
)


class RequestRefused(Exception):
    """The request does nothing and is answered with a document."""

    def __init__(self, status: int, key: str, details: JsonObject) -> None:
        super().__init__(status, key)
        self.status = status
        self.document = Document(
            "ExceptionDocument",
            {name: details if name == key else None for name in _KEYS},
            text=f"{key}: {details.get('explanation') or details.get('id') or ''}".strip(),
        )


def no_such_job(job_id: str) -> RequestRefused:
    return RequestRefused(404, "notFound", {"type": "Job", "id": job_id, "context": None})


def invalid_input(context: str, explanation: str, value: str | None = None) -> RequestRefused:
    details = {"context": context, "id": None, "explanation": explanation, "value": value}
    return RequestRefused(400, "invalidInput", details)


def conflict(job_id: str, explanation: str) -> RequestRefused:
    details = {"context": "job", "id": job_id, "explanation": explanation, "value": None}
    return RequestRefused(409, "conflict", details)


def not_authorized() -> RequestRefused:
    details = {"context": None, "id": None, "explanation": "Bad user name or password"}
    return RequestRefused(401, "notAuthorized", details)


def not_acceptable() -> RequestRefused:
    return RequestRefused(406, "invalidInput", {"context": "Accept", "id": None, "value": None})
