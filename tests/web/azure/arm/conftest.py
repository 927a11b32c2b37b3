from collections.abc import Iterator

import pytest
from tests.serving import Serving
from tests.web.azure.arm.calling import Arm


@pytest.fixture(scope="module")
def arm(serving: Serving) -> Iterator[Arm]:
    """Give the ARM dialect of the module's service."""
    calling = Arm(serving)
    yield calling
    calling.close()
