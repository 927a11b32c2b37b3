"""
Who may do what: users with passwords, sessions, API tokens, and the tokens of the installation.

All of it is in memory and, before that, in the control store: what somebody may is known without asking it, and
a change holds for the next request.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from fencepost.model.access import AccessToken, Principal
from fencepost.service.access.api_tokens import ApiTokens, NotYours
from fencepost.service.access.directory import Directory, Lifetimes
from fencepost.service.access.drafts import NewToken, NewUser
from fencepost.service.access.installation import InstallationToken, InstallationTokens
from fencepost.service.access.passwords import Passwords
from fencepost.service.access.ports import AccessStore, PasswordHashes
from fencepost.service.access.sign_ins import SignedIn, SignInCounts, SignInRefused, SignIns, Subject
from fencepost.service.access.throttle import Throttle, TooMany
from fencepost.service.access.users import Users

__all__ = [
    "Access",
    "InstallationToken",
    "Lifetimes",
    "NewToken",
    "NewUser",
    "NotYours",
    "SignInRefused",
    "SignedIn",
    "Subject",
    "TooMany",
]


class Access:
    """
    Access control as a whole; making it reads the store, and may block and raise StoreUnavailable.

    `users`, `tokens` and `sign_ins` are its parts, `counts` what came of attempts to come in.
    """

    def __init__(
        self,
        store: AccessStore,
        hashes: PasswordHashes,
        installation: Mapping[InstallationToken, str],
        clock: Callable[[], datetime],
        lifetimes: Lifetimes | None = None,
    ) -> None:
        self._installation = InstallationTokens(installation)
        self._directory = Directory(store, clock, lifetimes or Lifetimes())
        passwords = Passwords(hashes)
        self.counts = SignInCounts()
        self.users = Users(self._directory, passwords)
        self.tokens = ApiTokens(self._directory)
        throttle = Throttle(clock)
        self.sign_ins = SignIns(self._directory, passwords, self.users, throttle, self.counts)
        self.prepare = passwords.prepare
        self.keep = self._directory.keep
        self.settle = self._directory.settle

    def principal_of(self, token: str, *, in_use: bool = True) -> Principal | None:
        """
        Return whom a secret stands for now, None for one that is not ours or is over.

        `in_use` takes down that it was used: a session that nobody uses ends.
        """
        found = self._installation.principal_of(token)
        return found if found is not None else self._directory.principal_of(token, in_use=in_use)

    def token_of(self, token: str) -> AccessToken | None:
        """Return what is kept of a secret that stands for somebody; of the installation's nothing is."""
        return self._directory.proven(token)
