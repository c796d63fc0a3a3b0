"""Credentials documents and the `Authorization` headers made of them. Values are never shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

EMAIL_TOKEN = frozenset({"email", "token"})
BEARER = frozenset({"bearer"})
CLIENT = frozenset({"client_id", "client_secret"})
PASSWORD = frozenset({"username", "password"})


class CredentialsError(ValueError):
    """The document has not the form that the vendor needs. Says keys, never values."""


def parse_credentials(text: str, forms: tuple[frozenset[str], ...]) -> dict[str, str]:
    """The document as a dictionary, if it has one of the given forms.

    Raises:
        CredentialsError: not a JSON object of strings, or with other keys.
    """
    wanted = " or ".join(
        "{" + ", ".join(f'"{key}"' for key in sorted(form)) + "}" for form in forms
    )
    try:
        document = json.loads(text)
    except ValueError:
        raise CredentialsError(f"The credentials are not JSON. Needed: {wanted}") from None
    if not isinstance(document, dict) or frozenset(document) not in forms:
        raise CredentialsError(f"The credentials need other keys. Needed: {wanted}")
    if not all(isinstance(value, str) and value for value in document.values()):
        raise CredentialsError("Every value of the credentials must be a text that is not empty.")
    return document


def authorization(credentials: Mapping[str, str]) -> str:
    """The header for credentials that need no exchange."""
    if "bearer" in credentials:
        return f"Bearer {credentials['bearer']}"
    if "email" in credentials:
        # https://developer.zendesk.com/api-reference/introduction/security-and-auth
        pair = f"{credentials['email']}/token:{credentials['token']}"
    else:
        pair = f"{credentials['username']}:{credentials['password']}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def authorizer(read_secret: Callable[[bool], Mapping[str, str]]) -> Callable[[bool], str]:
    """What `HttpClient` asks for its header: reads the secret, afresh when told to refresh."""
    return lambda refresh: authorization(read_secret(refresh))
