"""The example messages show each of the five alerts once, and devices that are quiet."""

from datetime import UTC, datetime
from pathlib import Path

from fencepost.config.groups import load_groups
from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.sources.files import Record, read
from fencepost.wire.message import decode

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECTED = {
    ("ActiveConnectionsNotInAllowedRange", "cam-0002", None),
    ("ConnectionToIpNotAllowed", "cam-0003", "203.0.113.99"),
    ("ProcessNotAllowed", "cam-0004", "/tmp/.x/miner"),  # noqa: S108
    ("FailedLocalLoginsNotInAllowedRange", "gw-0001", None),
    ("LocalUserNotAllowed", "gw-0002", "mallory"),
}


def test_the_example_messages_raise_each_of_the_five_alerts_once() -> None:
    detector, book = Detector(load_groups(EXAMPLES / "groups.yaml").groups), AlertBook()
    now = datetime(2000, 1, 1, tzinfo=UTC)
    for record in read([EXAMPLES / "messages"]):
        assert isinstance(record, Record)
        message = decode(record.body)
        assert message.rejected == ()
        now = max(event.occurred_at for event in message.events)
        for outcome in detector.receive(record.device_id, message, now):
            book.apply(outcome)
    for outcome in detector.tick(now):
        book.apply(outcome)
    alerts = [(alert.rule_type, alert.device_id, alert.value) for alert in book.alerts()]
    assert sorted(alerts, key=str) == sorted(EXPECTED, key=str)


def test_every_example_message_stands_in_the_readme() -> None:
    described = (EXAMPLES / "messages" / "README.md").read_text()
    for path in (EXAMPLES / "messages").iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in described
