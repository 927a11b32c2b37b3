"""Devices that send under bad conditions: each message again and again until it is acknowledged."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx2
from tests.said import call, failed_login, message, process
from tests.serving import Serving

from fencepost.model.alert import Alert
from fencepost.model.rule import AllowlistRule, SecurityGroup, TimeWindowRule
from fencepost.service.replay import Replay

RULES: list[dict[str, Any]] = [
    {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 5, "window": "PT5M"},
    {"type": "ConnectionToIpNotAllowed", "allow": ["198.51.100.0/24"]},
    {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
]
GROUP = SecurityGroup(
    name="default",
    rules=(
        TimeWindowRule(type="FailedLocalLoginsNotInAllowedRange", min=0, max=5, window=timedelta(minutes=5)),
        AllowlistRule(type="ConnectionToIpNotAllowed", allow=("198.51.100.0/24",)),
        AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),
    ),
)
BATCH = 10


def script(devices: int, messages: int) -> dict[str, list[bytes]]:
    """Return what each device will say: bursts of failed logins with pauses, calls and processes, some not allowed."""
    start = datetime.now(UTC) - timedelta(minutes=30)
    step = min(timedelta(seconds=2), timedelta(minutes=25) / messages)  # never ahead of the receipt
    return {
        f"dev-{number}": [message(*_events(number, index, start + step * index)) for index in range(messages)]
        for number in range(devices)
    }


def _events(number: int, index: int, at: datetime) -> Iterator[dict[str, Any]]:
    yield process("/usr/bin/agent" if index % 9 else f"/opt/strange-{index % 4}", at)
    yield call(f"198.51.100.{index % 200}" if index % 11 else f"203.0.113.{number}", at)
    if index // 40 % 2 == 0:
        yield failed_login(at)


class Load:
    """Threads that send a script; `acknowledged` are the bodies that were answered with 202, by device."""

    def __init__(self, serving: Serving, said: dict[str, list[bytes]]) -> None:
        self._serving = serving
        self._said = said
        self.acknowledged: dict[str, list[bytes]] = {device_id: [] for device_id in said}
        self.refusals: dict[int, int] = {}
        self.retry_after_missing = 0
        self._threads = [threading.Thread(target=self._send, args=(one,), daemon=True) for one in said]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    @property
    def done(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    @property
    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def wait(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert self.is_over, "the load did not come to its end"

    def wait_for(self, number: int) -> None:
        """Wait until so many messages are acknowledged, or all."""
        deadline = time.monotonic() + 60
        while self.done < number and not self.is_over:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def _send(self, device_id: str) -> None:
        said = self._said[device_id]
        for first in range(0, len(said), BATCH):
            part = said[first : first + BATCH]
            while not self._is_taken(device_id, part):
                time.sleep(0.05)
            self.acknowledged[device_id] += part

    def _is_taken(self, device_id: str, part: Sequence[bytes]) -> bool:
        try:
            status = self._serving.send(device_id, *part)
        except (httpx2.HTTPError, RuntimeError, OSError):
            return False  # it is down, or its client was closed: it will be back
        if status.status_code != 202:
            self.refusals[status.status_code] = self.refusals.get(status.status_code, 0) + 1
            self.retry_after_missing += "retry-after" not in status.headers
        return status.status_code == 202


def expected(said: dict[str, list[bytes]]) -> set[tuple[Any, ...]]:
    """Return the alerts of an undisturbed run, without what depends on the moment of receipt."""
    replay = Replay([GROUP], wall_clock=lambda: datetime.now(UTC))
    now = datetime.now(UTC)
    for device_id, bodies in said.items():
        for body in bodies:
            replay.receive(device_id, body, now, "script")
    return {_essence_of(alert) for alert in replay.book.alerts()}


def _essence_of(alert: Alert) -> tuple[Any, ...]:
    return alert.alert_id, alert.value, alert.count, alert.started_at, alert.last_seen_at, alert.state


def found(serving: Serving) -> set[tuple[Any, ...]]:
    """Return the alerts of a service in the same form; fails if one is there twice."""
    alerts = serving.alerts()
    made = {
        (
            alert["alert_id"],
            alert["value"],
            alert["count"],
            datetime.fromisoformat(alert["started_at"]),
            datetime.fromisoformat(alert["last_seen_at"]),
            alert["state"],
        )
        for alert in alerts
    }
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts) == len(made)
    return made


def put_rules(serving: Serving) -> None:
    serving.admin.put("/v1/groups/default", json={"rules": RULES}).raise_for_status()
