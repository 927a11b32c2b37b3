"""What access control needs from outside, by shape; every call may block."""

from typing import Protocol

from fencepost.model.access import AccessChange, AccessToken, User


class AccessStore(Protocol):
    """Where users and tokens are kept; every call may raise StoreUnavailable."""

    def users(self) -> list[User]: ...
    def access_tokens(self) -> list[AccessToken]: ...
    def change_access(self, change: AccessChange) -> None: ...


class PasswordHashes(Protocol):
    """One way to hash passwords, slow on purpose; a hash says how it was made."""

    def made(self, password: str) -> str: ...
    def matches(self, known: str, password: str) -> bool: ...
    def is_outdated(self, known: str) -> bool: ...
