"""S13-S17: who signed in, what was started, whom the device called, and what a list means by it."""

from typing import Any

import pytest

from fencepost.model.rule import IMPLICIT_ENTRIES, ThresholdRule
from fencepost.testing import (
    Bench,
    allowing,
    at,
    connection,
    denying,
    drops,
    flows,
    group,
    local_users,
    login,
    process,
)

USERS = "LocalUserNotAllowed"
PROCESSES = "ProcessNotAllowed"
TO = "ConnectionToIpNotAllowed"
FROM = "ConnectionFromIpNotAllowed"


def values(bench: Bench) -> set[str | None]:
    return {alert.value for alert in bench.alerts()}


# ------------------------------------------------------------------------------------------------ S13


def test_S13_only_a_sign_in_that_succeeds_is_asked_for_its_user() -> None:
    """A failed one is counted elsewhere (S12)."""
    bench = Bench(group(allowing(USERS, "service")))
    bench.send(
        "gw", login("10:00", "mallory", result="Fail"), login("10:01", "eve"), login("10:02", "service")
    )
    assert values(bench) == {"eve"}


@pytest.mark.parametrize("no_name", ["?", "(unknown user)", "(invalid user)", "", None])
def test_S13_what_is_no_name_is_not_a_user(no_name: str | None) -> None:
    """The uid stands for the user; on the list or not."""
    bench = Bench(group(allowing(USERS, "1001")))
    bench.send("gw", login("10:00", no_name, uid="1001"), login("10:01", no_name, uid=1002))
    assert values(bench) == {"1002"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_S13_a_nameless_record_takes_the_name_of_the_pam_record_of_its_process(
    order: tuple[int, int],
) -> None:
    """
    PAM knows the name, login only the uid; which comes first in the message does not matter.

        10:00:00  PAM:authentication  process 7   bob
        10:00:04  login               process 7   uid 1001
    """
    bench = Bench(group(allowing(USERS, "bob")))
    records = (
        login("10:00:00", "bob", operation="PAM:authentication", process_id=7),
        login("10:00:04", None, uid=1001, process_id=7),
    )
    bench.send("gw", *(records[index] for index in order))
    assert bench.alerts() == []


@pytest.mark.parametrize(
    ("seconds", "process_id", "value"),
    [("05", 7, None), ("05.000001", 7, "1001"), ("02", 8, "1001"), ("05", "7", None)],
)
def test_S13_the_pam_record_must_be_of_the_same_process_within_five_seconds(
    seconds: str, process_id: int | str, value: str | None
) -> None:
    """Another process, or more than five seconds, and the uid is the user; also over two messages."""
    bench = Bench(group(allowing(USERS, "bob")))
    bench.send("gw", login("10:00:00", "bob", operation="PAM:authentication", process_id=7))
    bench.send("gw", login(f"10:00:{seconds}", None, uid=1001, process_id=process_id))
    assert values(bench) == ({value} if value else set())


def test_S13_else_the_name_comes_from_the_latest_local_users() -> None:
    """The device's own account list knows the uid; the latest one counts, also when it came earlier."""
    bench = Bench(group(allowing(USERS, "ann")))
    bench.send("gw", local_users("09:00", {"1001": "ann", "0": "root"}))
    bench.send("gw", local_users("08:00", {"1001": "old"}))
    bench.send("gw", login("10:00", None, uid=1001), login("10:01", None, uid="0"))
    assert values(bench) == {"root"}


def test_S13_the_pam_record_goes_before_local_users() -> None:
    """Who signed in is better known than who owns the account."""
    bench = Bench(group(allowing(USERS)))
    bench.send("gw", local_users("09:00", {"1001": "ann"}))
    bench.send(
        "gw",
        login("10:00", "bob", operation="PAM:authentication", process_id=7),
        login("10:00", None, uid=1001, process_id=7),
    )
    assert values(bench) == {"bob"}


def test_S13_a_name_of_its_own_goes_before_all() -> None:
    """A record that states a name needs no other."""
    bench = Bench(group(allowing(USERS)))
    bench.send("gw", local_users("09:00", {"1001": "ann"}), login("10:00", "carl", uid=1001))
    assert values(bench) == {"carl"}


@pytest.mark.parametrize(
    ("entry", "user", "uid", "allowed"),
    [
        ("bob", "bob", None, True),
        ("bob", "Bob", None, False),
        ("1001", "bob", 1001, True),
        ("1001", "bob", 1002, False),
        ("bob", "PLANT\\Bob", None, True),
        ("plant\\bob", "PLANT\\Bob", None, True),
        ("OFFICE\\bob", "PLANT\\bob", None, False),
        ("bob", None, None, False),
    ],
)
def test_S13_an_entry_means_a_name_a_uid_or_a_windows_user(
    entry: str, user: str | None, uid: int | None, allowed: bool
) -> None:
    """Windows names without case and with or without their domain."""
    bench = Bench(group(allowing(USERS, entry)))
    bench.send("gw", login("10:00", user, uid=uid))
    assert (bench.alerts() == []) is allowed


def test_S13_one_windows_user_is_one_alert_however_it_is_spelled() -> None:
    """Without case they are the same value."""
    bench = Bench(group(allowing(USERS)))
    bench.send("pc", login("10:00", "PLANT\\Bob"), login("10:01", "plant\\BOB"))
    assert bench.alert().count == 2


# ------------------------------------------------------------------------------------------------ S14

DIGEST = "6f3a1c0e9b7d5e2f4a8b0c1d2e3f405162738495"
WINDOWS = "\\device\\harddiskvolume2\\Windows\\System32\\cmd.exe"


@pytest.mark.parametrize(
    ("entry", "executable", "allowed"),
    [
        ("/usr/bin/sh", "/usr/bin/sh", True),
        ("/usr/bin/sh", "/media/sh", False),
        ("sh", "/media/sh", True),
        ("sh", "/media/bash", False),
        ("sh", "/media/SH", False),
        ("/opt/vendor/*", "/opt/vendor/a/b", True),
        ("python3.?", "/usr/bin/python3.9", True),
        ("python3.?", "/usr/bin/python3.11", False),
        ("C:\\Windows\\System32\\CMD.exe", WINDOWS, True),
        ("\\Device\\HarddiskVolume9\\windows\\system32\\cmd.exe", WINDOWS, True),
        ("CMD.EXE", WINDOWS, True),
        ("C:\\Windows\\*", WINDOWS, True),
        ("C:\\Temp\\*", WINDOWS, False),
        ("D:\\a.exe", "C:\\a.exe", False),
    ],
)
def test_S14_an_entry_with_a_slash_means_the_path_and_one_without_the_base_name(
    entry: str, executable: str, allowed: bool
) -> None:
    """With wildcards; Windows paths without case and whatever the volume."""
    bench = Bench(group(allowing(PROCESSES, entry)))
    bench.send("gw", process("10:00", executable))
    assert (bench.alerts() == []) is allowed


@pytest.mark.parametrize(
    ("entry", "digest", "allowed"),
    [
        (f"sha1:{DIGEST}", DIGEST, True),
        (f"SHA1:{DIGEST.upper()}", DIGEST, True),
        (f"sha1:{DIGEST}", DIGEST.upper(), True),
        (f"sha1:{DIGEST}", "0" * 40, False),
        (f"sha1:{DIGEST}", None, False),
    ],
)
def test_S14_a_hash_entry_means_the_hash_that_the_agent_sends(
    entry: str, digest: str | None, allowed: bool
) -> None:
    """Whatever the path, and in any case."""
    bench = Bench(group(allowing(PROCESSES, entry)))
    bench.send("gw", process("10:00", "/media/renamed", digest=digest))
    assert (bench.alerts() == []) is allowed


def test_S14_a_process_of_a_threadx_device_is_judged_too() -> None:
    """A process that it executes or forks comes as a start."""
    bench = Bench(group(allowing(PROCESSES, "main")))
    bench.send("rtos", process("10:00", "shell"), source="threadx")
    assert bench.alert().value == "shell"


def test_S14_one_windows_program_is_one_alert_however_it_is_spelled() -> None:
    """Without case and device prefix they are the same value."""
    bench = Bench(group(allowing(PROCESSES)))
    bench.send("pc", process("10:00", WINDOWS), process("10:01", WINDOWS.upper()))
    assert (bench.alert().value, bench.alert().count) == ("\\windows\\system32\\cmd.exe", 2)


# ------------------------------------------------------------------------------------------------ S15


@pytest.mark.parametrize(
    ("entry", "remote", "members", "allowed"),
    [
        ("203.0.113.7", "203.0.113.7", {}, True),
        ("203.0.113.7", "203.0.113.8", {}, False),
        ("203.0.113.7", "::ffff:203.0.113.7", {}, True),
        ("::FFFF:203.0.113.7", "203.0.113.7", {}, True),
        ("::ffff:203.0.113.0/120", "203.0.113.7", {}, True),
        ("203.0.113.77/24", "203.0.113.200", {}, True),
        ("203.0.113.10-203.0.113.20", "203.0.113.20", {}, True),
        ("203.0.113.10-203.0.113.20", "203.0.113.21", {}, False),
        ("203.0.113.10 - 203.0.113.20", "203.0.113.11", {}, True),
        ("2001:DB8::/32", "2001:0db8:0000:0000:0000:0000:0000:0001", {}, True),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:DB8::1", {}, True),
        ("2001:db8::1-2001:db8::ff", "2001:db8::80", {}, True),
        ("203.0.113.7:443", "203.0.113.7", {"port": "443"}, True),
        ("203.0.113.7:443", "203.0.113.7", {"port": 80}, False),
        ("203.0.113.7:443", "203.0.113.7", {"port": "*"}, False),
        ("203.0.113.7:443", "203.0.113.7", {"port": None}, False),
        ("203.0.113.0/24:443/tcp", "203.0.113.7", {"port": 443, "protocol": "TCP"}, True),
        ("203.0.113.0/24:443/TCP", "203.0.113.7", {"port": 443, "protocol": "tcp"}, True),
        ("203.0.113.0/24:443/tcp", "203.0.113.7", {"port": 443, "protocol": "udp"}, False),
        ("203.0.113.0/24:443/tcp", "203.0.113.7", {"port": 443, "protocol": None}, False),
        ("203.0.113.1-203.0.113.9:53/udp", "203.0.113.5", {"port": 53, "protocol": "udp"}, True),
        ("[2001:db8::/32]:8883/tcp", "2001:db8::7", {"port": 8883}, True),
        ("[2001:db8::/32]:8883/tcp", "2001:db8::7", {"port": 443}, False),
        ("0.0.0.0/0", "203.0.113.7", {}, True),
        ("0.0.0.0/0", "2001:db8::7", {}, False),
        ("::/0", "2001:db8::7", {}, True),
        ("::/0", "203.0.113.7", {}, False),
        ("::/0", "::ffff:203.0.113.7", {}, False),
    ],
)
def test_S15_addresses_are_compared_as_people_mean_them(
    entry: str, remote: str, members: dict[str, Any], allowed: bool
) -> None:
    """CIDR with host bits, ranges, ports, full-form and mapped IPv6; `::/0` says nothing of IPv4."""
    bench = Bench(group(allowing(TO, entry)))
    bench.send("cam", connection("10:00", remote, **members))
    assert (bench.alerts() == []) is allowed


def test_S15_one_address_is_one_alert_in_its_shortest_form() -> None:
    """However the agent spells it."""
    bench = Bench(group(allowing(TO)))
    spellings = ("2001:DB8::7", "2001:0db8:0000:0000:0000:0000:0000:0007", "2001:db8:0:0::7")
    bench.send("cam", connection("10:00", *spellings))
    bench.send("cam", connection("10:01", "::ffff:203.0.113.7", "203.0.113.7"))
    assert {alert.value: alert.count for alert in bench.alerts()} == {"2001:db8::7": 3, "203.0.113.7": 2}


def test_S15_each_direction_has_its_own_list() -> None:
    """Outbound and inbound never mix."""
    bench = Bench(group(allowing(TO, "203.0.113.1"), allowing(FROM, "203.0.113.2")))
    bench.send("cam", connection("10:00", "203.0.113.1", "203.0.113.2", direction="Out"))
    bench.send("cam", connection("10:01", "203.0.113.1", "203.0.113.2", direction="In"))
    assert {(alert.rule_type, alert.value) for alert in bench.alerts()} == {
        (TO, "203.0.113.2"),
        (FROM, "203.0.113.1"),
    }


def test_S15_the_direction_of_a_threadx_flow_is_marked_as_inferred() -> None:
    """The wire states none; a legacy agent does, and needs no mark."""
    bench = Bench(group(allowing(TO)))
    bench.send("rtos", flows("10:00", "203.0.113.1"))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    assert {alert.device_id: alert.flags for alert in bench.alerts()} == {"rtos": ("inferred",), "cam": ()}


# ------------------------------------------------------------------------------------------------ S16

IMPLICIT = ("127.0.0.1", "127.9.9.9", "::1", "169.254.1.1", "fe80::1", "192.0.2.5")


def test_S16_loopback_link_local_and_our_own_addresses_are_on_every_allow_list() -> None:
    """A device that calls itself, its link or this server leaves nothing."""
    bench = Bench(group(allowing(TO), allowing(FROM), server_addresses=("192.0.2.5",)))
    bench.send("cam", connection("10:00", *IMPLICIT), connection("10:01", *IMPLICIT, direction="In"))
    assert bench.alerts() == []


def test_S16_the_implicit_entries_are_shown() -> None:
    """Whoever reads the list can read them."""
    shown = group(server_addresses=("192.0.2.5",)).implicit_addresses()
    assert set(shown) == {*IMPLICIT_ENTRIES["loopback"], *IMPLICIT_ENTRIES["link_local"], "192.0.2.5"}


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (("loopback", "link_local"), {"192.0.2.5"}),
        (("loopback", "server"), {"169.254.1.1", "fe80::1"}),
        (("link_local", "server"), {"127.0.0.1", "127.9.9.9", "::1"}),
        ((), set(IMPLICIT)),
    ],
)
def test_S16_a_group_may_take_each_implicit_entry_off(kept: tuple[str, ...], told: set[str]) -> None:
    """What is not implicit alerts like everything else."""
    bench = Bench(group(allowing(TO), implicit_entries=kept, server_addresses=("192.0.2.5",)))
    bench.send("cam", connection("10:00", *IMPLICIT))
    assert values(bench) == told


