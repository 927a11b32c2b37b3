"""
From rules to checks: `check_of` is the one place that knows which class judges which rule.

`assert_never` points there when a family is added.
"""

from typing import Protocol, assert_never

from fencepost.engine.active_connections import ActiveConnections
from fencepost.engine.failed_logins import FailedLoginRecords, FailedLogins
from fencepost.engine.gauges import GaugeCheck
from fencepost.engine.hub import HubOperations
from fencepost.engine.listed import ConnectionCheck, ProcessCheck, SignInCheck
from fencepost.engine.ranges import Judge, Range
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)


class Check(Protocol):
    """A compiled rule: which events it reads, and its verdict on one."""

    @property
    def event_names(self) -> tuple[str, ...]: ...

    @property
    def judge(self) -> Judge:
        """Adds what an event violates to the turn; returns True if the event is a duplicate."""


def check_of(rule: Rule, group: SecurityGroup, index: int, delay: int) -> Check:
    """
    Return the compiled check of a rule.

    `index` is the place of a range rule's windows in a device, `delay` its legitimate delay.
    """
    match rule:
        case TimeWindowRule():
            return _range_of(rule, index, delay)
        case ThresholdRule():
            return GaugeCheck(rule)
        case AllowlistRule() | DenylistRule():
            match rule.row.subject:
                case "connection":
                    return ConnectionCheck(rule, group)
                case "sign-in":
                    return SignInCheck(rule)
                case _:
                    return ProcessCheck(rule)
        case _:
            assert_never(rule)


def _range_of(rule: TimeWindowRule, index: int, delay: int) -> Range:
    match rule.row.subject:
        case "connection":
            return ActiveConnections(rule, index, delay)
        case "sign-in" if rule.count == "records":
            return FailedLoginRecords(rule, index, delay)
        case "sign-in":
            return FailedLogins(rule, index, delay)
        case _:
            return HubOperations(rule, index)
