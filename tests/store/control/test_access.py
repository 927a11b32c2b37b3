"""Users and tokens as they are kept, and an audit that only grows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fencepost.model.access import AccessChange, AccessToken, Grant, User
from fencepost.model.record import AuditRecord
from fencepost.store.control import ControlStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA = User(
    name="Anna Müller",
    grants=(Grant("analyst", "floor-2"), Grant("viewer")),
    password="$argon2id$v=19$...",
    created_at=NOON,
    created_by="token/administrator",
)
TOKEN = AccessToken(
    token_id="0123456789abcdef",
    kind="api",
    name="nightly",
    digest=bytes(range(32)),
    grants=(Grant("viewer", "floor-2"),),
    user="Anna Müller",
    created_at=NOON,
    created_by="user/Anna Müller",
    expires_at=NOON + timedelta(days=90),
)


def record(subject: str, **members: Any) -> AuditRecord:
    return AuditRecord(
        position=0,
        at=NOON,
        actor="user/root",
        action="create",
        subject=subject,
        before=None,
        after=members,
        effect="",
    )


def test_what_is_put_is_there_after_a_restart_to_the_last_member(url: str) -> None:
    with ControlStore.open(url) as store:
        store.change_access(AccessChange(users_put=[ANNA], tokens_put=[TOKEN]))
    with ControlStore.open(url) as store:
        assert store.users() == [ANNA]
        assert store.access_tokens() == [TOKEN]


def test_a_name_is_one_row_whatever_its_case_and_putting_again_replaces_it(store: ControlStore) -> None:
    again = structs.replace(ANNA, name="ANNA MÜLLER", grants=(), version=2)
    store.change_access(AccessChange(users_put=[ANNA]))
    store.change_access(AccessChange(users_put=[again]))
    assert store.users() == [again]


def test_what_is_deleted_goes_before_what_is_put(store: ControlStore) -> None:
    store.change_access(AccessChange(users_put=[ANNA], tokens_put=[TOKEN]))
    other = structs.replace(TOKEN, token_id="fedcba9876543210")
    change = AccessChange(
        users_deleted=["anna müller", "nobody"],
        users_put=[structs.replace(ANNA, version=7)],
        tokens_deleted=[TOKEN.token_id],
        tokens_put=[other],
    )
    store.change_access(change)
    assert [user.version for user in store.users()] == [7]
    assert store.access_tokens() == [other]


def test_a_thousand_tokens_go_at_once(store: ControlStore) -> None:
    many = [structs.replace(TOKEN, token_id=f"{number:016x}") for number in range(1000)]
    store.change_access(AccessChange(tokens_put=many))
    store.change_access(AccessChange(tokens_deleted=[token.token_id for token in many]))
    assert store.access_tokens() == []


def test_a_change_and_its_record_are_there_together_or_not_at_all(store: ControlStore) -> None:
    store.change_access(AccessChange(users_put=[ANNA], audit=[record("user/anna", grants=[])]))
    assert [one.subject for one in store.audit(limit=10).items] == ["user/anna"]
    broken = structs.replace(record("user/bert"), at=NOON.replace(tzinfo=None))
    with pytest.raises(Exception, match="offset-naive"):
        store.change_access(AccessChange(users_put=[structs.replace(ANNA, name="bert")], audit=[broken]))
    assert store.users() == [ANNA]
    assert len(store.audit(limit=10).items) == 1


@pytest.mark.parametrize(
    "statement", ["update audit set actor = 'nobody'", "delete from audit", "delete from audit where seq = 1"]
)
def test_the_audit_only_grows(store: ControlStore, statement: str) -> None:
    store.change_access(AccessChange(audit=[record("user/anna"), record("user/bert")]))
    before = store.audit(limit=10).items
    with pytest.raises(DBAPIError, match="the audit only grows"), store._writing() as connection:
        connection.execute(text(statement))
    assert store.audit(limit=10).items == before
    store.change_access(AccessChange(audit=[record("user/carl")]))
    assert len(store.audit(limit=10).items) == 3


def test_postgresql_does_not_empty_the_audit_either(
    postgresql_url: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("postgresql").empty(postgresql_url)
    with ControlStore.open(postgresql_url) as store:
        store.change_access(AccessChange(audit=[record("user/anna")]))
        with pytest.raises(DBAPIError, match="the audit only grows"), store._writing() as connection:
            connection.execute(text("truncate audit"))


def test_a_store_that_is_made_again_takes_users_and_tokens_over(url: str, tmp_path: Any) -> None:
    with ControlStore.open(url) as live, ControlStore.open(f"sqlite:///{tmp_path / 'made.db'}") as made:
        live.change_access(AccessChange(users_put=[ANNA], tokens_put=[TOKEN]))
        made.adopt_registry(live)
        assert (made.users(), made.access_tokens()) == ([ANNA], [TOKEN])