def test_S16_an_enabled_empty_allow_list_means_that_everything_alerts() -> None:
    """Nothing is allowed where nothing is listed; a list that is off says nothing."""
    rules = (allowing(TO), allowing(USERS), allowing(PROCESSES))
    said = (connection("10:00", "203.0.113.1"), login("10:00", "bob"), process("10:00", "/bin/sh"))
    bench = Bench(group(*rules))
    bench.send("gw", *said)
    assert values(bench) == {"203.0.113.1", "bob", "/bin/sh"}
    silent = Bench(group(*(allowing(rule.type, enabled=False) for rule in rules)))
    silent.send("gw", *said)
    assert silent.alerts() == []


def test_S16_a_deny_list_has_no_implicit_entries() -> None:
    """Nobody is denied loopback unasked."""
    bench = Bench(group(denying("ConnectionToIpDenied")))
    bench.send("cam", connection("10:00", *IMPLICIT))
    assert bench.alerts() == []


# ------------------------------------------------------------------------------------------------ S17


def test_S17_deny_lists_mirror_allow_lists() -> None:
    """What is on the list alerts, and the alert names the entry that denies."""
    bench = Bench(
        group(
            denying("ConnectionToIpDenied", "203.0.113.0/24"),
            denying("ConnectionFromIpDenied", "203.0.113.9"),
            denying("LocalUserDenied", "root", "0"),
            denying("ProcessDenied", "nc*"),
        )
    )
    bench.send("gw", connection("10:00", "203.0.113.9", "198.51.100.1"))
    bench.send("gw", connection("10:01", "203.0.113.9", "203.0.113.8", direction="In"))
    bench.send("gw", login("10:02", "root"), login("10:03", "bob"))
    bench.send("gw", process("10:04", "/usr/bin/nc.openbsd"), process("10:05", "/bin/ls"))
    assert {(alert.rule_type, alert.value, alert.nearest_entry) for alert in bench.alerts()} == {
        ("ConnectionToIpDenied", "203.0.113.9", "203.0.113.0/24"),
        ("ConnectionFromIpDenied", "203.0.113.9", "203.0.113.9"),
        ("LocalUserDenied", "root", "root"),
        ("ProcessDenied", "/usr/bin/nc.openbsd", "nc*"),
    }


