"""One call: who makes it, of what, and how it is answered."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response
from msgspec import Struct

from fencepost.model.access import Principal, Role
from fencepost.model.hub_error import HubError
from fencepost.net.hub_http import AnyRequest, read_body
from fencepost.web.api.service import Service
from fencepost.web.azure.arm.errors import JSON, ArmError, forbidden
from fencepost.web.azure.arm.service import ArmService, Place
from fencepost.web.azure.origin import origin_of

LARGEST = 8 << 20
"""Bytes of a body; a list of 100,000 entries fits."""
SKIP = "$skiptoken"


class Call(Struct, frozen=True, kw_only=True, eq=False):
    """A call that somebody known makes, with its body; `names` are the parts of its path that name something."""

    arm: ArmService
    request: AnyRequest
    principal: Principal
    names: Mapping[str, str]
    body: bytes

    @property
    def service(self) -> Service:
        return self.arm.service

    @property
    def place(self) -> Place:
        return self.arm.place

    @property
    def actor(self) -> str:
        return self.principal.actor

    # who may

    def take_role(self, role: Role) -> None:
        """Raise ArmError unless this role is theirs for everything."""
        if not self.principal.may(role):
            raise forbidden(role, "everything")

    def take_role_somewhere(self, role: Role) -> None:
        """Raise ArmError unless this role is theirs for some group at least."""
        if not self.principal.may_somewhere(role):
            raise forbidden(role, "a group of devices")

    # what is asked

    def query(self, name: str) -> str | None:
        """Return a parameter, by its name without case."""
        wanted = name.lower()
        for key, value in self.request.query_params.multi_items():
            if key.lower() == wanted:
                return str(value)
        return None

    def top(self, name: str, most: int) -> int:
        """Return how many items are wanted at a time: at most, and where nobody says it, `most`."""
        said = self.query(name)
        if said is None:
            return most
        if not said.isascii() or not said.isdecimal() or len(said) > 9 or int(said) < 1:  # noqa: PLR2004
            raise ArmError(400, "InvalidQueryParameter", f"{name} is a number from 1 on.", target=name)
        return min(int(said), most)

    def next_link(self, skip: str | None) -> str | None:
        """Return the whole address of the next page, which begins behind a place; None where there is none."""
        if skip is None:
            return None
        kept = [
            (key, str(value))
            for key, value in self.request.query_params.multi_items()
            if key.lower() != SKIP.lower()
        ]
        return (
            f"{origin_of(self.request)}{quote(self.request.scope['path'])}?{urlencode([*kept, (SKIP, skip)])}"
        )


async def body_of(request: AnyRequest, seconds: float) -> bytes:
    """Return the body of a request; raises ArmError for one that is too large, or does not come in time."""
    try:
        return await read_body(request, LARGEST, seconds)
    except HubError as error:
        code = "RequestContentTooLarge" if error.status == 413 else "RequestTimeout"  # noqa: PLR2004
        raise ArmError(error.status, code, f"{error.detail}.") from None


def answered(body: Any, status: int = 200) -> Response[bytes]:
    """Return an answer in JSON."""
    return Response(msgspec.json.encode(body), status_code=status, media_type=JSON)


def listed(items: Sequence[Any], next_link: str | None = None) -> Response[bytes]:
    """Return a page of a list."""
    more = {"nextLink": next_link} if next_link is not None else {}
    return answered({"value": items, **more})


def done(status: int) -> Response[bytes]:
    """Return an answer that says all by its status."""
    return Response(b"", status_code=status)
