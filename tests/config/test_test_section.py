"""The `tests:` of a groups file as they are read."""

from datetime import timedelta

import pytest

from fencepost.config.groups import parse_groups
from fencepost.config.rule_tests import DEVICE, Expected, Step
from fencepost.model.address import parse_address
from fencepost.model.errors import OperatorError
from fencepost.model.event import Connection, Drops, LocalUser, Process, SignIn

SECOND = timedelta(seconds=1)


def file_with(events: str = "", expect: str = "", head: str = "name: t, group: g") -> str:
    return f"groups: {{g: {{}}}}\ntests:\n  - {{{head}, events: [{events}], expect: [{expect}]}}\n"


def step(text: str) -> Step:
    return parse_groups(file_with(text), "f").tests[0].events[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{at: PT0S, connect: 203.0.113.99, port: 4444, protocol: tcp, executable: /usr/bin/nc}",
            Step(
                at=timedelta(),
                payload=Connection(
                    direction="Out",
                    remote_address="203.0.113.99",
                    remote_port="4444",
                    protocol="tcp",
                    executable="/usr/bin/nc",
                    remote=parse_address("203.0.113.99"),
                ),
            ),
        ),
        (
            "{at: 90, accept: '2001:db8::3', local_port: 22, hits: 4, over: PT1M}",
            Step(
                at=90 * SECOND,
                payload=Connection(
                    direction="In",
                    remote_address="2001:db8::3",
                    local_port="22",
                    protocol="tcp",
                    remote=parse_address("2001:db8::3"),
                ),
                hits=4,
                over=60 * SECOND,
            ),
        ),
        (
            "{at: PT10S, login: alice, result: Fail, repeat: 5, every: PT2S, received: PT1H, user_id: 0}",
            Step(
                at=10 * SECOND,
                payload=SignIn(result="Fail", operation="login", user_name="alice", user_id="0"),
                repeat=5,
                every=2 * SECOND,
                received=timedelta(hours=1),
            ),
        ),
        (
            "{at: 0.5, process: /bin/x, command_line: x -v, user_name: root, hash: ab}",
            Step(
                at=0.5 * SECOND,
                payload=Process(
                    executable="/bin/x", command_line="x -v", user_name="root", extra_details={"Hash": "ab"}
                ),
            ),
        ),
        (
            "{at: 0, local_users: [root, no]}",
            Step(at=0 * SECOND, payload=(LocalUser(user_name="root"), LocalUser(user_name="no"))),
        ),
        ("{at: 0, dropped_events: 5}", Step(at=0 * SECOND, payload=Drops(dropped_events=5))),
        (
            "{at: 5, hub: MqttD2CMessages, repeat: 3, every: PT1M}",
            Step(at=5 * SECOND, payload="MqttD2CMessages", repeat=3, every=60 * SECOND),
        ),
    ],
)
def test_an_event_is_read_as_the_model_has_it(text: str, expected: Step) -> None:
    assert step(text) == expected


def test_a_test_is_read_with_what_it_expects() -> None:
    wish = "{type: ProcessNotAllowed, value: 007, count: 1, min_count: 1, severity: High, state: Active}"
    test = parse_groups(file_with(expect=wish, head="name: t, device: cam-1, until: PT30M"), "f").tests[0]
    assert (test.name, test.group, test.device_id, test.until, test.line) == (
        "t",
        None,
        "cam-1",
        1800 * SECOND,
        3,
    )
    assert test.expect == (
        Expected(
            type="ProcessNotAllowed", value="007", count=1, min_count=1, severity="High", state="Active"
        ),
    )


def test_a_group_of_a_test_is_named_without_case_and_may_be_the_implicit_default() -> None:
    assert parse_groups(file_with(head="name: t, group: G"), "f").tests[0].group == "g"
    test = parse_groups(file_with(head="name: t, group: default"), "f").tests[0]
    assert (test.group, test.device_id) == ("default", DEVICE)


