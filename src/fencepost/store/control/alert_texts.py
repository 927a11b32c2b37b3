"""Alerts by a part of their value or of their device's id: SQLite has an index of every three letters in a row."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    column,
    false,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
    update,
)

from fencepost.model.page import AlertFilter
from fencepost.store.control.alert_rows import group_key, group_label, rule_label
from fencepost.store.control.columns import escaped, key
from fencepost.store.control.tables import ALERT_TERMS, ALERT_TEXTS, TEXTS, alerts, meta

GRAM = 3
"""The letters of one entry of the index."""
MOST_GRAMS = 32
"""So many of a long text's entries are looked up, side by side: they leave little, and that is looked at."""
MOST_TERMS = 400
"""So many entries that begin with a short text are looked up; one with more is no rare one."""
MOST_GROUPS = 50
"""So many groups are looked for in the index."""

_LAST = "\U0010ffff"
_END = "\n\n"
"""Behind each text, so that its last letters begin an entry of the index, too."""
_indexed = select(meta.c.number).where(meta.c.name == TEXTS)


def contains(text: str, dialect: str) -> ColumnElement[bool]:
    """Return the condition for a text in the value or the device's id, without case as far as ASCII has one."""
    value, device_key = alerts.c.value, alerts.c.device_key
    if dialect == "sqlite":  # LIKE has no such case there
        in_device = device_key.contains(escaped(text), autoescape=True)
        return or_(value.contains(text, autoescape=True), in_device)
    in_device = device_key.icontains(escaped(text), autoescape=True)
    return or_(value.icontains(text, autoescape=True), in_device)


def matching(connection: Connection, wanted: AlertFilter) -> Select[Any] | None:
    """
    Return the numbers of all alerts with the text, group and rule that are wanted, and of some others, unsorted.

    None where there is no index that tells: on PostgreSQL, and for one or two letters that many texts have.
    """
    if connection.dialect.name != "sqlite" or not wanted.text:
        return None
    query = _query(connection, escaped(wanted.text))
    if query is None:
        return None
    if not query:
        return _or_unknown(select(ALERT_TEXTS.c.rowid).where(false()))
    parts = [query]
    if wanted.rule_type is not None:
        parts.append(_quoted(_gram(rule_label(key(wanted.rule_type)))))
    groups = _groups(wanted)
    if groups is not None and 0 < len(groups) <= MOST_GROUPS:
        parts.append(" OR ".join(_quoted(_gram(group_label(name))) for name in sorted(groups)))
    whole = " AND ".join(f"({part})" for part in parts)
    return _or_unknown(select(ALERT_TEXTS.c.rowid).where(column("alert_texts").op("match")(whole)))


def _query(connection: Connection, stored: str) -> str | None:
    """Return what the index is asked for a text, empty where it has nothing, None where it cannot tell."""
    if len(stored) >= GRAM:
        places = [0, *range(len(stored) - GRAM, 0, -GRAM)][:MOST_GRAMS]
        return " AND ".join(_quoted(stored[at : at + GRAM]) for at in places)
    if not stored.isascii():  # the index has them without a case that is not ours
        return None
    begins = stored.lower()
    terms = select(ALERT_TERMS.c.term).where(
        ALERT_TERMS.c.term >= begins, ALERT_TERMS.c.term < begins + _LAST
    )
    found = connection.scalars(terms.limit(MOST_TERMS + 1)).all()
    return " OR ".join(_quoted(term) for term in found) if len(found) <= MOST_TERMS else None


def _groups(wanted: AlertFilter) -> frozenset[str] | None:
    """Return the keys of the groups of which one is wanted, None for any."""
    one = None if wanted.group is None else frozenset({group_key(wanted.group)})
    some = None if wanted.groups is None else frozenset(group_key(name) for name in wanted.groups)
    if one is None or some is None:
        return some if one is None else one
    return one & some


def _gram(label: str) -> str:
    return label[:GRAM]


def make_texts_findable(connection: Connection) -> None:
    """Let the index have the texts of all alerts; those of an alert never change."""
    indexed = connection.scalar(_indexed) or 0
    newest = connection.scalar(select(func.max(alerts.c.number))) or 0
    if newest > indexed:
        whole = alerts.c.device_key + _END + func.coalesce(alerts.c.value, "") + _END + alerts.c.labels
        new = select(alerts.c.number, whole).where(alerts.c.number > indexed)
        connection.execute(insert(ALERT_TEXTS).from_select(["rowid", "text"], new))
        connection.execute(update(meta).where(meta.c.name == TEXTS).values(number=newest))


def _or_unknown(found: Select[Any]) -> Select[Any]:
    """Return also the numbers of the newest alerts, which the index does not have, and of those that moved."""
    newest = select(alerts.c.number).where(alerts.c.number > _indexed.scalar_subquery())
    moved = select(alerts.c.number).where(text("moved"))  # as their index says it
    return select(union_all(found, newest, moved).subquery().c.rowid)


def _quoted(term: str) -> str:
    doubled = term.replace('"', '""')
    return f'"{doubled}"'
