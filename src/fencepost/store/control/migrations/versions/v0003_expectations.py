"""Layers, suppression rules, and what people do about alerts."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
