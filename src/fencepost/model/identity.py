"""
Who a device is, and its twin: what Azure's IoT Hub calls the identity registry.

An identity is a device's, or a module's on a device. Ids are told apart by case. All datetimes are aware UTC.
"""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

AuthenticationType = Literal["sas", "selfSigned", "certificateAuthority", "none"]
Status = Literal["enabled", "disabled"]
Channel = Literal["mqtt", "amqp", "https"]
"""How something reached us or left us; a web socket is the protocol that it carries."""

SECURITY_MODULE = "azureiotsecurity"
"""The module as which the legacy agents sign in; each device has one."""
SECURITY_INTERFACE = "urn:azureiot:Security:SecurityAgent:1"
"""What the property `iothub-interface-id` of a security message says."""
DEVICE_TAG, MODULE_TAG = "SecurityGroup", "securityGroup"
"""The twin tags that name a device's group (S25): of its own twin, and of its security module's."""

Operation = Literal[
    "AmqpC2DMessages",
    "MqttC2DMessages",
    "HttpC2DMessages",
    "AmqpC2DRejectedMessages",
    "MqttC2DRejectedMessages",
    "HttpC2DRejectedMessages",
    "AmqpD2CMessages",
    "MqttD2CMessages",
    "HttpD2CMessages",
    "DirectMethodInvokes",
    "QueuePurges",
    "TwinUpdates",
    "UnauthorizedOperations",
]
"""What the gateway itself sees a device do, or be asked; the hub rules of the catalogue count these."""


class IdentityKey(Struct, frozen=True, order=True):
    """Which identity: the device itself, or one of its modules."""

    device_id: str
    module_id: str | None = None

    def __str__(self) -> str:
        return self.device_id if self.module_id is None else f"{self.device_id}/{self.module_id}"


class Authentication(Struct, frozen=True, kw_only=True):
    """
    How an identity proves itself: by one of two keys, one of two thumbprints, or a certificate of an authority.

    Keys are base64 of 16 to 64 bytes; thumbprints are hexadecimal digits in upper case, 40 of SHA-1 or 64 of
    SHA-256, of the certificate in DER. `repr` shows neither.
    """

    type: AuthenticationType = "sas"
    primary_key: str | None = None
    secondary_key: str | None = None
    primary_thumbprint: str | None = None
    secondary_thumbprint: str | None = None

    def __repr__(self) -> str:
        return f"Authentication({self.type!r}, ...)"


class Identity(Struct, frozen=True, kw_only=True):
    """
    One identity as it is registered.

    `generation_id` tells identities apart that had the same name one after the other; `etag` moves with each
    change of this record, and stands without quotes.
    """

    key: IdentityKey
    generation_id: str
    etag: str
    created_at: datetime
    authentication: Authentication
    status: Status = "enabled"
    status_reason: str | None = None
    status_updated_at: datetime | None = None
    managed_by: str | None = None
    is_edge: bool = False


class Section(Struct, frozen=True):
    """
    The desired or the reported properties of a twin.

    `values` holds no `$` members; `updated` mirrors its objects: each has `$lastUpdated` (ISO 8601) and
    `$lastUpdatedVersion`. `version` counts the changes, from 1.
    """

    values: dict[str, Any]
    updated: dict[str, Any]
    version: int = 1


class Twin(Struct, frozen=True, kw_only=True):
    """What the owner says of an identity (`tags`, `desired`), and what it says itself (`reported`)."""

    key: IdentityKey
    etag: str
    version: int
    tags: dict[str, Any]
    desired: Section
    reported: Section


class CloudMessage(Struct, frozen=True, kw_only=True):
    """
    A cloud-to-device message that waits for its device.

    `sequence` is its number in the whole queue, `system` its properties without their prefix (`message-id`,
    `correlation-id`, `to`, `content-type`, ...), `properties` the sender's own. `lock` is the token of who has
    taken it, until `locked_until`.
    """

    sequence: int
    device_id: str
    body: bytes
    system: dict[str, str]
    properties: dict[str, str]
    enqueued_at: datetime
    expires_at: datetime
    delivery_count: int = 0
    lock: str | None = None
    locked_until: datetime | None = None
