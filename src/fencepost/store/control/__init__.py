"""The control store: what is known, and where people look."""

from fencepost.store.control.alert_rows import identity_key
from fencepost.store.control.store import ControlStore

__all__ = ["ControlStore", "identity_key"]
