"""Layers, suppression rules, and the edits that mended lists: kept with every version, found again."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.store.control.material import HOSTILE, alert, commit, opened

from fencepost.model.entry import Mend
from fencepost.model.layer import Layer
from fencepost.model.record import AlertChange, Changes, MendedEdit
from fencepost.model.suppression import Condition, SuppressionRule
from fencepost.store.control import ControlStore
from fencepost.testing import allowing, at, group

RULE = allowing("ConnectionToIpNotAllowed", "192.0.2.1")


def layer(device_id: str | None = None, version: int = 1, **members: Any) -> Layer:
    return Layer(**{"device_id": device_id, "version": version, "rules": (RULE,), **members})


def suppression(name: str, **members: Any) -> SuppressionRule:
    known = Condition(field="alert.value", contains=("x",))
    first = {"alert_type": "*", "reason": "known", "conditions": (known,), "changed_at": at("10:00")}
    return SuppressionRule(**{"name": name, **first, **members})


def allowed(alert_id: str, position: int, **members: Any) -> AlertChange:
    first = {"alert_id": alert_id, "at": at("11:00"), "actor": "me", "action": "allow", "before": "Active"}
    return AlertChange(**{**first, "position": position, "after": "Resolved", **members})


def test_layers_are_kept_by_device_the_fleets_first(store: ControlStore) -> None:
    commit(store, layers=[(layer("cam-2"), 1), (layer(), 1), (layer("cam-1"), 1)])
    assert store.layers() == (layer(), layer("cam-1"), layer("cam-2"))
    edited = layer("cam-2", 3, rules=())
    commit(store, layers=[(layer("cam-2", 2), 2), (edited, 2)])
    assert store.layers() == (layer(), layer("cam-1"), edited)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_device_is_called_makes_no_difference(store: ControlStore, text: str) -> None:
    """Even an empty id is not the fleet."""
    commit(store, layers=[(layer(text), 1), (layer(), 1)], suppressions_put=[suppression(text)])
    assert store.layers() == (layer(), layer(text))
    assert store.suppressions() == (suppression(text),)


def test_suppression_rules_are_kept_by_their_names_without_case(store: ControlStore) -> None:
    commit(store, suppressions_put=[suppression("b"), suppression("A")])
    assert store.suppressions() == (suppression("A"), suppression("b"))
    commit(store, suppressions_put=[suppression("B", enabled=False)])
    assert store.suppressions() == (suppression("A"), suppression("B", enabled=False))
    commit(store, suppressions_deleted=["a", "nothing"], suppressions_put=[suppression("c")])
    assert store.suppressions() == (suppression("B", enabled=False), suppression("c"))
    commit(store, suppressions_deleted=["C"], suppressions_put=[suppression("C")])
    assert store.suppressions() == (suppression("B", enabled=False), suppression("C"))


def test_the_edits_that_mended_a_list_are_found_by_the_alert(store: ControlStore) -> None:
    """Each with what stood before it, whichever edits lie between."""
    first, second, third = (group(RULE, name="Cams", version=version) for version in (1, 2, 3))
    commit(store, groups_put=[first])
    commit(store, groups_put=[second], mends={2: Mend("a", "allow")})
    commit(store, groups_put=[third])
    own = layer("cam-1")
    commit(store, layers=[(own, 4)], mends={4: Mend("a", "allow")})
    again = replace(third, name="CAMS", version=4)
    commit(store, groups_put=[again], mends={5: Mend("a", "undo")})
    commit(store, layers=[(layer("cam-2"), 6)], mends={6: Mend("another", "allow")})
    assert store.mends("a") == [
        MendedEdit(position=5, action="undo", before=third, after=again),
        MendedEdit(position=4, action="allow", before=None, after=own),
        MendedEdit(position=2, action="allow", before=first, after=second),
    ]
    assert store.mends("nothing") == []


def test_several_edits_of_one_commit_are_told_apart(store: ControlStore) -> None:
    one, other = group(RULE, name="one"), group(RULE, name="other")
    edited = [(one, 1), (replace(one, version=2), 2), (other, 3)]
    store.commit(Changes(after=0, position=3, groups_put=edited, mends={2: Mend("a", "allow")}))
    assert store.mends("a") == [
        MendedEdit(position=2, action="allow", before=one, after=replace(one, version=2))
    ]
    assert store.group_versions("one") == [(replace(one, version=2), 2), (one, 1)]


def test_what_an_edit_resolved_is_found_by_its_position(store: ControlStore) -> None:
    one, other, third = (alert(f"cam-{number}") for number in range(3))
    commit(store, one, other, third, history=[opened(each, 1) for each in (one, other, third)])
    resolved = [replace(each, state="Resolved") for each in (one, other)]
    steps = [
        allowed(other.alert_id, 2, before="Dismissed"),
        allowed(one.alert_id, 2),
        allowed(third.alert_id, 2, after="Active"),  # it was mended from there, and did not move
    ]
    commit(store, *resolved, history=steps)
    assert store.allowed_at(2) == [(resolved[1], "Dismissed"), (resolved[0], "Active")]
    assert store.allowed_at(1) == []
    assigned = replace(resolved[0], assigned_to="anna")
    commit(store, assigned)
    assert store.allowed_at(2)[1] == (assigned, "Active")
