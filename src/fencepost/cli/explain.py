"""`fencepost rules explain`: what a rule made of a device's events, one by one."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from msgspec import to_builtins

from fencepost.cli import options
from fencepost.cli.alerts import count_of, title_of
from fencepost.cli.options import DeviceFrom, DeviceFromOption, GroupsOption, JsonOption, LimitOption, Paths
from fencepost.cli.output import Lines, plural, printable, say
from fencepost.cli.summary import summary_of
from fencepost.config.groups import load_groups
from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG
from fencepost.model.duration import iso_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import Layers, effective_rules
from fencepost.model.rule import Rule, SecurityGroup
from fencepost.service.explain import Explainer, Explanation
from fencepost.service.replay import Replay
from fencepost.sources.files import Record


def explain(
    paths: Paths,
    groups: GroupsOption,
    device: Annotated[str, typer.Option("--device", metavar="ID", help="The device to explain.")],
    rule: Annotated[str, typer.Option("--rule", metavar="TYPE", help="The rule type to explain.")],
    device_from: DeviceFromOption = DeviceFrom.anywhere,
    until: options.UntilOption = None,
    limit: LimitOption = options.DEFAULT_LIMIT,
    json: JsonOption = False,
) -> None:
    """
    Say for each event of a device why it did or did not count for a rule.

    For a range also the number in the window that ends at the event, for a list also the entry that
    matched or came nearest. A message without a wrapper is of the device that its file is named after;
    with --device-from option all messages are of --device.

    \b
    Example:
      fencepost rules explain --groups groups.yaml --device cam-0003 --rule ConnectionToIpNotAllowed messages/
    """
    until_of = options.until_of(until)
    expected = load_groups(groups)
    replay = Replay(expected.groups, expected.layers, limit=limit, wall_clock=options.wall_clock)
    group = replay.detector.group_of(device)
    explainer = Explainer(replay, device, _rule_of(group, rule, device, expected.layers), group)
    named = device if device_from is DeviceFrom.option else None
    lines = Lines()
    for record in options.messages(paths, named, device_from, limit, "judging", while_printing=True):
        if not isinstance(record, Record):
            replay.refuse(record.origin, record.reason)
            continue
        for one in explainer.receive(record.device_id, record.body, record.received_at, record.origin):
            if json:
                lines.write(fields_of(one))
            else:
                say("\n".join(map(printable, _lines_of(one))))
    if replay.clock is not None:
        replay.finish(until_of(replay.clock) if until_of is not None else None)
    _conclude(explainer, replay, lines if json else None)
    if not replay.counts.understood:
        raise OperatorError([Problem("", "no message could be read")])


def _rule_of(group: SecurityGroup, rule_type: str, device: str, layers: Layers) -> Rule:
    if rule_type not in CATALOG:
        raise OperatorError([Problem("--rule", f"unknown rule type {rule_type!r}")])
    effective = effective_rules(group, layers.fleet, layers.devices.get(device))
    enabled = [one.rule for one in effective if one.rule.enabled]
    found = next((rule for rule in enabled if rule.type == rule_type), None)
    if found is None:
        known = [rule.type for rule in enabled if rule.row.subject != "hub"]
        has = f"it has {', '.join(known)}" if known else "it has no rules"
        reason = f"{rule_type} is not judged in the group {group.name!r} of the device {device!r}: {has}"
        raise OperatorError([Problem("--rule", reason)])
    if found.row.subject == "hub":
        reason = (
            f"{rule_type} counts what the gateway sees and no message tells: look at its alerts' evidence"
        )
        raise OperatorError([Problem("--rule", reason)])
    return found


def fields_of(one: Explanation) -> dict[str, Any]:
    fields: dict[str, Any] = to_builtins(one)
    return fields | {"window": iso_duration(one.window) if one.window is not None else None}


def _lines_of(one: Explanation) -> Iterator[str]:
    verdict = "counts" if one.counted else "does not count"
    value = f"  {one.value}" if one.value is not None else ""
    yield f"{one.judged_at:%Y-%m-%d %H:%M:%S}  {one.event_name}{value}  {verdict}: {one.why}"
    if one.certain is not None and one.possible is not None and one.window is not None:
        yield f"    in the window: {_number(one)}; allowed {one.min} to {one.max} in {iso_duration(one.window)}"
    if one.flags:
        yield f"    {', '.join(flag.replace('_', ' ') for flag in one.flags)}: received {one.received_at:%Y-%m-%d %H:%M:%S}"
    for change in one.alerts:
        yield f"    alert {change.alert_id} {change.change}: {change.state}, count {change.count}"


def _number(one: Explanation) -> str:
    return (
        f"{one.certain}" if one.certain == one.possible else f"{one.certain} certain, {one.possible} possible"
    )


def _conclude(explainer: Explainer, replay: Replay, lines: Lines | None) -> None:
    alerts = explainer.alerts()
    if lines is not None:
        lines.flush()
    else:
        say(f"\n{plural(explainer.others, 'other event')} of the device, which the rule does not watch")
        for alert in alerts:
            say(printable(f"alert {alert.alert_id}: {_concluded(alert)}"))
        if not alerts:
            say("no alert")
    for line in summary_of(replay, len(alerts)):
        say(line, error=True)


def _concluded(alert: Alert) -> str:
    value = f", {alert.value}" if alert.value is not None else ""
    return f"{title_of(alert)}{value}, {alert.state}, {count_of(alert)}"
