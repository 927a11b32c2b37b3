"""Bodies that do not come, or of which too much comes."""

import socket

import pytest
from tests.serving import Serving

SETTINGS = {"http_request_timeout": "PT1S"}
STRANGERS = [
    ("/v1/session", "application/json"),
    ("/sign-in", "application/x-www-form-urlencoded"),
    ("/welcome", "application/x-www-form-urlencoded"),
    ("/common/oauth2/v2.0/token", "application/x-www-form-urlencoded"),
]


def begun(serving: Serving, path: str, kind: str, size: int) -> bytes:
    """Send the head of a request and the first byte of its body, and return what is answered to that."""
    host, _, port = serving.url.removeprefix("https://").partition(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\n"
        f"Authorization: {serving.admin.headers['authorization']}\r\nContent-Length: {size}\r\n\r\n"
    )
    with (
        socket.create_connection((host, int(port)), timeout=30) as plain,
        serving.context().wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(head.encode() + b"{")
        return bytes(connection.recv(4096))


@pytest.mark.parametrize(("path", "kind"), [*STRANGERS, ("/v1/tokens", "application/json")])
def test_a_body_that_does_not_come_holds_no_connection_open(serving: Serving, path: str, kind: str) -> None:
    assert begun(serving, path, kind, 1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("path", "kind"), STRANGERS)
def test_strangers_send_little(serving: Serving, path: str, kind: str) -> None:
    assert begun(serving, path, kind, 1 << 20).startswith(b"HTTP/1.1 413 ")
