"""Answers to requests that came with a key: kept for a day, and so many."""

from datetime import datetime, timedelta

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from fencepost.model.kept_answer import KeptAnswer
from fencepost.store.control.changing import Changing
from fencepost.store.control.columns import key
from fencepost.store.control.tables import kept_answers

KEPT = timedelta(hours=24)
MOST_KEPT = 10_000

_table = kept_answers.c


class KeptAnswerRows(Changing):
    """One row for each key that somebody sent; whose it is, `actor` says."""

    def begin_answer(self, actor: str, wanted: str, fingerprint: bytes, at: datetime) -> KeptAnswer | None:
        """
        Set a place aside for the answer to a request, durably, and return None.

        Where the key was sent before, return what is known of that instead. Keys older than a day are
        forgotten, and the oldest where there are too many.
        """
        with self._writing() as connection:
            connection.execute(delete(kept_answers).where(_table.begun_at <= at - KEPT))
            known = connection.scalar(select(_table.answer).where(*_is(actor, wanted)))
            if known is not None:
                kept: KeptAnswer = known
                return kept
            _make_room(connection)
            begun = KeptAnswer(fingerprint=fingerprint, begun_at=at)
            row = {"actor_key": key(actor), "wanted": wanted, "begun_at": at, "answer": begun}
            connection.execute(insert(kept_answers), row)
            return None

    def keep_answer(
        self, actor: str, wanted: str, status: int, headers: dict[str, str], body: bytes | None
    ) -> None:
        """Keep the answer to a request for which a place was set aside."""
        with self._writing() as connection:
            begun = connection.scalar(select(_table.answer).where(*_is(actor, wanted)))
            if begun is not None:
                answer = structs.replace(begun, status=status, headers=headers, body=body)
                connection.execute(update(kept_answers).where(*_is(actor, wanted)).values(answer=answer))

    def forget_answer(self, actor: str, wanted: str) -> None:
        """Forget a key: nothing was done, and its request may come again."""
        with self._writing() as connection:
            connection.execute(delete(kept_answers).where(*_is(actor, wanted)))


def _is(actor: str, wanted: str) -> tuple[ColumnElement[bool], ...]:
    return _table.actor_key == key(actor), _table.wanted == wanted


def _make_room(connection: Connection) -> None:
    number = connection.scalar(select(func.count()).select_from(kept_answers)) or 0
    if number >= MOST_KEPT:
        oldest = select(_table.begun_at).order_by(_table.begun_at).offset(number - MOST_KEPT).limit(1)
        connection.execute(delete(kept_answers).where(_table.begun_at <= oldest.scalar_subquery()))
