"""The refusals of Zendesk Support, word for word where a source gives the words.

Marked *assumed* where no public source shows the body.
"""

from __future__ import annotations

import json

from vendorsim.values import HTML, TEXT, JsonObject, Reply, json_reply

PER_MINUTE_EXCEEDED = "Number of allowed API requests per minute exceeded"


class RequestRefused(Exception):
    """The request is answered with `reply` and does nothing."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def not_found() -> Reply:
    return json_reply({"error": "RecordNotFound", "description": "Not found"}, 404)


def no_such_endpoint() -> Reply:
    """Assumed."""
    return json_reply({"error": "InvalidEndpoint", "description": "Not found"}, 404)


def unauthenticated() -> Reply:
    return json_reply({"error": "Couldn't authenticate you"}, 401)


def invalid_attribute(path: str, attribute: str, rule: str) -> Reply:
    """400 for a body of the wrong shape; the error is an object here, not a word."""
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} must be {rule} from {path.lstrip('/')}"
    )
    return json_reply({"error": {"title": "Invalid attribute", "message": message}}, 400)


def bad_request(description: str) -> Reply:
    """Assumed."""
    return json_reply({"error": "BadRequest", "description": description}, 400)


def unparsable() -> Reply:
    body = {"error": "Unprocessable Entity", "message": "Server could not parse JSON"}
    return json_reply(body, 422)


def record_invalid(field: str, description: str) -> Reply:
    details = {field: [{"description": description, "error": "BlankValue"}]}
    body = {
        "error": "RecordInvalid",
        "description": "Record validation errors",
        "details": details,
    }
    return json_reply(body, 422)


def too_many_values(maximum: int) -> Reply:
    """More items than one request may carry; the gap in the text is the vendor's own."""
    body = {
        "error": "TooManyValues",
        "description": f"Parameter  cannot specify more than {maximum} values",
        "max_count": maximum,
    }
    return json_reply(body, 400)


def too_many_users(maximum: int) -> Reply:
    body = {
        "error": "TooManyValues",
        "description": f"Maximum {maximum} users may be created per call",
    }
    return json_reply(body, 400)


def too_many_jobs(status: int, worker: str, job_ids: list[str]) -> Reply:
    body = {
        "error": "TooManyJobs",
        "description": (
            f"Too many {worker} jobs are currently queued or running. Try again later."
        ),
        "current_job_ids": job_ids,
    }
    return json_reply(body, status)


def restricted_keys(names: list[str]) -> tuple[tuple[str, str], ...]:
    """The header of an answer to a request of which something was left out, without a refusal.

    In the words of zendesk_api_client_rb, issue 153.
    """
    # How characters are written that no header can hold is assumed.
    text = f"Removed restricted keys {json.dumps(names)} from parameters according to whitelist"
    return (("X-Zendesk-API-Warn", text),) if names else ()


def rate_limited(form: str, retry_after: int | str | None) -> Reply:
    """429 in one of the forms seen: `json`, `plain` (not JSON at all), `edge` (another service)."""
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    if form == "plain":
        return Reply(429, PER_MINUTE_EXCEEDED.encode(), TEXT, headers)
    bodies: dict[str, JsonObject] = {
        "json": {"error": "APIRateLimitExceeded", "description": PER_MINUTE_EXCEEDED},
        "edge": {
            "detail": "Rate limited by Zendesk edge protection",
            "status": "429",
            "title": "Automated response",
        },
    }
    return json_reply(bodies[form], 429, headers)


def uri_too_long() -> Reply:
    return Reply(414, b"<html><body><h1>414 Request-URI Too Large</h1></body></html>", HTML)


def idempotency_mismatch() -> Reply:
    body = {
        "error": "IdempotentRequestError",
        "description": "Request parameters don't match the given idempotency key",
    }
    return json_reply(body, 400)
