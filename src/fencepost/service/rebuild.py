"""Everything once more from the journal, into a new store: the proof that live and replay agree (S30)."""

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile

from msgspec import Struct

from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.service.patience import Impatience
from fencepost.service.ports import AlertStore
from fencepost.service.processor import Processor
from fencepost.service.recovery import batches_of


class Difference(Struct, frozen=True, kw_only=True):
    """
    An alert in which two stores disagree: the members that differ.

    `missing` says that the rebuilt store does not have it, `extra` that the other one does not.
    """

    alert_id: str
    device_id: str
    rule_type: str
    what: str
    members: tuple[str, ...] = ()


def rebuild(
    entries: Iterable[tuple[int, Entry]],
    until: int,
    store: AlertStore,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """
    Judge all entries up to a position, commit what follows to a store that is new, and return their number.

    `progress` hears how many more are done. Raises StoreUnavailable where the store cannot be written.
    """
    number = 0
    processor = Processor(Detector(), store, position=0, patience=Impatience())
    for first, batch in batches_of(takewhile(lambda one: one[0] <= until, entries)):
        processor.process(first, batch)
        number += len(batch)
        progress(len(batch))
    return number


def differences(live: Iterable[Alert], rebuilt: Iterable[Alert]) -> Iterator[Difference]:
    """Yield where two stores disagree; both give their alerts in the order of the ids."""
    ours, theirs = iter(rebuilt), iter(live)
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.alert_id < other.alert_id):
            assert mine is not None  # noqa: S101 - one of the two is there
            yield _difference(mine, "extra")
            mine = next(ours, None)
        elif mine is None or other.alert_id < mine.alert_id:
            yield _difference(other, "missing")
            other = next(theirs, None)
        else:
            members = tuple(
                name for name in mine.__struct_fields__ if getattr(mine, name) != getattr(other, name)
            )
            if members:
                yield _difference(mine, "different", members)
            mine, other = next(ours, None), next(theirs, None)


def _difference(alert: Alert, what: str, members: tuple[str, ...] = ()) -> Difference:
    return Difference(
        alert_id=alert.alert_id,
        device_id=alert.device_id,
        rule_type=alert.rule_type,
        what=what,
        members=members,
    )
