"""Where a server is for its client."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from sfu.plugins.http import base_url


@pytest.mark.parametrize(
    ("scheme", "host", "root", "expected"),
    [
        ("http", b"meet.example", "", "http://meet.example"),
        ("https", b"meet.example:8443", "", "https://meet.example:8443"),
        ("wss", b"[::1]:80", "/sfu", "https://[::1]:80/sfu"),
        ("ws", None, "", "http://127.0.0.1:8080"),
        ("http", b"not a host/", "", "http://127.0.0.1:8080"),
        ("http", b"meet.example:99999", "/", "http://127.0.0.1:8080"),
    ],
)
def test_it_is_where_the_client_asked_for_it_or_where_it_listens(
    scheme: str, host: bytes | None, root: str, expected: str
) -> None:
    headers = [(b"accept", b"*/*")] + ([] if host is None else [(b"host", host)])
    server = ["127.0.0.1", 8080]  # a list where another server carried the request
    scope = {"type": "http", "scheme": scheme, "headers": headers, "server": server, "root_path": root, "path": "/x"}
    assert base_url(HTTPConnection(scope), "") == expected
    assert base_url(HTTPConnection(scope), "https://public.example") == "https://public.example"
