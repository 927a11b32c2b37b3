"""People of several roles, each a client with a token of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx2
from tests.serving import Serving
from tests.web.people import token

_numbers = count(1)


def token_of(serving: Serving, *grants: tuple[str, str | None]) -> dict[str, Any]:
    """Return a new token with these grants: a role, and a group or None for everything."""
    named = (role if group is None else f"{role}:{group}" for role, group in grants)
    return token(serving, f"somebody-{next(_numbers)}", *named)


@contextmanager
def somebody(serving: Serving, *grants: tuple[str, str | None]) -> Iterator[httpx2.Client]:
    """Give a client with these grants."""
    with serving.client(token_of(serving, *grants)["token"]) as client:
        yield client
