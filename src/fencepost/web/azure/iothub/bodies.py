"""The JSON of an IoT Hub's service calls: what is sent to us, and how identities and twins are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from fencepost.model.hub_error import HubError
from fencepost.model.identity import (
    Authentication,
    AuthenticationType,
    Identity,
    IdentityKey,
    Section,
    Status,
    Twin,
)
from fencepost.service.registry import Draft, TwinPatch
from fencepost.service.sessions import Sessions

NEVER = "0001-01-01T00:00:00Z"
AUTHENTICATIONS: dict[str, AuthenticationType] = {one.lower(): one for one in get_args(AuthenticationType)}

Text = Annotated[str, Meta(max_length=4096)]
T = TypeVar("T")


class Keys(Struct, frozen=True, rename="camel"):
    primary_key: Text | None = None
    secondary_key: Text | None = None


class Thumbprints(Struct, frozen=True, rename="camel"):
    primary_thumbprint: Text | None = None
    secondary_thumbprint: Text | None = None


class AuthenticationBody(Struct, frozen=True, rename="camel"):
    """How an identity shall prove itself; without a type it follows from what is there."""

    type: Text | None = None
    symmetric_key: Keys | None = None
    x509_thumbprint: Thumbprints | None = None

    def read(self) -> Authentication:
        """Return what is meant; raises HubError for a type that there is not."""
        prints, keys = self.x509_thumbprint or Thumbprints(), self.symmetric_key or Keys()
        has_prints = bool(prints.primary_thumbprint or prints.secondary_thumbprint)
        said = (self.type or ("selfSigned" if has_prints else "sas")).lower()
        if said not in AUTHENTICATIONS:
            raise HubError(
                "ArgumentInvalid", f"authentication.type is one of {', '.join(AUTHENTICATIONS.values())}"
            )
        kind = AUTHENTICATIONS[said]
        if kind == "sas":
            return Authentication(
                primary_key=keys.primary_key or None, secondary_key=keys.secondary_key or None
            )
        return Authentication(
            type=kind,
            primary_thumbprint=_thumbprint(prints.primary_thumbprint) if kind == "selfSigned" else None,
            secondary_thumbprint=_thumbprint(prints.secondary_thumbprint) if kind == "selfSigned" else None,
        )


class Capabilities(Struct, frozen=True, rename="camel"):
    iot_edge: bool = False


class IdentityBody(Struct, frozen=True, rename="camel"):
    """A device or a module as a client sends it; what only the service says is not read."""

    device_id: Text | None = None
    module_id: Text | None = None
    status: Status | None = None
    status_reason: Text | None = None
    managed_by: Text | None = None
    authentication: AuthenticationBody | None = None
    capabilities: Capabilities | None = None

    def draft(self, key: IdentityKey) -> Draft:
        """Return the identity that is wanted; raises HubError where it names another one than the path."""
        named = IdentityKey(self.device_id or key.device_id, self.module_id or key.module_id)
        if named != key:
            raise HubError("ArgumentInvalid", "the ids of the path and of the body are not the same")
        return draft_of(key, self)


class Properties(Struct, frozen=True):
    desired: dict[str, Any] | None = None


class TwinBody(Struct, frozen=True):
    """A twin as a client sends it: tags and desired properties are read, all else is the service's."""

    tags: dict[str, Any] | None = None
    properties: Properties | None = None

    def patch(self) -> TwinPatch:
        """Return what is to be merged."""
        return TwinPatch(tags=self.tags, desired=self._desired())

    def replacement(self) -> TwinPatch:
        """Return what is to stand in the place of all tags and desired properties."""
        return TwinPatch(tags=self.tags or {}, desired=self._desired() or {}, replace=True)

    def _desired(self) -> dict[str, Any] | None:
        return self.properties.desired if self.properties is not None else None


class ExchangedBody(IdentityBody, frozen=True, rename="camel"):
    """
    One line of a bulk operation: an identity, its twin, and what to do with them.

    The ETag of an identity has two spellings, for a client that sends back what it has read.
    """

    id: Text | None = None
    e_tag: Text | None = None
    etag: Text | None = None
    twin_etag: Text | None = msgspec.field(default=None, name="twinETag")
    import_mode: Text | None = None
    tags: dict[str, Any] | None = None
    properties: Properties | None = None

    @property
    def twin(self) -> TwinBody:
        return TwinBody(self.tags, self.properties)


