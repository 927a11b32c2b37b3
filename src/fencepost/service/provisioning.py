"""
Device provisioning with symmetric keys, as Azure's DPS does it for one enrollment group.

A device that holds a key derived from the group's is registered, and told which hub is its own.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.model.identity import Authentication, Identity, IdentityKey
from fencepost.model.sas import covers, derived_key, parse_sas
from fencepost.service.commands import Conflict
from fencepost.service.policies import NotAllowed
from fencepost.service.registry import Draft, Registry

POLICY = "registration"
"""What the tokens of registering devices call their policy."""
ACTOR = "provisioning"

_ID = re.compile(r"[a-z0-9\-._:]{1,128}", re.ASCII)


class Registration(Struct, frozen=True, kw_only=True):
    """A device that has been assigned to this hub."""

    registration_id: str
    device_id: str
    assigned_hub: str
    created_at: datetime
    etag: str
    status: Literal["assigned"] = "assigned"


class Provisioning:
    """
    Registers devices of one group. `group_keys` (base64) are the group's primary and secondary.

    `hub_host` is the name under which devices reach us; `clock` gives aware UTC.
    """

    def __init__(
        self,
        registry: Registry,
        id_scope: str,
        group_keys: tuple[str, str],
        hub_host: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._id_scope = id_scope
        self._group_keys = group_keys
        self._hub_host = hub_host
        self._clock = clock

    async def register(self, id_scope: str, registration_id: str, token: str) -> Registration:
        """
        Register a device under its registration id, or find it registered; once more changes nothing.

        The token is signed by a key derived from the group's, or by the device's own where it has one
        already. Raises NotAllowed, for every reason alike, and what the registry raises.
        """
        if not _ID.fullmatch(registration_id):
            raise NotAllowed("no registration id")
        key = IdentityKey(registration_id)
        known = await self._registry.find(key)
        derived = [derived_key(group_key, registration_id) for group_key in self._group_keys]
        self._refuse_token(id_scope, registration_id, token, [*derived, *_keys_of(known)])
        if known is None:
            known = await self._create(key, derived)
        if known.status != "enabled" or known.authentication.type != "sas":
            raise NotAllowed("the device is disabled, or has no keys")
        return Registration(
            registration_id=registration_id,
            device_id=registration_id,
            assigned_hub=self._hub_host,
            created_at=known.created_at,
            etag=known.etag,
        )

    async def _create(self, key: IdentityKey, derived: list[str]) -> Identity:
        primary, secondary = derived
        authentication = Authentication(type="sas", primary_key=primary, secondary_key=secondary)
        try:
            return await self._registry.create(Draft(key=key, authentication=authentication), ACTOR)
        except Conflict:  # it has asked twice at once
            return await self._registry.identity(key)

    def _refuse_token(self, id_scope: str, registration_id: str, token: str, keys: list[str]) -> None:
        try:
            parsed = parse_sas(token)
        except ValueError as error:
            raise NotAllowed(str(error)) from None
        signed = [parsed.is_signed_with(key) for key in keys]
        resource = f"{self._id_scope}/registrations/{registration_id}"
        is_ours = covers(parsed.resource, resource) and covers(resource, parsed.resource)
        if not any(signed):
            raise NotAllowed("not signed by a key of the group or of the device")
        if (
            id_scope != self._id_scope or not is_ours or parsed.policy not in (None, POLICY)
        ):  # the legacy agent names none
            raise NotAllowed("for another resource")
        if parsed.expires_at <= self._clock().timestamp():
            raise NotAllowed("expired")


def _keys_of(identity: Identity | None) -> list[str]:
    """Return the device's own keys, or as many that nobody has: it must take as long."""
    authentication = identity.authentication if identity is not None else Authentication()
    return [authentication.primary_key or "", authentication.secondary_key or ""]
