"""The rules of the hub itself, fed by what real clients do."""

import pytest
from tests.gateway.clients.hub import WRONG_KEY, Hub, Registered
from tests.gateway.clients.running import PYTHON, Clients, Flavour
from tests.program import RefusedError
from tests.serving import until

COUNTED = (
    *(f"{protocol}D2CMessages" for protocol in ("Mqtt", "Amqp", "Http")),
    *(f"{protocol}C2DMessages" for protocol in ("Mqtt", "Amqp", "Http")),
    *(f"{protocol}C2DRejectedMessages" for protocol in ("Mqtt", "Amqp", "Http")),
    "DirectMethodInvokes",
    "QueuePurges",
    "TwinUpdates",
    "UnauthorizedOperations",
)


@pytest.fixture
def counted(hub: Hub) -> Registered:
    """Give a device of which everything may happen once in five minutes: its twin says its group."""
    rules = [{"type": f"{name}NotInAllowedRange", "min": 0, "max": 1, "window": "PT5M"} for name in COUNTED]
    hub.serving.admin.put("/v1/groups/counted", json={"rules": rules}).raise_for_status()
    device = hub.register("counted")
    hub.patch_twin(device.device_id, tags={"SecurityGroup": "counted"})
    return device


def test_what_happens_over_mqtt_is_counted(hub: Hub, clients: Clients, counted: Registered) -> None:
    client = clients.device(PYTHON, counted)
    client.do("connect")
    client.do("watch messages")
    client.do("watch method", name="ping")
    for number in range(2):
        client.do("send", body="{}")
        client.do("report", patch={"number": number})
        hub.send(counted.device_id, b"read this")
        assert hub.invoked(counted.device_id, "ping", number) is not None
        client.event("message")
    client.do("close")
    _expect(hub, counted, "MqttD2CMessages", "MqttC2DMessages", "DirectMethodInvokes", "TwinUpdates")


@pytest.mark.usefixtures("on_https_port")
@pytest.mark.parametrize(("transport", "protocol"), [("amqp", "Amqp"), ("http", "Http")])
def test_what_happens_over_amqp_and_https_is_counted(
    hub: Hub, clients: Clients, counted: Registered, transport: str, protocol: str
) -> None:
    client = clients.device(Flavour("node", transport), counted)
    client.do("connect")
    client.do("watch messages", outcomes=["complete", "complete", "reject"])
    for _ in range(2):
        client.do("send", body="{}")
    for _ in range(4):
        hub.send(counted.device_id, b"read this")
        client.event("settled")
    client.do("close")
    _expect(hub, counted, *(f"{protocol}{what}Messages" for what in ("D2C", "C2D", "C2DRejected")))


def test_refused_credentials_and_purges_are_counted(hub: Hub, clients: Clients, counted: Registered) -> None:
    wrong = counted.connection_string.replace(counted.key, WRONG_KEY)
    client = clients.device(PYTHON, counted._replace(connection_string=wrong))
    for _ in range(2):
        with pytest.raises(RefusedError):
            client.do("connect")
        hub.send(counted.device_id, b"never read")
        hub.rest.delete(f"/devices/{counted.device_id}/commands").raise_for_status()
    _expect(hub, counted, "QueuePurges", "UnauthorizedOperations")


def _expect(hub: Hub, device: Registered, *names: str) -> None:
    """Wait for the alerts of these rules of a device, and of no others."""
    until(lambda: len(_alerts(hub, device)) == len(names))
    assert _alerts(hub, device) == sorted(f"{name}NotInAllowedRange" for name in names)


def _alerts(hub: Hub, device: Registered) -> list[str]:
    return sorted(alert["rule_type"] for alert in hub.serving.alerts(device_id=device.device_id))
