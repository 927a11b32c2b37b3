"""S19, and what S03-S26 mean for what our own gateway sees devices do."""

from datetime import timedelta
from itertools import cycle
from typing import Any, get_args

import pytest

from fencepost.engine.detector import Detector
from fencepost.model.catalog import CATALOG
from fencepost.model.event import CONTACTS
from fencepost.model.identity import Operation
from fencepost.model.outcome import Finding, Outcome, Possible
from fencepost.model.rule import TimeWindowRule
from fencepost.testing import (
    Bench,
    When,
    active_connections,
    at,
    connection,
    drops,
    failed_login,
    failed_logins,
    flows,
    group,
    login,
)

CAP = 4096
OVERHEAD = 200
"""Bytes of a snapshot that are not counters: ids, names, watches."""
LOGINS = "FailedLocalLoginsNotInAllowedRange"


def operations(
    name: str = "MqttD2CMessages", *, low: int = 0, high: int = 1000, minutes: float = 5, **members: Any
) -> TimeWindowRule:
    """Return the rule for the number of operations of a kind."""
    window = timedelta(minutes=minutes)
    return TimeWindowRule(type=f"{name}NotInAllowedRange", min=low, max=high, window=window, **members)


class Hub(Bench):
    """A bench with a gateway before it."""

    def operate(
        self, device_id: str, when: When, operation: Operation = "MqttD2CMessages", times: int = 1
    ) -> list[Outcome]:
        """Let the gateway see an operation, or several at one instant."""
        self.now = at(when)
        said = [self.detector.operate(device_id, operation, self.now) for _ in range(times)]
        return self._note([outcome for outcomes in said for outcome in outcomes])


def findings(bench: Bench) -> list[Finding]:
    return [outcome for outcome in bench.outcomes if isinstance(outcome, Finding)]


# ------------------------------------------------------------------------------------- S01, S03, S04


@pytest.mark.parametrize(("last", "alerts"), [("10:04:59.999999", 1), ("10:05:00", 0)])
def test_S01_the_window_of_operations_is_open_at_its_begin_and_closed_at_its_end(
    last: str, alerts: int
) -> None:
    """
    The window is that of our own clock.

        10:00  10:03     10:05
          x      x         x
          (----------------]               2 of them
    """
    bench = Hub(group(operations(high=2)))
    for time in ("10:00:00", "10:03:00", last):
        bench.operate("cam", time)
    assert len(bench.alerts()) == alerts


@pytest.mark.parametrize(("times", "alerts"), [(1, 0), (2, 0), (3, 1)])
def test_S03_the_maximum_of_operations_is_in_order_itself(times: int, alerts: int) -> None:
    """
    Two in five minutes are allowed, the third is not.

        10:00        10:04
          x    x    (x)
        (------------]                     2, or 3 > 2
    """
    bench = Hub(group(operations(high=2)))
    for minute in range(times):
        bench.operate("cam", f"10:0{2 * minute}")
    bench.tick("23:00")
    assert len(bench.alerts()) == alerts


@pytest.mark.parametrize(("times", "alerts"), [(3, 0), (2, 0), (1, 1)])
def test_S03_the_minimum_of_operations_is_in_order_itself(times: int, alerts: int) -> None:
    """
    Two in the five minutes after the first contact are asked for.

        10:00                 10:05
          c  x    x    x
          (--------------------]           3, 2, or 1 < 2
    """
    bench = Hub(group(operations(low=2)))
    bench.operate("cam", "10:00", "HttpC2DMessages")
    for minute in range(times):
        bench.operate("cam", f"10:0{minute + 1}")
    bench.tick("10:05")
    assert len(bench.alerts()) == alerts


