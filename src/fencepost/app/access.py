"""Access control put together, and kept in order while the service runs."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from fencepost.config.access import grants_by_claim
from fencepost.config.service import Settings
from fencepost.model.errors import StoreUnavailable
from fencepost.service.access import Access, Lifetimes
from fencepost.setup.installation import Installation
from fencepost.store.control import ControlStore
from fencepost.web.pages.provider import Provider
from fencepost.web.passwords import Argon2

EVERY = 30.0
"""Seconds between two times of writing down which tokens were used."""

_log = logging.getLogger(__name__)


def access_of(
    settings: Settings, installation: Installation, store: ControlStore, clock: Callable[[], datetime]
) -> Access:
    """Return access control with all users and tokens of a store; raises StoreUnavailable."""
    tokens = installation.tokens
    return Access(
        store,
        Argon2(),
        {"administrator": tokens.admin, "ingest": tokens.ingest, "metrics": tokens.metrics},
        clock,
        Lifetimes(idle=settings.access.session_idle, session=settings.access.session_lifetime),
    )


def provider_of(settings: Settings) -> Provider | None:
    """Return the OpenID provider that people sign in by, None where none is set."""
    oidc = settings.oidc
    if not oidc.issuer:
        return None
    return Provider(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=oidc.client_secret or None,
        scopes=oidc.scopes,
        button=oidc.button,
        username_claim=oidc.username_claim,
        groups_claim=oidc.groups_claim,
        grants=tuple(grants_by_claim(oidc.grants)),
    )


async def keep(access: Access) -> None:
    """Write down again and again which tokens were used, until this is cancelled."""
    await access.prepare()
    while True:
        await asyncio.sleep(EVERY)
        await _keep_once(access)


async def close(access: Access, keeping: "asyncio.Task[None]") -> None:
    """Write down the last uses, and return when no change is under way."""
    keeping.cancel()
    await asyncio.wait({keeping})
    await access.settle()
    await _keep_once(access)


async def _keep_once(access: Access) -> None:
    try:
        await access.keep()
    except StoreUnavailable as error:
        _log.warning("when tokens were used is not written down: %s", error)
