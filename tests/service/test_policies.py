"""What a service may do with a token of a shared access policy."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fencepost.model.sas import sign
from fencepost.service.policies import NotAllowed, Permission, Policies, Policy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = int(NOON.timestamp()) + 3600
OWNER_1, OWNER_2, READER_1, READER_2, STRANGE = (b64encode(bytes([n]) * 32).decode() for n in range(1, 6))
OWNER = Policy(
    "iothubowner",
    OWNER_1,
    OWNER_2,
    frozenset({"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"}),
)
READER = Policy("registryRead", READER_1, READER_2, frozenset({"RegistryRead"}))


@pytest.fixture
def policies() -> Policies:
    return Policies([OWNER, READER], {"hub.example", "127.0.0.1"}.__contains__, lambda: NOON)


def refused(call: Callable[[], str]) -> str:
    with pytest.raises(NotAllowed) as caught:
        call()
    assert str(caught.value) == "the token does not allow this"  # whatever it is
    return caught.value.reason


@pytest.mark.parametrize("key", [OWNER_1, OWNER_2])
@pytest.mark.parametrize("host", ["hub.example", "HUB.example", "hub.example:8443", "127.0.0.1:8443"])
def test_either_key_opens_on_any_of_our_hosts(policies: Policies, key: str, host: str) -> None:
    assert policies.check(sign(host, key, LATER, "iothubowner"), "RegistryWrite") == "iothubowner"


def test_a_policy_allows_what_it_names_and_nothing_else(policies: Policies) -> None:
    token = sign("hub.example", READER_2, LATER, "registryRead")
    assert policies.check(token, "RegistryRead", "devices/d1") == "registryRead"
    others: tuple[Permission, ...] = ("RegistryWrite", "ServiceConnect", "DeviceConnect")
    for permission in others:
        reason = refused(lambda wanted=permission: policies.check(token, wanted))  # type: ignore[misc]
        assert reason == f"the policy does not allow {permission}"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "not a SharedAccessSignature"),
        ("Bearer x", "not a SharedAccessSignature"),
        (sign("hub.example", OWNER_1, LATER), "not signed by a key of the policy"),
        (sign("hub.example", OWNER_1, LATER, "nobody"), "not signed by a key of the policy"),
        (sign("hub.example", OWNER_1, LATER, "IoTHubOwner"), "not signed by a key of the policy"),
        (sign("hub.example", STRANGE, LATER, "iothubowner"), "not signed by a key of the policy"),
        (sign("hub.example", READER_1, LATER, "iothubowner"), "not signed by a key of the policy"),
        (sign("hub.example", OWNER_1, int(NOON.timestamp()), "iothubowner"), "expired"),
        (sign("other.example", OWNER_1, LATER, "iothubowner"), "for another resource"),
        (sign("", OWNER_1, LATER, "iothubowner"), "for another resource"),
        (sign("hub.example/devices/d2", OWNER_1, LATER, "iothubowner"), "for another resource"),
    ],
)
def test_nothing_else_opens(policies: Policies, token: str, reason: str) -> None:
    assert refused(lambda: policies.check(token, "RegistryRead", "devices/d1")) == reason


def test_the_key_that_stands_in_for_no_policy_opens_nothing(policies: Policies) -> None:
    """It stands in our code, for everybody to read."""
    token = sign("hub.example", "AAAAAAAAAAAAAAAAAAAAAA==", LATER, "nobody")
    assert refused(lambda: policies.check(token, "RegistryRead")) == "not signed by a key of the policy"
    unnamed = sign("hub.example", "AAAAAAAAAAAAAAAAAAAAAA==", LATER)
    assert refused(lambda: policies.check(unnamed, "RegistryRead")) == "not signed by a key of the policy"


@pytest.mark.parametrize(
    ("signed", "wanted", "is_allowed"),
    [
        ("", "", True),
        ("", "devices/d1/modules/m", True),
        ("devices", "devices/d1", True),
        ("devices/d1", "devices/d1", True),
        ("devices/d1", "devices/d1/modules/m", True),
        ("devices/d1", "devices/d11", False),
        ("devices/d1", "devices/D1", False),
        ("devices/d1", "", False),
        ("devices/d1/modules/m", "devices/d1", False),
    ],
)
def test_a_token_holds_for_its_resource_and_what_is_below(
    policies: Policies, signed: str, wanted: str, *, is_allowed: bool
) -> None:
    token = sign(f"hub.example/{signed}", OWNER_1, LATER, "iothubowner")
    if is_allowed:
        assert policies.check(token, "DeviceConnect", wanted) == "iothubowner"
    else:
        assert refused(lambda: policies.check(token, "DeviceConnect", wanted)) == "for another resource"


def test_no_log_sees_a_key() -> None:
    assert repr(OWNER) == "Policy('iothubowner', ...)"
