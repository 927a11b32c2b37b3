"""What every SDK of devices does on every transport, against a running service."""

import time

import pytest
from tests.gateway.clients.hub import Hub
from tests.gateway.clients.running import CONVERSING, FLAVOURS, SETTLING, Clients, Flavour
from tests.said import message, process
from tests.serving import until

every = pytest.mark.parametrize("flavour", FLAVOURS, ids=str)
settling = pytest.mark.parametrize("flavour", SETTLING, ids=str)
every_conversing = pytest.mark.parametrize("flavour", CONVERSING, ids=str)


@every
def test_a_security_message_is_judged_and_telemetry_is_not(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("sender")
    client = clients.device(reachable, device)
    client.do("connect")
    before = [_taken(hub, reachable, kind) for kind in ("telemetry", "security")]
    body = message(process("/opt/strange")).decode()
    client.do("send", body=body, properties={"colour": "red & blue/%20"})
    client.do("send", body=message(process("/usr/bin/agent")).decode(), security=True)
    hub.serving.settle()
    assert hub.serving.alerts(device_id=device.device_id) == []
    began = time.monotonic()
    client.do("send", body=body, security=True)
    alert = hub.alert(device.device_id)
    print(f"{reachable}: an alert after {time.monotonic() - began:.3f} s")  # noqa: T201 - for pytest -s
    assert alert["rule_type"] == "ProcessNotAllowed"
    after = [_taken(hub, reachable, kind) for kind in ("telemetry", "security")]
    assert after == [before[0] + 1, before[1] + 2]
    client.do("close")


@every_conversing
def test_a_twin_is_read_reported_to_and_pushed(hub: Hub, clients: Clients, reachable: Flavour) -> None:
    device = hub.register("twin")
    hub.patch_twin(device.device_id, properties={"desired": {"interval": {"value": "PT7M"}}})
    client = clients.device(reachable, device)
    client.do("connect")

    twin = client.do("twin")
    assert twin["desired"]["interval"] == {"value": "PT7M"}
    assert twin["desired"]["$version"] == 2
    assert twin["reported"]["$version"] == 1

    client.do("report", patch={"firmware": "1.2", "disk": {"free": 7}})
    client.do("report", patch={"disk": {"free": None, "size": 9}})
    reported = hub.twin(device.device_id)["properties"]["reported"]
    assert reported["firmware"] == "1.2"
    assert reported["disk"] == {"size": 9}
    assert reported["$version"] == 3
    assert client.do("twin")["reported"]["disk"] == {"size": 9}

    client.do("watch desired")
    hub.patch_twin(device.device_id, properties={"desired": {"interval": None, "level": {"at": 3}}})
    patch = client.event("desired", lambda event: event["patch"]["$version"] == 3)["patch"]
    assert patch["level"] == {"at": 3}
    assert patch["interval"] is None
    client.do("close")


@every_conversing
def test_a_method_is_called_and_answered(hub: Hub, clients: Clients, reachable: Flavour) -> None:
    device = hub.register("method")
    client = clients.device(reachable, device)
    client.do("connect")
    client.do("watch method", name="reboot", status=202)
    payload = {"delay": 5, "why": "naïve ☃"}
    answer = until(lambda: hub.invoked(device.device_id, "reboot", payload))
    assert answer["status"] == 202
    assert answer["payload"] == {"echo": payload}
    assert client.event("method")["payload"] == payload
    client.do("close")


@every
def test_a_message_from_the_cloud_arrives_with_its_properties_and_is_completed(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("receiver")
    hub.send(device.device_id, b"first", **{"iothub-app-colour": "red & blue", "iothub-messageid": "m-1"})
    client = clients.device(reachable, device)
    client.do("connect")
    client.do("watch messages")
    received = client.event("message")
    assert received["body"] == "first"
    assert received["message_id"] == "m-1"
    assert _own(received["properties"]) == {"colour": "red & blue"}
    hub.send(device.device_id, b"second")
    assert client.event("message")["body"] == "second"
    until(lambda: hub.pending(device.device_id) == 0)
    client.do("close")


@settling
def test_a_message_that_a_device_rejects_does_not_come_again(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("rejecter")
    hub.send(device.device_id, b"unwanted")
    client = clients.device(reachable, device)
    client.do("connect")
    client.do("watch messages", outcomes=["reject"])
    assert client.event("message")["body"] == "unwanted"
    assert client.event("settled")["outcome"] == "reject"
    until(lambda: hub.pending(device.device_id) == 0)
    client.do("close")
    assert client.events("message") == []


@settling
def test_a_message_that_a_device_abandons_comes_again(hub: Hub, clients: Clients, reachable: Flavour) -> None:
    device = hub.register("abandoner")
    hub.send(device.device_id, b"later")
    client = clients.device(reachable, device)
    client.do("connect")
    client.do("watch messages", outcomes=["abandon", "complete"])
    assert client.event("message")["body"] == "later"
    assert client.event("message")["body"] == "later"
    until(lambda: hub.pending(device.device_id) == 0)
    client.do("close")


@pytest.mark.usefixtures("on_https_port")
def test_a_batch_of_https_is_taken_whole(hub: Hub, clients: Clients) -> None:
    https = Flavour("node", "http")
    client = clients.device(https, hub.register("batch"))
    before = _taken(hub, https, "telemetry")
    client.do("send batch", bodies=["one", "two", "drei ☃"])
    assert _taken(hub, https, "telemetry") == before + 3
    client.do("close")


def _taken(hub: Hub, flavour: Flavour, kind: str) -> int:
    figure = f'fencepost_device_messages_total{{channel="{flavour.channel}",kind="{kind}"}}'
    return int(hub.serving.figure(figure))


def _own(properties: dict[str, str]) -> dict[str, str]:
    """Return the sender's own properties: the SDK leaves the headers' prefix of HTTPS in their names."""
    names = {name.removeprefix("iothub-app-"): value for name, value in properties.items()}
    return {name: value for name, value in names.items() if not name.startswith(("iothub-", "$."))}
