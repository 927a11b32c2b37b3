"""How commands find the running service that they talk to."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import uvloop
from msgspec import Struct, structs

from fencepost.cli.data import DEFAULT_DATA, url_of
from fencepost.cli.service_options import Stated
from fencepost.client.access import Access, check, host_of
from fencepost.client.hub import Hub
from fencepost.client.requests import Requests
from fencepost.config.service import is_local, load_settings
from fencepost.model.errors import OperatorError, Problem
from fencepost.setup.hostnames import STANDARD
from fencepost.setup.installation import load

STARTING = 30.0
"""Seconds in which a service that has just been started must be ready."""
CONNECTIONS = 16
WHICH = (
    "which service? Name its data folder with --data DIR, or --url URL with --token TOKEN "
    "(FENCEPOST_URL, FENCEPOST_TOKEN)"
)

T = TypeVar("T")


class Target(Struct, frozen=True):
    """A service to talk to, and the host name by which devices shall know it."""

    access: Access
    hostname: str


def access_of(
    url: str, token: str | None, ca: Path | None, data: Path | None, option: str = "--to"
) -> Access:
    """
    Return the way in; what is not stated is that of the data folder, or of the usual one if it is here.

    A token of a data folder is only ever shown to a service whose certificate the folder's authority
    signed, where it has one. Raises OperatorError, which names the `option` of the address.
    """
    data = usual_folder(data, token)
    if data is None or (token is not None and ca is not None):
        if token is None:
            reason = (
                "--token TOKEN is missing (or the variable FENCEPOST_TOKEN), or --data DIR to take it from"
            )
            raise OperatorError([Problem(option, reason)])
        return _checked(Access(url, token, ca), option)
    installation = load(data)
    return _checked(Access(url, token or installation.tokens.admin, ca or installation.ca_file), option)


def _checked(access: Access, option: str) -> Access:
    """Return an access; raises OperatorError for an address or a token that is none, named by its option."""
    options = {"url": option, "token": "--token"}
    try:
        check(access)
    except OperatorError as error:
        stated = [
            structs.replace(one, path=options[one.path]) for one in error.problems if one.path in options
        ]
        if stated:
            raise OperatorError(stated) from None
    return access


def usual_folder(data: Path | None, token: str | None) -> Path | None:
    """Return the data folder that is meant: the stated one, or the usual one if it is here and no token is."""
    return DEFAULT_DATA if data is None and token is None and DEFAULT_DATA.is_dir() else data


def target_of(stated: Stated) -> Target:
    """Return the service that options name; raises OperatorError where they name none."""
    url, token, ca = stated.url, stated.token, stated.ca
    if url is not None:
        return Target(access_of(url, token, ca, stated.data, "--url"), host_of(url))
    data = usual_folder(stated.data, token)
    if data is None:
        raise OperatorError([Problem("", WHICH)])
    settings = load_settings(data, None, os.environ)
    access = access_of(url_of(settings, STANDARD[0]), token, ca, data, "--url")
    return Target(access, load(data).hub_name(local_only=is_local(settings)))


def talk(access: Access, work: Callable[[Requests], Awaitable[T]]) -> T:
    """Return what comes of some work with the service once it is ready; raises OperatorError."""

    async def go() -> T:
        async with Requests(access, connections=CONNECTIONS) as requests:
            await requests.until_ready(STARTING)
            return await work(requests)

    return uvloop.run(go())


def talk_to_hub(access: Access, work: Callable[[Hub], Awaitable[T]]) -> T:
    """Return what comes of some work with the registry; see `talk`."""
    return talk(access, lambda requests: work(Hub(requests)))
