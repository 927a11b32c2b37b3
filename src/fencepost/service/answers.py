"""What a change is answered with where it cannot be made, and nobody is at fault."""

from fencepost.model.errors import FencepostError


class Missing(FencepostError):  # noqa: N818 - an answer
    """What is asked for is not there."""


class Conflict(FencepostError):  # noqa: N818 - an answer
    """What is asked for does not go with how things stand now."""


class Outdated(FencepostError):  # noqa: N818 - an answer
    """Somebody else was faster: what is to be changed is not what the editor has seen."""
