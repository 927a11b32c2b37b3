"""Places and reasons: what was wrong where, in the words of the legacy message itself (S31)."""

import re
from typing import NamedTuple

from msgspec import ValidationError

from fencepost.model.event import Rejected
from fencepost.wire.body import TOO_MANY, quote

WHOLE_EVENT = -1

_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(.*?)`(?:, got `.*`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Invalid (?:enum )?value '?(.*?)'?", re.DOTALL)
_SAID = {
    "Invalid RFC3339 encoded datetime": "not a timestamp",
    "Integer value out of range": "number out of range",
    "Number out of range": "number out of range",
}
_NOUNS = {
    "array": "an array",
    "bool": "true or false",
    "datetime": "a timestamp",
    "float": "a number",
    "int": "a number",
    "object": "an object",
    "str": "text",
}


class Fault(NamedTuple):
    """One thing that was refused: indices of event and payload item (-1: the event), member, reason."""

    event: int
    payload: int
    member: str
    reason: str

    def rejected(self) -> Rejected:
        where = f"Events[{self.event}]"
        if self.payload != WHOLE_EVENT:
            where += f".Payload[{self.payload}]"
        return Rejected(f"{where}.{self.member}" if self.member else where, self.reason)

    def closing(self) -> "Fault":
        """Return this fault as the last one of a message that has too many."""
        return self._replace(member="", reason=TOO_MANY)


def bounded(faults: list[Fault], room: int) -> list[Fault]:
    """Return the faults, in the order of the message; where they are more than `room`, one more closes them."""
    return faults if len(faults) <= room else [*faults[:room], faults[room].closing()]


def explain(error: ValidationError) -> tuple[str, str]:
    """Return the member and the human reason that a msgspec complaint about one value means."""
    text = str(error)
    what, at, path = text.rpartition(" - at `")  # the last one: what goes before may be a device's own words
    if not at:
        what, path = text, ""
    path = path.removeprefix("key in ").removesuffix("`").lstrip("$.")
    if found := _MISSING.fullmatch(what):
        return f"{path}.{found[1]}" if path else found[1], "missing"
    return quote(path), _reason(what)


def _reason(what: str) -> str:
    if what in _SAID:
        return _SAID[what]
    if found := _EXPECTED.fullmatch(what):
        nouns = [_NOUNS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"]
        return f"not {nouns[0]}" if len(nouns) == 1 else f"neither {' nor '.join(nouns)}"
    if found := _UNKNOWN.fullmatch(what):
        return f"unknown value '{quote(found[1])}'"
    return quote(what)
