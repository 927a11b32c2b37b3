"""Messages on a time axis through the real engine: what the tests of a groups file run on."""

from collections.abc import Iterable
from datetime import datetime

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.event import SecurityMessage
from fencepost.model.outcome import Outcome
from fencepost.model.rule import SecurityGroup


def alerts_of(
    groups: Iterable[SecurityGroup],
    device_id: str,
    group: str | None,
    messages: Iterable[tuple[datetime, SecurityMessage]],
    ends_at: datetime | None,
) -> list[Alert]:
    """
    Return the alerts that a device's messages, in the order of their arrival, lead to.

    `group` puts the device into a group; without it, its id decides. Behind the last message the clock
    moves on to `ends_at`. An alert that another one has taken over is none.
    """
    detector, book = Detector(groups), AlertBook()

    def take(outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            book.apply(outcome)

    now = None
    for received_at, message in messages:
        if now is None and group is not None:
            take(detector.assign(device_id, group, received_at))
        now = received_at
        take(detector.tick(now))
        take(detector.receive(device_id, message, now))
    end = max((moment for moment in (now, ends_at) if moment is not None), default=None)
    if end is not None:
        take(detector.tick(end))
    return [alert for alert in book.alerts() if alert.merged_into is None]
