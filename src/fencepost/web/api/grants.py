"""Grants on the wire: a role, for one group of devices or for everything."""

from typing import Annotated

from litestar.openapi.spec import Example
from msgspec import Meta, Struct

from fencepost.model.access import Grant, Role
from fencepost.service.access.drafts import LONGEST_NAME, MOST_GRANTS

EXAMPLE = [{"role": "viewer", "group": None}, {"role": "analyst", "group": "floor-2"}]


class GrantBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A role for one group of devices; without a group for everything."""

    role: Role
    group: Annotated[str, Meta(max_length=LONGEST_NAME)] | None = None


Grants = Annotated[list[GrantBody], Meta(max_length=MOST_GRANTS, examples=[EXAMPLE])]


def grants_of(bodies: list[GrantBody]) -> tuple[Grant, ...]:
    """Return the grants that somebody writes."""
    return tuple(Grant(body.role, body.group) for body in bodies)


def views_of(grants: tuple[Grant, ...]) -> list[GrantBody]:
    """Return grants as they are shown."""
    return [GrantBody(grant.role, grant.group) for grant in grants]


def example(value: object) -> list[Example]:
    """Return one example of a body or an answer."""
    return [Example(value=value)]
