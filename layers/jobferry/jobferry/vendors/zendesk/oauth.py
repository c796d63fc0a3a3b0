"""Access tokens of Zendesk's OAuth client-credentials grant, fetched when they are needed.

Facts from https://developer.zendesk.com/documentation/api-basics/authentication/oauth-migration/:
`POST /oauth/tokens`, a token lives for 30 minutes unless it says otherwise, and there is no
refresh token. Neither the client's secret nor a token is ever part of an answer or a log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobferry.vendors.answer_gate import LARGEST
from jobferry.vendors.answers import ThrottleReason
from jobferry.vendors.credentials import CLIENT, authorization, is_header_text
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.operation import compact_json
from jobferry.vendors.zendesk.errors import json_object

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer

TOKEN_PATH = "/oauth/tokens"  # noqa: S105 - an address
SCOPE = "read write"
LIFETIME = 1_800.0
"""Seconds a token lives where the vendor does not say."""

LONGEST_LIFETIME = 86_400.0
"""Seconds after which a token is fetched anew, whatever it says of itself."""

SPARE = 60.0
"""Seconds before its end at which a token is given up: a request may take that long."""

_SAYS_MORE = frozenset({402, 410, 423, 429})
"""Statuses that say more than that the client is a bad one."""

FetchToken = Callable[[bytes], "Answer | NoAnswer"]
"""Posts the JSON body of a grant to `TOKEN_PATH`, once."""


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    """A header's value, for whom it was made, and until when it is used."""

    value: str
    client: Mapping[str, str]
    until: float


class ZendeskAuthorizer:
    """What `HttpClient` asks for its header, whichever form the credentials have.

    Args:
        read_secret: reads the credentials, afresh when asked to.
    """

    def __init__(
        self,
        read_secret: Callable[[bool], Mapping[str, str]],
        fetch: FetchToken,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_secret = read_secret
        self._fetch = fetch
        self._monotonic = monotonic
        self._fetching = threading.Lock()
        self._token: _Token | None = None

    def __call__(self, refresh: bool) -> str | Answer | NoAnswer:
        """The header's value, or why there is none, as an answer to the request itself."""
        credentials = self._read_secret(refresh)
        if frozenset(credentials) != CLIENT:
            return authorization(credentials)
        refused = self._token if refresh else None
        with self._fetching:
            # One thread fetches; those that waited for it use what it brought.
            kept = self._token
            if kept is not None and kept is not refused and self._serves(kept, credentials):
                return kept.value
            return self._renew(credentials)

    def _serves(self, token: _Token, credentials: Mapping[str, str]) -> bool:
        return token.client == credentials and self._monotonic() < token.until

    def _renew(self, credentials: Mapping[str, str]) -> str | Answer | NoAnswer:
        asked_at = self._monotonic()
        grant = {"grant_type": "client_credentials", "scope": SCOPE, **credentials}
        answer = self._fetch(compact_json(grant))
        document = json_object(answer) if _is_success(answer) else {}
        value = document.get("access_token")
        if not isinstance(value, str) or not is_header_text(value):
            self._token = None
            return _instead_of(answer)
        header = f"Bearer {value}"
        lifetime = _seconds(document.get("expires_in"))
        self._token = _Token(header, dict(credentials), asked_at + lifetime - SPARE)
        return header


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LARGEST:
        return LIFETIME
    return min(float(value), LONGEST_LIFETIME)


def _is_success(answer: Answer | NoAnswer) -> bool:
    return 200 <= getattr(answer, "status", 0) < 300


def _instead_of(answer: Answer | NoAnswer) -> Answer | NoAnswer:
    """What a request gets that was not sent for want of a token: nothing was done in any case."""
    from jobferry.vendors.http.client import Answer, NoAnswer

    if not isinstance(answer, Answer):
        cause = ThrottleReason.UNREACHABLE if answer.sent else answer.cause
        return NoAnswer(sent=False, reason="no access token: " + answer.reason, cause=cause)
    if answer.status in _SAYS_MORE or 300 <= answer.status < 400:
        return answer
    if answer.status == 404 and not json_object(answer):
        return answer
    if 400 <= answer.status < 500 and answer.status != 408:
        # A bad request for a token is a bad client, whatever the number: it ends the run.
        return Answer(401, answer.headers, answer.body)
    named = 200 <= answer.status < 300
    return NoAnswer(
        sent=False,
        reason=f"no access token: HTTP {answer.status}",
        cause=ThrottleReason.CREDENTIALS if named else ThrottleReason.UNREACHABLE,
    )


def zendesk_http(
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    *,
    reach: Reach,
) -> HttpClient:
    """HTTP to the account at `base_url`, for either of its APIs, with any form of credentials."""
    from jobferry.vendors.http.client import HttpClient, check_base_url

    root = check_base_url(base_url, reach)
    authorize = ZendeskAuthorizer(
        read_secret, lambda grant: http.post_unauthorized(TOKEN_PATH, grant)
    )
    http = HttpClient(root, authorize, reach=reach)
    return http
