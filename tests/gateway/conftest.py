"""A service on the hub's ports, and the real clients that talk to it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.gateway.clients.address import NO_HTTPS, own_address
from tests.gateway.clients.hub import Hub
from tests.gateway.clients.running import Clients, Flavour, Language
from tests.installing import NotInstallableError, installed_node, installed_python

from fencepost.app.sockets import HAS_AMQP

_CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Give a running service, one for all tests of a process."""
    with Hub(tmp_path_factory.mktemp("hub"), own_address()) as running:
        yield running


@pytest.fixture
def on_https_port(hub: Hub) -> None:
    """Skip a test whose client knows no other port than 443 where we may not listen on it."""
    if not hub.is_on_https_port:
        pytest.skip(NO_HTTPS)


@pytest.fixture
def reachable(request: pytest.FixtureRequest, flavour: Flavour) -> Flavour:
    """Give a flavour whose port we may listen on."""
    if "amqp" in flavour.transport and not HAS_AMQP:
        pytest.skip("AMQP takes the extra fencepost[amqp]")
    if flavour.needs_https:
        request.getfixturevalue("on_https_port")
    return flavour


@pytest.fixture
def clients(hub: Hub, tmp_path: Path) -> Iterator[Clients]:
    """Give what starts clients; they end with the test."""
    running = Clients(hub, tmp_path, _place)
    yield running
    running.close()


def _place(language: Language) -> Path:
    place = _installed(language)
    if isinstance(place, NotInstallableError):
        pytest.skip(f"the {language} SDKs cannot be installed: {place}")
    return place


@cache
def _installed(language: Language) -> Path | NotInstallableError:
    """Return where they are, or why not: it is tried once."""
    try:
        if language == "python":
            return installed_python(_CLIENTS / "requirements.txt")
        return installed_node(_CLIENTS / "package.json")
    except NotInstallableError as error:
        return error
