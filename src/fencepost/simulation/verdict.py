"""Whether the alerts that came are those that the script asked for, and no others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fencepost.model.alert import Alert
from fencepost.simulation.incidents import ExpectedAlert, Incident

Key = tuple[str, str, str | None]
BEFORE = timedelta(seconds=5)
"""The first incidents have begun so long before the run at most."""


class Verdict(Struct, frozen=True):
    """
    What is missing, and what nobody asked for.

    An incident on a device whose alert of that kind was open already adds to that alert: it has come, too.
    """

    missing: tuple[ExpectedAlert, ...]
    unexpected: tuple[Alert, ...]

    @property
    def is_right(self) -> bool:
        return not self.missing and not self.unexpected


def judge(
    told: Sequence[Incident], begun: Sequence[Incident], alerts: Iterable[Alert], start: datetime
) -> Verdict:
    """
    Return the verdict on the `alerts` of a fleet's devices since `start`.

    Those of all incidents that were `told` must be there; those of incidents that had merely `begun` may.
    Alerts that began before the start are not of this run.
    """
    by_key: dict[Key, list[Alert]] = {}
    for alert in alerts:
        by_key.setdefault((alert.device_id, alert.rule_type, alert.value), []).append(alert)
    missing = [incident.expected for incident in told if not _has_come(incident, by_key)]
    allowed = Counter(map(_key, begun))
    unexpected = [
        alert
        for key, found in by_key.items()
        for alert in [one for one in found if one.started_at >= start.replace(microsecond=0)][allowed[key] :]
    ]
    return Verdict(tuple(missing), tuple(unexpected))


def _key(incident: Incident) -> Key:
    return incident.device.device_id, incident.rule_type, incident.value


def _has_come(incident: Incident, alerts: dict[Key, list[Alert]]) -> bool:
    least, at = incident.expected.min_count, incident.at.replace(microsecond=0)
    return any(one.count >= least and one.last_seen_at >= at for one in alerts.get(_key(incident), ()))
