"""
What a client may do on one connection: prove who it is, and attach links to its own places.

An identity is on one connection at a time. A refusal ends the link and leaves the connection, on which a
gateway may speak for many; only a stranger that goes on trying is shown out.
"""

import asyncio
from typing import Any

from fencepost.gateway.amqp.addresses import Address, parse_address
from fencepost.gateway.amqp.cbs import Cbs
from fencepost.gateway.amqp.cloud import CloudMessages
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.grants import Grants
from fencepost.gateway.amqp.links import Outgoing
from fencepost.gateway.amqp.session import DeviceSession
from fencepost.gateway.credentials import Granted, Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import FencepostError
from fencepost.model.identity import IdentityKey
from fencepost.net.traffic import Traffic

PROOF = 30.0
"""Seconds in which somebody must have proved who they are."""
MOST_FAILURES = 5
"""Attempts that a stranger has."""
MOST_ATTACHING = 64
"""Links of which we are finding out whether they may be."""
MOST_SERVICE_LINKS = 16
_UNAUTHORIZED = "amqp:unauthorized-access"


class DeviceConnection:
    """One client's connection, from the first byte of AMQP on; `grants` may hold what SASL has proved."""

    def __init__(self, gateway: Gateway, transport: Any, traffic: Traffic) -> None:
        self._gateway = gateway
        self._traffic = traffic
        self.engine = Engine(transport, self._attach, self._is_known, traffic)
        self.grants = Grants(gateway, transport.get_extra_info("peer_certificate"), self._expired)
        self._cbs = Cbs(gateway, self.engine, self.grants, self._refused)
        self._sessions: dict[IdentityKey, DeviceSession] = {}
        self._service: list[Any] = []
        self._failures = self._attaching = 0
        self._deadline = asyncio.get_running_loop().call_later(PROOF, self._see_to_proof)

    def lost(self) -> None:
        """The transport is gone."""
        self._deadline.cancel()
        self.engine.lost()
        self.grants.clear()

    def _is_known(self) -> bool:
        return len(self.grants) > 0

    def _see_to_proof(self) -> None:
        if not self._is_known():
            self._traffic.late += 1
            self.engine.end(_UNAUTHORIZED, "nobody has proved who they are")

    # attaching

    def _attach(self, link: Any) -> None:
        address = _address_of(link)
        if address is None:
            self.engine.refuse(link, "amqp:not-found", "there is nothing at this address")
            self._count_failure()
        elif address.place == "cbs":
            self._cbs.attach(link)
        elif not address.keys:
            self._attach_service(address, link)
        elif (session := self._session_of(address)) is not None:
            session.attach(address.place, link)
        elif self._attaching >= MOST_ATTACHING:
            self.engine.refuse(link, "amqp:resource-limit-exceeded", "too many links at once")
        else:
            self._attaching += 1
            self.engine.spawn(self._attach_first(address, link))

    def _session_of(self, address: Address) -> DeviceSession | None:
        return next((self._sessions[key] for key in address.keys if key in self._sessions), None)

    async def _attach_first(self, address: Address, link: Any) -> None:
        """Attach the first link of an identity, if it has proved itself."""
        try:
            granted = await self.grants.admit(address.keys)
        except Unauthorized:
            self._turn_away(link)
        except FencepostError:
            if self.engine.is_wanted(link):
                self.engine.refuse(link, "com.microsoft:timeout", "try again later")
        else:
            if self.engine.is_wanted(link):
                key = granted.identity.key
                (self._sessions.get(key) or self._enter(key)).attach(address.place, link)
                await self._confirm(granted)
        finally:
            self._attaching -= 1

    async def _confirm(self, granted: Granted) -> None:
        """Send an identity away that was changed before anybody could find it among the sessions."""
        session = self._sessions.get(granted.identity.key)
        try:
            await self._gateway.credentials.confirm(granted)
        except FencepostError:
            if session is not None:
                session.close("changed meanwhile")

    def _turn_away(self, link: Any) -> None:
        if self.engine.is_wanted(link):
            self.engine.refuse(link, _UNAUTHORIZED, "not authorised")
        self._refused()

    def _refused(self) -> None:
        """Somebody has failed to prove who they are."""
        self._gateway.counters.unauthorized += 1
        self._count_failure()

    def _count_failure(self) -> None:
        self._failures += not self._is_known()
        if self._failures >= MOST_FAILURES:
            self.engine.end(_UNAUTHORIZED, "too many attempts")

    def _attach_service(self, address: Address, link: Any) -> None:
        if not self.grants.may_serve:
            self._turn_away(link)
        elif len(self._service) >= MOST_SERVICE_LINKS:
            self.engine.refuse(link, "amqp:resource-limit-exceeded", "too many links")
        elif address.place == "service" and link.is_receiver:
            self._service.append(CloudMessages(self._gateway, self.engine, link, self._service.remove))
        elif address.place == "feedback" and link.is_sender:
            self._service.append(Outgoing(self.engine, link, self._service.remove))
        else:
            self.engine.refuse(link, "amqp:not-allowed", "no link in this direction leads there")

    # identities

    def _enter(self, key: IdentityKey) -> DeviceSession:
        session = DeviceSession(self._gateway, self.engine, key, left=self._left, closed=self._closed)
        self._sessions[key] = session
        self._gateway.sessions.enter(key, session)
        self._gateway.counters.connects += 1
        return session

    def _left(self, session: DeviceSession) -> None:
        self._sessions.pop(session.key, None)
        self._gateway.sessions.leave(session.key, session)

    def _closed(self, session: DeviceSession, reason: str) -> None:
        """The service has ended a session: its identity has to prove itself anew."""
        self.grants.revoke(session.key)
        if not self._sessions and not self._is_known():
            self.engine.end("amqp:connection:forced", reason)

    def _expired(self, key: IdentityKey | None) -> None:
        """A token has ended, or (None) a policy's."""
        ended = [one for one in self._sessions if (one == key if key else not self.grants.covers(one))]
        for one in ended:
            self._sessions[one].end(_UNAUTHORIZED, "the token has expired")
        for link in [*self._service] if key is None else ():
            link.close(_UNAUTHORIZED, "the token has expired")
        if not self._is_known():
            self.engine.end(_UNAUTHORIZED, "the token has expired")


def _address_of(link: Any) -> Address | None:
    """Return where a link leads: what the peer sends to, or takes from."""
    try:
        return parse_address((link.remote_target if link.is_receiver else link.remote_source).address)
    except UnicodeDecodeError:
        return None
