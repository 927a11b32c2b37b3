"""
What a module twin lets an agent take its time for (wire-formats 1.9 and 1.11, S06).

A rule cannot call data late that the agent was told to hold back. This reads the section of the legacy
agents in the desired properties and gives the delay that each event may legitimately have.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from fencepost.model.event import Rejected
from fencepost.wire.body import quote

SECTION = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"
LOW_FREQUENCY = timedelta(hours=5)
HIGH_FREQUENCY = timedelta(minutes=7)
AGGREGATION = timedelta(hours=1)
LONGEST = timedelta(days=366)

_SLACK = timedelta(minutes=15)
_COLLECTION = timedelta(minutes=3)
"""Triggered events are collected every two minutes; the third is for the way."""

_LEAST_LOGIN = timedelta(minutes=10)
_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?",
    re.ASCII,
)
_UNITS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
_PRIORITIES = ("high", "low", "off")


def legitimate_delays(
    twin: bytes | Mapping[str, Any],
) -> tuple[dict[str, timedelta], tuple[Rejected, ...]]:
    """
    Return the legitimate delay of ConnectionCreate, ProcessCreate and Login, and the settings that are wrong.

    `twin` is a whole twin, its `properties`, or its desired properties. What is missing or wrong counts as the
    documented default; never raises.
    """
    settings = _Settings(twin)
    low = settings.duration("lowPriorityMessageFrequency", LOW_FREQUENCY)
    delays = {}
    for name in ("ConnectionCreate", "ProcessCreate"):
        aggregated = settings.flag(f"aggregationEnabled{name}", default=True)
        interval = settings.duration(f"aggregationInterval{name}", AGGREGATION)
        delays[name] = low + (interval if aggregated else timedelta(0)) + _SLACK
    high = settings.duration("highPriorityMessageFrequency", HIGH_FREQUENCY)
    is_low = settings.priority("eventPriorityLogin", "high") == "low"
    delays["Login"] = low + _SLACK if is_low else max(_LEAST_LOGIN, high + _COLLECTION)
    return delays, tuple(settings.rejected)


def parse_duration(text: str) -> timedelta:
    """
    Return an ISO 8601 duration of whole Y, M, W, D, H, M and S, as the agents read it.

    A year is 365 days and a month 30. Raises ValueError with a reason.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{quote(text)}' is not an ISO 8601 duration such as PT5H")
    seconds = sum(int(number) * unit for number, unit in zip(found.groups("0"), _UNITS, strict=True))
    if seconds == 0:
        raise ValueError("a duration of zero")
    if seconds > LONGEST.total_seconds():
        raise ValueError("longer than a year")
    return timedelta(seconds=seconds)


class _Settings:
    """The section with every setting unwrapped from its `value`, and what was wrong with it."""

    def __init__(self, twin: bytes | Mapping[str, Any]) -> None:
        self.rejected: list[Rejected] = []
        self._section = self._find(twin)

    def _find(self, twin: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
        found: Any = twin
        if isinstance(twin, bytes):
            try:
                found = msgspec.json.decode(twin)
            except (ValueError, RecursionError):
                self._reject("", "not JSON")
                return {}
        for member in ("properties", "desired", SECTION):
            if not isinstance(found, Mapping):
                break
            found = found.get(member, {} if member == SECTION else found)
        if not isinstance(found, Mapping):
            self._reject(SECTION, "not an object")
            return {}
        return found

    def _reject(self, name: str, reason: str) -> None:
        self.rejected.append(Rejected(name, reason))

    def _value(self, name: str, default: Any) -> Any:
        setting = self._section.get(name)
        if setting is None:
            return default
        if not isinstance(setting, Mapping) or "value" not in setting:
            self._reject(name, "not an object with a value")
            return default
        return setting["value"]

    def duration(self, name: str, default: timedelta) -> timedelta:
        value = self._value(name, default)
        if isinstance(value, timedelta):
            return value
        try:
            if not isinstance(value, str):
                raise ValueError("not text")  # noqa: TRY301, TRY004
            return parse_duration(value)
        except ValueError as error:
            self._reject(f"{name}.value", str(error))
            return default

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._value(name, default)
        if isinstance(value, bool):
            return value
        self._reject(f"{name}.value", "not true or false")
        return default

    def priority(self, name: str, default: str) -> str:
        value = self._value(name, default)
        if isinstance(value, str) and value.lower() in _PRIORITIES:
            return value.lower()
        self._reject(f"{name}.value", "not High, Low or Off")
        return default
