"""The HTTP server among strangers: what they may hold, for how long, and that nobody else notices."""

import asyncio
import json
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.said import message, process
from tests.serving import Serving, until

from fencepost.model.errors import OperatorError
from fencepost.net.descriptors import raise_descriptor_limit
from fencepost.web.server import Binding, QuietServer, server_for
from fencepost.web.server.connection import LARGEST_HEAD

SETTINGS = {"http_request_timeout": "PT2S", "http_keep_alive": "PT30S"}
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
BIG = b"0123456789abcdef" * (4 << 16)
"""4 MiB: far more than the kernels on both sides take without a reader."""
SLOW = len(BIG) / 3
TAIL = 110_000
"""Bytes of an answer that the server takes from the application though the client takes none."""


def connected(serving: Serving) -> ssl.SSLSocket:
    port = int(serving.url.rsplit(":", 1)[1])
    context: ssl.SSLContext = serving.context()
    return context.wrap_socket(
        socket.create_connection(("localhost", port), timeout=20), server_hostname="localhost"
    )


def post(serving: Serving, body: bytes, *lines: str) -> bytes:
    """Return a request that sends a body, perhaps without all of the body."""
    head = (
        "POST /v1/devices/cam-1/messages HTTP/1.1",
        "Host: localhost",
        f"Authorization: {serving.ingest.headers['authorization']}",
        "Content-Type: application/json",
        *lines,
        *(
            ()
            if any(line.startswith("Transfer-Encoding") for line in lines)
            else (f"Content-Length: {len(body)}",)
        ),
    )
    return "\r\n".join((*head, "", "")).encode()


def everything(stream: socket.socket, rate: float = float("inf")) -> bytes:
    """Read until the end, at most so many bytes a second."""
    taken = bytearray()
    while part := stream.recv(1 << 15):
        taken += part
        time.sleep(len(part) / rate)
    return bytes(taken)


def answers(stream: socket.socket, number: int) -> list[tuple[int, bytes]]:
    """Return the status and the body of the next answers of a connection; all have a length."""
    found = []
    with stream.makefile("rb") as lines:
        for _ in range(number):
            status, length = int(lines.readline().split()[1]), 0
            while (line := lines.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.split()[1])
            found.append((status, lines.read(length)))
    return found


