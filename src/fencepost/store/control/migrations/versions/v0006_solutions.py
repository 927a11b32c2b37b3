"""The security solutions of the Azure dialect, and how it spelled groups."""

from alembic import op
from sqlalchemy import Column, LargeBinary, Text

revision = "0006"
down_revision = "0005"

text = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("solutions", "group_spellings"):
        op.create_table(
            name,
            Column("name_key", text, primary_key=True),
            Column("body", LargeBinary, nullable=False),
        )
