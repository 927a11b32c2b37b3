"""Users, tokens, and an audit that only grows."""

from alembic import op
from sqlalchemy import Column, LargeBinary, Text

revision = "0005"
down_revision = "0004"

text = Text().with_variant(Text(collation="C"), "postgresql")
REASON = "the audit only grows"


def upgrade() -> None:
    op.create_table(
        "users",
        Column("name_key", text, primary_key=True),
        Column("body", LargeBinary, nullable=False),
    )
    op.create_table(
        "access_tokens",
        Column("token_id", text, primary_key=True),
        Column("body", LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect_on_postgresql()
    else:
        _protect_on_sqlite()


def _protect_on_sqlite() -> None:
    for action in ("update", "delete"):
        op.execute(
            f"create trigger audit_without_{action} before {action} on audit"
            f" begin select raise(abort, '{REASON}'); end"
        )


def _protect_on_postgresql() -> None:
    op.execute(
        "create function audit_only_grows() returns trigger language plpgsql as"
        f" $$ begin raise exception '{REASON}'; end $$"
    )
    for action, each in (("update", "row"), ("delete", "row"), ("truncate", "statement")):
        op.execute(
            f"create trigger audit_without_{action} before {action} on audit"
            f" for each {each} execute function audit_only_grows()"
        )
