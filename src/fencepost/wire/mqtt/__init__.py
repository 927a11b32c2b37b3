"""MQTT 3.1.1 without a socket: bytes to packets and back. Sections named are those of the OASIS Standard."""
