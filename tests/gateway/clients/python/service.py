"""
An owner's program: IoTHubRegistryManager of the SDK azure-iot-hub.

The action `call` calls any of its methods. In arguments and results models stand as objects; as an argument, with
their class: {"$model": "Twin", "tags": {...}}.
"""

import os
from typing import Any

import certifi
from azure.iot.hub import IoTHubRegistryManager  # type: ignore[import-not-found]
from azure.iot.hub.protocol import models  # type: ignore[import-not-found]
from tests.conversation import converse

# What uamqp trusts is certifi's bundle and nothing else: an owner appends the authority to that file.
certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

managers: list[Any] = []


def open_manager(connection_string: str) -> None:
    managers.append(IoTHubRegistryManager.from_connection_string(connection_string))


def call(name: str, arguments: list[Any]) -> Any:
    return _plain(getattr(managers[-1], name)(*(_model(argument) for argument in arguments)))


def query(text: str, size: int | None = None) -> list[Any]:
    """Return the results of a query, a page of `size` items a list."""
    pages, token = [], None
    while True:
        answer = managers[-1].query_iot_hub(models.QuerySpecification(query=text), token, size)
        pages.append(_plain(answer.items))
        token = answer.continuation_token
        if not token:
            return pages


def _model(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_model(item) for item in argument]
    if isinstance(argument, dict) and "$model" in argument:
        fields = {key: _model(value) for key, value in argument.items() if key != "$model"}
        return getattr(models, argument["$model"])(**fields)
    return argument


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.as_dict() if hasattr(value, "as_dict") else value


if __name__ == "__main__":
    converse({"open": open_manager, "call": call, "query": query})
