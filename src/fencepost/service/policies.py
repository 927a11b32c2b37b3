"""Shared access policies: what a program that holds one of their keys may do, as with Azure's IoT Hub."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.model.errors import FencepostError
from fencepost.model.sas import SharedAccessSignature, covers, host_of, parse_sas

Permission = Literal["RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"]


class NotAllowed(FencepostError):  # noqa: N818 - an answer
    """
    A token does not allow what is asked for; the text says nothing of which part was wrong.

    `reason` is for counting and for our own log, never for the sender.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("the token does not allow this")
        self.reason = reason


class Policy(Struct, frozen=True):
    """A name, the two keys (base64) of which either will do, and what they allow; `repr` shows no key."""

    name: str
    primary_key: str
    secondary_key: str
    permissions: frozenset[Permission]

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, ...)"


_NOBODY = Policy("", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA==", frozenset())
"""Stands in for a policy that is not there, so that it takes as long as one that is."""


class Policies:
    """The policies of this service. `hosts` says whether a name is one of ours, `clock` gives aware UTC."""

    def __init__(
        self, policies: Iterable[Policy], hosts: Callable[[str], bool], clock: Callable[[], datetime]
    ) -> None:
        self._policies = {policy.name: policy for policy in policies}
        self._hosts = hosts
        self._clock = clock

    def check(self, token: str, permission: Permission, resource: str = "") -> str:
        """
        Return the name of the policy whose key signed a token, if it allows something on a resource.

        `resource` is the path below the host, decoded: `devices/d1`. A token for the host is one for
        everything below it. Raises NotAllowed.
        """
        try:
            parsed = parse_sas(token)
        except ValueError as error:
            raise NotAllowed(str(error)) from None
        policy = self._policies.get(parsed.policy or "", _NOBODY)
        if reason := self._objection(parsed, policy, permission, resource):
            raise NotAllowed(reason)
        return policy.name

    def _objection(
        self, token: SharedAccessSignature, policy: Policy, permission: Permission, resource: str
    ) -> str | None:
        signed = [token.is_signed_with(key) for key in (policy.primary_key, policy.secondary_key)]
        host = host_of(token.resource)
        if policy is _NOBODY or not any(signed):
            return "not signed by a key of the policy"
        if token.expires_at <= self._clock().timestamp():
            return "expired"
        if not self._hosts(host) or not covers(token.resource, f"{host}/{resource}"):
            return "for another resource"
        return None if permission in policy.permissions else f"the policy does not allow {permission}"
