"""Which devices time alone brings something, and when (S05)."""

import heapq
from collections.abc import Iterator, Mapping

from fencepost.engine.device import Device
from fencepost.engine.windows import NEVER


class Timers:
    """
    The queue of devices that wait for a moment: the earliest first, those of one moment by their ids.

    What a device waits for moves on with all that it sends, and its place in the queue does not: only where
    it comes first is it looked at, and put back if it has moved. So the order depends on what the devices
    are now and on nothing before: a restart does not change it (S02).
    """

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = devices
        self._queue: list[tuple[int, str]] = []

    def schedule(self, device_id: str, device: Device) -> None:
        """Wake the device up when time alone next changes something for it."""
        self.put(device_id, device, device.due())

    def put(self, device_id: str, device: Device, due: int) -> None:
        """Wake the device up at a moment, unless it is to be woken before."""
        if due < NEVER and (not device.timer or due < device.timer):
            device.timer = due
            heapq.heappush(self._queue, (due, device_id))

    def earliest(self) -> int:
        """Return the moment for which the first device waits, NEVER where none does."""
        while self._queue:
            due, device_id = self._queue[0]
            device = self._devices.get(device_id)
            if device is None or device.timer != due:
                heapq.heappop(self._queue)
            elif device.due() == due:
                return due
            else:
                heapq.heappop(self._queue)
                device.timer = 0
                self.schedule(device_id, device)
        return NEVER

    def take(self, now: int, most: int | None = None) -> Iterator[tuple[str, Device]]:
        """Yield the devices whose moment has come, at most so many; who takes one puts it back."""
        taken = 0
        while taken != most and self.earliest() <= now:
            _, device_id = heapq.heappop(self._queue)
            device = self._devices[device_id]
            device.timer = 0
            taken += 1
            yield device_id, device
