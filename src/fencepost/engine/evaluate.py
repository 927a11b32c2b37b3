"""
From rules to checks: `check_of` is the one place that knows which class judges which rule.

`assert_never` points there when a family is added.
"""

from collections.abc import Iterator
from typing import Protocol, assert_never

from fencepost.engine.active_connections import ActiveConnections
from fencepost.engine.effective import effective_list
from fencepost.engine.failed_logins import FailedLoginRecords, FailedLogins
from fencepost.engine.gauges import GaugeCheck
from fencepost.engine.hub import HubOperations
from fencepost.engine.listed import ConnectionCheck, ProcessCheck, SignInCheck
from fencepost.engine.ranges import Judge, Range
from fencepost.model.layer import EffectiveRule, ListRule
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
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


def checks_of(effective: EffectiveRule, group: SecurityGroup, index: int, delay: int) -> Iterator[Check]:
    """
    Yield the compiled checks of a rule.

    `index` is the place of a range rule's windows in a device, `delay` its legitimate delay. What a device itself
    adds to a deny-list is a check of its own, so that the list of the group is not made again for it.
    """
    match effective.rule:
        case TimeWindowRule() as rule:
            yield _range_of(rule, index, delay)
        case ThresholdRule() as rule:
            yield GaugeCheck(rule)
        case AllowlistRule() | DenylistRule() as rule:
            shared = effective_list((part for scope, part in effective.parts if scope != "device"), group)
            yield _list_check(rule)(rule, shared)
            own = tuple(part for scope, part in effective.parts if scope == "device")
            if own:
                yield _list_check(rule)(rule, effective_list(own), shared)
        case _:
            assert_never(effective.rule)


def _list_check(rule: ListRule) -> type[ConnectionCheck | SignInCheck | ProcessCheck]:
    match rule.row.subject:
        case "connection":
            return ConnectionCheck
        case "sign-in":
            return SignInCheck
        case _:
            return ProcessCheck


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
