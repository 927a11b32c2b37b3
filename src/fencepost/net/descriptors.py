"""File descriptors: every connection is one, and the journal and the control store must not go without."""

import resource

from fencepost.model.errors import OperatorError, Problem

RESERVED = 256
"""Descriptors for all that is no connection: the journal, the control store, snapshots, certificates."""


def raise_descriptor_limit(connections: int, wanted: int = 0) -> int:
    """
    Let this process open so many connections besides all else, and of those `wanted` as many as may be.

    Returns how many of the wanted ones that is. Raises OperatorError where the hard limit does not allow for
    `connections`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if hard != resource.RLIM_INFINITY and hard < needed:
        reason = (
            f"{connections} connections need {needed} file descriptors, this process may open {hard}: "
            "raise its limit (LimitNOFILE= in the systemd unit, --ulimit nofile= of a container), "
            f"or set [http] max_connections to at most {max(hard - RESERVED, 0)}"
        )
        raise OperatorError([Problem("http.max_connections", reason)])
    fitting = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - needed)
    if soft != resource.RLIM_INFINITY and soft < needed + fitting:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed + fitting, hard))
    return fitting
