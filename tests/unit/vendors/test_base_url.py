"""Which addresses a connection may have."""

from __future__ import annotations

import pytest

from jobferry.vendors.http.addresses import LOOPBACK as LOCAL
from jobferry.vendors.http.addresses import PUBLIC, Reach
from jobferry.vendors.http.client import BaseUrlError, check_base_url


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://acme.zendesk.com", "https://acme.zendesk.com"),
        ("https://acme.zendesk.com/", "https://acme.zendesk.com"),
        ("https://acme.zendesk.com:8443", "https://acme.zendesk.com:8443"),
        ("https://93.184.215.14", "https://93.184.215.14"),
        ("https://[2606:2800:21f::1]:8443/", "https://[2606:2800:21f::1]:8443"),
    ],
)
@pytest.mark.parametrize("allow", [LOCAL, PUBLIC])
def test_the_root_of_a_site(url: str, root: str, allow: Reach) -> None:
    assert check_base_url(url, allow) == root


LOOPBACK = ["http://127.0.0.1:8900", "http://localhost:8900", "http://[::1]:8900"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_http_to_this_machine_where_it_is_allowed(url: str) -> None:
    assert check_base_url(url + "/", LOCAL) == url
    with pytest.raises(BaseUrlError, match="https://"):
        check_base_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.zendesk.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://example.com#@127.0.0.1",
        "http://0.0.0.0",
        "http://169.254.169.254",
        "http://10.0.0.1",
        "http://",
        "ftp://acme.zendesk.com",
        "file:///etc/passwd",
        "acme.zendesk.com",
        "",
        "https://",
        "https:///api",
        "https://user@acme.zendesk.com",
        "https://user:secret@acme.zendesk.com",
        "https://:secret@acme.zendesk.com",
        "https://acme.zendesk.com?x=1",
        "https://acme.zendesk.com/#top",
    ],
)
def test_everything_else_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BaseUrlError) as refusal:
        check_base_url(url, LOCAL)

    assert "secret" not in str(refusal.value)
    assert "https://" in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.zendesk.com/agent",
        "https://acme.zendesk.com/api/v2",
        "https://acme.zendesk.com?",
        "https://acme.zendesk.com#",
        "https://acme.zendesk.com:99999",
        "https://acme.zendesk.com ",
        "https://acme zendesk.com",
        "https://@acme.zendesk.com",
        "https://[::1",
        "https://...",
        "https://a..b",
        "https://evil.com\n.zendesk.com",
        "https://acme.zendesk.com:0",
        "https://ac\u200bme.zendesk.com",
    ],
)
def test_nothing_but_a_root_is_accepted(url: str) -> None:
    with pytest.raises(BaseUrlError):
        check_base_url(url, LOCAL)
