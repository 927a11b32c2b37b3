"""Which alerts are found, and in which order."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from random import Random

from msgspec.structs import replace
from tests.store.control.material import alert, commit, opened

from fencepost.engine.book import AlertBook
from fencepost.engine.lifecycle import REPAIRED, identity_of
from fencepost.model.alert import Alert, State
from fencepost.model.page import AlertFilter, Page
from fencepost.model.record import AlertChange
from fencepost.store.control import ControlStore, identity_key
from fencepost.store.control.alert_queries import LATEST_CHANGES, RECENT
from fencepost.store.control.alert_rows import is_hidden
from fencepost.testing import Bench, active_connections, at, connection, group, heartbeat

ALL = AlertFilter(hidden=True)
STATES: tuple[State, ...] = ("Active", "InProgress", "Resolved", "Dismissed")


def pages(ask: Callable[..., Page[Alert]]) -> Iterator[list[Alert]]:
    after: str | None = None
    while True:
        page = ask(after=after)
        yield page.items
        after = page.after
        if after is None:
            return


def fleet(number: int) -> list[Alert]:
    """Return alerts with many equal times, of all states; some came to nothing."""
    random = Random(7)  # noqa: S311 - always the same
    return [
        alert(
            f"cam-{n % 9}",
            f"198.51.100.{n}",
            started=f"{10 + random.randrange(4)}:00",
            state=random.choice(STATES),
            severity=random.choice(["Low", "Medium", "High"]),
            group=random.choice(["default", "Cameras", "CAMERAS"]),
            merged_into="another" if n % 10 == 0 else None,
            rule_type=random.choice(["ConnectionToIpNotAllowed", "ProcessNotAllowed"]),
            last_seen_at=at("15:00") + timedelta(minutes=random.randrange(60)),
        )
        for n in range(number)
    ]


def newest_first(alerts: list[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda one: (one.started_at, one.alert_id), reverse=True)


WANTED: list[tuple[AlertFilter, Callable[[Alert], bool]]] = [
    (AlertFilter(), lambda one: True),
    (AlertFilter(states=frozenset({"Active"})), lambda one: one.state == "Active"),
    (
        AlertFilter(states=frozenset({"Active", "Dismissed"})),
        lambda one: one.state in {"Active", "Dismissed"},
    ),
    (AlertFilter(severities=frozenset({"High", "Low"})), lambda one: one.severity != "Medium"),
    (AlertFilter(device_id="cam-3"), lambda one: one.device_id == "cam-3"),
    (AlertFilter(device_id="CAM-3"), lambda one: False),
    (AlertFilter(group="cameras"), lambda one: one.group != "default"),
    (AlertFilter(rule_type="ProcessNotAllowed"), lambda one: one.rule_type == "ProcessNotAllowed"),
    (AlertFilter(since=at("15:20")), lambda one: one.last_seen_at >= at("15:20")),
    (AlertFilter(until=at("15:20")), lambda one: one.last_seen_at < at("15:20")),
    (AlertFilter(since=at("15:20"), until=at("15:21")), lambda one: one.last_seen_at == at("15:20")),
    (AlertFilter(text="CAM-4"), lambda one: one.device_id == "cam-4"),
    (AlertFilter(text="100.17"), lambda one: "100.17" in (one.value or "")),
    (AlertFilter(text=""), lambda one: True),
    (
        AlertFilter(
            states=frozenset({"Resolved"}), severities=frozenset({"High"}), group="default", text="cam"
        ),
        lambda one: (one.state, one.severity, one.group) == ("Resolved", "High", "default"),
    ),
]


def test_the_pages_together_are_all_that_fit_the_newest_first(store: ControlStore) -> None:
    """With ties in time, none twice and none left out, whatever the size of a page."""
    alerts = fleet(200)
    commit(store, *alerts)
    for wanted, fits in WANTED:
        for hidden in (False, True):
            asked = replace(wanted, hidden=hidden)
            expected = newest_first(
                [one for one in alerts if fits(one) and (hidden or one.merged_into is None)]
            )
            for limit in (7, 1000):
                found = list(pages(partial(store.alerts, asked, limit=limit)))
                assert [one for page in found for one in page] == expected
                assert all(len(page) == limit for page in found[:-1])
                assert len(found) == max(1, -(-len(expected) // limit))


def test_an_alert_that_comes_while_pages_are_turned_disturbs_no_page(store: ControlStore) -> None:
    """It stands before the place, or behind it, and moves nothing."""
    alerts = [alert(f"cam-{n}", started=f"10:{n:02}") for n in range(30)]
    commit(store, *alerts)
    first = store.alerts(AlertFilter(), limit=10)
    commit(store, alert("cam-new", started="11:00"), replace(alerts[25], state="Resolved"))
    second = store.alerts(AlertFilter(), after=first.after, limit=10)
    assert second.items == newest_first(alerts)[10:20]


def test_no_letter_of_a_search_is_a_wildcard(store: ControlStore) -> None:
    """A search means what it says."""
    texts = ["%", "_", "/", "\\", "'", "*", "%%", "a_b", "100%"]
    odd = {text: alert(f"cam-{number}", f"before{text}after") for number, text in enumerate(texts)}
    commit(store, *odd.values(), alert("cam-x", "plain 100"), alert("aXb", None))
    for text in texts:
        expected = [one for one in odd.values() if text in (one.value or "")]
        assert store.alerts(AlertFilter(text=text)).items == newest_first(expected)


def test_a_search_has_no_case_as_far_as_ascii_has_one(store: ControlStore) -> None:
    """The same on both databases, whatever their languages."""
    one = alert("Straße-ÄÖ-CAM", None)
    commit(store, one)
    assert store.alerts(AlertFilter(text="straße-ÄÖ-cam")).items == [one]
    assert store.alerts(AlertFilter(text="straße-äö-cam")).items == []
    assert store.alerts(AlertFilter(text="STRASSE")).items == []


# what came to nothing


def stored(store: ControlStore, book: AlertBook) -> list[Alert]:
    """Commit all alerts of a book, and return what people see of them."""
    alerts = book.alerts()
    commit(store, *alerts)
    assert newest_first(alerts) == store.alerts(ALL).items
    return store.alerts(AlertFilter()).items


def test_S07_an_alert_whose_minimum_late_data_repaired_is_not_shown(store: ControlStore) -> None:
    """As the engine leaves it, and as a person moves it."""
    bench = Bench(group(active_connections(low=1), allowed_lateness=timedelta(minutes=1)))
    bench.send("cam-1", heartbeat("10:00"))
    bench.tick("10:06")
    assert len(stored(store, bench.book)) == 1
    bench.send("cam-1", connection("10:03"), received_at="10:08")
    (repaired,) = bench.book.alerts()
    assert repaired.reason == REPAIRED
    assert is_hidden(repaired)
    assert stored(store, bench.book) == []
    assert store.counts().alerts == {}
    bench.act("activate", repaired)
    assert len(stored(store, bench.book)) == 1


def test_S02_an_alert_that_another_took_over_is_not_shown(store: ControlStore) -> None:
    """Late data joined the two."""
    bench = Bench(group(active_connections(high=1, minutes=5)))
    for minute in ("10:00", "10:01", "10:09", "10:10"):
        bench.send("cam-1", connection(minute), received_at="10:11")
    assert len(stored(store, bench.book)) == 2
    bench.send("cam-1", connection("10:05"), received_at="10:11")
    bench.send("cam-1", connection("10:06"), received_at="10:11")
    merged = [one for one in bench.book.alerts() if one.merged_into is not None]
    assert len(merged) == 1
    assert is_hidden(merged[0])
    assert len(stored(store, bench.book)) == 1
    assert store.alert(merged[0].alert_id) == merged[0]


# what the pipeline asks


def test_identities_are_told_apart_whatever_they_are_made_of() -> None:
    """Without a value is not with an empty one, and no letter ends a part."""
    identities = [
        ("a", "b", None),
        ("a", "b", ""),
        ("a", "b", "None"),
        ("a\x1fb", "", None),
        ("a", "\x1fb", None),
        ("a", "", "b"),
        ('a","b', "", "b"),
        ("\ud800", "b", None),
        ("\ud801", "b", None),
        ("\ud83d\ude00", "b", None),
        ("\U0001f600", "b", None),
    ]
    assert len({identity_key(*identity) for identity in identities}) == len(identities)


def test_S20_a_history_is_the_latest_alerts_of_each_identity(store: ControlStore) -> None:
    """However many there are, and of no other."""
    long = [alert("cam-1", ordinal=n, state="Resolved") for n in range(1, RECENT + 9)]
    short = [alert("cam-2", ordinal=n) for n in range(1, 3)]
    without = alert("cam-1", None)
    commit(store, *long, *short, without, alert("cam-1", "other"))
    asked = [identity_of(one) for one in (long[0], short[0], without, alert("cam-9"))]
    found = store.histories(iter([*asked, *asked]))
    assert [one for one in found if identity_of(one) == asked[0]] == long[-RECENT:]
    assert [one for one in found if identity_of(one) == asked[1]] == short
    assert [one for one in found if identity_of(one) == asked[2]] == [without]
    assert len(found) == RECENT + 3
    assert store.histories([]) == []


def test_histories_of_very_many_identities_are_one_question(store: ControlStore) -> None:
    """More than a statement has parameters."""
    alerts = [alert(f"cam-{n}") for n in range(300)]
    commit(store, *alerts)
    asked = [(f"cam-{n}", alerts[0].rule_type, alerts[0].value) for n in range(100_000)]
    assert {one.alert_id for one in store.histories(asked)} == {one.alert_id for one in alerts}


def test_S24_what_stands_is_whatever_is_not_resolved(store: ControlStore) -> None:
    """Of a group, of a device, of both, of all; in the order in which it began."""
    alerts = fleet(100)
    commit(store, *alerts)
    standing = sorted(
        (one for one in alerts if one.state != "Resolved"), key=lambda one: (one.started_at, one.alert_id)
    )
    assert store.standing() == standing
    assert store.standing(group="cameras") == [one for one in standing if one.group != "default"]
    assert store.standing(device_id="cam-1") == [one for one in standing if one.device_id == "cam-1"]
    both = store.standing(group="cameras", device_id="cam-1")
    assert both == [one for one in standing if one.group != "default" and one.device_id == "cam-1"]
    assert store.standing(device_id="nobody") == []


def test_one_alert_is_found_by_its_id(store: ControlStore) -> None:
    """And nothing by anything else that somebody types."""
    commit(store, alert())
    assert store.alert(alert().alert_id) == alert()
    for strange in ("", "x", "\0", "\ud800", alert().alert_id.upper(), "x" * 10_000):
        assert store.alert(strange) is None


def test_the_changes_of_an_alert_are_its_history(store: ControlStore) -> None:
    """In order; of an alert that never comes to rest the latest."""
    one, other = alert(), alert("cam-2")
    history = [opened(one, 1)] + [
        AlertChange(
            alert_id=one.alert_id,
            position=1,
            at=at("11:00") + timedelta(microseconds=n),
            actor="ann",
            action="start" if n % 2 else "activate",
            before="Active",
            after="InProgress",
            reason=None,
            comment=f"no. {n}",
        )
        for n in range(LATEST_CHANGES)
    ]
    commit(store, one, other, history=[*history[:3], opened(other, 1)])
    assert store.changes_of(one.alert_id) == history[:3]
    commit(store, history=history[3:])
    assert store.changes_of(one.alert_id) == history[1:]
    assert store.changes_of(other.alert_id) == [opened(other, 1)]
    assert store.changes_of("nobody") == []


def test_what_changed_after_a_position_comes_in_its_order(store: ControlStore) -> None:
    """So that a stream goes on where it was cut off, also in the middle of an entry that changed many."""
    for n in range(5):
        commit(store, *(alert(f"cam-{n}-{m}") for m in range(4)))
    commit(store, alert("cam-0-0", state="Resolved"))
    every = store.changed_after(0, 1000)
    assert len(every) == 20
    assert [position for _, position in every] == sorted(position for _, position in every)
    assert every[-1] == (alert("cam-0-0", state="Resolved"), 6)
    assert store.changed_after(4, 1000) == [one for one in every if one[1] > 4]
    assert store.changed_after(6, 1000) == []
    streamed: list[tuple[Alert, int]] = []
    place, last = 0, None
    while batch := store.changed_after(place, 3, after_id=last):
        streamed += batch
        place, last = batch[-1][1], batch[-1][0].alert_id
    assert streamed == every


def test_everything_is_one_moment_of_the_store(store: ControlStore) -> None:
    """While commits go on."""
    commit(store, *(alert(f"cam-{n}", count=1) for n in range(1500)))
    with store.everything() as (position, alerts):
        commit(store, *(alert(f"cam-{n}", count=2) for n in range(1500)), alert("cam-new"))
        found = list(alerts)
    assert position == 1
    assert {one.count for one in found} == {1}
    assert [one.alert_id for one in found] == sorted(alert(f"cam-{n}").alert_id for n in range(1500))
    with store.everything() as (position, alerts):
        assert position == 2
        assert next(alerts).count == 2  # and the rest is not asked for
    commit(store, alert())
