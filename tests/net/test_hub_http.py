"""What all HTTP calls of an IoT Hub have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.identity import IdentityKey
from fencepost.model.sas import sign
from fencepost.net.hub_http import canonical, named_in, reaches

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="


@pytest.mark.parametrize(
    ("path", "canonically"),
    [
        ("/Devices", "/devices"),
        ("/DEVICES/", "/devices/"),
        ("/devices/ID", "/devices/ID"),
        ("/devices/Devices", "/devices/Devices"),
        ("/Devices/Id/Modules/Id", "/devices/Id/modules/Id"),
        ("/devices/Id/Modules/Id/Messages/Events", "/devices/Id/modules/Id/messages/events"),
        ("/devices/Id/messages/deviceBound", "/devices/Id/messages/devicebound"),
        ("/devices/Id/Messages/DeviceBound/Lock/Abandon", "/devices/Id/messages/devicebound/Lock/abandon"),
        ("/Twins/Id/Modules/Id/Methods", "/twins/Id/modules/Id/methods"),
        ("/Statistics/Devices", "/statistics/devices"),
        ("/Scope/Registrations/Id/Register", "/Scope/registrations/Id/register"),
        ("/Scope/registrations/Id/Operations/Op", "/Scope/registrations/Id/operations/Op"),
        ("/V1/Devices/Id", "/V1/Devices/Id"),
        ("/v1/Groups", "/v1/Groups"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_fixed_words_are_in_any_case_and_ids_are_not(path: str, canonically: str) -> None:
    assert canonical(path) == canonically


@given(
    st.lists(st.sampled_from(["", "Devices", "TWINS", "x", "Modules", "Registrations", "É"])).map("/".join)
)
def test_a_path_changes_in_case_only_and_once(path: str) -> None:
    once = canonical(path)
    assert canonical(once) == once
    assert once.lower() == path.lower()


@pytest.mark.parametrize(
    ("resource", "policy", "key"),
    [
        ("hub.example/devices/d", None, IdentityKey("d")),
        ("hub.example:8443/devices/d#1", None, IdentityKey("d#1")),
        ("hub.example/devices/d/modules/m", None, IdentityKey("d", "m")),
        ("hub.example/Devices/D/Modules/M", None, IdentityKey("D", "M")),
        ("hub.example", None, None),
        ("hub.example/devices", None, None),
        ("hub.example/devices/d/modules", None, None),
        ("hub.example/devices/d/messages/events", None, None),
        ("hub.example/devices/d", "iothubowner", None),
    ],
)
def test_a_token_names_its_identity(resource: str, policy: str | None, key: IdentityKey | None) -> None:
    assert named_in(sign(resource, KEY, 1, policy)) == key


@pytest.mark.parametrize(
    "text", ["", "Bearer x", "SharedAccessSignature", "SharedAccessSignature sr=a/devices/d"]
)
def test_what_is_no_token_names_nobody(text: str) -> None:
    assert named_in(text) is None


def test_a_device_reaches_its_modules_and_a_module_only_itself() -> None:
    device, module, other = IdentityKey("d"), IdentityKey("d", "m"), IdentityKey("d", "n")
    assert reaches(device, device)
    assert reaches(device, module)
    assert reaches(module, module)
    assert not reaches(module, other)
    assert not reaches(module, device)
    assert not reaches(device, IdentityKey("D"))
