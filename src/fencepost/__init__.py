"""Fencepost: tells the owner of an IoT fleet that a device has left the behaviour its owner expects."""

__version__ = "0.1.0"
