"""GetJobStatus: one poll at one job."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`event`: what SubmitJob returned."""
    request = urllib.request.Request(
        f"{event['url']}/api/v2/job_statuses/{event['job_id']}.json",
        headers={"Authorization": f"Bearer {event['token']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return {**event, "status": json.load(answer)["job_status"]["status"]}
