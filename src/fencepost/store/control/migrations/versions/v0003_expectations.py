"""Layers, suppression rules, and which edits mended a list from an alert."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text
from sqlalchemy import text as sql

revision = "0003"
down_revision = "0002"

text = Text().with_variant(Text(collation="C"), "postgresql")
counter = BigInteger().with_variant(Integer, "sqlite")
mended, allowed = sql("alert_id is not null"), sql("action = 'allow'")


def upgrade() -> None:
    op.create_table(
        "layers",
        Column("device_key", text, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    op.create_table(
        "layer_versions",
        Column("seq", counter, primary_key=True),
        Column("device_key", text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("alert_id", text),
        Column("mend", text),
        sqlite_autoincrement=True,
    )
    op.create_index("layer_versions_by_device", "layer_versions", ["device_key", "seq"])
    op.create_table(
        "suppressions",
        Column("name_key", text, primary_key=True),
        Column("body", LargeBinary, nullable=False),
    )
    op.add_column("group_versions", Column("alert_id", text))
    op.add_column("group_versions", Column("mend", text))
    for table in ("group_versions", "layer_versions"):
        name = f"{table}_by_alert"
        op.create_index(name, table, ["alert_id"], sqlite_where=mended, postgresql_where=mended)
    op.create_index(
        "alert_changes_by_edit",
        "alert_changes",
        ["position"],
        sqlite_where=allowed,
        postgresql_where=allowed,
    )
