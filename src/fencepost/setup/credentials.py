"""Who an installation is, and the tokens and keys that it knows: made once, and never made again."""

from base64 import b64encode
from secrets import token_bytes, token_hex, token_urlsafe
from typing import Annotated
from uuid import uuid4

from msgspec import UNSET, Meta, Struct, UnsetType

_TOKEN_BYTES = 32
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"

Token = Annotated[str, Meta(pattern=r"^[!-~]{32,512}\Z")]
Uuid = Annotated[str, Meta(pattern=_UUID)]
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{22,86}={0,2}\Z")]


class Tokens(Struct, frozen=True, kw_only=True):
    """
    Bearer tokens of 256 random bits: for everything, for sending messages only, for reading /metrics only.

    They are never shown by `repr`, so that no log holds them.
    """

    admin: Token
    ingest: Token
    metrics: Token

    def __post_init__(self) -> None:
        if len({self.admin, self.ingest, self.metrics}) < 3:  # noqa: PLR2004 - there are three
            raise ValueError("the three tokens must differ")

    def __repr__(self) -> str:
        return "Tokens(...)"


class Identity(Struct, frozen=True, kw_only=True):
    """
    The names that clients of the Azure dialect build their addresses from; stable for ever.

    `hub_hostname` is the host name that devices are told; it is set when the first one is known.
    """

    subscription_id: Uuid
    resource_group: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.()-]{1,90}\Z")] = "fencepost"
    iothub_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{3,50}\Z")]
    workspace_id: Uuid
    tenant_id: Uuid
    location: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")] = "local"
    hub_hostname: Annotated[str, Meta(pattern=r"^[a-z0-9_.:-]{1,253}\Z")] | UnsetType = UNSET


class KeyPair(Struct, frozen=True, kw_only=True):
    """Two keys (base64), so that one can be renewed while the other is in use; `repr` shows neither."""

    primary: Key
    secondary: Key

    def __repr__(self) -> str:
        return "KeyPair(...)"


class HubKeys(Struct, frozen=True, kw_only=True):
    """
    The shared access policies of the hub, under the names that Azure gives them, and its provisioning.

    Devices of the enrollment group derive their own keys from `enrollment`; `id_scope` tells installations apart.
    """

    iothubowner: KeyPair
    service: KeyPair
    device: KeyPair
    registryRead: KeyPair  # noqa: N815 - the name of the policy
    registryReadWrite: KeyPair  # noqa: N815 - the same
    enrollment: KeyPair
    id_scope: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,32}\Z")]


def new_hub_keys() -> HubKeys:
    pairs = [_new_pair() for _ in range(6)]
    owner, service, device, reader, writer, enrollment = pairs
    return HubKeys(
        iothubowner=owner,
        service=service,
        device=device,
        registryRead=reader,
        registryReadWrite=writer,
        enrollment=enrollment,
        id_scope=f"0fp{token_hex(4).upper()}",
    )


def _new_pair() -> KeyPair:
    primary, secondary = (b64encode(token_bytes(_TOKEN_BYTES)).decode() for _ in range(2))
    return KeyPair(primary=primary, secondary=secondary)


def new_tokens() -> Tokens:
    """Return new tokens, each with a prefix by which secret scanners know it."""
    admin, ingest, metrics = (f"{prefix}_{token_urlsafe(_TOKEN_BYTES)}" for prefix in ("fpa", "fpi", "fpm"))
    return Tokens(admin=admin, ingest=ingest, metrics=metrics)


def new_identity() -> Identity:
    subscription_id, workspace_id, tenant_id = (str(uuid4()) for _ in range(3))
    return Identity(
        subscription_id=subscription_id,
        iothub_name=f"fencepost-{token_hex(4)}",
        workspace_id=workspace_id,
        tenant_id=tenant_id,
    )
