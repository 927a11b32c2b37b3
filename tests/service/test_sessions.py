"""One identity, one session: the latest."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fencepost.model.identity import Channel, IdentityKey
from fencepost.service import sessions as module
from fencepost.service.sessions import Session, Sessions

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", "m")


class Connected:
    """A session that leaves when it is closed, as the real ones do."""

    channel: Channel = "mqtt"

    def __init__(self, leave: Callable[["Connected"], None] = lambda _: None) -> None:
        self.reasons: list[str] = []
        self._leave = leave

    def push_desired(self, patch: dict[str, Any]) -> None: ...

    def wake(self) -> None: ...

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        raise NotImplementedError

    def close(self, reason: str) -> None:
        self.reasons.append(reason)
        self._leave(self)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(Clock())


def enter(sessions: Sessions, key: IdentityKey) -> Connected:
    session = Connected(lambda one: sessions.leave(key, one))
    sessions.enter(key, session)
    return session


def test_who_enters_is_found_until_it_leaves(sessions: Sessions) -> None:
    device, other = enter(sessions, CAM), enter(sessions, MODULE)
    assert sessions.of(CAM) is device
    assert sessions.of(MODULE) is other
    assert sessions.of(IdentityKey("cam-2")) is None
    assert sessions.of(IdentityKey("cam-1", "")) is None
    assert sessions.count() == 2
    sessions.leave(CAM, device)
    sessions.leave(CAM, device)
    assert sessions.of(CAM) is None
    assert (sessions.count(), device.reasons) == (1, [])


def test_a_second_session_closes_the_first_and_stays(sessions: Sessions) -> None:
    first, second = enter(sessions, CAM), enter(sessions, CAM)
    assert first.reasons == ["taken over"]
    sessions.leave(CAM, first)  # it notices late
    assert sessions.of(CAM) is second
    assert (sessions.count(), second.reasons) == (1, [])
    sessions.enter(CAM, second)
    assert (sessions.count(), second.reasons) == (1, [])


def test_a_device_that_is_closed_takes_its_modules_along(sessions: Sessions) -> None:
    device, module_, other = (
        enter(sessions, CAM),
        enter(sessions, MODULE),
        enter(sessions, IdentityKey("cam-2")),
    )
    sessions.close(MODULE, "because")
    assert (module_.reasons, device.reasons) == (["because"], [])
    module_ = enter(sessions, MODULE)
    sessions.close(CAM, "of something")
    assert module_.reasons == device.reasons == ["of something"]
    assert other.reasons == []
    assert sessions.count() == 1
    sessions.close(CAM, "once more")
    assert len(device.reasons) == 1


def test_the_modules_of_a_device_that_is_not_connected_are_closed_too(sessions: Sessions) -> None:
    module_ = enter(sessions, MODULE)
    sessions.close(CAM, "because")
    assert module_.reasons == ["because"]


def test_when_an_identity_was_active_last_is_remembered(sessions: Sessions) -> None:
    assert sessions.last_active_at(CAM) is None
    device = enter(sessions, CAM)
    came = sessions.last_active_at(CAM)
    sessions.touch(CAM)
    sent = sessions.last_active_at(CAM)
    sessions.leave(CAM, device)
    gone = sessions.last_active_at(CAM)
    assert came is not None
    assert [sent, gone] == [came + timedelta(minutes=1), came + timedelta(minutes=2)]
    assert sessions.last_active_at(MODULE) is None


def test_only_the_latest_identities_are_remembered(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 100)
    kept = enter(sessions, CAM)
    for number in range(1000):
        key = IdentityKey(f"cam-{number}")
        sessions.leave(key, enter(sessions, key))
        sessions.touch(CAM)
    assert len(sessions._active) == 100
    assert sessions.last_active_at(CAM) is not None
    assert sessions.last_active_at(IdentityKey("cam-2")) is None
    assert sessions.of(CAM) is not kept  # cam-1 itself came and went again
    assert sessions._of_device == {}


def test_a_session_is_one_by_its_shape() -> None:
    """The type checker reads this line."""
    session: Session = Connected()
    assert session.channel == "mqtt"
