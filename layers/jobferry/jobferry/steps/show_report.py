"""Show a run's report to whoever has its address, without an AWS account.

The only door of a deployment that is open to the internet. The token in the address is checked
first; whatever is wrong, and whatever is not there, gets one and the same answer.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from jobferry.deps import Deps
from jobferry.operator.report_link import run_of
from jobferry.reporting.html.style import POLICY
from jobferry.reporting.result_files import result_key
from jobferry.store.objects import ObjectMissingError

MOST_BYTES = 5_500_000
"""Of a body as it is answered; a function's answer may have 6 MB with all that is around it.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    # The report's own policy, and no page may have it in a frame.
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Strict-Transport-Security": "max-age=31536000",
}

_CLOSED_DOOR = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>This address shows no report</title>
<h1>This address shows no report</h1>
<p>It is no longer valid, or it was not copied whole. Addresses of reports end after a while.</p>
<p>Ask whoever runs Jobferry for a new one: <code>jobferry report RUN --link</code>. The report can
also be fetched with <code>jobferry results RUN --out DIR</code>.</p>
</html>
"""


def show_report(event: Mapping[str, Any], deps: Deps, key: Callable[[], str]) -> dict[str, Any]:
    """The answer to a request at the function's address.

    Args:
        event: of a Function URL, payload format 2.0.
        key: gives the key that addresses are signed with.
    """
    accepts_gzip, page = _accepts_gzip(event), _page(event, deps, key)
    answer = None if page is None else _answer(200, page, packed=accepts_gzip)
    if answer is None or len(answer["body"]) > MOST_BYTES:
        deps.emit(ReportsRefused=1)
        return _answer(403, _CLOSED_DOOR.encode(), packed=False)
    deps.emit(ReportsShown=1)
    return answer


def _page(event: Mapping[str, Any], deps: Deps, key: Callable[[], str]) -> bytes | None:
    token = _token(event)
    if token is None:
        return None
    most_seconds = deps.settings.report_link_hours * 3_600
    run_id = run_of(token, key(), deps.now(), most_seconds)
    if run_id is None:
        return None
    try:
        return deps.objects.get(result_key(run_id, "report.html"))
    except ObjectMissingError:
        return None


def _token(event: Mapping[str, Any]) -> str | None:
    """What stands where the token does in the address that was asked for."""
    path, context = event.get("rawPath"), event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    method = http.get("method") if isinstance(http, Mapping) else None
    if method not in ("GET", "HEAD") or not isinstance(path, str):
        return None
    return path.removeprefix("/")


def _accepts_gzip(event: Mapping[str, Any]) -> bool:
    headers = event.get("headers")
    accepted = headers.get("accept-encoding") if isinstance(headers, Mapping) else None
    return isinstance(accepted, str) and "gzip" in accepted


def _answer(status: int, page: bytes, *, packed: bool) -> dict[str, Any]:
    if not packed:
        return {"statusCode": status, "headers": dict(HEADERS), "body": page.decode()}
    body = b64encode(gzip.compress(page, mtime=0)).decode()
    headers = {**HEADERS, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": True}
