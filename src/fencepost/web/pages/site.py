"""What the pages need besides the service; `app` puts it together."""

from msgspec import Struct

from fencepost.web.api.access import Connection
from fencepost.web.pages.openid import OpenId


class Site(Struct, frozen=True, kw_only=True):
    """
    How people come in: `openid` where there is a provider.

    `url` is the address that their browsers know, where it is not the one that they say.
    """

    url: str = ""
    openid: OpenId | None = None

    def address(self, connection: Connection, path: str) -> str:
        """Return the whole address of one of our pages."""
        return f"{(self.url or str(connection.base_url)).rstrip('/')}{path}"
