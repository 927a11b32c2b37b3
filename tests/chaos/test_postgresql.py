"""PostgreSQL is stopped and started under load: nothing lost, nothing doubled."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from tests.chaos.checks import assert_all_acknowledged_is_journalled, assert_live_and_rebuilt_agree
from tests.chaos.load import Load, expected, found, put_rules, script
from tests.postgresql import MISSING, Server, binaries
from tests.serving import Serving, until


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    if binaries() is None:
        pytest.skip(MISSING)
    with Server() as server:
        yield server


def test_S30_a_database_that_goes_and_comes_back_loses_and_doubles_nothing(
    tmp_path: Path, postgresql: Server
) -> None:
    url = postgresql.new_database()
    said = script(devices=4, messages=400)
    serving = Serving(tmp_path / "data", control_url=url)
    put_rules(serving)
    with Load(serving, said) as load:
        for number in range(1, 4):
            load.wait_for(400 * number)
            postgresql.stop("immediate" if number % 2 else "fast")
            until(lambda: serving.stranger.get("/readyz").status_code == 503, 20)
            time.sleep(0.3)
            postgresql.start()
            until(lambda: serving.stranger.get("/readyz").status_code == 200, 30)
    serving.settle()
    assert found(serving) == expected(said)
    serving.kill()
    serving.start()
    assert found(serving) == expected(said)
    assert_all_acknowledged_is_journalled(load, serving.folder / "journal")
    environment = {**os.environ, "FENCEPOST_CONTROL_URL": url}
    assert_live_and_rebuilt_agree(serving.folder, tmp_path / "again.db", **environment)
    assert serving.stop() == 0


def test_a_service_that_starts_before_its_database_waits_for_it(tmp_path: Path, postgresql: Server) -> None:
    url = postgresql.new_database()
    postgresql.stop()
    starting = Timer(2, postgresql.start)
    starting.start()
    serving = Serving(tmp_path / "data", control_url=url)
    starting.join()
    assert serving.stranger.get("/readyz").status_code == 200
    assert "trying again" in serving.log()
    assert serving.stop() == 0


def test_a_second_service_on_the_same_database_is_refused(tmp_path: Path, postgresql: Server) -> None:
    url = postgresql.new_database()
    first = Serving(tmp_path / "one", control_url=url)
    with pytest.raises(AssertionError, match="another process serves this database"):
        Serving(tmp_path / "two", control_url=url)
    assert first.stop() == 0
