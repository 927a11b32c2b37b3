"""The identity registry, cloud-to-device messages, and subscriptions."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text

revision = "0002"
down_revision = "0001"

text = Text().with_variant(Text(collation="C"), "postgresql")
counter = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "identities",
        Column("device_key", text, primary_key=True),
        Column("module_key", text, primary_key=True),
        Column("status", text, nullable=False),
        Column("tag", text),
        Column("identity", LargeBinary, nullable=False),
        Column("twin", LargeBinary),
    )
    op.create_index("identities_by_kind", "identities", ["module_key", "device_key", "status"])
    op.create_table(
        "subscriptions",
        Column("device_key", text, primary_key=True),
        Column("module_key", text, primary_key=True),
        Column("filters", LargeBinary, nullable=False),
    )
    op.create_table(
        "cloud_messages",
        Column("sequence", counter, primary_key=True),
        Column("device_key", text, nullable=False),
        Column("device_id", text, nullable=False),
        Column("enqueued_at", BigInteger, nullable=False),
        Column("expires_at", BigInteger, nullable=False),
        Column("delivery_count", BigInteger, nullable=False),
        Column("lock", text),
        Column("locked_until", BigInteger),
        Column("system", LargeBinary, nullable=False),
        Column("properties", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("cloud_messages_by_device", "cloud_messages", ["device_key", "sequence"])
