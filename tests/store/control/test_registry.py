"""Identities and twins as rows: found by their ids, changed as a whole or not at all."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from tests.postgresql import Server
from tests.store.control.material import HOSTILE, alert, commit

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.identity import (
    SECURITY_MODULE,
    Authentication,
    CloudMessage,
    Identity,
    IdentityKey,
    Section,
    Twin,
)
from fencepost.model.record import AuditRecord, DeviceRecord
from fencepost.model.registry import Registered, RegistryChange, TagState
from fencepost.service.registry.ports import MessageStore, RegistryStore
from fencepost.store.control import ControlStore

AT = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)


def identity(device_id: str = "cam-1", module_id: str | None = None, **members: Any) -> Identity:
    return Identity(
        **{
            "key": IdentityKey(device_id, module_id),
            "generation_id": "1",
            "etag": "e",
            "created_at": AT,
            "authentication": Authentication(type="sas", primary_key="p", secondary_key="s"),
            **members,
        }
    )


def twin(key: IdentityKey) -> Twin:
    section = Section({"a": {"b": [1, None, "ä\0"]}}, {"$lastUpdated": "t", "a": {"$lastUpdated": "t"}}, 3)
    return Twin(key=key, etag="t", version=4, tags={"x": {"y": 1.5}}, desired=section, reported=section)


def put(store: ControlStore, *identities: Identity, **tags: str) -> None:
    rows = [Registered(one, None, tags.get(one.key.device_id.replace("-", "_"))) for one in identities]
    store.change_registry(RegistryChange(put=rows))


def test_it_is_what_the_registry_asks_for(store: ControlStore) -> None:
    """By shape; the type checker reads these lines."""
    registry: RegistryStore = store
    messages: MessageStore = store
    assert registry.registry_counts() == {}
    assert not messages.has_messages("cam-1")


def test_what_is_put_is_found_exactly(store: ControlStore) -> None:
    device, module = identity(status="disabled", is_edge=True), identity(module_id="m")
    rows = [Registered(device, twin(device.key), "cameras"), Registered(module)]
    store.change_registry(RegistryChange(put=rows))
    assert [store.identity(device.key), store.identity(module.key)] == [device, module]
    assert [store.registered(device.key), store.registered(module.key)] == rows
    assert store.identities_of(["cam-1", "cam-2"]) == [device, module]
    for stranger in (
        IdentityKey("cam-2"),
        IdentityKey("CAM-1"),
        IdentityKey("cam-1", "M"),
        IdentityKey("", "m"),
    ):
        assert store.identity(stranger) is None
        assert store.registered(stranger) is None


def test_a_row_that_is_put_again_is_changed(store: ControlStore) -> None:
    first, second = identity(), identity(status="disabled", etag="f")
    store.change_registry(RegistryChange(put=[Registered(first, twin(first.key), "a")]))
    store.change_registry(RegistryChange(put=[Registered(second, None, None)]))
    assert store.registered(first.key) == Registered(second, None, None)
    assert store.registry_counts() == {"disabled": 1}


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_stranger_calls_itself_can_be_asked_for(store: ControlStore, text: str) -> None:
    """Who connects is looked up before anything is known of it."""
    put(store, identity("plain!"))
    assert store.identity(IdentityKey(text)) is None
    assert store.identity(IdentityKey("plain!", text)) is None
    assert store.identities_of([text]) == []
    assert not store.has_messages(text)
    (state,) = store.tags([text])
    assert state == TagState(device_id=text, is_registered=False, wanted=None, is_known=False, tag=None)


def test_pages_go_by_id_bytewise_and_hold_devices_or_modules(store: ControlStore) -> None:
    names = ["b", "a", "B", "a!", "a'", "_", "9", "a.b"]
    put(
        store,
        *(identity(name) for name in names),
        *(identity(name, "m") for name in names),
        identity("a", "M"),
    )

    def pages(what: str, limit: int) -> list[Any]:
        found: list[Any] = []
        after = None
        while True:
            page = (
                store.identities(after=after, limit=limit)
                if what == "devices"
                else store.twins(modules=what == "modules", after=after, limit=limit)
            )
            found += page.items
            after = page.after
            if after is None:
                return found

    for limit in (1, 3, 8, 100):
        assert [one.key.device_id for one in pages("devices", limit)] == sorted(names)
        assert [one.identity.key.device_id for one in pages("twins", limit)] == sorted(names)
        modules = [one.identity.key for one in pages("modules", limit)]
        assert modules == sorted([*(IdentityKey(name, "m") for name in names), IdentityKey("a", "M")])
    with pytest.raises(OperatorError, match="after: is no place in this list"):
        store.identities(after="W10", limit=1)
    for limit in (0, 1001):
        with pytest.raises(OperatorError, match="limit"):
            store.twins(modules=False, after=None, limit=limit)


def test_devices_are_counted_and_modules_are_not(store: ControlStore) -> None:
    put(
        store,
        *(identity(f"cam-{number}", status="disabled" if number < 3 else "enabled") for number in range(10)),
    )
    put(store, identity("cam-1", "m", status="disabled"))
    assert store.registry_counts() == {"disabled": 3, "enabled": 7}


def test_a_change_is_made_wholly_or_not_at_all(store: ControlStore) -> None:
    put(store, identity("cam-1"))
    broken = identity("cam-3", status=None)
    change = RegistryChange(
        deleted=[IdentityKey("cam-1")], put=[Registered(identity("cam-2")), Registered(broken)]
    )
    with pytest.raises(IntegrityError):
        store.change_registry(change)
    assert [one.key.device_id for one in store.identities(after=None, limit=9).items] == ["cam-1"]


def test_with_a_device_go_its_modules_and_messages_and_nobody_elses(store: ControlStore) -> None:
    put(store, *(identity(name, module) for name in ("cam-1", "cam-2") for module in (None, "m", "n")))
    for name in ("cam-1", "cam-2"):
        message = CloudMessage(
            sequence=0, device_id=name, body=b"", system={}, properties={}, enqueued_at=AT, expires_at=AT
        )
        store.enqueue_message(message, 1)
    store.change_registry(RegistryChange(deleted=[IdentityKey("cam-2", "m"), IdentityKey("cam-1")]))
    assert store.identities_of(["cam-1"]) == []
    assert store.identities_of(["cam-2"]) == [identity("cam-2"), identity("cam-2", "n")]
    assert (store.has_messages("cam-1"), store.has_messages("cam-2")) == (False, True)


def test_the_audit_stands_at_the_position_of_the_store(store: ControlStore) -> None:
    commit(store, alert())
    commit(store, alert("cam-2"))
    record = AuditRecord(
        position=0,
        at=AT,
        actor="ann",
        action="create",
        subject="device/cam-1",
        before=None,
        after={"status": "enabled"},
        effect="",
    )
    store.change_registry(RegistryChange(audit=[record]))
    (found,) = store.audit().items
    assert found.position == 2
    assert (found.actor, found.after) == ("ann", {"status": "enabled"})
    assert commit(store, alert("cam-3")) == 3  # the pipeline goes on where it was


def test_the_tags_that_should_be_stand_beside_those_that_were_journalled(store: ControlStore) -> None:
    rows = [
        Registered(identity("both"), None, "device"),
        Registered(identity("both", SECURITY_MODULE), None, "module"),
        Registered(identity("module"), None, None),
        Registered(identity("module", SECURITY_MODULE), None, "module"),
        Registered(identity("neither"), None, None),
        Registered(identity("neither", "other"), None, "other"),
    ]
    store.change_registry(RegistryChange(put=rows))
    known = [("module", "old"), ("stranger", "theirs"), ("neither", None)]
    records = [
        DeviceRecord(device_id=name, position=1, registered_at=AT, tag=tag, tagged=True)
        for name, tag in known
    ]
    commit(store, devices=records)

    def state(
        name: str, wanted: str | None, tag: str | None, *, known: bool, registered: bool = True
    ) -> TagState:
        return TagState(device_id=name, is_registered=registered, wanted=wanted, is_known=known, tag=tag)

    registered = [
        state("both", "device", None, known=False),
        state("module", "module", "old", known=True),
        state("neither", None, None, known=True),
    ]
    stranger = state("stranger", None, "theirs", known=True, registered=False)
    assert store.tags(["stranger", "both", "module", "neither"]) == [stranger, *registered]
    first = store.all_tags(after=None, limit=2)
    second = store.all_tags(after=first.after, limit=2)
    assert [*first.items, *second.items] == registered
    assert second.after is None


def test_a_registry_that_is_only_read_is_not_changed(url: str) -> None:
    with ControlStore.open(url) as store, ControlStore.open(url, read_only=True) as reader:
        put(store, identity())
        assert reader.identity(IdentityKey("cam-1")) == identity()
        with pytest.raises(ValueError, match="is open for reading only"):
            put(reader, identity("cam-2"))


def test_a_registry_whose_database_went_works_again_when_it_is_back(postgresql: Server) -> None:
    """It says so meanwhile, at once."""
    with ControlStore.open(postgresql.new_database()) as store:
        put(store, identity())
        postgresql.stop()
        try:
            with pytest.raises(StoreUnavailable):
                store.identity(IdentityKey("cam-1"))
            with pytest.raises(StoreUnavailable):
                put(store, identity("cam-2"))
        finally:
            postgresql.start()
        put(store, identity("cam-3"))
        assert [one.key.device_id for one in store.identities(after=None, limit=9).items] == [
            "cam-1",
            "cam-3",
        ]
