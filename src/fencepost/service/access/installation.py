"""The three tokens that an installation is born with, each for all that it names."""

from collections.abc import Mapping
from hmac import compare_digest
from typing import Literal

from fencepost.model.access import Grant, Principal
from fencepost.service.access.secrets import digest_of

InstallationToken = Literal["administrator", "ingest", "metrics"]
PRINCIPALS: dict[InstallationToken, Principal] = {
    "administrator": Principal(actor="token/administrator", grants=(Grant("administrator"),)),
    "ingest": Principal(actor="token/ingest", machine="ingest"),
    "metrics": Principal(actor="token/metrics", machine="metrics"),
}


class InstallationTokens:
    """The bearer tokens of the installation; only digests are kept, and compared in constant time."""

    def __init__(self, tokens: Mapping[InstallationToken, str]) -> None:
        self._digests = {name: digest_of(token) for name, token in tokens.items()}

    def principal_of(self, token: str) -> Principal | None:
        """Return whom a token stands for, None for one that is not ours."""
        digest = digest_of(token)
        found: Principal | None = None
        for name, known in self._digests.items():
            if compare_digest(digest, known):
                found = PRINCIPALS[name]
        return found
