"""Incidents fall due in turns and strike the next device that can tell of them."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random

from fencepost.simulation.fleet import make_devices
from fencepost.simulation.incidents import BURST, FOREIGN_CALL, FOREIGN_PROCESS, STRANGER, Device
from fencepost.simulation.script import FIRST, ORDER, REST, RESTS, Due, Script, endless, planned

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CAMERA, OTHER = Device("cam-0001", "cam", "c"), Device("cam-0002", "cam", "c")
CONTROLLER = Device("plc-0001", "plc")


def random() -> Random:
    return Random(1)  # noqa: S311 - a seed makes the test


def script(*devices: Device, dues: list[Due], is_endless: bool = False) -> Script:
    return Script(devices, iter(dues), SECOND, random(), is_endless=is_endless)


def due(rule_type: str, seconds: float = 0) -> Due:
    return Due(START + seconds * SECOND, rule_type)


def test_a_plan_spreads_its_incidents_over_its_time_with_the_types_in_turns() -> None:
    end = START + timedelta(minutes=1)
    dues = list(planned({FOREIGN_CALL: 2, BURST: 1, FOREIGN_PROCESS: 3}, (START, end), random()))
    assert [one.rule_type for one in dues] == [
        *(FOREIGN_CALL, BURST, FOREIGN_PROCESS),
        *(FOREIGN_CALL, FOREIGN_PROCESS),
        FOREIGN_PROCESS,
    ]
    assert dues[0].at == START + FIRST
    assert all(8 * SECOND < later.at - earlier.at < 13 * SECOND for earlier, later in pairwise(dues))
    assert dues[-1].at < end


def test_a_plan_may_be_empty() -> None:
    assert list(planned({}, (START, START + SECOND), random())) == []


def test_without_an_end_the_types_come_in_turns_for_ever() -> None:
    dues = list(islice(endless(START, 3 * SECOND, random()), 1000))
    assert Counter(one.rule_type for one in dues) == dict.fromkeys(ORDER, 200)
    assert dues[-1].at - dues[0].at > 998 * 3 * SECOND


def test_an_incident_strikes_the_next_device_that_can_tell_of_it() -> None:
    written = script(CONTROLLER, CAMERA, dues=[due(STRANGER), due(FOREIGN_CALL)])
    (call,) = written.strike(CONTROLLER, START)
    (stranger,) = written.strike(CAMERA, START)
    assert (call.rule_type, stranger.rule_type) == (FOREIGN_CALL, STRANGER)
    assert START - SECOND < call.at < START
    assert written.strike(CAMERA, START + 9 * SECOND) == []


def test_an_incident_that_is_not_due_does_not_strike() -> None:
    written = script(CAMERA, dues=[due(FOREIGN_CALL, 5)])
    assert written.strike(CAMERA, START + 4 * SECOND) == []
    assert len(written.strike(CAMERA, START + 5 * SECOND)) == 1


def test_a_device_that_has_met_with_nothing_goes_first_but_not_for_ever() -> None:
    written = script(CAMERA, OTHER, dues=[due(FOREIGN_CALL), due(STRANGER), due(FOREIGN_PROCESS, 10)])
    assert [one.rule_type for one in written.strike(CAMERA, START)] == [FOREIGN_CALL]
    assert written.strike(CAMERA, START) == []
    assert [one.rule_type for one in written.strike(CAMERA, START + 1.1 * SECOND)] == [STRANGER]


def test_one_type_strikes_a_device_once_in_a_plan() -> None:
    written = script(CAMERA, dues=[due(FOREIGN_CALL), due(FOREIGN_CALL)])
    times = (START + number * timedelta(hours=1) for number in range(5))
    assert sum(len(written.strike(CAMERA, at)) for at in times) == 1


def test_without_an_end_one_type_strikes_a_device_again_after_a_rest() -> None:
    for rule_type, rest in ((FOREIGN_CALL, REST), (BURST, RESTS[BURST])):
        written = script(CAMERA, dues=[due(rule_type), due(rule_type, 1)], is_endless=True)
        (first,) = written.strike(CAMERA, START)
        assert written.strike(CAMERA, START + rest - SECOND) == []
        (second,) = written.strike(CAMERA, START + rest)
        assert first.value is None or first.value != second.value


def test_without_an_end_incidents_that_find_no_device_do_not_pile_up() -> None:
    def dues() -> Iterator[Due]:
        return endless(START, SECOND, random())

    written = Script([CONTROLLER, CAMERA], dues(), SECOND, random(), is_endless=True)
    for number in range(10_000):
        written.strike(CONTROLLER, START + number * SECOND)
    struck = written.strike(CAMERA, START + 10_000 * SECOND)
    assert len(struck) <= len(ORDER)
    assert {STRANGER, FOREIGN_PROCESS} <= {one.rule_type for one in struck}


def test_every_incident_of_a_plan_finds_its_device_within_two_rounds() -> None:
    """Also where there are as many incidents as devices that can tell of them."""
    devices = make_devices(10)
    counts = {FOREIGN_CALL: 10, BURST: 10, STRANGER: 8}
    dues = [due(rule_type) for rule_type, number in counts.items() for _ in range(number)]
    written = Script(devices, iter(dues), SECOND, random(), is_endless=False)
    struck = [
        incident
        for turn in range(31)
        for incident in written.strike(devices[turn % 10], START + turn * SECOND / 10)
    ]
    assert Counter(one.rule_type for one in struck) == counts
    assert len({(one.device.device_id, one.rule_type) for one in struck}) == 28
