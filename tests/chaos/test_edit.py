"""kill -9 in the middle of edits that move many alerts: an edit is carried out wholly, or at the next start (S24, S30)."""

import os
import threading
import time
from pathlib import Path
from random import SystemRandom
from typing import Any

import httpx2
from tests.chaos.checks import assert_live_and_rebuilt_agree
from tests.said import call, message
from tests.serving import Serving

ROUNDS = int(os.environ.get("FENCEPOST_TEST_ROUNDS", "3"))
DEVICES = 100
STRANGER = "203.0.113.9"
SHUT: dict[str, Any] = {"type": "ConnectionToIpNotAllowed", "allow": ["198.51.100.0/24"]}
OPEN: dict[str, Any] = {"type": "ConnectionToIpNotAllowed", "allow": ["198.51.100.0/24", STRANGER]}


class Editor(threading.Thread):
    """Opens and shuts the list again and again until the service is gone; `put` are the versions it was told of."""

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._client = serving.admin
        self.put: list[int] = []

    def run(self) -> None:
        while True:
            for rule in (OPEN, SHUT):
                try:
                    answer = self._client.put("/v1/groups/default", json={"rules": [rule]})
                    self.put.append(answer.raise_for_status().json()["version"])
                except (httpx2.HTTPError, RuntimeError, OSError):
                    return


def let_all_call(serving: Serving) -> None:
    for number in range(DEVICES):
        serving.send(f"dev-{number}", message(call(STRANGER))).raise_for_status()
    serving.settle()


def test_S30_kill_9_in_the_middle_of_an_edit_leaves_no_half_of_it(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "data", log_level="warning")
    serving.admin.put("/v1/groups/default", json={"rules": [SHUT]}).raise_for_status()
    instants = SystemRandom()
    for _ in range(ROUNDS):
        let_all_call(serving)
        editor = Editor(serving)
        editor.start()
        time.sleep(instants.uniform(0, 0.3))
        serving.kill()
        editor.join()
        serving.start()
        serving.settle()
        group = serving.admin.get("/v1/groups/default").raise_for_status().json()
        assert group["version"] >= max(editor.put, default=0)
        standing = [one for one in serving.alerts(state="Active") if one["value"] == STRANGER]
        is_open = STRANGER in group["rules"][0]["allow"]
        assert not standing if is_open else len(standing) in (0, DEVICES)
        serving.admin.put("/v1/groups/default", json={"rules": [SHUT]}).raise_for_status()
    assert serving.stop() == 0
    assert_live_and_rebuilt_agree(serving.folder, tmp_path / "again.db")
