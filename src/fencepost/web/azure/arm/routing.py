"""Which operation a path and a method mean: paths are compared without case, as Azure Resource Manager does."""

from collections.abc import Awaitable, Callable, Sequence

from litestar import Response
from msgspec import Struct

from fencepost.web.azure.arm.calls import Call
from fencepost.web.azure.arm.errors import ArmError

ROOT = "subscriptions"
ANY_VERSION: tuple[str, ...] = ()
"""The versions of an operation that has been the same in all."""
Operate = Callable[[Call], Awaitable[Response[bytes]]]


class Operation(Struct, frozen=True):
    """
    One operation, its path with `{names}`, and the api-versions in which it is known.

    The names are those of `Call.names`.
    """

    method: str
    path: str
    versions: tuple[str, ...]
    operate: Operate

    @property
    def kind(self) -> str:
        """The resource type, as in Microsoft.Security/alerts."""
        parts = self.path.strip("/").split("/")
        if "providers" not in parts:
            return "/".join(parts[::2])
        last = len(parts) - 1 - parts[::-1].index("providers")
        return "/".join([parts[last + 1], *parts[last + 2 :: 2]])


class Router:
    """Finds operations; those of one path are one after the other in no special order."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_length: dict[int, list[tuple[list[str], Operation]]] = {}
        for one in operations:
            parts = one.path.strip("/").split("/")
            self._by_length.setdefault(len(parts), []).append((parts, one))

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return the operation and the names in its path; raises ArmError for one that there is not."""
        parts = [part for part in path.split("/") if part]
        found = [
            (one, names)
            for template, one in self._by_length.get(len(parts), ())
            if (names := _names(template, parts)) is not None
        ]
        if not found:
            raise ArmError(
                404,
                "InvalidResourceType",
                "There is no resource of this type: see docs/azure-compatibility.md.",
            )
        for one, names in found:
            if one.method == method:
                return one, names
        allowed = ", ".join(sorted({one.method for one, _ in found}))
        raise ArmError(405, "MethodNotAllowed", f"The resource takes {allowed}.", headers={"Allow": allowed})


def check_version(operation: Operation, said: str | None) -> None:
    """Raise ArmError for a call without an api-version in which the operation is known."""
    known = ", ".join(operation.versions) or "2022-12-01"
    if not said:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            f"The api-version query parameter (?api-version=) is required for all requests: send {known}.",
        )
    if operation.versions and said.lower() not in operation.versions:
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"The api-version '{said}' is not known for the type '{operation.kind}'."
            f" The supported api-versions are '{known}'.",
        )


def rooted(path: str) -> str:
    """Return a path below `/subscriptions` with that word as it stands in the table; others stay as they are."""
    first, slash, rest = path.lstrip("/").partition("/")
    return f"/{ROOT}{slash}{rest}" if first.lower() == ROOT else path


def _names(template: list[str], parts: list[str]) -> dict[str, str] | None:
    names = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            names[wanted[1:-1]] = part
        elif wanted.lower() != part.lower():
            return None
    return names
