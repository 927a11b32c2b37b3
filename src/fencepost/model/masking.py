"""
Addresses as they are shown where the owner has said that nobody is to read them whole.

Of an IPv4 address the first three parts are left, of an IPv6 address the network of 64 bits: `203.0.113.*`,
`2001:db8:0:1:*`. What stands for an address is none, so that nobody takes it for one.
"""

import re
from typing import Any

from msgspec import structs

from fencepost.model.address import MAPPED, MAPPED_LAST, parse_address
from fencepost.model.alert import Alert, Evidence

_ADDRESS = re.compile(
    r"(?P<six>(?<![^\W_])(?<!\.)[0-9A-Fa-f:]{2,39}(?::\d{1,3}(?:\.\d{1,3}){3})?(?![^\W_]|\.\d)(?:%[\w.~-]{1,32})?)"
    r"(?:/(?P<length_six>\d{1,3})(?!\d))?"
    r"|(?P<four>(?<!\d)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d))"
    r"(?:/(?P<length_four>\d{1,2})(?!\d))?"
)
_KEPT = {4: 24, 6: 64}
"""The bits that stay readable, by the version of IP: a network of no more is nobody's address."""


def masked(alert: Alert) -> Alert:
    """Return an alert without the addresses that a device spoke of: not for the store, lists are judged by it."""
    return structs.replace(
        alert,
        description=masked_text(alert.description),
        value=_optional(alert.value),
        evidence=tuple(_masked_evidence(one) for one in alert.evidence),
        nearest_entry=_optional(alert.nearest_entry),
        allowing_entry=_optional(alert.allowing_entry),
        reason=_optional(alert.reason),
        subjects=(),
    )


def masked_text(text: str) -> str:
    """Return a text in which every address is masked; a network that says no more than a mask does stays."""
    return _ADDRESS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    written = found["six"] or found["four"]
    tail = ":" if written.endswith(":") and not written.endswith("::") else ""
    try:
        number = parse_address(written.removesuffix(":") if tail else written)
    except ValueError:
        head, colon, tail = found[0].rpartition(":")  # as in `cafe:203.0.113.7`
        return f"{head}:{masked_text(tail)}" if colon and "." in tail else found[0]
    version = 4 if MAPPED <= number <= MAPPED_LAST else 6
    length = found["length_six"] or found["length_four"]
    if length is not None and int(length) <= _KEPT[version] and not number & _hidden(version):
        return found[0]
    return _shown(number, version) + (f"/{length}" if length is not None else tail)


def _hidden(version: int) -> int:
    """Return the bits of an address that a mask does not show."""
    return (1 << ((32 if version == 4 else 128) - _KEPT[version])) - 1  # noqa: PLR2004


def _shown(number: int, version: int) -> str:
    if version == 4:  # noqa: PLR2004
        return ".".join([*(str(part) for part in number.to_bytes(16, "big")[12:15]), "*"])
    return ":".join([*(f"{number >> shift & 0xFFFF:x}" for shift in (112, 96, 80, 64)), "*"])


def _masked_evidence(evidence: Evidence) -> Evidence:
    return structs.replace(evidence, facts=_masked_value(evidence.facts))


def _masked_value(value: Any) -> Any:
    match value:
        case str():
            return masked_text(value)
        case dict():
            return {key: _masked_value(one) for key, one in value.items()}
        case list() | tuple():
            return [_masked_value(one) for one in value]
        case _:
            return value


def _optional(text: str | None) -> str | None:
    return masked_text(text) if text is not None else None
