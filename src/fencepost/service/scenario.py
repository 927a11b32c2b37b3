"""Messages and operations on a time axis through the real engine: what the tests of a groups file run on."""

from collections.abc import Iterable
from datetime import datetime

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.event import SecurityMessage
from fencepost.model.identity import Operation
from fencepost.model.layer import NO_LAYERS, Layers
from fencepost.model.outcome import Outcome
from fencepost.model.rule import SecurityGroup


def alerts_of(
    groups: Iterable[SecurityGroup],
    device_id: str,
    group: str | None,
    happenings: Iterable[tuple[datetime, SecurityMessage | Operation]],
    ends_at: datetime | None,
    layers: Layers = NO_LAYERS,
) -> list[Alert]:
    """
    Return the alerts that come of a device's messages and of what the gateway sees, in the order of arrival.

    `group` puts the device, which is registered, into a group; without it, its id decides. Behind the last of
    all the clock moves on to `ends_at`. An alert that another one has taken over is none.
    """
    detector, book = Detector(groups, layers), AlertBook()

    def take(outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            book.apply(outcome)

    now = None
    for received_at, said in happenings:
        if now is None:
            take(detector.assign(device_id, group, received_at))
        now = received_at
        take(detector.tick(now))
        if isinstance(said, SecurityMessage):
            take(detector.receive(device_id, said, now))
        else:
            take(detector.operate(device_id, said, now))
    end = max((moment for moment in (now, ends_at) if moment is not None), default=None)
    if end is not None:
        take(detector.tick(end))
    return [alert for alert in book.alerts() if alert.merged_into is None]