@pytest.mark.parametrize("name", sorted(get_args(Operation)))
def test_S04_a_maximum_speaks_at_the_operation_that_crosses_it(name: Operation) -> None:
    """
    Whichever it is, and although several came in one instant.

        10:00 10:01
          x    xxx
        (------]                           4 > 2, told at the second x of 10:01
    """
    bench = Hub(group(operations(name, high=2)))
    bench.assign("cam", None, "09:00")
    assert not findings_in(bench.operate("cam", "10:00", name))
    assert not findings_in(bench.operate("cam", "10:01", name))
    (first,) = findings_in(bench.operate("cam", "10:01", name))
    (second,) = findings_in(bench.operate("cam", "10:01", name))
    assert (first.count, second.count, first.last_at, first.source) == (3, 4, at("10:01"), "hub")
    assert bench.alert().count == 4
    assert len(bench.alert().evidence) == 2


def findings_in(outcomes: list[Outcome]) -> list[Finding]:
    return [outcome for outcome in outcomes if isinstance(outcome, Finding)]


# ------------------------------------------------------------------------------------------ S05, S06


def test_S05_silence_is_told_the_moment_that_the_window_is_over() -> None:
    """
    Nothing can be late that we see ourselves, whatever lateness the group allows.

        10:00        10:05        10:10
          x            |
          (------------]                   0 < 1, at 10:05 by our clock
    """
    bench = Hub(group(operations(low=1), allowed_lateness=timedelta(hours=6)))
    bench.operate("cam", "10:00")
    assert bench.detector.next_wakeup() == at("10:05")
    assert not bench.tick("10:04:59.999999")
    (missed,) = findings_in(bench.tick("10:05"))
    assert (missed.count, missed.below, missed.last_at) == (0, True, at("10:05"))


def test_S05_the_first_window_begins_when_the_gateway_meets_the_device() -> None:
    """
    What came on other ways before says nothing of the gateway.

        09:00       10:00        10:05
        message       m            |
                      (------------]       0 < 1
    """
    bench = Hub(group(operations(low=1)))
    bench.send("cam", connection("09:00"))
    assert not findings_in(bench.tick("10:00"))
    bench.operate("cam", "10:00", "AmqpC2DMessages")
    assert [one.last_at for one in findings_in(bench.tick("12:00"))] == [at("10:05")]


@pytest.mark.parametrize("name", sorted({*get_args(Operation)} - CONTACTS))
def test_S05_what_a_service_does_alone_is_no_contact(name: Operation) -> None:
    """
    A twin is made ready, a queue is purged, a stranger tries the door: the device need not even be there yet.

        09:00              10:00        10:05
          s  s               x            |
                             (------------]   0 < 1
    """
    bench = Hub(group(operations(low=1)))
    bench.assign("cam", None, "08:00")
    bench.operate("cam", "09:00", name, times=2)
    assert bench.detector.next_wakeup() is None
    bench.operate("cam", "10:00")
    assert bench.detector.next_wakeup() == at("10:05")


def test_S05_what_was_never_done_before_is_asked_for_from_its_first_time_on() -> None:
    """
    A twin that is to be updated daily, of a device that nobody has met: the first update begins the first window.

        09:00        09:05
          u            |
          (------------]                  0 < 1, and of messages nothing is asked
    """
    bench = Hub(group(operations("TwinUpdates", low=1), operations(low=1)))
    bench.operate("cam", "09:00", "TwinUpdates")
    bench.tick("12:00")
    assert bench.alert().rule_type == "TwinUpdatesNotInAllowedRange"


def test_S05_an_agents_minimum_does_not_begin_with_an_operation() -> None:
    """
    A device that only takes its twin, or whose messages are not for us, has an agent that may yet have to start.

        10:00        11:00        11:05    + 10 min
          x            m            |
                       (------------]       0 logins < 1
    """
    bench = Hub(group(failed_logins(low=1)))
    bench.operate("cam", "10:00")
    assert bench.detector.not_measurable("cam") == (LOGINS,)
    assert not findings_in(bench.tick("11:00"))
    bench.send("cam", login("11:00"))
    assert [one.last_at for one in findings_in(bench.tick("11:15"))] == [at("11:05")]


def test_S05_an_operation_does_not_say_that_an_agents_data_is_complete() -> None:
    """
    Time passes at our door as it does by the clock: an agent's events keep their delay.

        10:00        10:05    10:14:59    10:15
          m            |          x        |
          (------------]                   0 failures < 1 are told here, not at x
    """
    bench = Hub(group(failed_logins(low=1)))
    bench.send("cam", login("10:00"))
    assert not findings_in(bench.operate("cam", "10:14:59"))
    assert findings_in(bench.tick("10:15"))


