"""A watch counts what is sent and told, and forgets what would grow without end."""

from datetime import UTC, datetime, timedelta

from msgspec import structs

from fencepost.client.service import Receipt, Reject
from fencepost.model.alert import Alert
from fencepost.simulation.watch import MOST_ALERTS, MOST_REASONS, Heard, Watch
from fencepost.testing import Bench, allowing, group, process

START = datetime(2026, 11, 24, 3, 0, 0, 300_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TAKEN = Receipt(messages=1, events=3)


def an_alert() -> Alert:
    bench = Bench(group(allowing("ProcessNotAllowed", "sh")))
    bench.send("cam-1", process("10:00", "/bin/nc"))
    return bench.alert()


ALERT = structs.replace(an_alert(), started_at=START, received_at=START)


def test_messages_events_and_refusals_are_counted() -> None:
    watch = Watch()
    watch.acknowledge(TAKEN, START)
    rejects = (Reject(0, "Events[0]", "no time"), Reject(0, "", "no JSON"))
    watch.acknowledge(Receipt(messages=2, events=0, rejects=rejects, rejects_total=5), START)
    assert (watch.messages, watch.events, watch.rejected) == (3, 3, 5)
    assert watch.reasons == {"Events[0]: no time": 1, "no JSON": 1}


def test_only_so_many_reasons_are_kept() -> None:
    watch = Watch()
    for number in range(100):
        reject = Reject(0, str(number), "wrong")
        watch.acknowledge(Receipt(messages=1, events=0, rejects=(reject, reject), rejects_total=2), START)
    assert (len(watch.reasons), watch.rejected) == (MOST_REASONS, 200)


def test_the_rate_is_that_of_the_last_whole_seconds() -> None:
    watch = Watch()
    assert watch.rate(START) == 0
    for number in range(100):
        watch.acknowledge(TAKEN, START + number * SECOND / 10)
        if number == 5:
            assert watch.rate(START + number * SECOND / 10) == 6
    assert watch.rate(START + 9.9 * SECOND) == 10
    assert 0 < watch.rate(START + 14 * SECOND) < 5
    assert watch.rate(START + 60 * SECOND) == 0


def test_a_slow_rate_is_told_as_it_is() -> None:
    watch = Watch()
    for number in range(0, 60, 5):
        watch.acknowledge(TAKEN, START + number * SECOND)
    assert {watch.rate(START + (55 + later) * SECOND) for later in range(1, 5)} == {0.2}


def test_an_alert_is_news_when_it_opens_and_when_it_moves() -> None:
    heard: list[Heard] = []
    watch = Watch(heard.append)
    resolved = structs.replace(ALERT, state="Resolved")
    for alert in (ALERT, structs.replace(ALERT, count=2), resolved, resolved):
        watch.hear(alert, START + SECOND, START)
    assert [(one.is_new, one.is_news) for one in heard] == [
        (True, True),
        (False, False),
        (False, True),
        (False, False),
    ]
    assert (watch.opened, list(watch.delays), watch.latest) == (1, [1.0], {ALERT.alert_id: resolved})


def test_an_alert_of_before_is_not_new() -> None:
    heard: list[Heard] = []
    watch = Watch(heard.append)
    watch.hear(ALERT, START + SECOND, START + SECOND)
    assert (watch.opened, len(watch.delays), heard[0].is_news) == (0, 0, False)


def test_the_alerts_told_last_are_kept_in_their_order() -> None:
    watch = Watch()
    for number in (*range(MOST_ALERTS + 10), 50):
        watch.hear(structs.replace(ALERT, alert_id=str(number)), START, START)
    assert (watch.opened, len(watch.latest)) == (MOST_ALERTS + 10, MOST_ALERTS)
    assert list(watch.latest)[-2:] == [str(MOST_ALERTS + 9), "50"]
