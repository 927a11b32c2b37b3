"""
The tables of the control store.

Columns named `..._key` are what a text is looked up by (`columns.key`); the text itself stands beside them
or in `body`. What is only ever read whole is a `Document`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    and_,
)

from fencepost.model.alert import Alert
from fencepost.model.identity import Identity, IdentityKey, Twin
from fencepost.model.rule import SecurityGroup
from fencepost.store.control.columns import MARK, AnyText, Document, Moment, PackedDocument, key, plain_text

metadata = MetaData()

counter = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives to every new row, larger than all before."""

meta = Table(
    "meta",
    metadata,
    Column("name", plain_text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
POSITION = "position"
"""The row of `meta` with the position of the last journal entry that has been committed."""

groups = Table(
    "groups",
    metadata,
    Column("name_key", plain_text, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", Document(SecurityGroup), nullable=False),
)

group_versions = Table(
    "group_versions",
    metadata,
    Column("seq", counter, primary_key=True),
    Column("name_key", plain_text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("body", Document(SecurityGroup), nullable=False),
    Index("group_versions_by_name", "name_key", "seq"),
    sqlite_autoincrement=True,
)

devices = Table(
    "devices",
    metadata,
    Column("device_key", plain_text, primary_key=True),
    Column("device_id", AnyText, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("registered_at", Moment, nullable=False),
    Column("first_seen_at", Moment),
    Column("last_seen_at", Moment),
    Column("source", plain_text),
    Column("messages", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("tag", AnyText),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", plain_text, primary_key=True),
    Column("identity", plain_text, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("device_key", plain_text, nullable=False),
    Column("group_key", plain_text, nullable=False),
    Column("rule_type", plain_text, nullable=False),
    Column("severity", plain_text, nullable=False),
    Column("state", plain_text, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("value", AnyText),
    Column(
        "body", Document(Alert), nullable=False
    ),  # last: it is long, and what stands before it is found fast
    Index("alerts_by_identity", "identity", "ordinal"),
    Index("alerts_by_position", "position", "alert_id"),
    Index("alerts_by_state", "state", "hidden", "started_at", "alert_id", "severity"),
    Index("alerts_by_device", "device_key", "state", "hidden", "started_at", "alert_id"),
    Index("alerts_by_group", "group_key", "state", "hidden", "started_at", "alert_id"),
)

alert_changes = Table(
    "alert_changes",
    metadata,
    Column("seq", counter, primary_key=True),
    Column("alert_id", plain_text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("action", plain_text, nullable=False),
    Column("before", plain_text),
    Column("after", plain_text, nullable=False),
    Column("reason", AnyText),
    Column("comment", AnyText),
    Index("alert_changes_by_alert", "alert_id", "seq"),
    sqlite_autoincrement=True,
)

tallies = Table(
    "tallies",
    metadata,
    Column("device_key", plain_text, primary_key=True),
    Column("kind", plain_text, primary_key=True),
    Column("subject_key", plain_text, primary_key=True),
    Column("device_id", AnyText, nullable=False),
    Column("subject", AnyText, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("detail", Document(dict[str, Any]), nullable=False),
    Index("tallies_by_kind", "kind", "device_key", "subject_key"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("device_key", plain_text, nullable=False),
    Column("device_id", AnyText, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("where", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("more", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", counter, primary_key=True),
    Column("alert_id", plain_text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", plain_text, nullable=False),
    Column("previous", plain_text),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("seq", counter, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("action", AnyText, nullable=False),
    Column("subject", AnyText, nullable=False),
    Column("before", Document(dict[str, Any])),
    Column("after", Document(dict[str, Any])),
    Column("effect", AnyText, nullable=False),
    sqlite_autoincrement=True,
)

identities = Table(
    "identities",
    metadata,
    Column("device_key", plain_text, primary_key=True),
    Column("module_key", plain_text, primary_key=True),
    Column("status", plain_text, nullable=False),
    Column("tag", AnyText),
    Column("identity", Document(Identity), nullable=False),
    Column("twin", PackedDocument(Twin)),
    Index("identities_by_kind", "module_key", "device_key", "status"),
)
"""Devices, which have an empty `module_key`, and modules. They hold keys, and are in no journal."""
DEVICE = ""
"""The `module_key` of a device itself: no module has an empty id."""
NOBODY = MARK
"""The `module_key` of who asks for a module with an empty id: alone, the mark is no text's key."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("device_key", plain_text, primary_key=True),
    Column("module_key", plain_text, primary_key=True),
    Column("filters", Document(dict[str, int]), nullable=False),
)
"""What a client with clean session 0 has left: its topic filters as it wrote them, and the QoS of each."""

cloud_messages = Table(
    "cloud_messages",
    metadata,
    Column("sequence", counter, primary_key=True),
    Column("device_key", plain_text, nullable=False),
    Column("device_id", AnyText, nullable=False),
    Column("enqueued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("delivery_count", BigInteger, nullable=False),
    Column("lock", plain_text),
    Column("locked_until", Moment),
    Column("system", Document(dict[str, str]), nullable=False),
    Column("properties", Document(dict[str, str]), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("cloud_messages_by_device", "device_key", "sequence"),
    sqlite_autoincrement=True,
)


def keys_of(wanted: IdentityKey) -> dict[str, str]:
    """Return the columns that the rows of an identity are found by."""
    module_key = DEVICE if wanted.module_id is None else key(wanted.module_id) or NOBODY
    return {"device_key": key(wanted.device_id), "module_key": module_key}


def is_of(table: Table, wanted: IdentityKey) -> ColumnElement[bool]:
    """Return the condition for the rows of an identity."""
    return and_(*(table.c[name] == value for name, value in keys_of(wanted).items()))
