"""Passwords by argon2id, as RFC 9106 recommends where memory is short: three passes over 64 MiB, four lanes."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2:
    """Hashes of passwords, in argon2's own text form; each takes some tenths of a second."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

    def made(self, password: str) -> str:
        """Return a new hash."""
        return self._hasher.hash(_plain(password))

    def matches(self, known: str, password: str) -> bool:
        """Whether a password is the one of a hash."""
        try:
            return self._hasher.verify(known, _plain(password))
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made with other parameters."""
        return self._hasher.check_needs_rehash(known)


def _plain(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
