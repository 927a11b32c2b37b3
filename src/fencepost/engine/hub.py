"""How often our own gateway saw a device do something, or be asked to (S19)."""

from typing import Any

from msgspec import Struct, structs

from fencepost.engine.device import Device
from fencepost.engine.ranges import Range
from fencepost.engine.turn import Turn
from fencepost.engine.windows import records, singly
from fencepost.model.event import Details, Event, HubOperation
from fencepost.model.outcome import Finding
from fencepost.model.rule import TimeWindowRule

_NOTHING_MORE = Details()
"""What evidence shows of an operation besides its name and its time."""


class HubOperations(Range):
    """Operations of one kind, each at our own receive time: none of them can be late."""

    is_reported = False
    tally = staticmethod(records)
    floor = staticmethod(singly(records))

    def __init__(self, rule: TimeWindowRule, index: int) -> None:
        super().__init__(rule, index, delay=0)
        self.event_names = (rule.row.event,)

    def judge(self, device: Device, event: HubOperation, time: int, turn: Turn) -> bool:
        window = self.window_of(device)
        key = 0
        if window and time <= window[-2]:
            time, key = window[-2], window[-1] + 1
        window.append(time)
        window.append(key)
        window.room -= 1
        if window.room < 0 or (window.watch is not None and window.watch.eager):
            event.id = f"{event.operation}-{time}-{key}"
            self.settle(device, window, time, event, turn, latest=True)
        return False

    def _finding(self, *args: Any, **facts: Any) -> Finding:
        return structs.replace(super()._finding(*args, **facts), source="hub")

    def payload_of(self, event: Event) -> Struct:
        return _NOTHING_MORE
