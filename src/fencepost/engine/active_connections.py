"""How many connections a device has (S10)."""

from xxhash import xxh3_64_intdigest

from fencepost.engine.addresses import number_of_port
from fencepost.engine.device import Device
from fencepost.engine.ranges import ID_BITS, Range, hear
from fencepost.engine.turn import Turn
from fencepost.engine.windows import distinct, singly
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    Event,
    NetworkActivity,
)

_INDEX = 1 << 48

AnyConnections = ConnectionCreate | NetworkActivity


class ActiveConnections(Range):
    """Distinct connections (S10)."""

    event_names = ("ConnectionCreate", "NetworkActivity")
    tally = staticmethod(distinct)
    floor = staticmethod(singly(distinct))

    def judge(self, device: Device, event: AnyConnections, time: int, turn: Turn) -> bool:
        window = device.windows[self.index]
        if window is None:
            window = self.window_of(device)
        watch = window.watch
        key = xxh3_64_intdigest(event.id.encode()) & ID_BITS
        in_order = not window or time > window[-2]
        points = spans = False
        keys = []
        for connection in event.payload:
            if connection.span is not None:
                spans = self.take_span(device, window, connection.span, key, event, turn) or spans
            elif connection.local_port is not None:
                keys.append(_connection_key(connection, event, key))
            elif in_order:
                window.append(time)
                window.append(key)
                points = True
            else:
                keys.append(key)
            key += _INDEX
        if keys:
            points = window.put_all(time, keys) or points
        window.room -= len(event.payload)
        if watch is not None:
            hear(watch, time, turn)
        if points:
            latest = (in_order and window.spans is None) or window.is_latest(time)
            if window.room < 0 or not latest or (watch is not None and watch.eager):
                self.settle(device, window, time, event, turn, latest=latest)
            return False
        return not spans and bool(event.payload)


def _connection_key(connection: Connection, event: Event, key: int) -> int:
    """
    Return the key of a connection: its 5-tuple's where both ports are known, else the occurrence's.

    A 5-tuple's key is negative: 40 bits of the tuple, then 22 bits of the event's id, so that a point
    seen before is known again (S09).
    """
    local, remote = number_of_port(connection.local_port), number_of_port(connection.remote_port)
    if type(event) is not NetworkActivity and not (local and remote):
        return key
    named = f"{connection.protocol}|{connection.local_address}|{local}|{connection.remote}|{remote}".lower()
    tuple_bits = xxh3_64_intdigest(named.encode()) >> 24
    return -(tuple_bits << 22 | key & 0x3FFFFF) - 1