def test_S07_an_operation_that_was_journalled_behind_a_tick_still_counts_at_its_time() -> None:
    """
    The gateway saw it in time, and it waited for room while the clock was written down.

        10:00        10:05
          x          y |
          (------------]                  0 < 1, told at 10:05:01; then y of 10:04:59 is read
    """
    bench = Hub(group(operations(low=1)))
    bench.operate("cam", "10:00")
    assert findings_in(bench.tick("10:05:01"))
    bench.operate("cam", "10:04:59")
    assert (bench.alert().state, bench.alert().reason) == ("Resolved", "late data repaired the minimum")


def test_S02_an_operation_before_another_that_was_read_first_stands_with_that_one() -> None:
    """Two senders, two waits: the number is right, and the window stays in order."""
    bench = Hub(group(operations(high=2)))
    for time in ("10:00:02", "10:00:01", "10:00:02", "10:00:00"):
        bench.operate("cam", time)
    assert (bench.alert().count, bench.alert().last_seen_at) == (4, at("10:00:02"))
    bench.tick("10:05:02")
    assert bench.alert().state == "Resolved"


# ----------------------------------------------------------------------------------------------- S18


def test_S18_a_rule_of_the_hub_is_measurable_once_the_gateway_has_met_the_device() -> None:
    bench = Hub(group(operations(), failed_logins(), operations("FileUploads")))
    bench.send("cam", connection("10:00"))
    hub, uploads = "MqttD2CMessagesNotInAllowedRange", "FileUploadsNotInAllowedRange"
    assert bench.detector.not_measurable("cam") == (hub, uploads)
    bench.operate("cam", "10:01", "HttpC2DRejectedMessages")
    assert bench.detector.not_measurable("cam") == (uploads,)
    bench.operate("other", "10:01")
    assert bench.detector.not_measurable("other") == (LOGINS, uploads)


def test_S18_an_operation_that_was_seen_is_measured() -> None:
    bench = Hub(group(operations(), operations("TwinUpdates"), operations("QueuePurges")))
    bench.operate("cam", "10:00", "TwinUpdates")
    assert bench.detector.not_measurable("cam") == (
        "MqttD2CMessagesNotInAllowedRange",
        "QueuePurgesNotInAllowedRange",
    )


def test_S18_what_an_agent_loses_is_not_what_we_counted_ourselves() -> None:
    """
    The minimum of what the gateway sees does not hold, and its alert is not incomplete.

        10:00    10:03    10:05
          x      drops      |
          (-----------------]              0 < 1 messages; of the agent's events nothing is asked
    """
    bench = Hub(group(operations(low=1, minutes=5), active_connections(low=1, minutes=5)))
    bench.operate("cam", "10:00")
    bench.send("cam", drops("10:03", 7), received_at="10:03")
    bench.tick("10:05")
    assert (bench.alert().rule_type, bench.alert().flags) == ("MqttD2CMessagesNotInAllowedRange", ())


# ----------------------------------------------------------------------------------------------- S19


def test_S19_messages_and_operations_are_counted_apart() -> None:
    bench = Hub(group(operations(high=1), active_connections(high=1)))
    bench.send("cam", connection("10:00"))
    bench.operate("cam", "10:00")
    assert bench.alerts() == []
    assert bench.detector.count("cam", "MqttD2CMessagesNotInAllowedRange", at("10:00")) == (1, 1)
    assert bench.detector.count("cam", "ActiveConnectionsNotInAllowedRange", at("10:00")) == (1, 1)


def test_S19_each_kind_of_operation_has_its_own_number() -> None:
    bench = Hub(group(*(operations(name, high=1) for name in get_args(Operation))))
    bench.assign("cam", None, "09:00")
    for name in get_args(Operation):
        bench.operate("cam", "10:00", name)
    assert bench.alerts() == []


