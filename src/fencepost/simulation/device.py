"""
The messages of one simulated device at the pace of the agents as they are delivered.

A legacy agent collects every two minutes and sends every seven; a ThreadX module sends every ten seconds.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

from msgspec import Struct

from fencepost.simulation.incidents import Device, Incident
from fencepost.simulation.legacy import Style
from fencepost.simulation.reporter import COLLECTION, INTERVAL, LegacyReporter, ThreadXReporter

SENDING = timedelta(minutes=7)


class Delivery(Struct, frozen=True):
    """One message as it reaches the server."""

    received_at: datetime
    device_id: str
    body: bytes


def deliveries(
    device: Device, incidents: Sequence[Incident], span: tuple[datetime, datetime], random: Random
) -> Iterator[Delivery]:
    """Yield what a device sends of the time between two instants, in the order of its arrival."""
    if device.style is None:
        return _of_threadx(device, incidents, span, random)
    return _of_legacy(device, device.style, incidents, span, random)


def _of_legacy(
    device: Device,
    style: Style,
    incidents: Sequence[Incident],
    span: tuple[datetime, datetime],
    random: Random,
) -> Iterator[Delivery]:
    reporter = LegacyReporter(device, style, incidents, span, random)
    sending = span[0] + timedelta(seconds=random.randrange(180, 420))
    reporter.introduce()
    while reporter.until < span[1]:
        while (end := reporter.until + COLLECTION) <= sending:
            reporter.collect(end)
        received = sending + timedelta(milliseconds=random.randrange(300, 4000))
        yield Delivery(received, device.device_id, reporter.message())
        sending += SENDING


def _of_threadx(
    device: Device, incidents: Sequence[Incident], span: tuple[datetime, datetime], random: Random
) -> Iterator[Delivery]:
    reporter = ThreadXReporter(incidents, random)
    at = span[0] + timedelta(seconds=random.randrange(30, 90))
    while at < span[1]:
        body = reporter.report(at)
        received = at + timedelta(milliseconds=random.randrange(200, 3000))
        yield Delivery(received, device.device_id, body)
        at += INTERVAL
