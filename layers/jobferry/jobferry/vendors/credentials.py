"""Credentials documents and the `Authorization` headers made of them. Values are never shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping

EMAIL_TOKEN = frozenset({"email", "token"})
BEARER = frozenset({"bearer"})
CLIENT = frozenset({"client_id", "client_secret"})
PASSWORD = frozenset({"username", "password"})


_VISIBLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


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
    for name, value in document.items():
        # They become part of a header: visible ASCII, or the request could not even be built.
        if not isinstance(value, str) or not is_header_text(value):
            raise CredentialsError(f'The value of "{name}" must be a text of visible characters.')
    return document


def is_header_text(value: str) -> bool:
    """Whether a text can be part of a header: visible ASCII, with blanks only inside."""
    return _VISIBLE.fullmatch(value) is not None


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
