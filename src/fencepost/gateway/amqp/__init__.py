"""
AMQP 1.0 as IoT Hub speaks it; this alone needs the extra `amqp`.

Parts and sections named are those of the OASIS Standard of 2012.
"""

from fencepost.gateway.amqp.protocol import amqp_protocol

__all__ = ["amqp_protocol"]
