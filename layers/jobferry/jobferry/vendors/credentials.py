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
API_KEY = frozenset({"api_key"})


_VISIBLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class CredentialsError(ValueError):
    """The document has not the form that the vendor needs. Says keys, never values."""


ADDRESS = "base_url"
"""In a secret: the address that the credentials beside it were given for."""


class AddressMismatchError(CredentialsError):
    """The credentials were given for another address than the connection's."""


def secret_of(credentials: Mapping[str, str], base_url: str) -> str:
    """The text that is kept as a secret: the credentials, bound to the address they are for."""
    return json.dumps({**credentials, ADDRESS: base_url})


def open_secret(text: str, forms: tuple[frozenset[str], ...], base_url: str) -> dict[str, str]:
    """The credentials in a secret, for requests to `base_url` alone.

    Whoever may write a connection's address must not get its credentials sent there. A secret
    without an address, as older versions wrote them, is taken for every address.

    Raises:
        AddressMismatchError: they were given for another address.
        CredentialsError: as `parse_credentials`.
    """
    credentials, address = _parted(text)
    if address not in (_UNBOUND, base_url):
        raise AddressMismatchError(
            "The credentials were given for another address than the connection's. "
            "Put the connection again, with credentials for its address."
        )
    return parse_credentials(credentials, forms)


_UNBOUND = object()


def _parted(text: str) -> tuple[str, object]:
    """The credentials of a secret as a JSON text, and the address they are bound to."""
    try:
        document = json.loads(text)
    except ValueError:
        return text, _UNBOUND
    if not isinstance(document, dict) or ADDRESS not in document:
        return text, _UNBOUND
    return json.dumps({k: v for k, v in document.items() if k != ADDRESS}), document[ADDRESS]


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
    """What `HttpClient` asks for its header: reads the secret, afresh when asked to refresh."""
    return lambda refresh: authorization(read_secret(refresh))
