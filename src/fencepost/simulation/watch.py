"""What can be seen of a live run while it goes."""

from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from fencepost.client.service import Receipt
from fencepost.model.alert import Alert, State

RECENT = timedelta(seconds=5)
MOST_REASONS = 20
MOST_DELAYS = 10_000
MOST_ALERTS = 200


class Heard(Struct, frozen=True):
    """
    An alert as it has just been told, and its state as it was told before.

    `is_new` says that it was opened in this run and had not been told.
    """

    alert: Alert
    at: datetime
    is_new: bool
    before: State | None

    @property
    def is_news(self) -> bool:
        """Whether it was opened, or moved to another state, and not merely counted on."""
        return self.is_new or self.before not in {None, self.alert.state}


class Watch:
    """
    Counts of a run so far; `latest` are the states of the alerts told last, oldest first, `opened` is their number.

    `delays` are the seconds from the service's receipt of the message that opened an alert to the alert;
    they mean something where the service has the clock of this computer. `on_alert` hears of every alert.
    """

    def __init__(self, on_alert: Callable[[Heard], None] = lambda _: None) -> None:
        self.messages = 0
        self.events = 0
        self.rejected = 0
        self.reasons: Counter[str] = Counter()
        self.opened = 0
        self.latest: dict[str, Alert] = {}
        self.delays: deque[float] = deque(maxlen=MOST_DELAYS)
        self._states: dict[str, State] = {}
        self._on_alert = on_alert
        self._since: datetime | None = None
        self._recent: deque[tuple[datetime, int]] = deque()

    def acknowledge(self, receipt: Receipt, at: datetime) -> None:
        """Take note of a message that the service has on its disk."""
        self.messages += receipt.messages
        self.events += receipt.events
        self.rejected += receipt.rejects_total
        for reject in receipt.rejects:
            reason = f"{reject.where}: {reject.reason}" if reject.where else reject.reason
            if reason in self.reasons or len(self.reasons) < MOST_REASONS:
                self.reasons[reason] += 1
        second = at.replace(microsecond=0)
        self._since = self._since or second
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1] = second, self._recent[-1][1] + receipt.messages
        else:
            self._recent.append((second, receipt.messages))
            while self._recent[0][0] < second - RECENT:
                self._recent.popleft()

    def hear(self, alert: Alert, at: datetime, since: datetime) -> None:
        """Take note of what was told of an alert; it counts as new if its first violation was at `since` or later."""
        before = self._states.get(alert.alert_id)
        is_new = before is None and alert.started_at >= since
        self._states[alert.alert_id] = alert.state
        if is_new:
            self.opened += 1
            self.delays.append(max(0.0, (at - alert.received_at).total_seconds()))
        self.latest.pop(alert.alert_id, None)
        self.latest[alert.alert_id] = alert
        if len(self.latest) > MOST_ALERTS:
            del self.latest[next(iter(self.latest))]
        self._on_alert(Heard(alert, at, is_new, before))

    def rate(self, at: datetime) -> float:
        """Return the acknowledged messages per second of the last five whole seconds, or of as many as there were."""
        now = at.replace(microsecond=0)
        begin = max(self._since or now, now - RECENT)
        seconds = (now - begin).total_seconds()
        if seconds < 1:
            return float(sum(number for _, number in self._recent))
        return sum(number for second, number in self._recent if begin <= second < now) / seconds
