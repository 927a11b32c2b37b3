"""An IoT Hub's HTTP side on real stores and a real server, in a thread of its own, for tests of what it promises."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import httpx2
import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from fencepost.engine.detector import Detector
from fencepost.gateway import https
from fencepost.gateway.credentials import Credentials, Unauthorized
from fencepost.gateway.gateway import Counters, Gateway
from fencepost.gateway.uplink import Uplink
from fencepost.model.access import Grant, Principal
from fencepost.model.identity import Channel, IdentityKey, Operation
from fencepost.model.record import AuditRecord
from fencepost.model.rule import DEFAULT_GROUP, SecurityGroup
from fencepost.model.sas import sign
from fencepost.net.hub_http import spelled_alike
from fencepost.net.tls import PeerCertificate
from fencepost.service.commands import Commands
from fencepost.service.downlink import Downlink
from fencepost.service.feed import Feed
from fencepost.service.operations import Operations
from fencepost.service.patience import Patience
from fencepost.service.pipeline import Item, Pace, Pipeline
from fencepost.service.policies import Permission, Policies, Policy
from fencepost.service.processor import Processor
from fencepost.service.provisioning import Provisioning
from fencepost.service.registry import Registry
from fencepost.service.sessions import NotListening, Sessions
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal
from fencepost.web.azure import iothub
from fencepost.web.azure.iothub import HubService

HOST = "hub.example"
ADMINISTRATOR, VIEWER, VIEWER_OF_ONE = "an-administrators-token", "a-viewers-token", "a-viewers-of-one-group"
PRINCIPALS = {
    ADMINISTRATOR: Principal(actor="token/administrator", grants=(Grant("administrator"),)),
    VIEWER: Principal(actor="user/vera", grants=(Grant("viewer"),)),
    VIEWER_OF_ONE: Principal(actor="user/otto", grants=(Grant("administrator", "floor-2"),)),
}
ID_SCOPE = "0ne00000001"
LARGEST = 256 << 10
NEVER = 4102444800
POLICY_KEY = "cG9saWN5LWtleS1vZi0zMi1ieXRlcy0wMTIzNDU2Nzg="
GROUP_KEY = "Z3JvdXAta2V5LW9mLTMyLWJ5dGVzLTAxMjM0NTY3ODk="
POLICIES: dict[str, frozenset[Permission]] = {
    "iothubowner": frozenset({"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"}),
    "registryRead": frozenset({"RegistryRead"}),
    "service": frozenset({"ServiceConnect"}),
    "device": frozenset({"DeviceConnect"}),
}
T = TypeVar("T")


class Noting(Operations):
    """Remembers besides what was noted."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline, _now)
        self.noted: list[tuple[str, Operation]] = []

    async def note(self, device_id: str, operation: Operation) -> None:
        self.noted.append((device_id, operation))
        await super().note(device_id, operation)

    def note_soon(self, device_id: str, operation: Operation) -> None:
        self.noted.append((device_id, operation))
        super().note_soon(device_id, operation)

    def note_unauthorized(self, device_id: str) -> None:
        self.noted.append((device_id, "UnauthorizedOperations"))
        super().note_unauthorized(device_id)