def test_S19_every_rule_of_the_hub_counts_something_or_is_never_measurable() -> None:
    fed = {row.event for row in CATALOG.values() if row.subject == "hub" and row.sources}
    assert fed == set(get_args(Operation))
    assert [row.name for row in CATALOG.values() if not row.sources] == ["FileUploadsNotInAllowedRange"]


@pytest.mark.parametrize("first", ["message", "operation"])
def test_S19_operations_make_no_other_sender_of_a_device(first: str) -> None:
    """A ThreadX device is judged as one between its operations: two minutes and not six hours are its delay."""
    bench = Hub(group(operations(high=100), active_connections(low=1, high=2)))
    steps = [("operation", "10:00"), ("message", "10:00")][:: -1 if first == "message" else 1]
    for kind, time in [*steps, ("operation", "10:01"), ("operation", "10:02")]:
        if kind == "operation":
            bench.operate("rtos", time)
        else:
            bench.send("rtos", flows(time, "10.0.0.1"))
    assert bench.detector.next_wakeup() == at("10:07")
    bench.send("rtos", flows("10:03", "10.0.0.1", "10.0.0.2", "10.0.0.3"))
    assert bench.alert().data_source == "threadx"


def test_S19_who_is_not_authorized_makes_no_device_known() -> None:
    bench = Hub(group(operations("UnauthorizedOperations", high=0)))
    assert bench.operate("stranger", "10:00", "UnauthorizedOperations") == []
    assert not bench.detector.knows("stranger")
    assert list(bench.detector.device_ids()) == []
    bench.assign("cam", None, "10:01")
    assert findings_in(bench.operate("cam", "10:02", "UnauthorizedOperations"))


def test_S19_while_the_gateway_was_closed_nobody_was_silent() -> None:
    """
    A service that was down for twenty minutes blames no device for it.

        10:00   10:02           10:22        10:27
          x       closed          opened       |
                                  (------------]    0 < 1
    """
    bench = Hub(group(operations(low=1)))
    bench.operate("cam", "10:00")
    bench.detector.open_gateway(at("10:22"))
    assert not findings_in(bench.tick("10:26:59"))
    assert [one.last_at for one in findings_in(bench.tick("10:27"))] == [at("10:27")]


def test_S19_an_opened_gateway_says_nothing_of_what_agents_report() -> None:
    bench = Hub(group(failed_logins(low=1)))
    bench.send("cam", login("10:00"))
    bench.detector.open_gateway(at("10:14"))
    assert [one.last_at for one in findings_in(bench.tick("10:15"))] == [at("10:05")]


# -------------------------------------------------------------------------------- S20, S21, S22, S23


def test_S20_more_of_the_same_operations_is_never_a_second_alert() -> None:
    """The evidence is the first and the latest ten, each with its name and its time."""
    bench = Hub(group(operations(high=2)))
    for second in range(40):
        bench.operate("cam", f"10:00:{second:02}")
    alert = bench.alert()
    assert alert.count == 40
    shown = [one.occurred_at for one in alert.evidence]
    assert shown == [at(f"10:00:{second:02}") for second in (*range(2, 12), *range(30, 40))]
    assert {one.event_name for one in alert.evidence} == {"MqttD2CMessages"}
    assert len({one.event_id for one in alert.evidence}) == 20


def test_S21_a_maximum_of_operations_is_over_when_a_whole_later_window_is_in_range() -> None:
    """
    The window after the last of too many is empty.

        10:00:00  :01  :02           10:05:02
           x       x    x               |
                        (---------------]        0 ≤ 2: over
    """
    bench = Hub(group(operations(high=2)))
    for second in range(3):
        bench.operate("cam", f"10:00:0{second}")
    bench.tick("10:05:01.999999")
    assert bench.alert().state == "Active"
    bench.tick("10:05:02")
    assert (bench.alert().state, bench.alert().ended_at) == ("Resolved", at("10:05:02"))


