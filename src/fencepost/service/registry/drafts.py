"""What people ask the registry for, and what of it cannot be."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from msgspec import Struct

from fencepost.model.errors import Problem
from fencepost.model.identity import Authentication, AuthenticationType, IdentityKey, Status
from fencepost.model.sas import is_key

LONGEST_TEXT = 128
"""Characters of a status reason, and of who manages a module."""

_ID = re.compile(r"[A-Za-z0-9\-.%_#*?!(),:=@$']{1,128}", re.ASCII)
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}", re.ASCII)


class Draft(Struct, frozen=True, kw_only=True):
    """
    An identity as somebody wants it.

    A key of type `sas` that is None is generated for a new identity, and stays as it is for a known one.
    Keys are kept of type `sas` only, thumbprints of type `selfSigned` only. One that `keeps_status` leaves a
    known identity enabled or disabled as it is, with the reason unless it names another.
    """

    key: IdentityKey
    authentication: Authentication = Authentication()
    status: Status = "enabled"
    status_reason: str | None = None
    keeps_status: bool = False
    managed_by: str | None = None
    is_edge: bool = False


class Wanted(Struct, frozen=True):
    """
    A draft with what its first twin says: tags and desired properties.

    Of an identity that is registered already only one that `may_be_there` is taken; then the draft changes it,
    and tags and desired properties are merged into its twin.
    """

    draft: Draft
    tags: dict[str, Any] | None = None
    desired: dict[str, Any] | None = None
    may_be_there: bool = False


class TwinPatch(Struct, frozen=True, kw_only=True):
    """
    What the owner changes of a twin; None leaves a part as it is.

    Parts are merged (null takes a member away), or with `replace` put in the place of what was there.
    """

    tags: dict[str, Any] | None = None
    desired: dict[str, Any] | None = None
    replace: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it leaves both parts as they are."""
        return self.tags is None and self.desired is None


class RegistryCounts(Struct, frozen=True, kw_only=True):
    """How many devices are registered."""

    total: int
    enabled: int
    disabled: int


def problems_of_draft(draft: Draft) -> list[Problem]:
    """Return all that is wrong with a draft; no reason quotes a key or a thumbprint."""
    return [*_of_ids(draft.key), *_of_authentication(draft.authentication), *_of_rest(draft)]


def _of_ids(key: IdentityKey) -> Iterator[Problem]:
    reason = "an id is 1 to 128 letters and digits of ASCII and - . % _ # * ? ! ( ) , : = @ $ '"
    if not _ID.fullmatch(key.device_id):
        yield Problem("deviceId", reason)
    if key.module_id is not None and not _ID.fullmatch(key.module_id):
        yield Problem("moduleId", reason)


def _of_authentication(wanted: Authentication) -> Iterator[Problem]:
    if wanted.type not in get_args(AuthenticationType):
        yield Problem("authentication.type", f"is one of {', '.join(get_args(AuthenticationType))}")
    if wanted.type == "sas":
        for name, key in (("primaryKey", wanted.primary_key), ("secondaryKey", wanted.secondary_key)):
            if key is not None and not is_key(key):
                yield Problem(f"authentication.symmetricKey.{name}", "a key is base64 of 16 to 64 bytes")
    if wanted.type == "selfSigned":
        yield from _of_thumbprints(wanted)


def _of_thumbprints(wanted: Authentication) -> Iterator[Problem]:
    path = "authentication.x509Thumbprint"
    given = {
        "primaryThumbprint": wanted.primary_thumbprint,
        "secondaryThumbprint": wanted.secondary_thumbprint,
    }
    if not any(given.values()):
        yield Problem(path, "selfSigned needs a thumbprint of the certificate")
    for name, thumbprint in given.items():
        if thumbprint and not _THUMBPRINT.fullmatch(thumbprint):
            yield Problem(f"{path}.{name}", "a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits")


def _of_rest(draft: Draft) -> Iterator[Problem]:
    if draft.status not in get_args(Status):
        yield Problem("status", f"is one of {', '.join(get_args(Status))}")
    for path, text in (("statusReason", draft.status_reason), ("managedBy", draft.managed_by)):
        if text is not None and (len(text) > LONGEST_TEXT or not text.isprintable()):
            yield Problem(path, f"is printable and has at most {LONGEST_TEXT} characters")
