"""
Who connects: shared access signatures and client certificates against the registry.

Whether an identity is unknown, disabled or shows the wrong key, the answer is one and the same.
"""

import hmac
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from fencepost.model.errors import FencepostError
from fencepost.model.identity import Identity, IdentityKey
from fencepost.model.sas import SharedAccessSignature, covers, host_of, parse_sas
from fencepost.net.tls import PeerCertificate
from fencepost.service.operations import Operations
from fencepost.service.policies import NotAllowed, Permission, Policies
from fencepost.service.registry import Registry


class Unauthorized(FencepostError):  # noqa: N818 - an answer
    """Somebody is not who they say they are; what was wrong is for our eyes only."""

    def __init__(self, reason: str) -> None:
        super().__init__("not authorised")
        self.reason = reason


class Granted(Struct, frozen=True):
    """An identity that has proved itself, until `expires_at` in seconds since 1970; None is for ever."""

    identity: Identity
    expires_at: int | None


class Credentials:
    """
    Checks what identities show.

    `hosts` says whether a host name is ours. Failures of registered devices are noted as their unauthorized
    operations.
    """

    def __init__(
        self,
        registry: Registry,
        policies: Policies,
        operations: Operations,
        hosts: Callable[[str], bool],
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._policies = policies
        self._operations = operations
        self._hosts = hosts
        self._clock = clock

    async def by_token(self, key: IdentityKey, token: str) -> Granted:
        """Return an identity that shows a token of its own, or of a hub policy; raises Unauthorized."""
        device, identity = await self._found(key)
        try:
            signature = parse_sas(token)
            self._check_signature(signature, token, key, identity)
            _check_enabled(device, identity)
        except ValueError as error:
            raise self._refusal(device, str(error)) from None
        assert identity is not None  # noqa: S101 - nobody has a key
        return Granted(identity, signature.expires_at)

    async def by_certificate(self, key: IdentityKey, certificate: PeerCertificate | None) -> Granted:
        """
        Return an identity that showed its certificate in the handshake; raises Unauthorized.

        By a thumbprint that is registered, or by an authority of devices and the device's id as common name.
        """
        device, identity = await self._found(key)
        try:
            expires_at = self._check_certificate(certificate, key, identity)
            _check_enabled(device, identity)
        except ValueError as error:
            raise self._refusal(device, str(error)) from None
        assert identity is not None  # noqa: S101 - nobody has a certificate
        return Granted(identity, expires_at)

    async def confirm(self, granted: Granted) -> None:
        """
        Raise Unauthorized where an identity, or its device, was changed while it was being let in.

        To be called once it is among the sessions: whoever changes it from then on finds and closes it.
        """
        device, identity = await self._found(granted.identity.key)
        if identity != granted.identity or device is None or device.status != "enabled":
            raise Unauthorized("changed meanwhile")

    def by_policy(self, token: str, permission: Permission) -> str:
        """Return the name of the policy whose token a service shows; raises Unauthorized."""
        try:
            return self._policies.check(token, permission)
        except NotAllowed as error:
            raise self._refusal(None, error.reason) from None

    def trespassed(self, key: IdentityKey, what: str) -> Unauthorized:
        """Return the refusal of an identity that reached for what is another's, and note it."""
        self._operations.note_unauthorized(key.device_id)
        return Unauthorized(what)

    async def _found(self, key: IdentityKey) -> tuple[Identity | None, Identity | None]:
        device = await self._registry.find(IdentityKey(key.device_id))
        return device, device if key.module_id is None else await self._registry.find(key)

    def _refusal(self, device: Identity | None, reason: str) -> Unauthorized:
        if device is not None:
            self._operations.note_unauthorized(device.key.device_id)
        return Unauthorized(reason)

    def _check_signature(
        self, signature: SharedAccessSignature, token: str, key: IdentityKey, identity: Identity | None
    ) -> None:
        """Raise ValueError unless the token is for this identity, by a key of it, and has not expired."""
        if signature.policy is not None:
            try:
                self._policies.check(token, "DeviceConnect", resource_of(key))
            except NotAllowed as error:
                raise ValueError(error.reason) from None
            if identity is None:
                raise ValueError("unknown")
            return
        own = identity.authentication if identity is not None else None
        is_keyed = own is not None and own.type == "sas"
        keys = (own.primary_key, own.secondary_key) if own is not None and is_keyed else (None, None)
        if not any([signature.is_signed_with(one) for one in keys]):  # noqa: C419 - a stranger costs as much
            raise ValueError("unknown or wrong key")
        host = host_of(signature.resource)
        if not self._hosts(host) or not covers(signature.resource, f"{host}/{resource_of(key)}"):
            raise ValueError("for something else")
        if signature.expires_at <= self._clock().timestamp():
            raise ValueError("expired")

    def _check_certificate(
        self, shown: PeerCertificate | None, key: IdentityKey, identity: Identity | None
    ) -> int:
        """Return when the certificate ends; raises ValueError unless it is one of this identity, in force."""
        if shown is None or identity is None:
            raise ValueError("no certificate, or unknown")
        if not shown.not_before <= self._clock() < shown.not_after:
            raise ValueError("not in force")
        known = identity.authentication
        match known.type:
            case "selfSigned":
                prints = (known.primary_thumbprint, known.secondary_thumbprint)
                is_known = any([_matches(shown, one) for one in prints])  # noqa: C419 - all, always
            case "certificateAuthority":
                is_known = shown.is_signed and shown.common_name == key.device_id
            case _:
                is_known = False
        if not is_known:
            raise ValueError("not a certificate of this identity")
        return int(shown.not_after.timestamp())


def resource_of(key: IdentityKey) -> str:
    """Return an identity's resource below its host, as tokens name it."""
    device = f"devices/{key.device_id}"
    return device if key.module_id is None else f"{device}/modules/{key.module_id}"


def _check_enabled(device: Identity | None, identity: Identity | None) -> None:
    """A module is disabled with its device."""
    if any(one is None or one.status != "enabled" for one in (device, identity)):
        raise ValueError("unknown or disabled")


def _matches(shown: PeerCertificate, thumbprint: str | None) -> bool:
    if thumbprint is None:
        return False
    own = shown.sha1 if len(thumbprint) == len(shown.sha1) else shown.sha256
    return hmac.compare_digest(own, thumbprint.upper())
