"""
A loopback address of one's own: the SDKs fix the ports, so that servers at the same time differ by address.

Linux takes all of 127.0.0.0/8 as its own.
"""

import os
import socket
from collections.abc import Iterator
from itertools import islice

MQTTS, AMQPS, HTTPS = 8883, 5671, 443
NO_HTTPS = f"port {HTTPS} needs root, or net.ipv4.ip_unprivileged_port_start at most {HTTPS}"


def own_address() -> str:
    """
    Return an address on which 8883 and 5671 are free; others that run at the same time begin with another one.

    Raises RuntimeError where none is found.
    """
    for address in islice(_candidates(), 100):
        if is_free(address, MQTTS) and is_free(address, AMQPS):
            return address
    raise RuntimeError(f"ports {MQTTS} and {AMQPS} are taken on a hundred loopback addresses")


def is_free(address: str, port: int) -> bool:
    """Whether we may listen there now."""
    try:
        socket.create_server((address, port)).close()
    except OSError:
        return False
    return True


def _candidates() -> Iterator[str]:
    number = os.getpid()
    while True:
        yield f"127.77.{number // 254 % 254 + 1}.{number % 254 + 1}"
        number += 101
