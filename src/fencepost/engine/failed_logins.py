"""How often somebody failed to sign in (S12)."""

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from fencepost.engine.device import Device
from fencepost.engine.ranges import ID_BITS, Range, hear
from fencepost.engine.turn import Turn
from fencepost.engine.windows import (
    LOGIN,
    OTHER,
    PAIRING,
    PAM,
    PAM_OPERATION,
    POINT,
    Floor,
    Window,
    attempts,
    certain_attempts,
    records,
    singly,
)
from fencepost.model.event import (
    Event,
    Login,
    SignIn,
)


class FailedLogins(Range):
    """Attempts to sign in that failed (S12)."""

    event_names = ("Login",)
    tally = staticmethod(attempts)
    floor: Floor = staticmethod(certain_attempts)

    def judge(self, device: Device, event: Login, time: int, turn: Turn) -> bool:
        window = device.windows[self.index]
        if window is not None and window.watch is not None:
            hear(window.watch, time, turn)
        for record in event.payload:
            if record.result == "Fail":
                break
        else:
            return False
        fails = [record for record in event.payload if record.result == "Fail"]
        if window is None:
            window = self.window_of(device)
        latest = window.is_latest(time)
        key = xxh3_64_intdigest(event.id.encode()) & ID_BITS
        fresh = window.put_all(
            time, [_attempt_key(record, key + index) for index, record in enumerate(fails)]
        )
        window.room -= len(fails)
        if window.room < 0 or not latest or (window.watch is not None and window.watch.eager):
            self.settle(device, window, time, event, turn, latest=latest)
        return not fresh

    def payload_of(self, event: Event) -> Struct | None:
        assert isinstance(event, Login)  # noqa: S101 - the plan's promise
        return next((record for record in reversed(event.payload) if record.result == "Fail"), None)

    def _unseen(self, window: Window, lo: int, hi: int, shared: int) -> int:
        """A login record may repeat a PAM record that a span has taken up."""
        doubtful = 0
        for index in range(lo, hi, POINT):
            time, key = window[index], window[index + 1]
            if key >> 30 & 3 == LOGIN and any(
                span[0] <= time and span[1] >= time - PAIRING for span in window.each_span()
            ):
                doubtful += 1
        return -doubtful


class FailedLoginRecords(FailedLogins):
    """Every failed record, for `count: records` (S12)."""

    tally = staticmethod(records)
    floor = staticmethod(singly(records))

    def _unseen(self, window: Window, lo: int, hi: int, shared: int) -> int:
        return 0


_KINDS = {PAM_OPERATION: PAM, "login": LOGIN}


def _attempt_key(record: SignIn, key: int) -> int:
    """Return 31 bits of process and remote address, 2 bits of kind, 30 bits of the record's identity."""
    kind = _KINDS.get((record.operation or "").strip(), OTHER)
    attempt = 0
    if record.process_id is not None:
        attempt = xxh3_64_intdigest(f"{record.process_id}|{record.remote_address}".encode()) >> 33
    return (attempt << 32) | (kind << 30) | (key & 0x3FFFFFFF)
