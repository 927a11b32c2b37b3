"""What is put into a column comes out of it, on both databases; what is looked up is found."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select
from sqlalchemy.exc import StatementError
from tests.store.control.material import HOSTILE, alert

from fencepost.model.alert import Alert
from fencepost.store.control import ControlStore
from fencepost.store.control.columns import (
    LONGEST_KEY,
    MARK,
    AnyText,
    Document,
    Moment,
    PackedDocument,
    decoder,
    encoded,
    escaped,
    key,
    plain_text,
    unescaped,
)
from fencepost.testing import at

ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from(f"\0{MARK}#0f"))

example = Table(
    "example",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("text", AnyText, index=True),
    Column("text_key", plain_text, index=True),
    Column("moment", Moment),
    Column("document", Document(dict[str, Any])),
    Column("packed", PackedDocument(dict[str, Any])),
)


@given(ANY_TEXT)
def test_every_text_is_escaped_to_one_that_databases_take_and_back(text: str) -> None:
    """No U+0000, no surrogate; and what was none of it stays as it is."""
    stored = escaped(text)
    assert unescaped(stored) == text
    assert "\0" not in stored
    stored.encode()
    if text.isprintable() and MARK not in text:
        assert stored == text


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_have_different_short_keys(one: str, other: str) -> None:
    """Also beyond the length that a key has."""
    for long in ("", "x" * LONGEST_KEY, "\U0001f600" * LONGEST_KEY):
        keys = key(long + one), key(long + other)
        assert (keys[0] == keys[1]) is (one == other)
        assert all(len(found.encode()) <= LONGEST_KEY for found in keys)


def test_a_key_of_usual_length_is_the_text_itself() -> None:
    """People read tables, too."""
    assert key("cam-1") == "cam-1"
    assert key("x" * LONGEST_KEY) == "x" * LONGEST_KEY
    assert key("x" * (LONGEST_KEY + 1)) != "x" * (LONGEST_KEY + 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | ANY_TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    )
)
def test_every_document_is_encoded_and_back(value: Any) -> None:
    """Integers beyond 64 bits and lone surrogates included, in keys, too."""
    assert decoder(Any)(encoded(value)) == value


def test_a_usual_document_is_json() -> None:
    """What backups and people find in the files."""
    one = alert()
    assert json.loads(encoded(one))["device_id"] == "cam-1"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_an_alert_full_of_hostile_text_is_the_same_again(text: str) -> None:
    """Durations, times and tuples as well as texts."""
    one = alert(text, text, events=3, window=timedelta(minutes=5, microseconds=1), flags=("late", "merged"))
    assert decoder(Alert)(encoded(one)) == one


def test_both_databases_keep_what_columns_promise(store: ControlStore) -> None:
    """Through the connections that the store itself uses."""
    moments = [at("10:00") + timedelta(microseconds=1), datetime.max.replace(tzinfo=at("10:00").tzinfo)]
    rows = [
        {
            "number": number,
            "text": text[:600],  # an index is on it
            "text_key": key(text),
            "moment": moments[number % 2],
            "document": {text: [number, text]},
            "packed": {text: [number, text]},
        }
        for number, text in enumerate(HOSTILE)
    ]
    rows.append({"number": len(rows), **dict.fromkeys(["text", "text_key", "moment", "document", "packed"])})
    assert store._engines.writer is not None
    with store._engines.writer.begin() as connection:
        example.create(connection)
        connection.execute(insert(example), rows)
    with store._reading() as connection:
        assert [
            dict(row) for row in connection.execute(select(example).order_by("number")).mappings()
        ] == rows
        for row in rows[:-1]:
            by_text = select(example.c.number).where(example.c.text == row["text"])
            by_key = select(example.c.number).where(example.c.text_key == row["text_key"])
            assert row["number"] in connection.scalars(by_text).all()
            assert connection.scalars(by_key).all() == [row["number"]]


def test_what_says_the_same_again_and_again_is_packed(store: ControlStore) -> None:
    """A twin of 32 KB has ten times as much to say of when each member was changed."""
    said = {f"n{number}": {"$lastUpdated": "2026-03-02T10:00:00.000000Z"} for number in range(1000)}
    assert store._engines.writer is not None
    with store._engines.writer.begin() as connection:
        example.create(connection)
        connection.execute(insert(example), {"number": 1, "document": said, "packed": said})
    with store._reading() as connection:
        plain, packed = connection.execute(
            select(func.length(example.c.document), func.length(example.c.packed))
        ).one()
    assert packed < plain / 8


def test_a_naive_datetime_is_refused(store: ControlStore) -> None:
    """A time of nobody's zone is a fault of ours, and loud."""
    query = select(example.c.number).where(example.c.moment == datetime(2026, 3, 2))
    with store._reading() as connection, pytest.raises(StatementError, match="naive"):
        connection.execute(query)
