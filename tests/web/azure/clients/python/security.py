"""
An owner's program: SecurityCenter of the SDK azure-mgmt-security, signed in by a static token or azure-identity.

The action `call` calls any method of a group of operations. In arguments models stand as objects with their class and
version, {"$model": "2019-08-01:DeviceSecurityGroup", ...}, and durations as {"$seconds": 300}; results are as on the
wire.
"""

import time
from datetime import timedelta
from typing import Any

from azure.core.credentials import AccessToken  # type: ignore[import-not-found]
from azure.identity import ClientSecretCredential  # type: ignore[import-not-found]
from azure.mgmt.security import SecurityCenter  # type: ignore[import-not-found]
from tests.conversation import converse

clients: list[Any] = []


class StaticCredential:
    """What an owner who has a token writes."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def open_with_token(url: str, subscription_id: str, token: str) -> None:
    clients.append(SecurityCenter(StaticCredential(token), subscription_id, base_url=url, retry_total=0))


def open_with_secret(
    url: str, subscription_id: str, tenant_id: str, client_id: str, client_secret: str
) -> None:
    credential = ClientSecretCredential(
        tenant_id, client_id, client_secret, authority=url, disable_instance_discovery=True
    )
    clients.append(SecurityCenter(credential, subscription_id, base_url=url))


def call(group: str, name: str, arguments: list[Any], **named: Any) -> Any:
    """Return what an operation gives; all pages of a list."""
    operation = getattr(getattr(clients[-1], group), name)
    result = operation(*map(_model, arguments), **{key: _model(value) for key, value in named.items()})
    return [_plain(one) for one in result] if hasattr(result, "by_page") else _plain(result)


def pages(group: str, name: str) -> list[int]:
    """Return how many items each page of a list has."""
    listed = getattr(getattr(clients[-1], group), name)()
    return [len(list(page)) for page in listed.by_page()]


def refused(group: str, name: str, arguments: list[Any]) -> dict[str, Any]:
    """Return the error that an operation raises, as a program sees it."""
    try:
        call(group, name, arguments)
    except Exception as error:  # noqa: BLE001 - the test wants to see it
        told = getattr(error, "error", None)
        return {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(told, "code", None),
            "targets": [one.target for one in getattr(told, "details", None) or ()],
        }
    return {}


def _model(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_model(item) for item in argument]
    if isinstance(argument, dict) and "$seconds" in argument:
        return timedelta(seconds=argument["$seconds"])
    if isinstance(argument, dict) and "$model" in argument:
        version, _, name = argument["$model"].partition(":")
        fields = {key: _model(value) for key, value in argument.items() if key != "$model"}
        return getattr(SecurityCenter.models(version), name)(**fields)
    return argument


def _plain(value: Any) -> Any:
    return value.serialize(keep_readonly=True) if hasattr(value, "serialize") else value


if __name__ == "__main__":
    converse(
        {
            "open_with_token": open_with_token,
            "open_with_secret": open_with_secret,
            "call": call,
            "pages": pages,
            "refused": refused,
        }
    )
