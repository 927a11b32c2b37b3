"""Who gets in, by each SDK: keys, certificates, renewed tokens, modules; and who does not."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.gateway.clients.certificates import Shown, self_signed
from tests.gateway.clients.hub import FORMER_HOST, WRONG_KEY, Hub, Registered
from tests.gateway.clients.running import CONVERSING, FLAVOURS, PYTHON, Clients, Flavour
from tests.program import Program, RefusedError
from tests.said import message, process
from tests.serving import until

from fencepost.model.identity import SECURITY_MODULE
from fencepost.model.sas import derived_key

REFUSAL = {"python": "CredentialError", "node": "UnauthorizedError"}
PATIENCE = 20
"""Seconds in which a client finds its way back."""
STRANGE = message(process("/opt/strange")).decode()

BY_CERTIFICATE = [PYTHON, Flavour("node", "mqtt"), Flavour("node", "amqp")]
"""HTTPS takes tokens only."""


@pytest.mark.parametrize("flavour", FLAVOURS, ids=str)
def test_a_wrong_key_an_unknown_and_a_disabled_device_are_refused_alike(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    known = hub.register("known")
    wrong = known._replace(connection_string=known.connection_string.replace(known.key, WRONG_KEY))
    unknown = known._replace(connection_string=known.connection_string.replace(known.device_id, "stranger"))
    disabled = hub.register("disabled", status="disabled")
    for refused in (wrong, unknown, disabled):
        with clients.device(reachable, refused) as client, pytest.raises(RefusedError) as caught:
            _sends(client)
        assert caught.value.name == REFUSAL[reachable.language], caught.value.text


@pytest.mark.parametrize("flavour", BY_CERTIFICATE, ids=str)
def test_a_device_shows_a_certificate_by_thumbprint_or_by_authority(
    hub: Hub, clients: Clients, reachable: Flavour, tmp_path: Path
) -> None:
    for digest in ("sha1", "sha256"):
        shown = self_signed(tmp_path, f"by-{digest}")
        device = hub.register(f"by-{digest}", authentication=_thumbprint(getattr(shown, digest)))
        _sends(clients.device(reachable, device, **_certificate(hub, reachable, device, shown)))
    device = hub.register("by-authority", authentication={"type": "certificateAuthority"})
    shown = hub.authority.signed(device.device_id)
    _sends(clients.device(reachable, device, **_certificate(hub, reachable, device, shown)))


@pytest.mark.parametrize("flavour", BY_CERTIFICATE, ids=str)
def test_a_certificate_that_is_not_the_devices_own_is_refused(
    hub: Hub, clients: Clients, reachable: Flavour, tmp_path: Path
) -> None:
    other = self_signed(tmp_path, "other")
    pinned = hub.register("pinned", authentication=_thumbprint(self_signed(tmp_path, "own").sha256))
    trusting = hub.register("trusting", authentication={"type": "certificateAuthority"})
    for device, shown in (
        (pinned, other),
        (pinned, hub.authority.signed(pinned.device_id)),
        (trusting, self_signed(tmp_path, trusting.device_id)),
        (trusting, hub.authority.signed("somebody-else")),
    ):
        client = clients.device(reachable, device, **_certificate(hub, reachable, device, shown))
        with client, pytest.raises(RefusedError) as caught:
            _sends(client)
        assert caught.value.name == REFUSAL[reachable.language], caught.value.text


@pytest.mark.parametrize("flavour", CONVERSING, ids=str)
def test_a_security_module_signs_in_with_the_key_that_its_device_reads(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("with-module")
    module = hub.module(device)
    assert module.key not in ("", device.key)
    client = clients.device(reachable, module, module=True)
    client.do("connect")
    assert client.do("twin")["desired"]["$version"] >= 1
    client.do("send", body=STRANGE, security=True)
    assert hub.alert(device.device_id)["device_id"] == device.device_id
    client.do("watch inputs")
    client.do("report", patch={"after": "the subscription of inputs"})
    path = f"/twins/{device.device_id}/modules/{SECURITY_MODULE}"
    reported = hub.rest.get(path).raise_for_status().json()["properties"]["reported"]
    assert reported["after"] == "the subscription of inputs"
    client.do("close")


def test_a_renewed_token_keeps_the_device_connected(hub: Hub, clients: Clients) -> None:
    device = hub.register("renewing")
    client = clients.device(PYTHON, device, sastoken_ttl=122)  # the SDK renews it 120 s before its end
    client.do("connect")
    _watch(client)
    client.event("renewed")
    client.do("send", body="{}")
    assert client.do("connected") is True
    _check_watched(hub, client, device)


@pytest.mark.parametrize("flavour", [Flavour("node", "mqtt"), Flavour("node", "amqp")], ids=str)
def test_a_device_that_renews_its_token_outlives_the_first_one(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("renewing")
    client = clients.device(reachable, device, token_renewal={"seconds": 4, "margin": 2})
    client.do("connect")
    _watch(client)
    time.sleep(5)  # the first token has ended
    assert client.events("connection") == []
    client.do("send", body="{}")
    _check_watched(hub, client, device)


@pytest.mark.parametrize("flavour", BY_CERTIFICATE, ids=str)
def test_a_device_finds_its_way_back_after_a_restart_of_the_service(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("faithful")
    options = {"connection_retry_interval": 1} if reachable == PYTHON else {}
    client = clients.device(reachable, device, **options)
    client.do("connect")
    _watch(client)
    hub.restart()
    client.do("send", body="{}")
    _check_watched(hub, client, device)


def test_a_second_client_of_an_identity_takes_the_firsts_place(hub: Hub, clients: Clients) -> None:
    device = hub.register("twice")
    first = clients.device(PYTHON, device, connection_retry=False)
    first.do("connect")
    first.event("connection", lambda event: event["connected"])
    second = clients.device(PYTHON, device)
    second.do("connect")
    first.event("connection", lambda event: not event["connected"])
    second.do("send", body="{}")
    assert second.do("connected") is True


def test_a_device_asks_the_provisioning_service_and_connects_where_it_is_sent(
    hub: Hub, clients: Clients
) -> None:
    registration_id = "provisioned-1"
    key = derived_key(hub.enrollment_key, registration_id)
    asked = {
        "host": hub.address,
        "id_scope": hub.id_scope,
        "registration_id": registration_id,
        "ca_file": hub.ca_file,
    }
    provisioning = clients.start("python", "provisioning")
    answer = provisioning.do("register", key=key, **asked)
    assert answer == {"status": "assigned", "hub": hub.address, "device_id": registration_id}
    assert provisioning.do("register", key=key, **asked) == answer, "a second time it is the same device"
    connection_string = f"HostName={hub.address};DeviceId={registration_id};SharedAccessKey={key}"
    client = clients.device(PYTHON, Registered(registration_id, key, connection_string))
    _sends(client)
    with pytest.raises(RefusedError) as caught:
        provisioning.do("register", key=derived_key(WRONG_KEY, registration_id), **asked)
    assert "CredentialError" in caught.value.text


@pytest.mark.parametrize("flavour", [f for f in FLAVOURS if f.transport != "http"], ids=str)
def test_a_gateway_host_name_leads_the_old_connection_string_here(
    hub: Hub, clients: Clients, reachable: Flavour
) -> None:
    device = hub.register("moved")
    old = device.connection_string.replace(f"HostName={hub.address}", f"HostName={FORMER_HOST}")
    moved = device._replace(connection_string=f"{old};GatewayHostName={hub.address}")
    _sends(clients.device(reachable, moved))


def _watch(client: Program) -> None:
    for what in ("desired", "messages"):
        client.do(f"watch {what}")
    client.do("watch method", name="ping")


def _check_watched(hub: Hub, client: Program, device: Registered) -> None:
    """
    Check that a client is still reached by all that it subscribed to before it signed in anew.

    SDKs that subscribe again do so when they think fit: it is tried several times.
    """
    hub.send(device.device_id, b"still there?")
    assert client.event("message", seconds=PATIENCE)["body"] == "still there?"
    answer = until(lambda: hub.invoked(device.device_id, "ping", 1), PATIENCE)
    assert answer == {"status": 200, "payload": {"echo": 1}}
    until(lambda: _pushed(hub, client, device.device_id), PATIENCE)
    client.do("close")


def _pushed(hub: Hub, client: Program, device_id: str) -> bool:
    """Change a desired property; return whether some such change has come to the client."""
    hub.patch_twin(device_id, properties={"desired": {"still": str(uuid4())}})
    time.sleep(0.2)
    return any("still" in event["patch"] for event in client.events("desired"))


def _sends(client: Program) -> None:
    client.do("connect")
    client.do("send", body=json.dumps({"temperature": 21}))
    client.do("close")


def _thumbprint(thumbprint: str) -> dict[str, Any]:
    return {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint}}


def _certificate(hub: Hub, flavour: Flavour, device: Registered, shown: Shown) -> dict[str, str]:
    """Return what `open` takes of a certificate: Python's SDK makes such a client from parts."""
    files = {"certificate_file": str(shown.certificate_file), "key_file": str(shown.key_file)}
    if flavour.language == "node":
        return files
    return {**files, "hostname": hub.address, "device_id": device.device_id}
