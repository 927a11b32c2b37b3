from collections.abc import Iterator

import pytest
from tests.serving import Serving


@pytest.fixture(scope="module")
def serving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One real service for the tests of a module, with the module's SETTINGS."""
    folder = tmp_path_factory.mktemp("service") / "data"
    service = Serving(folder, **getattr(request.module, "SETTINGS", {}))
    yield service
    assert service.stop() == 0
    assert "Traceback" not in service.log()
