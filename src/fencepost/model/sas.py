"""
Shared access signatures: how devices and services of an IoT Hub prove that they hold a key.

`SharedAccessSignature sr=RESOURCE&sig=SIGNATURE&se=EXPIRY[&skn=POLICY]`, fields in any order. The signature is
HMAC-SHA256 over the resource exactly as it stands in the token, a line feed, and the digits of the expiry
(Microsoft, "Control access to IoT Hub using shared access signatures"; facts of real clients: some encode the
resource with upper-case escapes, some with lower-case ones, some not at all).
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from hashlib import sha256
from urllib.parse import quote, unquote

from msgspec import Struct

SCHEME = "SharedAccessSignature"
LONGEST = 4096
LATEST = 253_402_300_799
"""The last second of the year 9999: an expiry beyond it means this."""
_MOST_DIGITS = 20


class SharedAccessSignature(Struct, frozen=True, kw_only=True):
    """
    A token as it was sent, not yet verified.

    `resource` is percent-decoded, `signed` what the signature is of, `expires_at` in seconds since 1970.
    """

    resource: str
    signature: bytes
    signed: bytes
    expires_at: int
    policy: str | None = None

    def __repr__(self) -> str:
        return f"SharedAccessSignature(resource={self.resource!r}, ...)"

    def is_signed_with(self, key: str | None) -> bool:
        """Return whether the signature is by this key (base64), in constant time; None signs nothing."""
        signature = _signature(self.signed, key or "")
        return hmac.compare_digest(signature, self.signature) and key is not None and is_key(key)


def parse_sas(text: str) -> SharedAccessSignature:
    """Return the token that a text holds; raises ValueError with a reason that quotes nothing secret."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != SCHEME.lower() or len(text) > LONGEST:
        raise ValueError(f"not a {SCHEME}")
    fields: dict[str, str] = {}
    for part in rest.strip().split("&"):
        name, _, value = part.partition("=")
        if name in fields:
            raise ValueError("a field stands twice")
        fields[name] = value
    try:
        resource, signature, expiry = fields["sr"], fields["sig"], fields["se"]
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) <= _MOST_DIGITS):
        raise ValueError("se is not a number of seconds since 1970")
    policy = fields.get("skn")
    return SharedAccessSignature(
        resource=unquote(resource),
        signature=_decoded(unquote(signature)),
        signed=f"{resource}\n{expiry}".encode("utf-8", "surrogatepass"),
        expires_at=min(int(expiry), LATEST),
        policy=unquote(policy) if policy else None,
    )


def sign(resource: str, key: str, expires_at: int, policy: str | None = None) -> str:
    """Return a token for a resource, signed with a key until a second since 1970; ValueError for no key."""
    if not is_key(key):
        raise ValueError("not the base64 of a key of 16 to 64 bytes")
    encoded = quote(resource, safe="")
    signature = b64encode(_signature(f"{encoded}\n{expires_at}".encode(), key)).decode()
    token = f"{SCHEME} sr={encoded}&sig={quote(signature, safe='')}&se={expires_at}"
    return f"{token}&skn={quote(policy, safe='')}" if policy else token


def derived_key(group_key: str, registration_id: str) -> str:
    """Return the key (base64) of one device of an enrollment group, as the provisioning service derives it."""
    return b64encode(hmac.digest(b64decode(group_key), registration_id.encode(), "sha256")).decode()


def is_key(text: str) -> bool:
    """Whether a text is base64 of a key that may be used: 16 to 64 bytes."""
    try:
        return 16 <= len(b64decode(text, validate=True)) <= 64  # noqa: PLR2004 - as the service demands
    except (binascii.Error, ValueError):
        return False


def covers(resource: str, wanted: str) -> bool:
    """
    Whether a token for a resource is one for what is wanted: by whole segments, the host without case.

    Both are percent-decoded; a port behind the host does not matter. An id with characters that are encoded
    may be so once more: .NET clients encode it by itself, and then the whole resource.
    """
    have, want = resource.strip("/").split("/"), wanted.strip("/").split("/")
    return (
        len(have) <= len(want) and _host(have[0]) == _host(want[0]) and all(map(_names, have[1:], want[1:]))
    )


def host_of(resource: str) -> str:
    """Return the host that a token is for, in lower case and without a port."""
    return _host(resource.strip("/").split("/")[0])


def _host(text: str) -> str:
    name, colon, port = text.rpartition(":")
    return (name if colon and port.isdigit() and not name.endswith(":") else text).lower()


def _names(segment: str, wanted: str) -> bool:
    # an id of plain characters has one spelling: the token of a device `%61` is none for a device `a`
    return segment == wanted or (quote(wanted, safe="") != wanted and unquote(segment) == wanted)


def _signature(signed: bytes, key: str) -> bytes:
    try:
        secret = b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    return hmac.digest(secret, signed, sha256)


def _decoded(signature: str) -> bytes:
    try:
        return b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("sig is not base64") from None
