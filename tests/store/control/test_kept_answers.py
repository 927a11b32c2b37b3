"""Answers that are kept for who asks again, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.store.control.material import HOSTILE

from fencepost.model.kept_answer import KeptAnswer
from fencepost.store.control import ControlStore, kept_answers

AT = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def begin(store: ControlStore, key: str, *, actor: str = "user/anna", at: datetime = AT) -> KeptAnswer | None:
    return store.begin_answer(actor, key, b"print", at)


def test_an_answer_is_there_for_who_asks_again(store: ControlStore) -> None:
    assert begin(store, "k") is None
    begun = begin(store, "k", at=AT + HOUR)
    assert begun == KeptAnswer(fingerprint=b"print", begun_at=AT), "nobody has answered yet"
    store.keep_answer("user/anna", "k", 201, {"etag": '"3"'}, b'{"\xc3\xa9": 1}')
    known = begin(store, "k", at=AT + HOUR)
    assert known is not None
    assert (known.status, known.headers, known.body) == (201, {"etag": '"3"'}, b'{"\xc3\xa9": 1}')
    assert known.begun_at == AT


def test_a_key_is_its_senders_own_whatever_they_are_called(store: ControlStore) -> None:
    actors = ["user/anna", "user/Anna", *(f"user/{text}" for text in HOSTILE)]
    assert [begin(store, "k", actor=actor) for actor in actors] == [None] * len(actors)
    store.keep_answer("user/anna", "k", 200, {}, b"hers")
    assert [(one.body if (one := begin(store, "k", actor=actor)) else "") for actor in actors] == [
        b"hers",
        *[None] * (len(actors) - 1),
    ]


def test_a_key_that_was_forgotten_may_come_again(store: ControlStore) -> None:
    begin(store, "k")
    store.forget_answer("user/anna", "k")
    assert begin(store, "k") is None
    store.keep_answer("user/anna", "never-begun", 200, {}, b"")
    assert begin(store, "never-begun") is None


def test_answers_are_kept_for_a_day(store: ControlStore) -> None:
    begin(store, "k")
    store.keep_answer("user/anna", "k", 200, {}, b"done")
    assert begin(store, "k", at=AT + 24 * HOUR - timedelta(microseconds=1)) is not None
    assert begin(store, "k", at=AT + 24 * HOUR) is None


def test_of_too_many_the_oldest_go_first(store: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "MOST_KEPT", 3)
    for number in range(5):
        begin(store, f"k-{number}", at=AT + number * HOUR)
        store.keep_answer("user/anna", f"k-{number}", 200, {}, b"")
    later = AT + 5 * HOUR
    assert [begin(store, f"k-{number}", at=later) is not None for number in (2, 3, 4)] == [True, True, True]
    assert begin(store, "k-0", at=later) is None
