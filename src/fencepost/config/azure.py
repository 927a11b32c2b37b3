"""The settings of how Azure's clients see us: `[azure]`."""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Struct

from fencepost.config.setting import Key

LONGEST_VENDOR = 64


class Azure(Struct, frozen=True, kw_only=True):
    """What Azure's clients and dashboards are told."""

    vendor_name: Annotated[
        str,
        Key('The vendorName of every alert; "Microsoft" for dashboards that ask for that.'),
    ] = "Fencepost"


def _vendor_fault(name: str) -> str | None:
    return f"a name has at most {LONGEST_VENDOR} characters" if len(name) > LONGEST_VENDOR else None


CHECKS: dict[str, Callable[[Any], str | None]] = {"azure.vendor_name": _vendor_fault}
