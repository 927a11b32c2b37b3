"""Whatever keeps one from a service is one clear line that says what to do."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.client.loopback import TOKEN, Loopback, certificates

from fencepost.client.access import Access
from fencepost.client.service import Service
from fencepost.client.trouble import of_answer, of_transport
from fencepost.model.errors import OperatorError

URL = "https://localhost:8443"


def trouble_with(access: Access) -> str:
    async def go() -> None:
        async with Service(access) as service:
            await service.put_group("cameras", {}, patience=0)

    with pytest.raises(OperatorError) as caught:
        asyncio.run(go())
    (problem,) = caught.value.problems
    assert problem.path == access.url
    assert "\n" not in problem.reason
    return problem.reason


@contextmanager
def listener() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, server.getsockname()[1]


@pytest.fixture(scope="module")
def service() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def test_where_nobody_listens() -> None:
    with listener() as (_, port):
        pass
    assert trouble_with(Access(f"https://127.0.0.1:{port}", TOKEN)) == (
        "nobody listens there: is `fencepost serve` running?"
    )


def test_a_name_that_nobody_has() -> None:
    assert "no computer of this name" in trouble_with(Access("https://fencepost.invalid", TOKEN))


def test_another_authority(service: Loopback) -> None:
    other, _, _ = certificates(("other.example",))
    for ca in (other, None):
        reason = trouble_with(Access(service.url, TOKEN, ca))
        assert "not signed by the authority that is trusted here" in reason
        assert "--ca" in reason


def test_another_name(tmp_path: Path) -> None:
    with Loopback(names=("fencepost.example",)) as elsewhere:
        reason = trouble_with(elsewhere.access)
    assert "the certificate of the service is for other names" in reason
    assert "fencepost init --hostname" in reason


def test_a_wrong_token(service: Loopback) -> None:
    reason = trouble_with(Access(service.url, "wrong", service.ca))
    assert reason == (
        "the token is not accepted: it is wrong, over, or not for this; "
        "`fencepost init --json` prints the installation's own as admin_token"
    )


def test_another_protocol(service: Loopback) -> None:
    assert "https://" in trouble_with(Access(service.url.replace("https", "http"), TOKEN))
    with listener() as (server, port):
        url = f"https://127.0.0.1:{port}"

        async def go() -> str:
            talking = asyncio.to_thread(greet, server)
            saying = asyncio.to_thread(trouble_with, Access(url, TOKEN))
            return (await asyncio.gather(talking, saying))[1]

        assert "does not speak TLS" in asyncio.run(go())


def greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"220 mail.example ESMTP\r\n" * 10)
        connection.recv(1000)


def test_what_the_service_says_is_told_with_all_its_problems() -> None:
    content = b'{"title":"Bad Request","detail":"2 problems","problems":[{"path":"rules[0].min","reason":"negative"}]}'
    assert (
        of_answer(400, content, URL).reason == "the service answers 400: 2 problems; rules[0].min: negative"
    )


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"detail": 7}'])
def test_an_answer_of_something_else_is_told_by_its_status(content: bytes) -> None:
    assert of_answer(418, content, URL).reason == "the service answers 418: I'm a Teapot"
    assert of_answer(799, content, URL).reason == "the service answers 799: no reason given"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx2.ConnectTimeout(""), "it cannot be reached"),
        (httpx2.ReadTimeout(""), "it does not answer"),
        (httpx2.ReadError(""), "the connection failed: ReadError"),
        (httpx2.RemoteProtocolError("nonsense"), "the connection failed: nonsense"),
    ],
)
def test_other_failures_are_told_too(error: httpx2.TransportError, reason: str) -> None:
    assert reason in of_transport(error, URL).reason


def test_what_an_iot_hub_says_is_told_without_its_code() -> None:
    content = (
        b'{"Message":"ErrorCode:ArgumentInvalid;the key is not base64","ExceptionMessage":"Tracking ID:1"}'
    )
    assert of_answer(400, content, URL).reason == "the service answers 400: the key is not base64"
    assert of_answer(400, b'{"Message":"no code"}', URL).reason == "the service answers 400: no code"
