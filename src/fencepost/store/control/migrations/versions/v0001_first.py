"""The tables of the first release."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text, column, insert, table

revision = "0001"
down_revision = None

text = Text().with_variant(Text(collation="C"), "postgresql")
counter = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _settings()
    _fleet()
    _alerts()
    _records()


def _settings() -> None:
    op.create_table(
        "meta",
        Column("name", text, primary_key=True),
        Column("number", BigInteger, nullable=False),
    )
    meta = table("meta", column("name"), column("number"))
    op.execute(insert(meta).values(name="position", number=0))
    op.create_table(
        "groups",
        Column("name_key", text, primary_key=True),
        Column("name", text, nullable=False),
        Column("ordinal", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    op.create_table(
        "group_versions",
        Column("seq", counter, primary_key=True),
        Column("name_key", text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("group_versions_by_name", "group_versions", ["name_key", "seq"])


def _fleet() -> None:
    op.create_table(
        "devices",
        Column("device_key", text, primary_key=True),
        Column("device_id", text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("registered_at", BigInteger, nullable=False),
        Column("first_seen_at", BigInteger),
        Column("last_seen_at", BigInteger),
        Column("source", text),
        Column("messages", BigInteger, nullable=False),
        Column("events", BigInteger, nullable=False),
        Column("rejected", BigInteger, nullable=False),
        Column("tag", text),
    )
    op.create_table(
        "tallies",
        Column("device_key", text, primary_key=True),
        Column("kind", text, primary_key=True),
        Column("subject_key", text, primary_key=True),
        Column("device_id", text, nullable=False),
        Column("subject", text, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("first_at", BigInteger, nullable=False),
        Column("last_at", BigInteger, nullable=False),
        Column("detail", LargeBinary, nullable=False),
    )
    op.create_index("tallies_by_kind", "tallies", ["kind", "device_key", "subject_key"])
    op.create_table(
        "quarantine",
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("device_key", text, nullable=False),
        Column("device_id", text, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("where", text, nullable=False),
        Column("reason", text, nullable=False),
        Column("whole", Boolean, nullable=False),
        Column("more", BigInteger, nullable=False),
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        Column("alert_id", text, primary_key=True),
        Column("identity", text, nullable=False),
        Column("ordinal", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("device_key", text, nullable=False),
        Column("group_key", text, nullable=False),
        Column("rule_type", text, nullable=False),
        Column("severity", text, nullable=False),
        Column("state", text, nullable=False),
        Column("hidden", Boolean, nullable=False),
        Column("started_at", BigInteger, nullable=False),
        Column("last_seen_at", BigInteger, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("value", text),
        Column("body", LargeBinary, nullable=False),
    )
    pages = ["hidden", "started_at", "alert_id"]
    op.create_index("alerts_by_identity", "alerts", ["identity", "ordinal"])
    op.create_index("alerts_by_position", "alerts", ["position", "alert_id"])
    op.create_index("alerts_by_state", "alerts", ["state", *pages, "severity"])
    op.create_index("alerts_by_device", "alerts", ["device_key", "state", *pages])
    op.create_index("alerts_by_group", "alerts", ["group_key", "state", *pages])


def _records() -> None:
    op.create_table(
        "alert_changes",
        Column("seq", counter, primary_key=True),
        Column("alert_id", text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("actor", text, nullable=False),
        Column("action", text, nullable=False),
        Column("before", text),
        Column("after", text, nullable=False),
        Column("reason", text),
        Column("comment", text),
        sqlite_autoincrement=True,
    )
    op.create_index("alert_changes_by_alert", "alert_changes", ["alert_id", "seq"])
    op.create_table(
        "outbox",
        Column("seq", counter, primary_key=True),
        Column("alert_id", text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("state", text, nullable=False),
        Column("previous", text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "audit",
        Column("seq", counter, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("actor", text, nullable=False),
        Column("action", text, nullable=False),
        Column("subject", text, nullable=False),
        Column("before", LargeBinary),
        Column("after", LargeBinary),
        Column("effect", text, nullable=False),
        sqlite_autoincrement=True,
    )
