"""One identity on one connection, from its first link to its last: what IoT Hub calls connected."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import proton

from fencepost.gateway.amqp.addresses import Place
from fencepost.gateway.amqp.devicebound import DeviceboundLink
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Outgoing
from fencepost.gateway.amqp.methods import MethodLinks
from fencepost.gateway.amqp.telemetry import TelemetryLink
from fencepost.gateway.amqp.twin import TwinLinks
from fencepost.gateway.gateway import Gateway
from fencepost.model.identity import Channel, IdentityKey
from fencepost.service.sessions import TAKEN_OVER

MOST_LINKS = 32


class _Closable(Protocol):
    def close(self, condition: str, text: str) -> None: ...


class DeviceSession:
    """
    The links of one identity; it is a `service.sessions.Session`.

    `left` is called when the last link has gone, `closed` when the service ends the session.
    """

    channel: Channel = "amqp"

    def __init__(
        self,
        gateway: Gateway,
        engine: Engine,
        key: IdentityKey,
        *,
        left: Callable[["DeviceSession"], None],
        closed: Callable[["DeviceSession", str], None],
    ) -> None:
        self.key = key
        self._gateway = gateway
        self._engine = engine
        self._left = left
        self._closed = closed
        self._links: list[_Closable] = []
        self._deliveries: list[DeviceboundLink] = []
        self._twin = TwinLinks(gateway, engine, key)
        self._methods = MethodLinks(engine)

    def attach(self, place: Place, link: Any) -> None:
        """Attach a link to one of the identity's places, or refuse it; without any link nobody is connected."""
        make = self._ATTACH.get((place, bool(link.is_receiver)))
        if make is None or (place == "devicebound" and self.key.module_id is not None):
            self._engine.refuse(link, "amqp:not-allowed", "no link in this direction leads there")
        elif len(self._links) >= MOST_LINKS:
            self._engine.refuse(link, "amqp:resource-limit-exceeded", "too many links of one identity")
        else:
            self._links.append(make(self, link))
        if not self._links:
            self._left(self)

    def _gone(self, link: Any) -> None:
        self._links.remove(link)
        if not self._links:
            self._left(self)

    def _take_telemetry(self, link: proton.Receiver) -> _Closable:
        return TelemetryLink(self._gateway, self._engine, self.key.device_id, link, self._gone)

    def _send_inputs(self, link: proton.Sender) -> _Closable:
        """Inputs come from routes between modules, of which there are none: nothing is sent."""
        return Outgoing(self._engine, link, self._gone)

    def _deliver(self, link: proton.Sender) -> _Closable:
        def gone(delivery: DeviceboundLink) -> None:
            self._deliveries.remove(delivery)
            self._gone(delivery)

        delivery = DeviceboundLink(self._gateway, self._engine, self.key.device_id, link, gone)
        self._deliveries.append(delivery)
        return delivery

    def _take_twin_requests(self, link: proton.Receiver) -> _Closable:
        return self._twin.take_requests(link, self._gone)

    def _send_twin_answers(self, link: proton.Sender) -> _Closable:
        return self._twin.send_answers(link, self._gone)

    def _take_method_answers(self, link: proton.Receiver) -> _Closable:
        return self._methods.take_answers(link, self._gone)

    def _send_method_calls(self, link: proton.Sender) -> _Closable:
        return self._methods.send_calls(link, self._gone)

    _ATTACH: ClassVar[dict[tuple[Place, bool], Callable[["DeviceSession", Any], _Closable]]] = {
        ("events", True): _take_telemetry,
        ("events", False): _send_inputs,
        ("devicebound", False): _deliver,
        ("twin", True): _take_twin_requests,
        ("twin", False): _send_twin_answers,
        ("methods", True): _take_method_answers,
        ("methods", False): _send_method_calls,
    }
    """What a link does by where it leads, and whether it is the peer that sends."""

    # what the service says

    def push_desired(self, patch: dict[str, Any]) -> None:
        self._twin.push(patch)

    def wake(self) -> None:
        for delivery in self._deliveries[-1:]:
            delivery.wake()

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        return await self._methods.invoke(name, payload, timeout)

    def close(self, reason: str) -> None:
        self.end("amqp:link:stolen" if reason == TAKEN_OVER else "amqp:link:detach-forced", reason)
        self._closed(self, reason)

    def end(self, condition: str, text: str) -> None:
        """Detach all its links, and say why."""
        for link in [*self._links]:
            link.close(condition, text)
