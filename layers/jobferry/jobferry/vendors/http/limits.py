"""Bounds of a request towards a vendor, apart from the HTTP library that keeps them."""

from __future__ import annotations

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
REQUEST_SECONDS = CONNECT_SECONDS + READ_SECONDS

AUTHORIZE_SECONDS = 5.0
"""What reading the credentials may take of a request's time, before nothing is sent at all."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""A status answer of 100 jobs of 100 rows is about 1 MB. JSON takes up to thirty times its size
once it is read, and the functions have 256 MB."""

IDLE_SECONDS = 5.0
"""Below the keep-alive of common proxies; a write on a dead connection would be ambiguous."""

POOL_SIZE = 36
