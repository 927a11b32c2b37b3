"""
The JSON of an IoT Hub's service calls, as far as we read it: identities, twins, lines of an export.

Names are those of the service REST API (api-version 2021-04-12) and of its import and export files. What we do
not know is passed over. No `repr` shows a key.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from fencepost.model.identity import Authentication, AuthenticationType, IdentityKey

Which = Literal["primary", "secondary"]
THERE_ALREADY = frozenset({"DeviceAlreadyExists", 409_001, "ModuleAlreadyExistsOnDevice", 409_301})
BUSY = frozenset({"ThrottlingException", 429_001, "ServiceUnavailable", 503_001})
"""Codes of errors, by name or by number."""


class Keys(Struct, frozen=True, rename="camel"):
    primary_key: str | None = None
    secondary_key: str | None = None

    def __repr__(self) -> str:
        return "Keys(...)"


class Thumbprints(Struct, frozen=True, rename="camel"):
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None


class HubAuthentication(Struct, frozen=True, rename="camel"):
    """How an identity proves itself; files may leave the type out, which follows from what is there."""

    type: AuthenticationType | None = None
    symmetric_key: Keys | None = None
    x509_thumbprint: Thumbprints | None = None

    @classmethod
    def of(cls, wanted: Authentication) -> "HubAuthentication":
        keys = Keys(wanted.primary_key, wanted.secondary_key) if wanted.type == "sas" else None
        prints = Thumbprints(wanted.primary_thumbprint, wanted.secondary_thumbprint)
        return cls(wanted.type, keys, prints if wanted.type == "selfSigned" else None)

    def read(self) -> Authentication:
        """Return what is meant; keys count for `sas` only, thumbprints for `selfSigned` only."""
        keys, prints = self.symmetric_key or Keys(), self.x509_thumbprint or Thumbprints()
        has_prints = bool(prints.primary_thumbprint or prints.secondary_thumbprint)
        match self.type or ("selfSigned" if has_prints else "sas"):
            case "sas":
                return Authentication(
                    primary_key=keys.primary_key or None, secondary_key=keys.secondary_key or None
                )
            case "selfSigned":
                return Authentication(
                    type="selfSigned",
                    primary_thumbprint=digits_of(prints.primary_thumbprint),
                    secondary_thumbprint=digits_of(prints.secondary_thumbprint),
                )
            case kind:
                return Authentication(type=kind)


def digits_of(thumbprint: str | None) -> str | None:
    """Return a thumbprint without the colons and blanks that tools print between its digits."""
    return thumbprint.replace(":", "").replace(" ", "").upper() or None if thumbprint else None


class HubIdentity(Struct, frozen=True, rename="camel", kw_only=True):
    """A device or a module as it is registered; of a module, `status` is its device's business."""

    device_id: str
    module_id: str | None = None
    etag: str | None = None
    status: Literal["enabled", "disabled"] = "enabled"
    status_reason: str | None = None
    managed_by: str | None = None
    connection_state: str = ""
    last_activity_time: datetime | None = None
    authentication: HubAuthentication = HubAuthentication()
    capabilities: dict[str, Any] | None = None

    @property
    def key(self) -> IdentityKey:
        return IdentityKey(self.device_id, self.module_id)

    def shared_key(self, which: Which = "primary") -> str | None:
        """Return one of its keys, None where it has none."""
        keys = self.authentication.symmetric_key or Keys()
        return (keys.primary_key if which == "primary" else keys.secondary_key) or None

    def body(self) -> dict[str, Any]:
        """Return what is sent to have it so: all that a person decides."""
        decided: dict[str, Any] = {"deviceId": self.device_id, "authentication": self.authentication}
        if self.module_id is not None:
            return {**decided, "moduleId": self.module_id, "managedBy": self.managed_by}
        rest = {"status": self.status, "statusReason": self.status_reason}
        return {**decided, **rest, "capabilities": self.capabilities}


class HubProperties(Struct, frozen=True, omit_defaults=True):
    """Both sections of a twin, with the `$metadata` and `$version` of the service."""

    desired: dict[str, Any] | None = None
    reported: dict[str, Any] | None = None


class HubTwin(Struct, frozen=True, rename="camel", kw_only=True):
    """A twin with what its identity says."""

    device_id: str
    module_id: str | None = None
    etag: str | None = None
    version: int | None = None
    status: str = "enabled"
    status_reason: str | None = None
    connection_state: str = ""
    last_activity_time: datetime | None = None
    authentication_type: str | None = None
    tags: dict[str, Any] = {}
    properties: HubProperties = HubProperties()


class Line(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One line of an export: a device or a module with its twin; also one item of a bulk operation."""

    id: str
    module_id: str | None = None
    e_tag: str | None = None
    import_mode: str | None = None
    status: Literal["enabled", "disabled"] | None = None
    status_reason: str | None = None
    managed_by: str | None = None
    authentication: HubAuthentication | None = None
    twin_e_tag: str | None = None
    capabilities: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    properties: HubProperties | None = None

    @property
    def key(self) -> IdentityKey:
        return IdentityKey(self.id, self.module_id)


class Refused(Struct, frozen=True, rename="camel"):
    """An item of a bulk operation that was not carried out."""

    device_id: str = ""
    module_id: str | None = None
    error_code: str | int = ""
    error_status: str | None = None

    @property
    def key(self) -> IdentityKey:
        return IdentityKey(self.device_id, self.module_id or None)

    @property
    def is_there_already(self) -> bool:
        """Whether it could not be made because it is registered."""
        return self.error_code in THERE_ALREADY

    @property
    def is_busy(self) -> bool:
        """Whether trying again may help."""
        return self.error_code in BUSY

    @property
    def reason(self) -> str:
        return self.error_status or str(self.error_code) or "no reason given"


class BulkResult(Struct, frozen=True, rename="camel"):
    """What came of a bulk operation; without `is_successful` the answer is another one."""

    is_successful: bool | None = None
    errors: tuple[Refused, ...] = ()


def moment_of(at: datetime | None) -> datetime | None:
    """Return an instant in UTC; the service writes the year 1 where something never was."""
    if at is None or at.year == 1:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
