"""The beginning of a connection: protocol headers and SASL (part 5, section 5.3), then AMQP for the rest of it."""

import asyncio
from typing import Any

from fencepost.gateway.amqp.addresses import parse_user
from fencepost.gateway.amqp.connection import DeviceConnection
from fencepost.gateway.amqp.sasl import (
    AMQP_HEADER,
    AUTH,
    OK,
    SASL_HEADER,
    SYS_TEMP,
    Init,
    Sasl,
    mechanisms,
    outcome,
    read_plain,
)
from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import DeviceError, FencepostError
from fencepost.net.traffic import Traffic

BEGINNING = 10.0
"""Seconds for headers and SASL."""
MOST_WAITING = 64 << 10
"""Bytes that may wait while SASL is checked."""
_HEADER = len(AMQP_HEADER)


class AmqpProtocol(asyncio.Protocol):
    """One connection over a transport of plain bytes; TLS is below."""

    def __init__(self, gateway: Gateway, traffic: Traffic) -> None:
        self._gateway = gateway
        self._traffic = traffic
        self._waiting = b""
        self._sasl: Sasl | None = None
        self._is_answered = False
        self._checking: asyncio.Task[None] | None = None
        self._connection: DeviceConnection | None = None
        self._is_open = self._is_clogged = False

    # the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._deadline = asyncio.get_running_loop().call_later(BEGINNING, self._late)

    def data_received(self, data: bytes) -> None:
        if self._is_open and self._connection is not None:
            self._connection.engine.receive(data)
        elif not self.transport.is_closing():
            self._waiting += data
            self._begin()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        if self._checking is not None:
            self._checking.cancel()
        if self._connection is not None:
            self._connection.lost()

    def pause_writing(self) -> None:
        self._is_clogged = True
        if self._connection is not None:
            self._connection.engine.pause_writing()
        else:
            self.transport.pause_reading()  # a web socket answers every ping, also at the beginning

    def resume_writing(self) -> None:
        self._is_clogged = False
        if self._connection is not None:
            self._connection.engine.resume_writing()
        else:
            self.transport.resume_reading()

    # the beginning

    def _begin(self) -> None:
        """Go on with what waits, as far as it goes."""
        if self._checking is not None:
            if len(self._waiting) > MOST_WAITING:
                self._reject()
        elif self._sasl is not None and not self._is_answered:
            self._receive_sasl(self._sasl)
        elif len(self._waiting) >= _HEADER:
            self._receive_header(self._waiting[:_HEADER])

    def _receive_header(self, header: bytes) -> None:
        if header == AMQP_HEADER:
            self._open()
        elif header == SASL_HEADER and self._sasl is None:
            self._sasl = Sasl()
            self.transport.write(SASL_HEADER + mechanisms())
            self._waiting = self._waiting[_HEADER:]
            self._begin()
        else:
            self.transport.write(SASL_HEADER)  # what we would take (section 2.2)
            self._reject()

    def _receive_sasl(self, sasl: Sasl) -> None:
        data, self._waiting = self._waiting, b""
        try:
            init = sasl.receive(data)
        except DeviceError:
            self._reject()
            return
        if init is not None:
            self._waiting = sasl.rest
            self._checking = asyncio.get_running_loop().create_task(self._check(init))

    async def _check(self, init: Init) -> None:
        try:
            code = await self._outcome_of(init)
        except Exception:
            self.transport.abort()  # a fault of ours: the loop tells of it
            raise
        self._checking = None
        self._is_answered = True
        self.transport.write(outcome(code))
        if code == OK:
            self._begin()
        else:
            self.transport.close()

    async def _outcome_of(self, init: Init) -> int:
        match init.mechanism:
            case "ANONYMOUS" | "MSSBCBS":
                return OK
            case "EXTERNAL":
                return AUTH if self.transport.get_extra_info("peer_certificate") is None else OK
            case "PLAIN":
                return await self._outcome_of_plain(init.response)
        return AUTH

    async def _outcome_of_plain(self, response: bytes) -> int:
        plain = read_plain(response)
        keys = parse_user(plain.user) if plain is not None else None
        if plain is None or keys is None:
            return AUTH
        grants = self._made().grants
        try:
            if keys:
                await grants.prove(keys, plain.password)
            else:
                grants.prove_policy(plain.password)
        except Unauthorized:
            self._gateway.counters.unauthorized += 1
            return AUTH
        except FencepostError:
            return SYS_TEMP
        return OK

    def _made(self) -> DeviceConnection:
        if self._connection is None:
            self._connection = DeviceConnection(self._gateway, self.transport, self._traffic)
            if self._is_clogged:
                self._connection.engine.pause_writing()
        return self._connection

    def _open(self) -> None:
        self._deadline.cancel()
        data, self._waiting = self._waiting, b""
        self._is_open = True
        self._made().engine.receive(data)

    # the end

    def _late(self) -> None:
        self._traffic.late += 1
        self.transport.abort()

    def _reject(self) -> None:
        self._traffic.malformed += 1
        self.transport.close()


def amqp_protocol(gateway: Gateway, traffic: Traffic | None = None) -> AmqpProtocol:
    """Return what speaks AMQP on one connection; `traffic` counts what is turned away."""
    return AmqpProtocol(gateway, traffic if traffic is not None else Traffic())
