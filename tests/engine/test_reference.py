"""
The reference itself, held against cases that were counted by hand.

In the drawings one column is the stated time, `x` a connection, `|` a moment that is judged, `(   ]` a window,
`[===]` an aggregate. Times are seconds after 08:00.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.engine.reference import Delivery, ReferenceAlert, reference_alerts
from tests.engine.strategies import BASE, flow

from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    Event,
    LocalUser,
    LocalUsers,
    Login,
    Process,
    ProcessCreate,
    SecurityMessage,
    SignIn,
)
from fencepost.model.instant import micros
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

HALF_HOUR = timedelta(minutes=30)


def at(seconds: float) -> datetime:
    return BASE + timedelta(seconds=seconds)


def connections(seconds: float, *payload: Connection) -> ConnectionCreate:
    """Return an event with one connection, whose local port nobody knows, unless the payload is given."""
    return ConnectionCreate(
        id=f"connections-{seconds}",
        occurred_at=at(seconds),
        payload=list(payload) or [flow("Out", "10.0.0.1", "443")],
    )


def aggregate(start: float, end: float, hits: int) -> ConnectionCreate:
    span = (micros(at(start)), micros(at(end)), hits)
    connection = Connection(direction="Out", span=span)
    return connections(end, connection)


def sign_ins(seconds: float, *records: SignIn) -> Login:
    return Login(id=f"sign-ins-{seconds}", occurred_at=at(seconds), payload=list(records))


def failure(operation: str, process_id: int = 7) -> SignIn:
    return SignIn(result="Fail", operation=operation, process_id=process_id)


def success(name: str | None, uid: str | None = None, **facts: Any) -> SignIn:
    return SignIn(result="Success", user_name=name, user_id=uid, **facts)


def delivered(*events: Event) -> list[Delivery]:
    """Return each event in a message of its own, received at once."""
    return [
        ("d1", SecurityMessage("legacy", number, [event]), event.occurred_at)
        for number, event in enumerate(events)
    ]


def judge(
    rule: Rule, messages: Sequence[Delivery], until: float = 0, delay: timedelta = HALF_HOUR
) -> list[tuple[Any, ...]]:
    """Return (value or nothing, first, last, count) of each alert, in the order of their times."""
    group = SecurityGroup(name="default", allowed_lateness=delay, rules=(rule,))
    clock = max([at(until), *(received_at for _, _, received_at in messages)])
    alerts = sorted(
        reference_alerts(group, messages, clock), key=lambda alert: (alert.started_at, alert.value or "")
    )
    return [_brief(alert) for alert in alerts]


def _brief(alert: ReferenceAlert) -> tuple[Any, ...]:
    times = [int((moment - BASE).total_seconds()) for moment in (alert.started_at, alert.last_seen_at)]
    return ((alert.value,) if alert.value else ()) + (*times, alert.count)


def active(low: int, high: int, window: int, **more: Any) -> TimeWindowRule:
    return TimeWindowRule(
        type="ActiveConnectionsNotInAllowedRange", min=low, max=high, window=timedelta(seconds=window), **more
    )


def failed(high: int, window: int, **more: Any) -> TimeWindowRule:
    return TimeWindowRule(
        type="FailedLocalLoginsNotInAllowedRange", min=0, max=high, window=timedelta(seconds=window), **more
    )


# ------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize(("second", "alerts"), [(60, []), (59, [(59, 59, 2)])])
def test_S01_a_window_does_not_hold_its_own_beginning(second: int, alerts: list[Any]) -> None:
    """
    A point W before another is in no window with it.

        0         59 60
        x            x     (0, 60] holds one
        x          x      (-1, 59] holds two
    """
    assert judge(active(0, 1, 60), delivered(connections(0), connections(second))) == alerts


def test_S04_a_burst_is_one_alert_with_the_number_of_its_worst_window() -> None:
    """
    The third connection violates; the fourth is the worst; the fifth is still one too many.

        0  1  2  3          11
        x  x  x  x           x     W = 10, max 2: 3, 4 and (1, 11] again 3
    """
    events = [connections(second) for second in (0, 1, 2, 3, 11)]
    assert judge(active(0, 2, 10), delivered(*events)) == [(2, 11, 4)]


@pytest.mark.parametrize(
    ("second", "alerts"), [(10, [(0, 10, 1)]), (11, [(0, 0, 1), (11, 11, 1)]), (12, [(0, 0, 1), (12, 12, 1)])]
)
def test_S21_a_whole_window_in_range_ends_an_alert(second: int, alerts: list[Any]) -> None:
    """
    The earliest moment back in range is W after the last violation; a violation at that very moment goes on.

        0         10 11
        x         x         no moment q with 10 <= q < 10
        x         q  x      q = 10 lies before 11: two alerts
    """
    assert judge(active(0, 0, 10), delivered(connections(0), connections(second))) == alerts


def test_S10_a_connection_with_both_ports_counts_once_in_a_window() -> None:
    """
    The same 5-tuple again is the same connection; without a local port each occurrence is one.

        0  1  2
        a  a  b     two distinct
    """
    known = [flow("Out", "10.0.0.1", "443", local) for local in ("40001", "40001", "40002")]
    events = [connections(second, payload) for second, payload in enumerate(known)]
    assert judge(active(0, 2, 60), delivered(*events)) == []
    assert judge(active(0, 1, 60), delivered(*events)) == [(2, 2, 2)]
    assert judge(active(0, 2, 60), delivered(*map(connections, (0, 1, 2)))) == [(2, 2, 3)]


@pytest.mark.parametrize(("start", "alerts"), [(31, [(90, 90, 3)]), (29, [])])
def test_S11_an_aggregate_wholly_inside_a_window_is_certain(start: int, alerts: list[Any]) -> None:
    """
    A span counts in full from its end on, if no part of it is before the window.

       29 31          90
        [=============]      W = 60: s = 29 is outside (30, 90], and half of three hits are two
          [===========]      s = 31 is inside
    """
    assert judge(active(0, 2, 60), delivered(aggregate(start, 90, 3))) == alerts


@pytest.mark.parametrize(("hits", "alerts"), [(360, []), (361, [(3600, 3600, 31)])])
def test_S11_the_pigeonhole_finds_a_window_that_must_be_too_full(hits: int, alerts: list[Any]) -> None:
    """
    An hour holds twelve windows of five minutes; 361 hits put 31 into one of them.

        0    5    10   ...        60 min
        [=========================]
    """
    assert judge(active(0, 30, 300), delivered(aggregate(0, 3600, hits))) == alerts


def test_S11_only_a_rule_that_asks_for_it_alerts_on_what_is_possible() -> None:
    """
    A connection at 100 in a window that a span of three hits overlaps: at most 4, at least 1.

        0          95   100
        [==========]     x       (40, 100] holds x and perhaps the hits
    """
    messages = delivered(aggregate(0, 95, 3), connections(100))
    assert judge(active(0, 3, 60), messages) == []
    assert judge(active(0, 3, 60, alert_on="possible"), messages) == [(100, 100, 4)]


def test_S05_silence_violates_a_minimum_when_a_whole_window_has_passed() -> None:
    """
    The window that begins at the last connection ends, empty, at 100.

        0         60   (40      100]
        x    x              |        W = 60, min 1, the clock at 100 + D
             40
    """
    messages = delivered(connections(0), connections(40))
    due = 100 + HALF_HOUR.total_seconds()
    assert judge(active(1, 9, 60), messages, until=due - 1) == []
    assert judge(active(1, 9, 60), messages, until=due) == [(100, 100, 0)]


def test_S05_the_first_window_begins_after_the_first_contact() -> None:
    """
    The connection at first contact lies before (0, 60], which is therefore empty.

        0(        60]
        x          |
    """
    messages = delivered(connections(0))
    assert judge(active(1, 9, 60), messages, until=5000) == [(60, 60, 0)]


def test_S05_the_event_itself_moves_the_watermark() -> None:
    """
    The connection at 130 says that nothing is missing before it: the gap behind 40 is seen at once.

        0    40       100    130
        x    x         |      x
    """
    messages = delivered(*map(connections, (0, 40, 130)))
    assert judge(active(1, 9, 60), messages) == [(100, 100, 0)]


def test_S07_late_data_fills_a_minimum() -> None:
    """
    The same gap, but a connection of 90 comes last.

        0    40      90 100    130
        x    x       x'  |      x
    """
    messages = [*delivered(*map(connections, (0, 40, 130)))]
    late = ("d1", SecurityMessage("legacy", 99, [connections(90)]), at(131))
    assert judge(active(1, 9, 60), [*messages, late]) == []


def test_S11_possible_hits_hold_a_minimum_back() -> None:
    """
    The window (40, 100] may hold the hit of the span [30, 50].

        30  40  50       100
        [=======]         |
    """
    messages = delivered(connections(0), connections(40), aggregate(30, 50, 1), connections(110))
    assert judge(active(1, 9, 60), messages) == []


def test_S12_a_login_record_repeats_the_pam_record_before_it() -> None:
    """
    PAM at 0, login at 5: one attempt. At 6 it is another one. Records are all counted.

        0        5  6
        P        l  l'
    """
    near = delivered(sign_ins(0, failure("PAM:authentication")), sign_ins(5, failure("login")))
    far = delivered(sign_ins(0, failure("PAM:authentication")), sign_ins(6, failure("login")))
    other = delivered(sign_ins(0, failure("PAM:authentication")), sign_ins(1, failure("login", 8)))
    assert judge(failed(1, 60), near) == []
    assert judge(failed(1, 60), far) == [(6, 6, 2)]
    assert judge(failed(1, 60), other) == [(1, 1, 2)]
    assert judge(failed(1, 60, count="records"), near) == [(5, 5, 2)]


# ----------------------------------------------------------------------------- messages and clocks


def test_S09_the_same_message_and_the_same_event_count_once() -> None:
    once = delivered(connections(0))
    again = ("d1", SecurityMessage("legacy", 5, [connections(0)]), at(9))
    assert judge(active(0, 0, 60), [*once, *once, again]) == [(0, 0, 1)]


def test_S09_a_fingerprint_is_forgotten_after_64_messages() -> None:
    rule = AllowlistRule(type="ProcessNotAllowed")
    events = [
        ProcessCreate(id=str(n), occurred_at=at(n), payload=[Process(executable="sh" if n else "first")])
        for n in range(65)
    ]
    messages = delivered(*events)
    first = (*messages[0][:2], at(99))
    assert ("first", 0, 0, 1) in judge(rule, [*messages[:64], first])
    assert ("first", 0, 0, 2) in judge(rule, [*messages, first])


def test_S08_a_wrong_clock_is_replaced_by_the_receive_time() -> None:
    """
    Two events a day ahead, 20 s apart, received at 100: judged at 80 and 100.

                80        100           86400   86420
                 x'        x'     <-      x       x
    """
    ahead = [connections(86_400), connections(86_420)]
    message = ("d1", SecurityMessage("legacy", 1, [*ahead]), at(100))
    assert judge(active(0, 0, 30), [message]) == [(80, 100, 2)]


def test_S07_an_event_beyond_the_horizon_is_not_judged() -> None:
    hours = 3600
    for age, alerts in ((48 * hours, [(0, 0, 1)]), (48 * hours + 1, [])):
        message = ("d1", SecurityMessage("legacy", 1, [connections(0)]), at(age))
        assert judge(active(0, 0, 30), [message]) == alerts


# ------------------------------------------------------------------------------ lists and thresholds


def test_S15_addresses_are_judged_as_addresses() -> None:
    rule = AllowlistRule(type="ConnectionToIpNotAllowed", allow=("198.51.100.9/24:443/tcp", "2001:db8::/32"))
    remotes = ("::FFFF:198.51.100.7", "2001:0DB8:0:0:0:0:0:7", "127.0.0.1", "203.0.113.1", "203.0.113.1")
    events = [connections(n, flow("Out", remote, "443")) for n, remote in enumerate(remotes)]
    others = [
        connections(9, flow("Out", "198.51.100.7", 444), flow("In", "8.8.8.8", "1"), flow("Out", None, None))
    ]
    assert judge(rule, delivered(*events, *others)) == [("203.0.113.1", 3, 4, 2), ("198.51.100.7", 9, 9, 1)]


def test_S20_an_aggregate_is_as_many_occurrences_of_a_value() -> None:
    span = (micros(at(10)), micros(at(20)), 5)
    event = connections(
        30, replace(flow("Out", "198.51.100.7", "443"), span=span), flow("Out", "198.51.100.7", "443")
    )
    rule = AllowlistRule(type="ConnectionToIpNotAllowed")
    assert judge(rule, delivered(event)) == [("198.51.100.7", 10, 30, 6)]


def test_S13_a_sign_in_without_a_name_takes_it_from_pam_then_from_the_accounts_then_its_uid() -> None:
    accounts = LocalUsers(id="a", occurred_at=at(0), payload=[LocalUser(user_id=1002, user_name="ann")])
    events = [
        sign_ins(0, success("bob", operation="PAM:authentication", process_id=7)),
        sign_ins(5, success(None, "1001", operation="login", process_id=7)),
        sign_ins(6, success(None, "1001", operation="login", process_id=7)),
        sign_ins(7, success("(unknown user)", "1002", process_id=8)),
        sign_ins(8, success("?", process_id=9)),
    ]
    assert judge(AllowlistRule(type="LocalUserNotAllowed"), delivered(accounts, *events)) == [
        ("bob", 0, 5, 2),
        ("1001", 6, 6, 1),
        ("ann", 7, 7, 1),
        ("(unknown)", 8, 8, 1),
    ]


def test_S13_an_entry_means_a_name_a_uid_or_a_part_of_a_windows_name() -> None:
    records = [
        success("bob"),
        success("Bob"),
        success("ann", "7"),
        success("PLANT\\Eve"),
        success("MILL\\Eve"),
    ]
    rule = AllowlistRule(type="LocalUserNotAllowed", allow=("bob", "7", "plant\\EVE"))
    messages = delivered(sign_ins(0, *records))
    assert judge(rule, messages) == [("Bob", 0, 0, 1), ("mill\\eve", 0, 0, 1)]
    assert judge(DenylistRule(type="LocalUserDenied", deny=("EVE",)), messages) == [
        ("mill\\eve", 0, 0, 1),
        ("plant\\eve", 0, 0, 1),
    ]


def test_S14_an_entry_means_a_path_a_base_name_or_a_hash() -> None:
    paths = (
        "/usr/bin/a",
        "/opt/v/x/y",
        "/bin/sh",
        "/bin/SH",
        "\\device\\harddiskvolume3\\Win\\Cmd.exe",
        "/evil",
    )
    rule = AllowlistRule(
        type="ProcessNotAllowed", allow=("/usr/?in/a", "/opt/*", "s?", "\\win\\*", f"sha1:{'A' * 40}")
    )
    events = [
        ProcessCreate(
            id=path,
            occurred_at=at(0),
            payload=[Process(executable=path, extra_details={"Hash": "a" * 40 if path == "/evil" else ""})],
        )
        for path in paths
    ]
    assert judge(rule, delivered(*events)) == [("/bin/SH", 0, 0, 1)]
    assert judge(DenylistRule(type="ProcessDenied", deny=("CMD.EXE",)), delivered(*events)) == [
        ("\\win\\cmd.exe", 0, 0, 1)
    ]


def test_S17_consecutive_reports_outside_a_threshold_are_one_alert() -> None:
    """
    Numbers of accounts over time, at most one is allowed.

        0  1  2  3
        2  3  1  2     two alerts
    """
    events = [
        LocalUsers(id=str(n), occurred_at=at(n), payload=[LocalUser()] * number)
        for n, number in enumerate((2, 3, 1, 2))
    ]
    rule = ThresholdRule(type="LocalUsersNotInAllowedRange", min=0, max=1)
    assert judge(rule, delivered(*events)) == [(0, 1, 3), (3, 3, 2)]
