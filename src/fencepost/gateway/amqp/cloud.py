"""What services send: messages to `/messages/devicebound`, each with its device in the property `to`."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import proton

from fencepost.gateway.amqp.addresses import parse_address
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Arrival, Incoming
from fencepost.gateway.amqp.message import AmqpMessage, Properties, read_message
from fencepost.gateway.amqp.work import WorkLine
from fencepost.gateway.cloud_messages import ACK
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import DeviceError, FencepostError, OperatorError, StoreUnavailable
from fencepost.service.commands import Missing
from fencepost.service.downlink import Full
from fencepost.service.pipeline import Busy

CREDIT = 50
LARGEST = 128 << 10
"""Bytes of a message; its body has at most 64 KiB of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONDITIONS: tuple[tuple[type[FencepostError], str], ...] = (
    (DeviceError, "com.microsoft:argument-error"),
    (Missing, "amqp:not-found"),
    (Full, "amqp:resource-limit-exceeded"),
    (OperatorError, "com.microsoft:argument-error"),
    (Busy, "com.microsoft:device-container-throttled"),
    (StoreUnavailable, "com.microsoft:timeout"),
)


class CloudMessages:
    """The messages of one service on one link."""

    def __init__(
        self, gateway: Gateway, engine: Engine, link: proton.Receiver, left: Callable[[Any], None]
    ) -> None:
        self._gateway = gateway
        self._work = WorkLine(engine)
        self._link = Incoming(engine, link, self._take, lambda _: left(self), credit=CREDIT, largest=LARGEST)

    def close(self, condition: str, text: str) -> None:
        self._link.close(condition, text)

    def _take(self, arrival: Arrival) -> None:
        self._work.put(partial(self._send, arrival))

    async def _send(self, arrival: Arrival) -> None:
        try:
            message = read_message(arrival.encoded)
            await self._keep(message)
        except FencepostError as error:
            condition = next((name for kind, name in _CONDITIONS if isinstance(error, kind)), None)
            if condition is None:
                raise
            arrival.reject(condition, str(error))
        else:
            arrival.accept()

    async def _keep(self, message: AmqpMessage) -> None:
        properties = message.properties
        address = parse_address(properties.to)
        if address is None or address.place != "devicebound" or address.keys[0].module_id is not None:
            raise DeviceError("`to` is not /devices/{deviceId}/messages/devicebound")
        own = {str(name): _text(value) for name, value in message.application.items()}
        system = _system(properties)
        if ACK in own:
            system["ack"] = own.pop(ACK)
        await self._send_to_first(address.keys, message.body(), system, own, _moment(properties))

    async def _send_to_first(self, keys: Any, body: bytes, *rest: Any) -> None:
        """Send to the device that the address names; where it may name two, to the one that there is."""
        *others, last = keys
        for key in others:
            try:
                await self._gateway.downlink.send(key.device_id, body, *rest)
            except Missing:
                continue
            return
        await self._gateway.downlink.send(last.device_id, body, *rest)


def _system(properties: Properties) -> dict[str, str]:
    named: Mapping[str, Any] = {
        "message-id": properties.message_id,
        "user-id": properties.user_id,
        "to": properties.to,
        "correlation-id": properties.correlation_id,
        "content-type": properties.content_type,
        "content-encoding": properties.content_encoding,
    }
    return {name: _text(value) for name, value in named.items() if value is not None}


def _moment(properties: Properties) -> datetime | None:
    """Return when a message expires, None where its sender leaves that to us."""
    milliseconds = properties.absolute_expiry_time
    if not milliseconds:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise DeviceError("absolute-expiry-time is no moment") from None


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value.decode(errors="replace")
        case bool():
            return "true" if value else "false"
        case _:
            return "" if value is None else str(value)