@pytest.mark.parametrize(
    ("second", "ended"),
    [("10:09:30", "10:10"), ("10:10:59.999999", "10:10:59.999999"), ("10:11:00", None)],
)
def test_S21_a_device_that_is_back_for_a_moment_is_back(second: str, ended: str | None) -> None:
    """
    Two in five minutes are asked for; the second comes before the first has left the window, or just not.

        10:00      10:05 10:06  10:10 second 10:11
          x          |     x      |      x    |
          (----------]            |      |               0 < 2
                     (------------]      |               a whole window later at the earliest
                           (-------------]               2: back, if the first is still in
    """
    bench = Hub(group(operations(low=2)))
    bench.operate("cam", "10:00")
    bench.tick("10:05")
    bench.operate("cam", "10:06")
    if second > "10:10":
        bench.tick("10:10")  # the window is asked, and knows of nothing else that will come
    bench.operate("cam", second)
    bench.tick("10:11")
    first = bench.alerts()[0]
    assert first.state == ("Active" if ended is None else "Resolved")
    assert first.ended_at == (None if ended is None else at(ended))


def test_S21_an_agent_that_is_back_for_a_moment_is_back() -> None:
    """As above, by the clock of the events: in order, and the window is asked at each of them."""
    bench = Bench(group(active_connections(low=2), allowed_lateness=timedelta()))
    bench.send("cam", connection("10:00"))
    bench.tick("10:05")
    bench.send("cam", connection("10:06"))
    bench.tick("10:10")
    bench.send("cam", connection("10:10:59.999999"))
    assert (bench.alert().state, bench.alert().ended_at) == ("Resolved", at("10:10:59.999999"))


def test_S22_an_alert_of_the_hub_reads_as_a_person_speaks() -> None:
    bench = Hub(group(operations("HttpC2DRejectedMessages", high=1, severity="High")))
    bench.operate("cam", "10:00", "HttpC2DRejectedMessages", times=2)
    alert = bench.alert()
    assert alert.description == (
        "The number of rejected cloud-to-device messages over HTTPS within the time window is outside the range "
        "set for the device's security group. "
        "2 rejected cloud-to-device messages over HTTPS within 5 minutes; allowed are 0 to 1."
    )
    assert (alert.alert_type, alert.severity, alert.data_source) == (
        "IoT_CA_HttpC2DRejectedMessagesNotInAllowedRange",
        "High",
        "hub",
    )
    (evidence,) = alert.evidence
    assert (evidence.event_name, evidence.occurred_at) == ("HttpC2DRejectedMessages", at("10:00"))
    assert (evidence.received_at, evidence.facts) == (at("10:00"), {})


# ------------------------------------------------------------------------------------------ S24, S25


@pytest.mark.parametrize(("high", "alerts"), [(3, 1), (4, 0)])
def test_S24_counters_of_operations_survive_an_edit(high: int, alerts: int) -> None:
    """
    What was counted by the old maximum is counted by the new one.

        10:00  :01   :02    edit    :03
          x     x     x    3 or 4    x
        (----------------------------]      4 > 3, or not
    """
    bench = Hub(group(operations(high=10)))
    for minute in range(3):
        bench.operate("cam", f"10:0{minute}")
    bench.edit(group(operations(high=high)), "10:02:30")
    assert bench.alerts() == []
    bench.operate("cam", "10:03")
    assert len(bench.alerts()) == alerts


def test_S24_an_open_alert_of_the_hub_is_judged_again_at_once() -> None:
    bench = Hub(group(operations(high=1)))
    bench.operate("cam", "10:00", times=2)
    bench.edit(group(operations(high=2), version=2), "10:01")
    assert (bench.alert().state, bench.alert().ended_by) == ("Resolved", "allow")


def test_S24_a_minimum_that_an_edit_adds_begins_with_the_edit() -> None:
    """
    Of the hub and not of the agent, from which nothing has come yet.

        09:00       10:00        10:05
          x          edit          |
                      (------------]       0 < 1
    """
    bench = Hub(group(active_connections()))
    bench.operate("cam", "09:00")
    bench.edit(group(active_connections(low=1), operations(low=1)), "10:00")
    assert [one.last_at for one in findings_in(bench.tick("20:00"))] == [at("10:05")]


