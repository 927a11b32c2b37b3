"""Microsoft's default section (in the making: the signatures stand)."""

from typing import Any


def default_desired() -> dict[str, Any]:
    """Return the desired properties of a new security module: the section with Microsoft's defaults."""
    raise NotImplementedError