def said(serving: Serving, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the server closes."""
    with connected(serving) as stream:
        stream.sendall(sent)
        return everything(stream)


def problem_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    return dict(json.loads(body))


class Application:
    """Answers `/big` and `/tail` at length, `/stream` without an end, all else with `ok`, after the body."""

    def __init__(self) -> None:
        self.streams = 0
        self.bodies: list[int] = []
        self.go = threading.Event()
        self.go.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stream":
            await self._stream(send, receive)
            return
        size, more = 0, True
        while more:
            part = await receive()
            size, more = size + len(part.get("body", b"")), part.get("more_body", False)
        self.bodies.append(size)
        while not self.go.is_set():
            await asyncio.sleep(0.01)
        body = {"/big": BIG, "/tail": BIG[:TAIL]}.get(scope["path"], b"ok")
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Any, receive: Any) -> None:
        self.streams += 1
        gone = asyncio.create_task(self._gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not gone.done():
                await send(
                    {"type": "http.response.body", "body": b"data: %b\n\n" % BIG[:20_000], "more_body": True}
                )
                await asyncio.sleep(0.001)
        finally:
            gone.cancel()
            self.streams -= 1

    async def _gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class Running:
    """A server of this application in a thread, on real sockets."""

    def __init__(self, folder: Path | None, **binding: Any) -> None:
        self.application = Application()
        self.tls = folder is not None
        settings = {"head_seconds": 1.0, "keep_alive_seconds": 30.0, "connections": 20, "write_seconds": 1.0}
        where = Binding(
            host="127.0.0.1",
            port=0,
            certificate=folder / "tls" / "server.pem" if folder else None,
            key=folder / "tls" / "server.key" if folder else None,
            **(settings | binding),
        )
        self._context = ssl.create_default_context(cafile=str(folder / "tls" / "ca.pem")) if folder else None
        self.server: QuietServer = server_for(self.application, where)
        self._thread = threading.Thread(target=lambda: uvloop.run(self.server.serve()))
        self._thread.start()
        until(lambda: self.server.started)
        self.address = self.server.servers[0].sockets[0].getsockname()

    def connect(self, *, buffer: int = 0) -> socket.socket:
        stream = socket.socket()
        stream.settimeout(20)
        if buffer:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        stream.connect(self.address)
        return self._context.wrap_socket(stream, server_hostname="localhost") if self._context else stream

    def stop(self) -> float:
        """End the server and return how many seconds that took."""
        began = time.monotonic()
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@contextmanager
def running(folder: Path | None, **binding: Any) -> Iterator[Running]:
    one = Running(folder, **binding)
    try:
        yield one
    finally:
        one.application.go.set()
        one.stop()


@pytest.fixture(params=["plain", "tls"])
def folder(request: pytest.FixtureRequest, serving: Serving) -> Path | None:
    """Where the certificates are, None for plain HTTP: what holds for one holds for both."""
    return serving.folder if request.param == "tls" else None


# heads


def test_a_header_that_never_ends_is_refused_by_its_size(serving: Serving) -> None:
    with connected(serving) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        for _ in range(20):
            stream.sendall(b"a" * 4096)  # no line ends: the parser has nothing to tell yet
        assert stream.recv(100).startswith(b"HTTP/1.1 431 Request Header Fields Too Large")


def test_a_target_that_never_ends_is_refused_by_its_size(serving: Serving) -> None:
    assert b" 431 " in said(serving, b"GET /" + b"a" * (LARGEST_HEAD + 8192))


def test_a_trailer_that_never_ends_is_refused_by_its_size(serving: Serving) -> None:
    head = post(serving, b"", "Transfer-Encoding: chunked")
    answer = said(serving, head + b"2\r\n{}\r\n0\r\nX-Long: " + b"a" * (LARGEST_HEAD + 8192))
    assert problem_of(answer)["status"] == 431


def test_a_large_head_is_read_and_a_body_does_not_count_for_it(serving: Serving) -> None:
    body = message(process("/bin/a"))
    body += b" " * (200_000 - len(body))
    with connected(serving) as stream:
        for _ in range(2):
            stream.sendall(post(serving, body, "X-Long: " + "a" * (LARGEST_HEAD - 2000)) + body)
            assert answers(stream, 1)[0][0] == 202


def test_a_body_in_the_smallest_chunks_is_no_head(folder: Path | None) -> None:
    with running(folder, head_seconds=5.0) as one, one.connect() as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        stream.sendall(b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
        assert answers(stream, 1) == [(200, b"ok")]
        assert one.application.bodies == [50_000]


def test_an_empty_line_after_a_request_does_not_hold_the_connection(serving: Serving) -> None:
    with connected(serving) as stream:
        stream.sendall(GET)
        assert answers(stream, 1)[0][0] == 200
        began = time.monotonic()
        stream.sendall(b"\r\n")
        assert stream.recv(100) == b""
        assert 1 < time.monotonic() - began < 6


# readers


def test_a_client_that_reads_no_answers_is_cut_off(folder: Path | None) -> None:
    with running(folder) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
        until(lambda: one.application.bodies)
        until(lambda: one.server.traffic.open == 0, 5)
        assert one.server.traffic.late == 1


def test_a_client_that_reads_no_events_is_cut_off_and_its_stream_ends(folder: Path | None) -> None:
    with running(folder) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: one.application.streams == 1)
        until(lambda: one.application.streams == 0, 10)
        until(lambda: one.server.traffic.open == 0, 5)


def test_a_client_that_leaves_an_answer_unread_and_says_close_is_cut_off(folder: Path | None) -> None:
    with running(folder) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(lambda: one.application.bodies)
        until(lambda: one.server.traffic.open == 0, 5)


def test_a_slow_reader_gets_the_whole_of_an_answer_that_ends_the_connection(folder: Path | None) -> None:
    """It takes three times as long as an answer may be left unread."""
    with running(folder) as one, one.connect(buffer=65536) as stream:
        stream.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert everything(stream, SLOW).endswith(b"\r\n\r\n" + BIG)
        assert one.server.traffic.late == 0


def test_a_slow_reader_gets_what_was_still_to_be_sent_when_the_connection_was_closed(
    folder: Path | None,
) -> None:
    with running(folder, write_seconds=20.0) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /tail HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(lambda: one.server.server_state.total_requests == 1)
        assert everything(stream, TAIL / 4).endswith(b"\r\n\r\n" + BIG[:TAIL])


def test_what_is_still_to_be_sent_is_not_kept_for_ever(folder: Path | None) -> None:
    with running(folder) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /tail HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until(lambda: one.server.server_state.total_requests == 1)
        until(lambda: one.server.traffic.open == 0, 5)
        assert one.server.traffic.late == 1


def test_a_slow_reader_gets_the_whole_of_an_answer_while_the_server_ends(folder: Path | None) -> None:
    with running(folder) as one, one.connect(buffer=65536) as stream:
        stream.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        start = stream.recv(100)
        one.server.should_exit = True
        assert (start + everything(stream, SLOW)).endswith(b"\r\n\r\n" + BIG)


def test_a_client_that_reads_nothing_does_not_hold_the_end_of_the_server(
    folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fencepost.web.server.connection.STOPPING", 1.0)
    with running(folder, write_seconds=60.0) as one, one.connect(buffer=4096) as stream:
        stream.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: one.application.bodies)
        time.sleep(0.2)
        assert one.stop() < 3


# connections


def test_connections_above_the_limit_are_closed_at_once_and_counted(folder: Path | None) -> None:
    with running(folder, connections=5, head_seconds=20.0) as one, one.connect() as known:
        silent = [socket.create_connection(one.address, timeout=5) for _ in range(4)]  # no handshake, no head
        until(lambda: one.server.traffic.open == 5)
        for _ in range(50):
            with socket.create_connection(one.address, timeout=5) as stranger:
                assert stranger.recv(1) == b""
        assert (one.server.traffic.open, one.server.traffic.refused) == (5, 50)
        known.sendall(GET)
        assert answers(known, 1) == [(200, b"ok")]
        for stream in silent:
            stream.close()
        until(lambda: one.server.traffic.open == 1)
        with one.connect() as again:
            again.sendall(GET)
            assert answers(again, 1) == [(200, b"ok")]


def test_strangers_do_not_take_the_descriptors_of_the_journal(serving: Serving, tmp_path: Path) -> None:
    one = Serving(tmp_path / "data", http_max_connections="40")
    try:
        assert one.send("cam-1", message(process("/bin/a"))).status_code == 202
        assert one.process is not None
        port, held = int(one.url.rsplit(":", 1)[1]), Path(f"/proc/{one.process.pid}/fd")
        before = len(list(held.iterdir()))
        strangers = [socket.create_connection(("localhost", port), timeout=5) for _ in range(300)]
        time.sleep(0.5)
        assert len(list(held.iterdir())) <= before + 40
        assert one.send("cam-1", message(process("/bin/b"))).status_code == 202
        for stream in strangers:
            stream.close()
        assert until(lambda: _status(one)) == 200
    finally:
        assert one.stop() == 0
    assert "error" not in one.log()


def _status(serving: Serving) -> int | None:
    try:
        with serving.client(None) as client:
            return client.get("/readyz").status_code
    except OSError:
        return None


def test_a_handshake_that_does_not_come_is_not_waited_for(serving: Serving) -> None:
    with running(serving.folder) as one, socket.create_connection(one.address, timeout=10) as stream:
        began = time.monotonic()
        assert stream.recv(1) == b""
        assert time.monotonic() - began < 5
        until(lambda: one.server.traffic.open == 0)
        assert one.server.traffic.handshakes == 1


def test_a_handshake_that_fails_is_counted_and_no_more(serving: Serving) -> None:
    with running(serving.folder) as one, socket.create_connection(one.address, timeout=10) as stream:
        stream.sendall(GET)
        everything(stream)
        until(lambda: one.server.traffic.open == 0)
        assert one.server.traffic.handshakes == 1


def test_a_request_that_runs_is_told_that_its_client_is_gone_though_another_waits(
    folder: Path | None,
) -> None:
    with running(folder) as one:
        with one.connect() as stream:
            stream.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
            until(lambda: one.application.streams == 1)
        until(lambda: one.application.streams == 0, 5)
        until(lambda: one.server.traffic.open == 0)


LIMITED = """
import resource
from fencepost.model.errors import OperatorError
from fencepost.net.descriptors import raise_descriptor_limit

resource.setrlimit(resource.RLIMIT_NOFILE, (300, 1000))
raise_descriptor_limit(44)
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, 1000)
raise_descriptor_limit(744)
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, 1000)
try:
    raise_descriptor_limit(745)
