"""SubmitJob: one bulk request; a refusal is an error, for the state machine to retry."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`event`: url and token of the vendor, wait_seconds, and the tickets."""
    request = urllib.request.Request(
        f"{event['url']}/api/v2/tickets/create_many.json",
        data=json.dumps({"tickets": event["tickets"]}).encode(),
        headers={
            "Authorization": f"Bearer {event['token']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        job = json.load(answer)["job_status"]
    kept = {name: event[name] for name in ("url", "token", "wait_seconds")}
    return {**kept, "job_id": job["id"], "status": job["status"]}
