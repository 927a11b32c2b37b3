"""Answers that are kept for who asks again."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, Text

revision = "0007"
down_revision = "0006"

text = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "kept_answers",
        Column("actor_key", text, primary_key=True),
        Column("wanted", text, primary_key=True),
        Column("begun_at", BigInteger, nullable=False),
        Column("answer", LargeBinary, nullable=False),
    )
    op.create_index("kept_answers_by_age", "kept_answers", ["begun_at"])
