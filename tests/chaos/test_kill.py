"""
kill -9 under load, at random instants (S30).

A few rounds in CI; by hand `FENCEPOST_TEST_ROUNDS=20 pytest tests/chaos`.
"""

import os
import time
from pathlib import Path
from random import SystemRandom

from tests.chaos.checks import assert_all_acknowledged_is_journalled, assert_live_and_rebuilt_agree
from tests.chaos.load import Load, expected, found, put_rules, script
from tests.serving import Serving

ROUNDS = int(os.environ.get("FENCEPOST_TEST_ROUNDS", "4"))


def test_S30_kill_9_at_random_instants_loses_nothing_acknowledged_and_doubles_no_alert(
    tmp_path: Path,
) -> None:
    said = script(devices=8, messages=60 * ROUNDS)
    serving = Serving(tmp_path / "data", snapshot_entries="500", log_level="warning")
    put_rules(serving)
    total = sum(map(len, said.values()))
    instants = SystemRandom()
    with Load(serving, said) as load:
        for number in range(ROUNDS):
            load.wait_for(total * number // ROUNDS)
            time.sleep(instants.uniform(0, 0.2))
            serving.kill()
            serving.start()
    serving.settle()
    assert load.done == total
    assert found(serving) == expected(said)
    assert serving.stop() == 0
    assert_all_acknowledged_is_journalled(load, serving.folder / "journal")
    assert_live_and_rebuilt_agree(serving.folder, tmp_path / "again.db")


def test_a_clean_stop_under_load_is_quick_and_loses_nothing(tmp_path: Path) -> None:
    said = script(devices=4, messages=300)
    serving = Serving(tmp_path / "data")
    put_rules(serving)
    with Load(serving, said) as load:
        load.wait_for(200)
        began = time.monotonic()
        assert serving.stop() == 0
        assert time.monotonic() - began < 8
        serving.start()
    serving.settle()
    assert found(serving) == expected(said)
    assert serving.stop() == 0
    assert "Traceback" not in serving.log()
