"""
How long an edit of a group keeps the engine from its next message (docs/performance.md).

Run from a checkout: `python bench/edit_engine.py`, `python bench/edit_engine.py --devices 20000 --json`.

One group with five rules and a long list of addresses has all the devices, each with counters in its windows, and open
alerts wait to be judged again. Each edit is made as the service makes it: the detector takes it, then the next message
of a device is judged, then the open alerts are. Seconds are medians of the rounds.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from msgspec import structs

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.layer import Layer
from fencepost.model.outcome import Outcome
from fencepost.model.rule import AllowlistRule, EntryNote, Rule, SecurityGroup, TimeWindowRule
from fencepost.testing import at, connection, failed_login, login, message, process

TO = "ConnectionToIpNotAllowed"
STRANGER = "203.0.113.9"
Edit = Callable[[Detector, int], list[Outcome]]


def rules(entries: int) -> tuple[Rule, ...]:
    """Return the five rules of the group."""
    listed = tuple(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(entries))
    return (
        TimeWindowRule(type="ActiveConnectionsNotInAllowedRange", min=0, max=50, window=timedelta(minutes=5)),
        TimeWindowRule(type="FailedLocalLoginsNotInAllowedRange", min=0, max=5, window=timedelta(minutes=5)),
        AllowlistRule(type=TO, allow=listed),
        AllowlistRule(type="LocalUserNotAllowed", allow=("service",)),
        AllowlistRule(type="ProcessNotAllowed", allow=("sh", "/opt/vendor/*")),
    )


def filled(devices: int, alerts: int, entries: int) -> tuple[Detector, AlertBook]:
    """Return a detector whose devices have all sent, and a book with as many open alerts."""
    detector, book = Detector((SecurityGroup(name="default", rules=rules(entries)),)), AlertBook()
    for number in range(devices):
        remote = STRANGER if number < alerts else "10.0.0.1"
        said = (
            connection("10:00", remote, "10.0.0.2"),
            failed_login("10:00:01"),
            login("10:00:02", "service"),
            process("10:00:03", "/bin/sh"),
        )
        for outcome in detector.receive(
            f"device-{number}", message(*said, fingerprint=number + 1), at("10:01")
        ):
            book.apply(outcome)
    return detector, book


def _group(detector: Detector, place: int, rule: Rule) -> SecurityGroup:
    group = detector.groups()[0]
    edited = (*group.rules[:place], rule, *group.rules[place + 1 :])
    return structs.replace(group, rules=edited, version=group.version + 1)


def _listed(detector: Detector) -> AllowlistRule:
    rule = detector.groups()[0].rules[2]
    assert isinstance(rule, AllowlistRule)
    return rule


def _range(detector: Detector) -> TimeWindowRule:
    rule = detector.groups()[0].rules[0]
    assert isinstance(rule, TimeWindowRule)
    return rule


def allow(detector: Detector, number: int) -> list[Outcome]:
    """An entry more on the long list."""
    rule = _listed(detector)
    edited = structs.replace(rule, allow=(*rule.allow, f"203.0.113.{100 + number}"))
    return detector.replace_group(_group(detector, 2, edited), at("10:02"))


def allow_for_a_day(detector: Detector, number: int) -> list[Outcome]:
    """An entry more that has an end."""
    rule, entry = _listed(detector), f"203.0.113.{150 + number}"
    note = EntryNote(entry=entry, by="user/anna", at=at("10:02"), until=datetime(2027, 1, 1, tzinfo=UTC))
    edited = structs.replace(rule, allow=(*rule.allow, entry), notes=(*rule.notes, note))
    return detector.replace_group(_group(detector, 2, edited), at("10:02"))


def maximum(detector: Detector, number: int) -> list[Outcome]:
    """Another maximum: all windows are judged by it from now on."""
    edited = structs.replace(_range(detector), max=60 + number)
    return detector.replace_group(_group(detector, 0, edited), at("10:02"))


def minimum(detector: Detector, number: int) -> list[Outcome]:
    """Another minimum: it begins anew for every device."""
    edited = structs.replace(_range(detector), min=1 + number % 2)
    return detector.replace_group(_group(detector, 0, edited), at("10:02"))


def fleet(detector: Detector, number: int) -> list[Outcome]:
    """An entry for the whole fleet."""
    rule = AllowlistRule(type=TO, allow=(f"203.0.113.{200 + number}",))
    return detector.replace_layer(Layer(rules=(rule,), version=number), at("10:02"))


def device(detector: Detector, number: int) -> list[Outcome]:
    """An entry for one device."""
    rule = AllowlistRule(type=TO, allow=(f"203.0.113.{200 + number}",))
    return detector.replace_layer(Layer(device_id="device-0", rules=(rule,), version=number + 1), at("10:02"))


EDITS: tuple[Edit, ...] = (allow, allow_for_a_day, maximum, minimum, fleet, device)


def measure(detector: Detector, book: AlertBook, rounds: int) -> dict[str, float]:
    """Return for each edit the seconds until the next message is judged, and until all alerts are."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for edit in EDITS:
            started = perf_counter()
            outcomes = edit(detector, number)
            said = message(connection("10:01:30", "10.0.0.3"), fingerprint=10**9 + len(seconds) + number)
            detector.receive("device-1", said, at("10:02"))
            taken = perf_counter()
            for outcome in outcomes:
                book.apply(outcome)
            ended = perf_counter()
            seconds.setdefault(f"{edit.__name__}_seconds", []).append(taken - started)
            seconds.setdefault(f"{edit.__name__}_judging_seconds", []).append(ended - taken)
    return {name: round(statistics.median(one), 4) for name, one in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000, help="devices of the group (default 100000)")
    parser.add_argument("--alerts", type=int, default=10_000, help="open alerts (default 10000)")
    parser.add_argument("--entries", type=int, default=100_000, help="entries of its list (default 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each edit is made (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    print(f"filling the windows of {options.devices:,} devices ...", file=sys.stderr, flush=True)
    detector, book = filled(options.devices, options.alerts, options.entries)
    standing = sum(alert.state == "Active" for alert in book.alerts())
    result = {**measure(detector, book, options.rounds), "open_alerts": standing}
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:32} {value:>10}")


if __name__ == "__main__":
    main()
