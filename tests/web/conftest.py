from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Serving


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One real service for the tests of a module."""
    folder: Path = tmp_path_factory.mktemp("service") / "data"
    service = Serving(folder, http_request_timeout="PT1S", ingest_max_message_bytes="262144")
    yield service
    assert service.stop() == 0
    assert "Traceback" not in service.log()
