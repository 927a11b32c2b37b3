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
    column,
    table,
    text,
)

from fencepost.model.access import AccessToken, User
from fencepost.model.alert import Alert
from fencepost.model.identity import Identity, IdentityKey, Twin
from fencepost.model.kept_answer import KeptAnswer
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup
from fencepost.model.solution import GroupSpelling, SecuritySolution
from fencepost.model.suppression import SuppressionRule
from fencepost.store.control.columns import MARK, AnyText, Document, Moment, PackedDocument, key, plain_text

metadata = MetaData()


def _where(condition: str) -> dict[str, Any]:
    """Return the options of an index that holds the rows of a condition only."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


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
TEXTS = "texts"
"""The row of `meta` with the number of the last alert whose texts can be searched; SQLite only."""

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
    Column("alert_id", plain_text),
    Column("mend", plain_text),
    Index("group_versions_by_name", "name_key", "seq"),
    Index("group_versions_by_alert", "alert_id", **_where("alert_id is not null")),
    sqlite_autoincrement=True,
)
"""Every edit; `alert_id` and `mend` are of those that mended a list from an alert."""

layers = Table(
    "layers",
    metadata,
    Column("device_key", plain_text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("body", Document(Layer), nullable=False),
)
"""What is expected beyond the groups; the fleet's has an empty `device_key`. One without rules counts versions only."""

layer_versions = Table(
    "layer_versions",
    metadata,
    Column("seq", counter, primary_key=True),
    Column("device_key", plain_text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("body", Document(Layer), nullable=False),
    Column("alert_id", plain_text),
    Column("mend", plain_text),
    Index("layer_versions_by_device", "device_key", "seq"),
    Index("layer_versions_by_alert", "alert_id", **_where("alert_id is not null")),
    sqlite_autoincrement=True,
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("name_key", plain_text, primary_key=True),
    Column("body", Document(SuppressionRule), nullable=False),
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
    Column("number", counter, primary_key=True),
    Column("alert_id", plain_text, nullable=False),
    Column("identity", plain_text, nullable=False),
    Column("ordinal", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("facet", BigInteger, nullable=False),
    Column("device_key", plain_text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("assigned_key", plain_text),
    Column("labels", plain_text, nullable=False),
    Column("moved", Boolean, nullable=False),
    Column("value", AnyText),
    Index("alerts_by_id", "alert_id", unique=True),
    Index("alerts_by_identity", "identity", "ordinal"),
    Index("alerts_by_position", "position", "alert_id"),
    Index("alerts_by_facet", "facet", "started_at", "alert_id", "last_seen_at"),
    Index("alerts_by_start", "started_at", "alert_id", "facet", "last_seen_at"),
    Index("alerts_by_last_sight", "last_seen_at", "alert_id", "facet", "started_at"),
    Index("alerts_by_device", "device_key", "facet", "started_at", "alert_id", "last_seen_at", "count"),
    Index("alerts_by_assignee", "assigned_key", **_where("assigned_key is not null")),
    Index("alerts_moved", "moved", **_where("moved")),
)
"""
What alerts are found and counted by, and no more: a search that reads many of these rows reads few pages.

`labels` stand for the group and the rule that an alert began with, `moved` are those whose group is another now.
"""

alert_facets = Table(
    "alert_facets",
    metadata,
    Column("facet", counter, primary_key=True, autoincrement=False),
    Column("group_key", plain_text, nullable=False),
    Column("rule_type", plain_text, nullable=False),
    Column("severity", plain_text, nullable=False),
    Column("state", plain_text, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("assigned", Boolean, nullable=False),
)
"""Everything that alerts have of few kinds, together: a few thousand combinations say it of all alerts."""

alert_bodies = Table(
    "alert_bodies",
    metadata,
    Column("number", counter, primary_key=True, autoincrement=False),
    Column("body", Document(Alert), nullable=False),
)
"""All of each alert, by its number in `alerts`."""

ALERT_TEXTS = table("alert_texts", column("rowid"), column("text"))
"""SQLite only: the trigrams of each alert's device and value, which never change, by its number (FTS5)."""
ALERT_TERMS = table("alert_terms", column("term"))
"""SQLite only: every trigram there is."""

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
    Index("alert_changes_by_edit", "position", **_where("action = 'allow'")),
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

users = Table(
    "users",
    metadata,
    Column("name_key", plain_text, primary_key=True),
    Column("body", Document(User), nullable=False),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_id", plain_text, primary_key=True),
    Column("body", Document(AccessToken), nullable=False),
)
"""Digests of tokens, and whom they stand for; like users they are in no journal."""

solutions = Table(
    "solutions",
    metadata,
    Column("name_key", plain_text, primary_key=True),
    Column("body", Document(SecuritySolution), nullable=False),
)

group_spellings = Table(
    "group_spellings",
    metadata,
    Column("name_key", plain_text, primary_key=True),
    Column("body", Document(GroupSpelling), nullable=False),
)
"""What the Azure dialect has said of groups and they do not; like solutions it is in no journal."""

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("actor_key", plain_text, primary_key=True),
    Column("wanted", plain_text, primary_key=True),
    Column("begun_at", Moment, nullable=False),
    Column("answer", PackedDocument(KeptAnswer), nullable=False),
    Index("kept_answers_by_age", "begun_at"),
)
"""What was answered to requests that came with a key (`wanted`), for who asks again within a day."""


def keys_of(wanted: IdentityKey) -> dict[str, str]:
    """Return the columns that the rows of an identity are found by."""
    module_key = DEVICE if wanted.module_id is None else key(wanted.module_id) or NOBODY
    return {"device_key": key(wanted.device_id), "module_key": module_key}


def is_of(rows: Table, wanted: IdentityKey) -> ColumnElement[bool]:
    """Return the condition for the rows of an identity."""
    return and_(*(rows.c[name] == value for name, value in keys_of(wanted).items()))
