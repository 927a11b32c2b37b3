"""The security solutions of the Azure dialect."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
