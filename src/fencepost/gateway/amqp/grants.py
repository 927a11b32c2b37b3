"""Whom a connection may speak for: by tokens that were put (CBS) or came with SASL, or by its certificate."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from fencepost.gateway.credentials import Granted, Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import parse_sas
from fencepost.net.tls import PeerCertificate
from fencepost.service.policies import Permission

MOST = 2048
"""Identities of one connection."""
LONGEST_TIMER = 86_400.0
_POLICIES: tuple[Permission, ...] = ("ServiceConnect", "DeviceConnect")


class Grant(Struct, eq=False):
    """A proof and when it ends; `token` is None for a certificate. `repr` does not show the token."""

    token: str | None
    timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return "Grant(...)"


class Grants:
    """
    What a client has proved on one connection.

    `expired` is called with an identity whose proof has ended, and with None where the policy's has.
    """

    def __init__(
        self,
        gateway: Gateway,
        certificate: PeerCertificate | None,
        expired: Callable[[IdentityKey | None], None],
    ) -> None:
        self._gateway = gateway
        self._certificate = certificate
        self._expired = expired
        self._of: dict[IdentityKey | None, Grant] = {}
        self._permissions: frozenset[Permission] = frozenset()

    def __len__(self) -> int:
        return len(self._of)

    @property
    def may_serve(self) -> bool:
        """Whether the client is a service that may send to devices."""
        return "ServiceConnect" in self._permissions

    def covers(self, key: IdentityKey) -> bool:
        """Whether an identity has proved itself here, and not just a policy for it."""
        return key in self._of

    async def prove(self, keys: Sequence[IdentityKey], token: str) -> None:
        """Grant the one of some identities that a token proves, in place of what it had; raises Unauthorized."""
        if len(self._of) >= MOST and not any(map(self.covers, keys)):
            raise Unauthorized("too many identities")
        key, granted = await _first(keys, lambda one: self._gateway.credentials.by_token(one, token))
        self._put(key, token, granted.expires_at)

    def prove_policy(self, token: str) -> None:
        """Grant what the policy of a token for the whole hub allows here; raises Unauthorized."""
        allowed: set[Permission] = set()
        for permission in _POLICIES:
            try:
                self._gateway.credentials.by_policy(token, permission)
            except Unauthorized:
                if permission == _POLICIES[-1] and not allowed:
                    raise
            else:
                allowed.add(permission)
        self._permissions = frozenset(allowed)
        self._put(None, token, parse_sas(token).expires_at)

    async def admit(self, keys: Sequence[IdentityKey]) -> Granted:
        """
        Return which of the identities that an address may name has proved itself here; raises Unauthorized.

        What was put a while ago is checked once more: keys change, and devices are disabled.
        """
        credentials = self._gateway.credentials
        for key in keys:
            if (grant := self._of.get(key)) is not None and grant.token is not None:
                return await self._check_again(key, grant.token)
        policy = self._of.get(None)
        if policy is not None and "DeviceConnect" in self._permissions:
            token = policy.token or ""
            return (await _first(keys, lambda one: credentials.by_token(one, token)))[1]
        if self._is_for_certificate(keys[0]):
            shown = self._certificate
            key, granted = await _first(keys, lambda one: credentials.by_certificate(one, shown))
            self._put(key, None, granted.expires_at)
            return granted
        known = next((key for key in self._of if key is not None), None)
        if known is not None:
            raise credentials.trespassed(known, "a link of another identity")
        raise Unauthorized("nothing was shown")

    async def _check_again(self, key: IdentityKey, token: str) -> Granted:
        try:
            return await self._gateway.credentials.by_token(key, token)
        except Unauthorized:
            self.revoke(key)
            raise

    def _is_for_certificate(self, key: IdentityKey) -> bool:
        """Whether a certificate may prove an identity here: it is one device's, and its modules'."""
        if self._certificate is None:
            return False
        proved = {one.device_id for one, grant in self._of.items() if one is not None and grant.token is None}
        return not self._of or key.device_id in proved

    def revoke(self, key: IdentityKey) -> None:
        grant = self._of.pop(key, None)
        if grant is not None:
            _stop(grant)

    def clear(self) -> None:
        for grant in self._of.values():
            _stop(grant)
        self._of.clear()
        self._permissions = frozenset()

    def _put(self, key: IdentityKey | None, token: str | None, expires_at: int | None) -> None:
        before = self._of.get(key)
        if before is not None:
            _stop(before)
        self._of[key] = Grant(token)
        if expires_at is not None:
            self._expire_at(key, expires_at)

    def _expire_at(self, key: IdentityKey | None, moment: int) -> None:
        grant = self._of[key]
        left = moment - self._gateway.clock().timestamp()
        if left > 0:
            later = asyncio.get_running_loop().call_later
            grant.timer = later(min(left, LONGEST_TIMER), self._expire_at, key, moment)
            return
        del self._of[key]
        if key is None:
            self._permissions = frozenset()
        self._expired(key)


async def _first(
    keys: Sequence[IdentityKey], check: Callable[[IdentityKey], Awaitable[Granted]]
) -> tuple[IdentityKey, Granted]:
    """Return the first identity that passes a check, and what is granted; raises Unauthorized."""
    *others, last = keys
    for key in others:
        with suppress(Unauthorized):
            return key, await check(key)
    return last, await check(last)


def _stop(grant: Grant) -> None:
    if grant.timer is not None:
        grant.timer.cancel()