except OperatorError as error:
    print(error)
"""


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may_be() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("http.max_connections: 745 connections need 1001 file descriptors")
    assert "LimitNOFILE=" in done.stdout
    assert "at most 744" in done.stdout


def test_a_limit_of_descriptors_that_is_too_low_is_the_operators_problem() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no hard limit here")
    with pytest.raises(OperatorError) as raised:
        raise_descriptor_limit(hard)
    assert [one.path for one in raised.value.problems] == ["http.max_connections"]


# what is no request, or is one in disguise


def test_an_upgrade_that_is_not_served_is_ignored_and_the_request_answered_in_full(serving: Serving) -> None:
    """As the HTTP client of Java offers HTTP/2 over plain HTTP (RFC 9110, 7.8)."""
    body = message(process("/bin/a"), process("/bin/b"))
    offer = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    for cut in (0, 10, len(body)):
        with connected(serving) as stream:
            stream.sendall(post(serving, body, *offer) + body[:cut])
            time.sleep(0.05)
            stream.sendall(body[cut:] + GET)
            (status, answer), (health, _) = answers(stream, 2)
        assert (status, json.loads(answer)["events"], health) == (202, 2, 200)


def test_an_offer_of_another_protocol_with_a_chunked_body_is_answered_too(folder: Path | None) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: websocket\r\n"
    with running(folder) as one, one.connect() as stream:
        stream.sendall((head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") * 3)
        assert answers(stream, 3) == [(200, b"ok")] * 3
        assert one.application.bodies == [5, 5, 5]


NO_REQUESTS = {
    "nonsense": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "target": b"GET /\xff HTTP/1.1\r\n\r\n",
    "no path": b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty target": b"GET http:// HTTP/1.1\r\n\r\n",
    "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "empty lines": b"\r\n" * LARGEST_HEAD,
}


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_what_is_no_request_is_a_problem_of_the_usual_shape_and_not_one_line_in_the_log(
    serving: Serving, name: str
) -> None:
    before = serving.log()
    problem = problem_of(said(serving, NO_REQUESTS[name]))
    assert set(problem) == {"type", "title", "status", "detail", "problems"}
    assert problem["status"] in (400, 431)
    assert serving.log() == before


def test_a_chunk_that_is_none_is_refused_while_its_request_waits_for_it(serving: Serving) -> None:
    before = serving.log()
    with connected(serving) as stream:
        stream.sendall(post(serving, b"", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")
        time.sleep(0.2)
        stream.sendall(b"ZZ\r\n")
        assert problem_of(everything(stream))["status"] == 400
    assert serving.stranger.get("/healthz").status_code == 200
    assert serving.log() == before


def test_what_came_before_nonsense_is_answered_and_the_nonsense_is_not(folder: Path | None) -> None:
    with running(folder) as one, one.connect() as stream:
        one.application.go.clear()
        stream.sendall(GET * 3 + b"\x01\x02 nonsense\r\n\r\n")
        until(lambda: one.application.bodies)
        one.application.go.set()
        taken = everything(stream)
        assert (taken.count(b"HTTP/1.1 200"), taken.count(b"HTTP/1.1")) == (3, 3)
        assert one.server.traffic.malformed == 1


def test_options_of_an_unknown_path_is_not_our_fault(serving: Serving) -> None:
    answer = serving.stranger.options("/nope")
    assert answer.status_code == 404
    assert "allow" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/openapi/openapi.json"])
def test_head_is_get_without_a_body(serving: Serving, path: str) -> None:
    full = serving.stranger.get(path)
    answer = serving.stranger.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert {**answer.headers, "date": ""} == {**full.headers, "date": ""}


def test_head_of_a_stream_is_over_at_once(folder: Path | None) -> None:
    with running(folder) as one, one.connect() as stream:
        stream.sendall(b"HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        assert answers(stream, 2) == [(200, b""), (200, b"ok")]
        until(lambda: one.application.streams == 0)


def test_head_of_what_needs_a_token_needs_it_too(serving: Serving) -> None:
    assert serving.stranger.head("/v1/alerts").status_code == 401
    assert serving.admin.head("/v1/alerts").status_code == 200


# pipelines


def test_a_pipelined_request_whose_body_is_still_to_come_is_waited_for(serving: Serving) -> None:
    first, second = message(process("/bin/a")), message(process("/bin/b"))
    with connected(serving) as stream:
        stream.sendall(post(serving, first) + first + post(serving, second))
        time.sleep(0.5)  # the first is answered
        stream.sendall(second)
        assert [status for status, _ in answers(stream, 2)] == [202, 202]


def test_the_rest_of_a_request_that_was_refused_before_its_body_ends_the_connection(serving: Serving) -> None:
    with connected(serving) as stream:
        stream.sendall(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        answer = everything(stream)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"\r\nconnection: close\r\n" in answer, "its client is told, and sends nothing more by it"


def test_an_answer_to_a_whole_request_keeps_the_connection(serving: Serving) -> None:
    with connected(serving) as stream:
        stream.sendall(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{" * 2)
        assert [status for status, _ in answers(stream, 2)] == [404, 404]


def test_ten_thousand_pipelined_requests_are_answered_a_few_at_a_time(folder: Path | None) -> None:
    """Those that wait are bytes, and few of them: objects are made of what is next."""
    with running(folder, head_seconds=20.0) as one, one.connect() as stream:
        one.application.go.clear()
        sending = threading.Thread(target=stream.sendall, args=(GET * 10_000,))
        sending.start()
        until(lambda: one.application.bodies)
        time.sleep(0.3)
        (connection,) = one.server.server_state.connections
        most = 4096 // len(GET) + 1
        assert len(connection.pipeline) <= most  # type: ignore[union-attr]
        assert len(connection._unparsed) < 1 << 20  # type: ignore[union-attr]
        one.application.go.set()
        assert answers(stream, 10_000) == [(200, b"ok")] * 10_000
        sending.join()


def test_a_head_of_which_we_have_not_read_the_rest_is_not_late(folder: Path | None) -> None:
    with running(folder) as one, one.connect() as stream:
        one.application.go.clear()
        stream.sendall(GET * 500)
        time.sleep(1.5)  # longer than a head may take
        one.application.go.set()
        assert answers(stream, 500) == [(200, b"ok")] * 500


def test_a_head_that_never_ends_behind_a_request_is_late(folder: Path | None) -> None:
    with running(folder) as one, one.connect() as stream:
        stream.sendall(GET * 3 + GET[:-2])
        assert answers(stream, 3) == [(200, b"ok")] * 3
        assert stream.recv(1) == b""
        until(lambda: one.server.traffic.late == 1)


# the end


def test_idle_clients_do_not_hold_the_end_of_the_server(folder: Path | None) -> None:
    with running(folder) as one:
        idle = [one.connect() for _ in range(5)]
        for stream in idle:
            stream.sendall(GET)
            assert answers(stream, 1) == [(200, b"ok")]
        silent = socket.create_connection(one.address)  # in the middle of its handshake, or of its head
        assert one.stop() < 2
        for stream in (*idle, silent):
            stream.close()


def test_a_request_that_outlives_the_server_is_no_fault_of_its_application(
    folder: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    with running(folder) as one, one.connect() as stream:
        one.server.config.timeout_graceful_shutdown = 1
        one.application.go.clear()
        stream.sendall(GET)
        until(lambda: one.application.bodies)
        assert one.stop() < 4
    assert "Cancel 1 running task" in caplog.text
    assert "Exception" not in caplog.text


def test_an_idle_connection_may_be_idle_for_longer_than_a_head_may_take(folder: Path | None) -> None:
    with running(folder) as one, one.connect() as stream:
        for _ in range(2):
            stream.sendall(GET)
            assert answers(stream, 1) == [(200, b"ok")]
            time.sleep(1.5)
        assert one.server.traffic.open == 1


def test_an_idle_connection_is_closed_in_time(folder: Path | None) -> None:
    with running(folder, keep_alive_seconds=1.0) as one, one.connect() as stream:
        stream.sendall(GET)
        assert answers(stream, 1) == [(200, b"ok")]
        began = time.monotonic()
        assert stream.recv(1) == b""
        assert time.monotonic() - began < 4
        until(lambda: one.server.traffic.open == 0)
