"""Cloud-to-device messages on their way, over the transports that push them."""

from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import FencepostError
from fencepost.model.identity import Channel
from fencepost.service.downlink import Settlement

ACK = "iothub-ack"
"""The one system property that stands among the sender's own."""
UNDER_WAY = 10
"""Messages of one device that it has not acknowledged."""
AGAIN = 2.0
"""Seconds until the next look where the queue could not be read."""


async def settle(gateway: Gateway, device_id: str, lock: str, outcome: Settlement, channel: Channel) -> bool:
    """Say what became of a message; False where that cannot be kept: its lock ends, and it is sent once more."""
    try:
        await gateway.downlink.settle(device_id, lock, outcome, channel)
    except FencepostError:
        return False
    return True
