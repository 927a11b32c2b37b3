"""A small service of the tests' own: real HTTPS on a port of this machine, and the real engine behind it."""

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote

import msgspec
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fencepost.client.access import Access
from fencepost.config.groups import parse_groups
from fencepost.model.alert import Alert
from fencepost.model.alert_view import view_of
from fencepost.model.errors import OperatorError
from fencepost.service.replay import Replay
from fencepost.simulation.clock import Clock

TOKEN = "the-token-of-the-tests"
PAGE = 7
"""So few that lists have pages."""

Scripted = tuple[int, dict[str, str], bytes]


class FastClock(Clock):
    """A clock that runs so many times faster than others."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start, self._begun = datetime.now(UTC), monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(monotonic() - self._begun) * self._speed)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class Loopback:
    """
    A service that runs in a thread between `with`; what is `scripted` is answered before all else.

    It has no groups until some are put, judges messages as received at `clock`, and tells of alerts.
    """

    def __init__(self, clock: Clock | None = None, names: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self.clock = clock or Clock()
        self.scripted: deque[Scripted] = deque()
        self.requests: list[tuple[str, str]] = []
        self.bodies: dict[str, Any] = {}
        self.is_mute = False
        self.hidden: Callable[[Alert], bool] = lambda _: False
        self.replay = self._replay()
        self.streams: list[asyncio.Queue[bytes | None]] = []
        self.ca, self._certificate, self._key = certificates(names)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app,
                port=0,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                ssl_certfile=self._certificate,
                ssl_keyfile=self._key,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            threading.Event().wait(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        for stream in self.streams:
            stream.put_nowait(None)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def access(self) -> Access:
        return Access(self.url, TOKEN, self.ca)

    def _replay(self) -> Replay:
        text = msgspec.json.encode({"groups": self.bodies or {"default": {"rules": []}}}).decode()
        return Replay(parse_groups(text, "put").groups, wall_clock=self.clock.now)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["raw_path"].decode()
        self.requests.append((method, path))
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if self.scripted and path not in {"/readyz", "/v1/alerts/stream"}:
            await _answer(send, *self.scripted.popleft())
        elif headers.get("authorization") != f"Bearer {TOKEN}" and path != "/readyz":
            await _answer(send, *problem(401, "the token is not known"))
        elif path == "/v1/alerts/stream" and self.is_mute:
            await _answer(send, *problem(503, "too many listen already"))
        elif path == "/v1/alerts/stream":
            await self._tell(send)
        else:
            await _answer(send, *self._routed(method, path, scope, headers, body))

    def _routed(self, method: str, path: str, scope: Any, headers: dict[str, str], body: bytes) -> Scripted:
        match method, [unquote(part) for part in path.strip("/").split("/")]:
            case "GET", ["readyz"]:
                return 200, {}, b"{}"
            case "PUT", ["v1", "groups", name]:
                return self._put(name, body)
            case "POST", ["v1", "devices", device_id, "messages"]:
                return self._received(device_id, headers["content-type"], body)
            case "GET", ["v1", "alerts"]:
                return self._alerts(
                    {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
                )
            case _:
                return problem(404, f"there is no {path}")

    def _put(self, name: str, body: bytes) -> Scripted:
        self.bodies[name] = msgspec.json.decode(body)
        try:
            self.replay = self._replay()
        except OperatorError as error:
            return problem(400, str(error))
        return 201, {}, b"{}"

    def _received(self, device_id: str, kind: str, body: bytes) -> Scripted:
        if kind != ("application/json" if body[:1] == b"{" else "application/octet-stream"):
            return problem(415, kind)
        message = self.replay.understand(body, device_id)
        if message is None:
            reject = {"index": 0, "where": "", "reason": "it cannot be decoded"}
            receipt = {"messages": 1, "events": 0, "quarantined": 1, "rejects": [reject], "rejects_total": 1}
            return 202, {}, msgspec.json.encode(receipt)
        _, changed = self.replay.judge(device_id, message, self.clock.now())
        for alert in changed:
            self._publish(alert)
        receipt = {
            "messages": 1,
            "events": len(message.events),
            "quarantined": 0,
            "rejects": [],
            "rejects_total": 0,
        }
        return 202, {}, msgspec.json.encode(receipt)

    def _publish(self, alert: Alert) -> None:
        if not self.hidden(alert):
            event = b"id: %d\nevent: alert\ndata: %b\n\n" % (len(self.requests), encoded(alert))
            for stream in self.streams:
                stream.put_nowait(event)

    def _alerts(self, wanted: dict[str, str]) -> Scripted:
        since = datetime.fromisoformat(wanted["since"])
        found = [one for one in self.replay.alerts() if one.last_seen_at >= since and not self.hidden(one)]
        begin = int(wanted.get("after", 0))
        items = [msgspec.Raw(encoded(alert)) for alert in found[begin : begin + PAGE]]
        following = str(begin + PAGE) if len(found) > begin + PAGE else None
        return 200, {}, msgspec.json.encode({"items": items, "next": following})

    async def _tell(self, send: Any) -> None:
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(stream)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        part: bytes | None = b": welcome\n\n"
        while part is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await stream.get()
        await send({"type": "http.response.body", "body": b""})


def encoded(alert: Alert) -> bytes:
    """Return an alert as the API writes it."""
    return msgspec.json.encode({**msgspec.to_builtins(view_of(alert)), "a_new_key": True})


def problem(status: int, detail: str, **headers: str) -> Scripted:
    """Return an error as the API answers it."""
    body = msgspec.json.encode({"type": "about:blank", "title": "Wrong", "status": status, "detail": detail})
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


async def _answer(
    send: Callable[[Any], Awaitable[None]], status: int, headers: dict[str, str], body: bytes
) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


@cache
def certificates(names: tuple[str, ...]) -> tuple[Path, Path, Path]:
    """Return files with an authority, a certificate that it signed for these names, and its key."""
    folder = Path(mkdtemp(prefix="fencepost-tests-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("authority", authority_key, "authority", authority_key, ())
    server = _certificate("server", key, "authority", authority_key, names)
    files = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    files[0].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[2].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return files


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
) -> x509.Certificate:
    now = datetime.now(UTC)
    is_authority = not names
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return builder.sign(signer, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
