"""What people ask the registry for."""

from typing import Any

from msgspec import Struct

from fencepost.model.identity import Authentication, IdentityKey, Status


class Draft(Struct, frozen=True, kw_only=True):
    """
    An identity as somebody wants it.

    A key of type `sas` that is None is generated for a new identity, and stays as it is for a known one.
    """

    key: IdentityKey
    authentication: Authentication = Authentication()
    status: Status = "enabled"
    status_reason: str | None = None
    managed_by: str | None = None
    is_edge: bool = False


class TwinPatch(Struct, frozen=True, kw_only=True):
    """
    What the owner changes of a twin; None leaves a part as it is.

    Parts are merged (null takes a member away), or with `replace` put in the place of what was there.
    """

    tags: dict[str, Any] | None = None
    desired: dict[str, Any] | None = None
    replace: bool = False


class RegistryCounts(Struct, frozen=True, kw_only=True):
    """How many devices are registered."""

    total: int
    enabled: int
    disabled: int
