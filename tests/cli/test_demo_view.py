"""What the demo shows of alerts is as true as they are, and nothing in it can move the cursor."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs
from rich.console import Console

from fencepost.cli.demo_view import Frame, delays_of, frame_of, line_of, seconds
from fencepost.model.alert import Alert
from fencepost.testing import Bench, active_connections, allowing, connection, group, process

URL = "https://localhost:8443"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def alert_of(value: str = "/bin/nc", device: str = "cam-1", second: int = 0) -> Alert:
    bench = Bench(group(allowing("ProcessNotAllowed", "sh")))
    bench.send(device, process(START + timedelta(seconds=second), value))
    return bench.alert()


def frame(*alerts: Alert, delays: tuple[float, ...] = ()) -> Frame:
    return Frame(
        url=URL,
        messages=1234,
        rate=19.96,
        opened=len(alerts),
        alerts=alerts,
        delays=delays,
        hint="Ctrl-C ends the demo",
    )


def drawn(shown: Frame, width: int = 120, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    with console.capture() as capture:
        console.print(frame_of(shown, width, height))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_frame_says_where_how_much_and_how_fast() -> None:
    lines = drawn(frame(alert_of(), delays=(0.004, 0.006, 0.5)))
    assert lines[0] == f"Fencepost  {URL}  Ctrl-C ends the demo"
    assert lines[1] == "20.0 messages/s   1,234 messages   1 alert   6 ms from message to alert"
    assert "/bin/nc" in lines[-1] or "/bin/nc" in lines[-2]


def test_a_frame_without_alerts_says_so() -> None:
    assert drawn(frame())[-1] == "No alerts yet."
    assert "from message to alert" not in drawn(frame())[1]


@pytest.mark.parametrize("width", [80, 116, 200])
def test_the_newest_alerts_stand_first_and_as_many_as_there_is_room_for(width: int) -> None:
    alerts = [alert_of(f"/bin/{number}", second=number) for number in range(30)]
    lines = drawn(frame(*alerts), width=width, height=24)
    text = "\n".join(lines)
    assert "/bin/29" in text
    assert "/bin/11" not in text
    assert text.index("/bin/29") < text.index("/bin/12")


def test_a_small_terminal_still_shows_the_latest() -> None:
    assert any("/bin/2" in line for line in drawn(frame(alert_of("/bin/1"), alert_of("/bin/2")), height=4))


def test_delays_are_told_by_their_middle_and_their_end() -> None:
    assert delays_of(()) == ""
    assert delays_of([0.1]) == "100 ms from message to alert"
    assert delays_of([0.01] * 198 + [2.0, 2.0]) == "10 ms from message to alert (2.0 s for the slowest 1 %)"
    assert [seconds(number) for number in (0.0, 0.0123, 0.99, 1.0, 61.25)] == [
        *("0 ms", "12 ms", "990 ms", "1.0 s", "61.2 s")
    ]


def test_a_line_says_when_what_and_where() -> None:
    assert (
        line_of(alert_of()) == "10:00:00  Low      cam-1  Start of a process that is not allowed: /bin/nc, 1"
    )
    resolved = structs.replace(alert_of(), state="Resolved")
    assert line_of(resolved).endswith(": /bin/nc, 1 Resolved")


def test_a_line_of_a_range_names_its_bounds() -> None:
    bench = Bench(group(active_connections(high=1, minutes=5)))
    bench.send("cam-1", connection("10:00", "198.51.100.7"), connection("10:01", "198.51.100.8"))
    assert line_of(bench.alert()).endswith("outside the allowed range, 2 (0-1 in PT5M)")


def test_what_a_device_wrote_cannot_move_the_cursor() -> None:
    alert = alert_of("/bin/\x1b[2Jevil\r\n", device="cam\x07-1")
    line = line_of(alert)
    assert line.isprintable()
    assert "evil" in line
    assert all(
        character.isprintable() for text in drawn(frame(alert)) for character in text if character != "\x1b"
    )
    assert "\x1b[2J" not in "".join(drawn(frame(alert)))
