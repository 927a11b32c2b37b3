from collections.abc import Iterator

import pytest
from tests.web.azure.iothub.standing import Standing


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Give a hub, one for the tests of a module."""
    hub = Standing(tmp_path_factory.mktemp("hub"))
    yield hub
    hub.close()
