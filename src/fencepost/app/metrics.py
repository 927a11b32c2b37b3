"""Figures for Prometheus, taken from the running service when they are asked for."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from fencepost.app.front_door import FrontDoor
from fencepost.app.front_door_metrics import figures_of
from fencepost.model.errors import FencepostError
from fencepost.net.traffic import Traffic
from fencepost.service.access import Access
from fencepost.service.pipeline import Pipeline
from fencepost.web.api.service import Counters

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
FRESH = 10.0
"""Seconds for which numbers that cost a query are not asked for again."""


class Metrics(Collector):
    """
    All figures of one service.

    `delay` is a histogram to be fed, in seconds; `traffic` is what the server has seen of connections, and
    `front` the front door and `access` access control, set when there are any.
    """

    def __init__(
        self,
        counters: Counters,
        pipeline: Pipeline,
        *,
        stored: Callable[[], Mapping[str, int]],
        set_back: Callable[[], float],
        damages: int,
    ) -> None:
        self.traffic = Traffic()
        self.front: FrontDoor | None = None
        self.access: Access | None = None
        self._counters = counters
        self._pipeline = pipeline
        self._stored = stored
        self._set_back = set_back
        self._damages = damages
        self._known: tuple[float, Mapping[str, int]] = (float("-inf"), {})
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.delay = Histogram(
            "fencepost_commit_delay_seconds",
            "From the acceptance of a message to the commit of what followed from it.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._registry.register(self)

    def exposition(self) -> tuple[bytes, str]:
        """Return all figures as text, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        yield from self._of_the_door()
        yield from figures_of(self.front) if self.front is not None else ()
        yield from self._of_access()
        yield from self._of_the_pipeline()
        yield from self._of_the_store()

    def _of_the_door(self) -> Iterator[Metric]:
        counters = self._counters
        yield CounterMetricFamily("fencepost_messages", "Messages acknowledged.", value=counters.messages)
        yield CounterMetricFamily("fencepost_events", "Events decoded.", value=counters.events)
        rejected = CounterMetricFamily(
            "fencepost_rejected", "What could not be decoded, by what it was.", labels=["what"]
        )
        rejected.add_metric(["message"], counters.rejected_messages)
        rejected.add_metric(["part"], counters.rejected_parts)
        yield rejected
        refused = CounterMetricFamily(
            "fencepost_refused_requests", "Requests that were refused, by reason.", labels=["reason"]
        )
        for reason in ("unknown_devices", "unauthorized", "too_large", "timeouts", "busy"):
            refused.add_metric([reason], getattr(counters, reason))
        yield refused
        traffic = self.traffic
        yield GaugeMetricFamily("fencepost_connections", "Connections that are open.", value=traffic.open)
        turned_away = CounterMetricFamily(
            "fencepost_refused_connections",
            "Connections that were closed by us, by reason.",
            labels=["reason"],
        )
        for reason in ("refused", "handshakes", "malformed", "late"):
            turned_away.add_metric([reason], getattr(traffic, reason))
        yield turned_away

    def _of_access(self) -> Iterator[Metric]:
        sign_ins = CounterMetricFamily(
            "fencepost_access_attempts",
            "Attempts of people and programs to sign in, by result.",
            labels=["result"],
        )
        for result in ("succeeded", "failed", "throttled"):
            number = getattr(self.access.counts, result) if self.access is not None else 0
            sign_ins.add_metric([result], number)
        yield sign_ins

    def _of_the_pipeline(self) -> Iterator[Metric]:
        pipeline = self._pipeline
        position = pipeline.processor.position
        yield GaugeMetricFamily("fencepost_position", "The journal entry committed last.", value=position)
        yield GaugeMetricFamily(
            "fencepost_waiting_bytes", "Bytes taken and not committed yet.", value=pipeline.waiting_bytes
        )
        yield GaugeMetricFamily(
            "fencepost_waiting_entries",
            "Entries journalled and not committed yet.",
            value=pipeline.waiting_entries,
        )
        yield GaugeMetricFamily(
            "fencepost_journal_writable",
            "1 unless the last write failed.",
            value=pipeline.journal_trouble is None,
        )
        yield GaugeMetricFamily(
            "fencepost_store_reachable",
            "1 unless the control store is away.",
            value=pipeline.processor.trouble is None,
        )
        yield CounterMetricFamily(
            "fencepost_quarantined", "Refusals put in quarantine.", value=pipeline.processor.quarantined
        )
        yield CounterMetricFamily(
            "fencepost_internal_faults",
            "Messages that a fault of ours kept from being judged.",
            value=pipeline.processor.faults,
        )
        yield GaugeMetricFamily(
            "fencepost_listeners", "Readers of the alert stream.", value=len(pipeline.feed)
        )
        yield GaugeMetricFamily(
            "fencepost_clock_set_back_seconds",
            "By how much the wall clock was set back.",
            value=self._set_back(),
        )
        yield GaugeMetricFamily(
            "fencepost_journal_damages", "Damages found in the journal at the start.", value=self._damages
        )

    def _of_the_store(self) -> Iterator[Metric]:
        taken, numbers = self._known
        if time.monotonic() - taken > FRESH:
            self._known = time.monotonic(), numbers  # who asks meanwhile, or while it is away, gets the last
            with suppress(FencepostError):
                numbers = self._stored()
            self._known = time.monotonic(), numbers
        for name, number in numbers.items():
            yield GaugeMetricFamily(f"fencepost_{name}", "As the control store has it.", value=number)
