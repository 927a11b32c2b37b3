"""Subscriptions as rows: of registered identities, exactly as they were written, and gone with them."""

from pathlib import Path

import pytest
from tests.store.control.material import HOSTILE
from tests.store.control.test_registry import identity, put

from fencepost.model.identity import IdentityKey
from fencepost.model.registry import RegistryChange
from fencepost.service.subscriptions import SubscriptionStore
from fencepost.store.control import ControlStore

CAM, MODULE = IdentityKey("cam-1"), IdentityKey("cam-1", "m")
METHODS = {"$iothub/methods/POST/#": 0}


@pytest.fixture
def known(store: ControlStore) -> ControlStore:
    """Give a store with two devices that have a module each."""
    put(store, *(identity(name, module) for name in ("cam-1", "cam-2") for module in (None, "m")))
    return store


def of(store: ControlStore, *keys: IdentityKey) -> list[dict[str, int]]:
    return [store.subscriptions(key) for key in keys]


def test_filters_come_back_as_they_were_written_for_that_identity_alone(known: ControlStore) -> None:
    by_shape: SubscriptionStore = known
    filters = {"devices/%63am-1/messages/devicebound/#": 1, "$iothub/twin/res/#": 0}
    by_shape.put_subscriptions({CAM: filters, IdentityKey("cam-2", "m"): METHODS})
    strangers = MODULE, IdentityKey("cam-2"), IdentityKey("CAM-1"), IdentityKey("cam-1", "")
    assert of(known, CAM, IdentityKey("cam-2", "m")) == [filters, METHODS]
    assert of(known, *strangers) == [{}] * len(strangers)


def test_what_is_put_again_takes_the_place_of_what_was_and_nothing_leaves_nothing(
    known: ControlStore,
) -> None:
    known.put_subscriptions({CAM: {"a": 1}, MODULE: METHODS})
    known.put_subscriptions({CAM: {"b": 0}, MODULE: {}})
    assert of(known, CAM, MODULE) == [{"b": 0}, {}]
    assert sum(len(rows) for table, rows in known.registry_rows() if table.name == "subscriptions") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_written_is_kept_and_strangers_leave_nothing(known: ControlStore, text: str) -> None:
    known.put_subscriptions(
        {CAM: {text: 1}, IdentityKey(text): {text: 1}, IdentityKey("cam-1", text): METHODS}
    )
    assert of(known, CAM, IdentityKey(text), IdentityKey("cam-1", text)) == [{text: 1}, {}, {}]


def test_subscriptions_go_with_their_identity_and_a_devices_with_its_modules(known: ControlStore) -> None:
    keys = [IdentityKey(name, module) for name in ("cam-1", "cam-2") for module in (None, "m")]
    known.put_subscriptions(dict.fromkeys(keys, METHODS))
    known.change_registry(RegistryChange(deleted=[IdentityKey("cam-1"), IdentityKey("cam-2", "m")]))
    put(known, *(identity(key.device_id, key.module_id) for key in keys))
    assert of(known, *keys) == [{}, {}, METHODS, {}]


def test_they_are_taken_over_with_the_registry_and_outlive_a_restart(
    known: ControlStore, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    known.put_subscriptions({CAM: METHODS})
    with ControlStore.open(url) as other:
        assert other.adopt_registry(known) == 4
    with ControlStore.open(url) as other:
        assert of(other, CAM, MODULE) == [METHODS, {}]
