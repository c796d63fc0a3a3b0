"""Calls to a vendor that a command makes itself, and their failures in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobferry.domain.commands import command
from jobferry.operator.vendor_requests import VendorUnavailableError
from jobferry.vendors.connections import ConnectionMissingError
from jobferry.vendors.credentials import CredentialsError
from jobferry.vendors.http.client import BaseUrlError
from jobferry_cli.errors import CommandError, ExitCode


@contextmanager
def vendor_reached() -> Iterator[None]:
    """Turns whatever keeps a connection from being used into a `VendorUnavailableError`."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        yield
    except GetParameterError:
        raise VendorUnavailableError(
            "Its credentials cannot be read from Secrets Manager; put the connection again, unless "
            "the right secretsmanager:GetSecretValue is what is missing."
        ) from None
    except (CredentialsError, BaseUrlError, ConnectionMissingError) as error:
        raise VendorUnavailableError(str(error)) from None


@contextmanager
def vendor_asked(connection: str) -> Iterator[None]:
    """Turns every way in which asking the vendor of a connection fails into a `CommandError`."""
    try:
        with vendor_reached():
            yield
    except VendorUnavailableError as error:
        verb = "test" if error.until is None else "show"
        raise CommandError(
            f"The vendor of the connection {connection} did not do as asked. {error}",
            next_command=command("connection", verb, connection),
            code=ExitCode.SERVICE,
            error_code="vendor_unavailable" if error.until is None else "vendor_wait",
        ) from None
