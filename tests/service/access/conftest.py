from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.access.standing import Standing


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    one = Standing(tmp_path)
    yield one
    one.store.close()