def draft_of(key: IdentityKey, body: IdentityBody, *, keeps_status: bool = False) -> Draft:
    """Return the identity that a body wants; without a status it is enabled, or `keeps_status`."""
    return Draft(
        key=key,
        authentication=(body.authentication or AuthenticationBody()).read(),
        status=body.status or "enabled",
        status_reason=body.status_reason,
        keeps_status=keeps_status and body.status is None,
        managed_by=body.managed_by,
        is_edge=body.capabilities is not None and body.capabilities.iot_edge,
    )


def read(shape: type[T], body: bytes) -> T:
    """Return a body as this shape; raises HubError with the member that does not fit."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise HubError("ArgumentInvalid", f"the body does not fit: {error}") from None
    except ValueError as error:  # a text that is not UTF-8 among them
        raise HubError("IotHubFormatError", f"the body is not JSON: {error}") from None


# what is shown


def device_shown(identity: Identity, sessions: Sessions, waiting: int) -> dict[str, Any]:
    """Return a device; `waiting` counts its cloud-to-device messages."""
    return {
        **ids_of(identity.key),
        "generationId": identity.generation_id,
        "etag": identity.etag,
        **_connection(identity.key, sessions),
        "connectionStateUpdatedTime": moment(sessions.last_active_at(identity.key)),
        "status": identity.status,
        "statusReason": identity.status_reason,
        "statusUpdatedTime": moment(identity.status_updated_at),
        "cloudToDeviceMessageCount": waiting,
        "authentication": _authentication(identity.authentication),
        "capabilities": {"iotEdge": identity.is_edge},
    }


def module_shown(identity: Identity, sessions: Sessions) -> dict[str, Any]:
    """Return a module; no messages wait for one."""
    return {
        **ids_of(identity.key),
        "managedBy": identity.managed_by,
        "generationId": identity.generation_id,
        "etag": identity.etag,
        **_connection(identity.key, sessions),
        "connectionStateUpdatedTime": moment(sessions.last_active_at(identity.key)),
        "cloudToDeviceMessageCount": 0,
        "authentication": _authentication(identity.authentication),
    }


def twin_shown(identity: Identity, twin: Twin, sessions: Sessions, waiting: int) -> dict[str, Any]:
    """Return a twin with what its identity says; `waiting` counts cloud-to-device messages."""
    key, authentication = identity.key, identity.authentication
    return {
        **ids_of(key),
        "etag": twin.etag,
        "deviceEtag": identity.etag,
        "status": identity.status,
        "statusReason": identity.status_reason,
        "statusUpdateTime": moment(identity.status_updated_at),
        **_connection(key, sessions),
        "cloudToDeviceMessageCount": waiting,
        "authenticationType": authentication.type,
        "x509Thumbprint": _thumbprints(authentication),
        "modelId": "",
        "version": twin.version,
        "tags": twin.tags,
        "properties": {"desired": section_shown(twin.desired), "reported": section_shown(twin.reported)},
        "capabilities": {"iotEdge": identity.is_edge},
    }


def ids_of(key: IdentityKey) -> dict[str, str]:
    """Return what an identity is called by."""
    device = {"deviceId": key.device_id}
    return device if key.module_id is None else {**device, "moduleId": key.module_id}


def section_shown(section: Section) -> dict[str, Any]:
    """Return properties with what the service adds."""
    return {**section.values, "$metadata": section.updated, "$version": section.version}


def moment(at: datetime | None) -> str:
    """Return an instant, or how the service writes that something never was."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z" if at is not None else NEVER


def _connection(key: IdentityKey, sessions: Sessions) -> dict[str, Any]:
    return {
        "connectionState": "Connected" if sessions.of(key) is not None else "Disconnected",
        "lastActivityTime": moment(sessions.last_active_at(key)),
    }


def _authentication(known: Authentication) -> Mapping[str, Any]:
    return {
        "symmetricKey": {"primaryKey": known.primary_key, "secondaryKey": known.secondary_key},
        "x509Thumbprint": _thumbprints(known),
        "type": known.type,
    }


def _thumbprints(known: Authentication) -> dict[str, Any]:
    return {
        "primaryThumbprint": known.primary_thumbprint,
        "secondaryThumbprint": known.secondary_thumbprint,
    }


def _thumbprint(said: str | None) -> str | None:
    """Return a thumbprint as it is kept; tools print them with colons or blanks between the digits."""
    return said.replace(":", "").replace(" ", "").upper() or None if said else None
