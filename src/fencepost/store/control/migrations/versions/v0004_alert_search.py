"""What alerts are found and counted by: narrow rows with their bodies beside them, facets, trigrams."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    column,
    false,
    insert,
    literal,
    select,
    table,
    text,
    update,
)

revision = "0004"
down_revision = "0003"

string = Text().with_variant(Text(collation="C"), "postgresql")
counter = BigInteger().with_variant(Integer, "sqlite")

_FORMER = "former_alerts"
_FACET = ("group_key", "rule_type", "severity", "state", "hidden")
_KEPT = (
    "alert_id",
    "identity",
    "ordinal",
    "position",
    "device_key",
    "started_at",
    "last_seen_at",
    "value",
)
_NEW = ("facet", "count", "labels", "moved")
_BATCH = 1000
_GROUP_LABELS, _RULE_LABELS = 0xE000, 0xE100

_former = table(_FORMER, *(column(name) for name in (*_KEPT, *_FACET, "received_at", "body")))
_alerts = table("alerts", *(column(name) for name in ("number", *_KEPT, *_NEW)))
_facets = table("alert_facets", *(column(name) for name in ("facet", *_FACET, "assigned")))
_bodies = table("alert_bodies", column("number"), column("body"))


class _Counted(msgspec.Struct):
    count: int


def upgrade() -> None:
    for name in ("identity", "position", "state", "device", "group"):
        op.drop_index(f"alerts_by_{name}", "alerts")
    op.rename_table("alerts", _FORMER)
    _tables()
    _move()
    op.drop_table(_FORMER)
    _indices()
    if op.get_bind().dialect.name == "sqlite":
        _texts()


def _tables() -> None:
    op.create_table(
        "alerts",
        Column("number", counter, primary_key=True),
        Column("alert_id", string, nullable=False),
        Column("identity", string, nullable=False),
        Column("ordinal", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("facet", BigInteger, nullable=False),
        Column("device_key", string, nullable=False),
        Column("started_at", BigInteger, nullable=False),
        Column("last_seen_at", BigInteger, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("assigned_key", string),
        Column("labels", string, nullable=False),
        Column("moved", Boolean, nullable=False),
        Column("value", string),
    )
    op.create_table(
        "alert_facets",
        Column("facet", counter, primary_key=True, autoincrement=False),
        Column("group_key", string, nullable=False),
        Column("rule_type", string, nullable=False),
        Column("severity", string, nullable=False),
        Column("state", string, nullable=False),
        Column("hidden", Boolean, nullable=False),
        Column("assigned", Boolean, nullable=False),
    )
    op.create_table(
        "alert_bodies",
        Column("number", counter, primary_key=True, autoincrement=False),
        Column("body", LargeBinary, nullable=False),
    )


def _move() -> None:
    """Nobody had been assigned an alert before."""
    connection = op.get_bind()
    known = connection.execute(select(*(_former.c[name] for name in _FACET)).distinct()).all()
    if not known:
        return
    connection.execute(insert(_facets), [_facet(tuple(row)) for row in known])
    same = [_former.c[name] == _facets.c[name] for name in _FACET]
    whole = (
        select(*(_former.c[name] for name in _KEPT), _facets.c.facet, literal(0), literal(""), false())
        .select_from(_former.join(_facets, same[0] & same[1] & same[2] & same[3] & same[4]))
        .order_by(_former.c.position, _former.c.alert_id)
    )
    connection.execute(insert(_alerts).from_select([*_KEPT, *_NEW], whole))
    joined = _alerts.join(_former, _former.c.alert_id == _alerts.c.alert_id)
    bodies = select(_alerts.c.number, _former.c.body).select_from(joined)
    connection.execute(insert(_bodies).from_select(["number", "body"], bodies))
    completing = (
        update(_alerts)
        .where(_alerts.c.number == bindparam("wanted"))
        .values(count=bindparam("counted"), labels=bindparam("labelled"))
    )
    for batch in _batches():
        values = [
            {
                "wanted": row.number,
                "counted": _count(bytes(row.body)),
                "labelled": _label(row.group_key, _GROUP_LABELS) + _label(row.rule_type, _RULE_LABELS),
            }
            for row in batch
        ]
        connection.execute(completing, values)


def _count(body: bytes) -> int:
    try:
        return msgspec.json.decode(body, type=_Counted).count
    except UnicodeDecodeError:  # a lone surrogate of a hostile device
        return msgspec.json.decode(body.decode("utf-8", "replace"), type=_Counted).count


def _label(name: str, first: int) -> str:
    digest = blake2b(name.encode(), digest_size=3).digest()
    return "".join(chr(first + byte) for byte in digest) + "\n\n"


def _facet(row: tuple[Any, ...]) -> dict[str, Any]:
    group_key, rule_type, severity, state, hidden = row
    said = (group_key, rule_type, severity, state, bool(hidden), False)
    digest = blake2b(msgspec.json.encode(said), digest_size=6).digest()
    names = ("facet", *_FACET, "assigned")
    return dict(zip(names, (int.from_bytes(digest, "big"), *said), strict=True))


def _batches() -> Iterator[Sequence[Any]]:
    """Yield all bodies, some at a time: they may be more than memory holds."""
    rows = (
        select(_bodies.c.number, _bodies.c.body, _facets.c.group_key, _facets.c.rule_type)
        .join_from(_bodies, _alerts, _alerts.c.number == _bodies.c.number)
        .join(_facets, _facets.c.facet == _alerts.c.facet)
        .order_by(_bodies.c.number)
        .limit(_BATCH)
    )
    last = 0
    while batch := op.get_bind().execute(rows.where(_bodies.c.number > last)).all():
        yield batch
        last = batch[-1].number


def _indices() -> None:
    op.create_index("alerts_by_id", "alerts", ["alert_id"], unique=True)
    op.create_index("alerts_by_identity", "alerts", ["identity", "ordinal"])
    op.create_index("alerts_by_position", "alerts", ["position", "alert_id"])
    times = ["started_at", "alert_id", "last_seen_at"]
    op.create_index("alerts_by_facet", "alerts", ["facet", *times])
    op.create_index("alerts_by_start", "alerts", ["started_at", "alert_id", "facet", "last_seen_at"])
    op.create_index("alerts_by_last_sight", "alerts", ["last_seen_at", "alert_id", "facet", "started_at"])
    op.create_index("alerts_by_device", "alerts", ["device_key", "facet", *times, "count"])
    assigned = text("assigned_key is not null")
    op.create_index(
        "alerts_by_assignee",
        "alerts",
        ["assigned_key"],
        sqlite_where=assigned,
        postgresql_where=assigned,
    )
    moved = text("moved")
    op.create_index("alerts_moved", "alerts", ["moved"], sqlite_where=moved, postgresql_where=moved)


def _texts() -> None:
    op.execute(
        "create virtual table alert_texts using fts5"
        "(text, content='', columnsize=0, detail=none, tokenize='trigram')"
    )
    op.execute("create virtual table alert_terms using fts5vocab(alert_texts, row)")
    op.execute(
        "insert into alert_texts (rowid, text)"
        " select number, device_key || char(10, 10) || coalesce(value, '') || char(10, 10) || labels from alerts"
    )
    op.execute("insert into meta (name, number) select 'texts', coalesce(max(number), 0) from alerts")
