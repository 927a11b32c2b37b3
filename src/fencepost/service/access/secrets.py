"""
The secrets that we hand out: `fpt_ID_SECRET` for an API token, `fps_...` for a session, `fpo_...` for OAuth 2.

The prefix lets secret scanners know them; the id finds the token, the digest of the secret proves it.
"""

from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from typing import NamedTuple

from fencepost.model.access import TokenKind

PREFIXES: dict[str, TokenKind] = {"fpt": "api", "fps": "session", "fpo": "oauth"}
SECRET_BYTES = 32
ID_BYTES = 8
LONGEST = 200
_NOBODYS = bytes(32)


class NewSecret(NamedTuple):
    """A secret that has just been made: the text is shown once, the digest is kept."""

    token_id: str
    digest: bytes
    text: str


class Shown(NamedTuple):
    """What somebody shows: the kind and id of the token that it says to be, and its secret."""

    kind: TokenKind
    token_id: str
    secret: str


def new_secret(kind: TokenKind) -> NewSecret:
    """Return a secret of 256 random bits."""
    token_id, secret = token_hex(ID_BYTES), token_urlsafe(SECRET_BYTES)
    prefix = next(prefix for prefix, named in PREFIXES.items() if named == kind)
    return NewSecret(token_id, digest_of(secret), f"{prefix}_{token_id}_{secret}")


def read_secret(text: str) -> Shown | None:
    """Return the parts of a text that looks like one of ours, None for any other."""
    if len(text) > LONGEST:
        return None
    prefix, _, rest = text.partition("_")
    token_id, blank, secret = rest.partition("_")
    kind = PREFIXES.get(prefix)
    return Shown(kind, token_id, secret) if kind is not None and blank and secret else None


def proves(secret: str, digest: bytes | None) -> bool:
    """Whether a secret is the one of this digest, in the same time for each; without a digest it is not."""
    return (
        compare_digest(digest_of(secret), digest if digest is not None else _NOBODYS) and digest is not None
    )


def digest_of(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
