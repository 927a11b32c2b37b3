"""A service, and Microsoft's own clients that talk to it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.installing import NotInstallableError, installed_node, installed_python
from tests.serving import Serving
from tests.web.azure.arm.calling import Arm
from tests.web.azure.clients.owners import CLIENTS, Client, Owner


@pytest.fixture(scope="module")
def arm(serving: Serving) -> Iterator[Arm]:
    """Give the ARM dialect of the module's service."""
    calling = Arm(serving)
    yield calling
    calling.close()


@pytest.fixture(scope="session")
def placed() -> Callable[[Client], Path]:
    """Give what says where a client is installed, and skips a test whose client cannot be."""
    return _placed


@pytest.fixture(scope="module", params=CLIENTS, ids=str)
def starting(
    request: pytest.FixtureRequest, arm: Arm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Owner]]:
    """Give what starts programs with one of the clients; they end with the module."""
    client: Client = request.param
    place = _placed(client)
    folder = tmp_path_factory.mktemp("owners")
    running: list[Owner] = []

    def start() -> Owner:
        running.append(Owner(client, place, arm, folder))
        return running[-1]

    yield start
    for owner in running:
        owner.close()


@pytest.fixture(scope="module")
def owner(serving: Serving, starting: Callable[[], Owner]) -> Owner:
    """Give a program of the administrator's."""
    return starting().sign_in(serving.admin.headers["Authorization"].removeprefix("Bearer "))


def _placed(client: Client) -> Path:
    place = _installed(client)
    if isinstance(place, NotInstallableError):
        pytest.skip(f"the client {client} cannot be installed: {place}")
    return place


@cache
def _installed(client: Client) -> Path | NotInstallableError:
    """Return where a client is, or why not: it is tried once."""
    install = installed_python if client.language == "python" else installed_node
    try:
        return install(client.versions)
    except NotInstallableError as error:
        return error
