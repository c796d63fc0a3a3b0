"""Who may ask: one API token, one bearer token, and access tokens from `/oauth/tokens`."""

from __future__ import annotations

import base64
import binascii

from vendorsim.values import JsonObject, Reply, json_reply
from vendorsim.world import World
from vendorsim.zendesk_support import replies

EMAIL = "agent@example.com"
TOKEN = "sim-token"  # noqa: S105  the simulator's published credential
CLIENT_ID = "sim-client"
CLIENT_SECRET = "sim-secret"  # noqa: S105  the simulator's published credential


class Gate:
    """Lets in the published credentials and the access tokens that it gave out itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._draws = world.draws("access tokens")
        self._expiry: dict[str, float] = {}

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header is good."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer":
            token = given.strip()
            return token == TOKEN or self._expiry.get(token, 0.0) > self._world.clock.now()
        return scheme.lower() == "basic" and _decoded(given) == f"{EMAIL}/token:{TOKEN}"

    def grant(self, form: JsonObject) -> Reply:
        """The client-credentials grant: an access token, no refresh token."""
        expected = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        if any(form.get(key) != value for key, value in expected.items()):
            raise replies.RequestRefused(json_reply({"error": "invalid_client"}, 401))
        lifetime = self._world.settings.token_seconds
        token = f"{self._draws.getrandbits(256):064x}"
        self._expiry[token] = self._world.clock.now() + lifetime
        body = {
            "access_token": token,
            "token_type": "bearer",
            "scope": form.get("scope", "read write"),
            "expires_in": int(lifetime),
        }
        return json_reply(body)


def _decoded(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
