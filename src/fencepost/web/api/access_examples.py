"""Examples of answers about people and tokens."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from fencepost.web.api.grants import GrantBody
from fencepost.web.api.session import Me, Session
from fencepost.web.api.tokens import NewTokenView, Tokens, TokenView
from fencepost.web.api.users import Users, UserView

_AT = datetime(2026, 11, 24, 9, 41, 12, tzinfo=UTC)
_END = datetime(2036, 1, 1, tzinfo=UTC)
_GRANTS = [GrantBody("viewer"), GrantBody("analyst", "floor-2")]
_USER = UserView(
    name="anna",
    grants=_GRANTS,
    disabled=False,
    has_password=True,
    subject=None,
    created_at=_AT,
    created_by="token/administrator",
    last_sign_in_at=_AT,
    version=1,
)
_TOKEN: dict[str, Any] = {
    "token_id": "k3v9q2m7t4",
    "name": "nightly-report",
    "grants": [GrantBody("viewer")],
    "user": None,
    "state": "active",
    "created_at": _AT,
    "created_by": "user/anna",
    "expires_at": _END,
    "used_at": None,
    "revoked_at": None,
    "version": 1,
}

VALUES: tuple[Struct, ...] = (
    Me(actor="user/anna", user="anna", token_id=None, grants=_GRANTS, machine=None, expires_at=_END),
    Session("the text of a token, which is in this answer and nowhere else", "user/anna", _END),
    _USER,
    Users([_USER]),
    TokenView(**_TOKEN),
    Tokens([TokenView(**_TOKEN)]),
    NewTokenView(token="the text of the token, which is never shown again", **_TOKEN),  # noqa: S106
)
