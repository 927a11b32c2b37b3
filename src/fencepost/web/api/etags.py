"""ETags: whoever changes something may say what they have seen of it, and overwrites nothing else (RFC 9110, 13)."""

import re
from typing import Annotated

from litestar.params import HeaderParameter

from fencepost.web.api.documented import number_in
from fencepost.web.api.problems import Refused

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='The ETag that the editor has seen, such as "3"; `*` for whatever is there.',
        max_length=1000,
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        description="`*`, to make something new and never replace what is there.",
        max_length=1000,
    ),
]
ANY = "*"
_TAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')


def etag(tag: str | int) -> dict[str, str]:
    """Return the header that names what somebody sees."""
    return {"ETag": f'"{tag}"'}


def seen(if_match: str | None, current: str) -> str | None:
    """
    Return the tag that an editor has seen, None where any will do; of several it is the one that is current.

    A weak tag does as a strong one: a proxy that compresses makes them weak.
    """
    if if_match is None or if_match.strip() == ANY:
        return None
    tags = [quoted or bare for quoted, bare in _TAG.findall(if_match)]
    return current if current in tags else next(iter(tags), "")


def seen_version(if_match: str | None, current: int) -> int | None:
    """Return the version that an editor has seen, None where any will do; what is no version of ours fits none."""
    tag = seen(if_match, str(current))
    number = number_in(tag) if tag is not None else None
    if tag is not None and number is None:
        raise Refused(412, "If-Match is no ETag of this: read it again")
    return number


def is_for_new_only(if_none_match: str | None) -> bool:
    """Whether nothing may be replaced; raises Refused for another condition than `*`."""
    if if_none_match is None:
        return False
    if if_none_match.strip() != ANY:
        raise Refused(400, "If-None-Match is * where something is put")
    return True


def check_seen(if_match: str | None, current: str, what: str) -> None:
    """Raise Refused unless an editor has seen what is there now."""
    if seen(if_match, current) not in (None, current):
        raise Refused(412, f"{what} has been changed meanwhile: read it again")