def test_S25_windows_of_operations_end_with_the_group() -> None:
    """
    Two in the old group and two in the new one are not four; the minimum of the new one begins with the move.

        10:00   10:01   10:02      10:03    10:06
          xx     move     xx                  |
                  (---------------------------]   2 ≥ 2
    """
    bench = Hub(group(operations(high=3)), group(operations(low=2, high=3), name="cameras"))
    bench.operate("cam", "10:00", times=2)
    bench.assign("cam", "cameras", "10:01")
    bench.operate("cam", "10:02", times=2)
    bench.tick("10:06")
    assert bench.alerts() == []
    (missed,) = findings_in(bench.tick("10:07"))
    assert (missed.group.name, missed.last_at, missed.count) == ("cameras", at("10:07"), 0)


# ----------------------------------------------------------------------------------------------- S26


def test_S26_a_threshold_far_above_the_cap_is_judged_right_of_operations() -> None:
    """One a second and an hour's window: never a certain violation of 5000, never silence above 3000."""
    enough = Hub(group(operations(high=5000, minutes=60)))
    short = Hub(group(operations(high=3000, minutes=60)))
    for number in range(6000):
        when = at("10:00") + timedelta(seconds=number)
        assert not findings_in(enough.operate("cam", when))
        said = [one for one in short.operate("cam", when) if isinstance(one, Finding | Possible)]
        assert bool(said) is (number >= 3000) or (number < 3000 and not isinstance(said[0], Finding))


def test_S26_the_memory_of_operations_is_capped_and_the_alert_says_so() -> None:
    bench = Hub(group(operations(high=5000, minutes=60)))
    empty = len(bench.detector.snapshot())
    for number in range(6000):
        bench.operate("cam", at("10:00") + timedelta(milliseconds=number))
    assert len(bench.detector.snapshot()) - empty < CAP + OVERHEAD
    assert bench.alert().count == 6000
    assert bench.alert().flags == ("merged",)


def test_S26_operations_that_no_rule_counts_leave_nothing_behind() -> None:
    bench = Hub(group(failed_logins()))
    names = cycle(get_args(Operation))
    bench.operate("cam", "10:00")
    before = len(bench.detector.snapshot())
    for second in range(1000):
        bench.operate("cam", at("10:00") + timedelta(seconds=second), next(names))
    assert len(bench.detector.snapshot()) <= before + 8


# ----------------------------------------------------------------------------------------------- S30


@pytest.mark.parametrize("cut", range(7))
def test_S30_a_restart_between_operations_changes_nothing(cut: int) -> None:
    """Of a device whose agent speaks too, of one that was only met, and of one to which only things were done."""
    names: dict[str, Operation] = {"cam": "MqttD2CMessages", "met": "HttpC2DMessages", "mute": "TwinUpdates"}
    rules = group(*(operations(name, low=1, high=2) for name in names.values()), failed_logins(low=1))
    other = group(*(operations(name, low=1, high=9) for name in names.values()), name="other")

    def outcomes(cut: int) -> list[Outcome]:
        bench = Hub(rules, other)
        for number in range(6):
            if number == cut:
                bench.restart()
            for device_id, name in names.items():
                bench.operate(device_id, f"10:0{number}", name)
            if number == 2:
                bench.send("cam", failed_login("10:02"))
        if cut == 6:
            bench.restart()
        for device_id in names:
            bench.assign(device_id, "other", "10:07")
        bench.tick("23:00")
        return bench.outcomes

    through = outcomes(-1)
    assert len([one for one in through if isinstance(one, Finding)]) > 6
    assert outcomes(cut) == through


def test_S30_a_snapshot_from_before_there_was_a_gateway_goes_on() -> None:
    """Its devices have not been met; the rules of the hub that its groups have begin when they are."""
    rules = group(operations(low=1), active_connections())
    before = Detector((rules,))
    before.assign("cam", None, at("09:00"))
    bench = Hub(rules)
    bench.detector = Detector.build((rules,), before.snapshot())
    bench.operate("cam", "10:00")
    assert findings_in(bench.tick("10:05"))