class Standing:
    """One hub; `owner` is a client with the policy that may do all, `stranger` one with nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._up: Future[None] = Future()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._stand(),))
        self._thread.start()
        self._up.result(30)
        self.stranger = self.client(None)
        self.owner = self.client(policy_token("iothubowner"))

    def client(self, token: str | None) -> httpx2.Client:
        headers = {"Authorization": token} if token is not None else {}
        params = {"api-version": "2021-04-12"}
        return httpx2.Client(base_url=self.url, headers=headers, params=params, timeout=30)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns on the hub's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def device(self, device_id: str, **members: Any) -> dict[str, Any]:
        """Register a device and return it as the hub shows it."""
        answer = self.owner.put(f"/devices/{device_id}", json={"deviceId": device_id, **members})
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def of_device(self, device_id: str, module_id: str | None = None) -> httpx2.Client:
        """Return a client that signs as a device or a module."""
        path = f"/devices/{device_id}" if module_id is None else f"/devices/{device_id}/modules/{module_id}"
        key = self.owner.get(path).json()["authentication"]["symmetricKey"]["primaryKey"]
        return self.client(sign(f"{HOST}{path}", key, NEVER))

    def connect(self, key: IdentityKey, session: "Connected") -> None:
        async def enter() -> None:
            self.sessions.enter(key, session)

        self.run(enter())

    def settle(self) -> None:
        """Return when all that is journalled has been judged."""

        async def tick() -> None:
            await Commands(self.pipeline, _now).assign_device("marker", None, "test")

        self.run(tick())

    def audit(self) -> list[AuditRecord]:
        """Return what was changed, the latest first."""
        return self.store.audit(after=None, limit=10).items

    def close(self) -> None:
        self.owner.close()
        self.stranger.close()
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._loop.close()

    async def _stand(self) -> None:
        self._ending = asyncio.Event()
        journal = Journal.open(self._folder / "journal", clock=_now)
        store = ControlStore.open(f"sqlite:///{self._folder / 'control.db'}")
        try:
            await self._serve(journal, store)
        finally:
            journal.close()
            store.close()

    async def _serve(self, journal: Journal, store: ControlStore) -> None:
        processor = Processor(Detector(), store, position=0, patience=Patience(Event()))
        pipeline = Pipeline(processor, Feed(), lambda _: lambda: None, clock=_now, pace=Pace())
        pipeline.commits = commits = GroupCommit[Item](
            journal, lambda item: item.entry, pipeline.committed, 0.001
        )
        working = asyncio.create_task(pipeline.run())
        await Commands(pipeline, _now).put_group(SecurityGroup(name=DEFAULT_GROUP), "test")
        app = self._application(pipeline, store)
        # with its protocol said, so that asyncio lets answers go without waiting for more
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        server.capture_signals = threading.Lock  # type: ignore[method-assign, assignment]
        serving = asyncio.create_task(server.serve([listener]))
        self._up.set_result(None)
        await self._ending.wait()
        server.should_exit = True
        await serving
        pipeline.close_the_door()
        await commits.close()
        pipeline.stop()
        await working
        await pipeline.close()

    def _application(self, pipeline: Pipeline, store: ControlStore) -> Any:
        self.pipeline = pipeline
        self.store = store
        self.operations = Noting(pipeline)
        self.sessions = Sessions(_now)
        registry = Registry(store, pipeline, self.sessions, _now, self.operations.note)
        self.registry = registry
        policies = Policies(
            [Policy(name, POLICY_KEY, GROUP_KEY, allowed) for name, allowed in POLICIES.items()],
            _is_ours,
            _now,
        )
        self.credentials = Credentials(registry, policies, self.operations, _is_ours, _now)
        self.downlink = Downlink(store, self.sessions, _now, self.operations.note)
        self.hub = HubService(
            registry=registry,
            downlink=self.downlink,
            sessions=self.sessions,
            operations=self.operations,
            policies=policies,
            clock=_now,
            principal_of=PRINCIPALS.get,
            own_token=self._is_own,
            own_certificate=self._is_own_certificate,
        )
        self.gateway = Gateway(
            credentials=self.credentials,
            uplink=Uplink(pipeline, self.sessions, _now, LARGEST),
            registry=registry,
            sessions=self.sessions,
            downlink=self.downlink,
            operations=self.operations,
            provisioning=Provisioning(registry, ID_SCOPE, (GROUP_KEY, POLICY_KEY), HOST, _now),
            counters=Counters(),
            clock=_now,
            max_message_bytes=LARGEST,
        )
        handlers = [*iothub.HANDLERS, *https.HANDLERS]
        state = State({"hub": self.hub, "gateway": self.gateway})
        return spelled_alike(Litestar(handlers, state=state, logging_config=None, openapi_config=None))

    async def _is_own_certificate(self, key: IdentityKey, certificate: PeerCertificate) -> bool:
        try:
            await self.credentials.by_certificate(key, certificate)
        except Unauthorized:
            return False
        return True

    async def _is_own(self, key: IdentityKey, token: str) -> bool:
        try:
            await self.credentials.by_token(key, token)
        except Unauthorized:
            return False
        return True


class Connected:
    """A device that is connected; it answers a direct method as `answer` says, or not at all."""

    channel: Channel = "mqtt"

    def __init__(self, answer: tuple[int, bytes] | Exception | None = None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, bytes]] = []
        self.pushed: list[dict[str, Any]] = []
        self.closed: list[str] = []
        self.woken = 0

    def push_desired(self, patch: dict[str, Any]) -> None:
        self.pushed.append(patch)

    def wake(self) -> None:
        self.woken += 1

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        self.calls.append((name, payload))
        if self.answer is None:
            raise NotListening("no direct methods")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self, reason: str) -> None:
        self.closed.append(reason)


def policy_token(name: str, *, resource: str = HOST, key: str = POLICY_KEY, until: int = NEVER) -> str:
    return sign(resource, key, until, name)


def _is_ours(host: str) -> bool:
    return host in (HOST, "127.0.0.1")


def _now() -> datetime:
    return datetime.now(UTC)
