"""Figures of the front door for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fencepost.app.front_door import FrontDoor


def figures_of(front: FrontDoor) -> Iterator[Metric]:
    """Yield what devices have done at the front door since the start."""
    yield from _of_connections(front)
    gateway, counters = front.gateway, front.gateway.counters
    yield GaugeMetricFamily(
        "fencepost_devices_connected", "Identities that are connected.", value=front.gateway.sessions.count()
    )
    messages = CounterMetricFamily(
        "fencepost_device_messages", "Messages of devices on disk.", labels=["channel", "kind"]
    )
    for kind, counts in (("security", gateway.uplink.security), ("telemetry", gateway.uplink.telemetry)):
        for channel, number in counts.items():
            messages.add_metric([channel, kind], number)
    yield messages
    yield CounterMetricFamily("fencepost_sign_ins", "Identities that signed in.", value=counters.connects)
    yield CounterMetricFamily(
        "fencepost_unauthorized",
        "Credentials that were refused, and attempts on what is another's.",
        value=counters.unauthorized,
    )
    yield CounterMetricFamily(
        "fencepost_forbidden", "Connections closed for what IoT Hub does not do.", value=counters.forbidden
    )
    yield CounterMetricFamily("fencepost_lost_wills", "Wills that found no room.", value=counters.lost_wills)
    yield CounterMetricFamily(
        "fencepost_lost_messages",
        "Messages that found no room, of connections that ended meanwhile.",
        value=counters.lost_messages,
    )
    yield CounterMetricFamily(
        "fencepost_dropped_cloud_messages",
        "Messages to devices that expired, or were delivered too often.",
        value=gateway.downlink.dropped,
    )
    yield CounterMetricFamily(
        "fencepost_dropped_operations",
        "Operations that found no room, and that no rule has counted.",
        value=gateway.operations.dropped,
    )


def _of_connections(front: FrontDoor) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "fencepost_device_connections", "Connections of devices that are open.", labels=["protocol"]
    )
    closed = CounterMetricFamily(
        "fencepost_refused_device_connections",
        "Connections of devices that were closed by us, by reason.",
        labels=["protocol", "reason"],
    )
    for protocol, traffic in front.traffic.items():
        gauge.add_metric([protocol], traffic.open)
        for reason in ("refused", "handshakes", "malformed", "late"):
            closed.add_metric([protocol, reason], getattr(traffic, reason))
    yield gauge
    yield closed