def test_S17_deny_wins_over_allow() -> None:
    """On both lists means denied: one alert, of the deny-list."""
    bench = Bench(group(allowing(TO, "203.0.113.0/24"), denying("ConnectionToIpDenied", "203.0.113.66")))
    bench.send("cam", connection("10:00", "203.0.113.66", "203.0.113.1"))
    assert [(alert.rule_type, alert.value) for alert in bench.alerts()] == [
        ("ConnectionToIpDenied", "203.0.113.66")
    ]


@pytest.mark.parametrize(("number", "outside"), [(0, True), (1, False), (3, False), (4, True)])
def test_S17_a_threshold_judges_a_single_reported_gauge(number: int, outside: bool) -> None:
    """Inclusive bounds, and no window."""
    bench = Bench(group(ThresholdRule(type="LocalUsersNotInAllowedRange", min=1, max=3)))
    bench.send("gw", local_users("10:00", {str(uid): f"user{uid}" for uid in range(number)}))
    assert bool(bench.alerts()) is outside


def test_S17_reports_outside_are_one_alert_until_one_is_inside() -> None:
    """
    Consecutive reports belong together.

        10:00  10:10  10:20  10:30
          7      9      0      8
        (-- one alert --)    (-- the next
    """
    bench = Bench(group(ThresholdRule(type="DroppedEventsNotInAllowedRange", min=0, max=5)))
    for time, number in (("10:00", 7), ("10:10", 9), ("10:20", 0), ("10:30", 8)):
        bench.send("gw", drops(time, number))
    first, second = bench.alerts()
    assert (first.count, first.state, first.ended_at) == (9, "Resolved", at("10:20"))
    assert (second.count, second.state, second.previous_id) == (8, "Active", first.alert_id)