@pytest.mark.parametrize(
    ("events", "path", "reason"),
    [
        ("{at: 0}", "", "none of them stands here"),
        ("5", "", "expected a mapping"),
        ("{at: 0, conect: 192.0.2.1}", ".conect", "did you mean 'connect'?"),
        ("{at: 0, connect: 192.0.2.1, login: a}", "", "not connect and login at once"),
        ("{connect: 192.0.2.1}", "", "the key 'at' is missing"),
        ("{at: -1, connect: 192.0.2.1}", ".at", "between PT0S and P366D"),
        ("{at: 1e999999, connect: 192.0.2.1}", ".at", "is not a duration"),
        ("{at: P999D, connect: 192.0.2.1}", ".at", "between PT0S and P366D"),
        ("{at: true, connect: 192.0.2.1}", ".at", "expected a duration"),
        ("{at: 0, connect: example.org}", ".connect", "such as 203.0.113.99"),
        ("{at: 0, connect: [a]}", ".connect", "expected a text"),
        ("{at: 0, connect: 192.0.2.1, port: 65536}", ".port", "between 0 and 65535"),
        ("{at: 0, connect: 192.0.2.1, protocol: TPC}", ".protocol", "did you mean 'tcp'?"),
        ("{at: 0, connect: 192.0.2.1, result: Fail}", ".result", "unknown key 'result'"),
        ("{at: 0, connect: 192.0.2.1, hits: 5}", "", "'hits' needs 'over'"),
        ("{at: 0, connect: 192.0.2.1, every: 5}", "", "'every' needs 'repeat'"),
        ("{at: 0, login: a, result: fail}", ".result", "did you mean 'Fail'?"),
        ("{at: 0, login: a, repeat: 0}", ".repeat", "between 1 and"),
        ("{at: 0, process: }", ".process", "expected a text, got nothing"),
        ("{at: 0, local_users: root}", ".local_users", "expected a list"),
        ("{at: 0, dropped_events: many}", ".dropped_events", "a whole number"),
        ("{at: 0, hub: MqttD2CMesages}", ".hub", "did you mean 'MqttD2CMessages'?"),
        ("{at: 0, hub: FileUploads}", ".hub", "FileUploads"),
        ("{at: 0, hub: TwinUpdates, received: PT1H}", ".received", "unknown key 'received'"),
        ("{at: 0, hub: TwinUpdates, login: a}", "", "not login and hub at once"),
    ],
)
def test_a_fault_of_an_event_says_where_and_how_to_mend_it(events: str, path: str, reason: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse_groups(file_with(events), "f")
    found = [p for p in caught.value.problems if p.path == f"tests[0].events[0]{path}"]
    assert found
    assert reason in found[0].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (file_with(head="name: t"), "either a group or a device"),
        (file_with(head="name: t, group: g, device: d"), "either a group or a device"),
        (file_with(head="group: g"), "the key 'name' is missing"),
        (file_with(head="name: t, group: gg"), "unknown group 'gg'"),
        (file_with(head="name: t, group: g, untill: 5"), "did you mean 'until'?"),
        (file_with(expect="{type: ProcessNotAlowed}"), "did you mean 'ProcessNotAllowed'?"),
        (file_with(expect="{value: a}"), "the key 'type' is missing"),
        (file_with(expect="{type: ProcessNotAllowed, state: Open}"), "is not one of Active"),
        (file_with(expect=", ".join(["{type: ProcessNotAllowed}"] * 201)), "at most 200 alerts"),
        (file_with(", ".join(["{at: 0, login: a, repeat: 60000}"] * 2)), "120000 events are too many"),
        ("groups: {g: {}}\ntests: {}", "expected a list"),
        ("groups: {g: {}}\ntests: [a]", "expected a mapping"),
    ],
)
def test_a_fault_of_a_test_says_how_to_mend_it(text: str, reason: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse_groups(text, "f")
    assert any(reason in problem.reason for problem in caught.value.problems)
