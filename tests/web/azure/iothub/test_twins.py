"""`/twins`: what the owner says of devices and modules."""

from typing import Any

import pytest
from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey

SECTION = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"


def test_a_new_device_has_a_twin_with_the_members_that_clients_know(standing: Standing) -> None:
    device = standing.device("new")
    answer = standing.owner.get("/twins/new")
    assert answer.status_code == 200
    twin = answer.json()
    assert answer.headers["etag"] == f'"{twin["etag"]}"'
    for section in twin["properties"].values():
        assert section.pop("$metadata").keys() == {"$lastUpdated", "$lastUpdatedVersion"}
    assert twin == {
        "deviceId": "new",
        "etag": twin["etag"],
        "deviceEtag": device["etag"],
        "status": "enabled",
        "statusReason": None,
        "statusUpdateTime": "0001-01-01T00:00:00Z",
        "connectionState": "Disconnected",
        "lastActivityTime": "0001-01-01T00:00:00Z",
        "cloudToDeviceMessageCount": 0,
        "authenticationType": "sas",
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
        "modelId": "",
        "version": 1,
        "tags": {},
        "properties": {"desired": {"$version": 1}, "reported": {"$version": 1}},
        "capabilities": {"iotEdge": False},
    }


def test_the_security_module_has_microsofts_defaults(standing: Standing) -> None:
    standing.device("defaults")
    twin = standing.owner.get("/twins/defaults/modules/azureiotsecurity").json()
    assert twin["moduleId"] == "azureiotsecurity"
    assert twin["properties"]["desired"][SECTION]["highPriorityMessageFrequency"] == {"value": "PT7M"}


@pytest.mark.parametrize("module", ["", "/modules/azureiotsecurity"])
def test_a_patch_merges_and_null_takes_away(standing: Standing, module: str) -> None:
    standing.device(f"merged{len(module)}")
    path = f"/twins/merged{len(module)}{module}"
    standing.owner.patch(
        path, json={"tags": {"a": {"b": 1, "c": 2}}, "properties": {"desired": {"x": {"y": 1}}}}
    )
    version = standing.owner.get(path).json()["version"]
    answer = standing.owner.patch(
        path,
        json={
            "tags": {"a": {"b": None}, "d": "e"},
            "properties": {"desired": {"x": {"z": [1, {"k": None}]}}},
        },
    )
    assert answer.status_code == 200
    twin = answer.json()
    assert twin["tags"] == {"a": {"c": 2}, "d": "e"}
    assert twin["properties"]["desired"]["x"] == {"y": 1, "z": [1, {"k": None}]}
    assert twin["version"] == version + 1
    assert twin == standing.owner.get(path).json()


def test_a_put_replaces_all(standing: Standing) -> None:
    standing.device("replaced")
    standing.owner.patch(
        "/twins/replaced", json={"tags": {"a": 1}, "properties": {"desired": {"x": 1, "y": 2}}}
    )
    twin = standing.owner.put("/twins/replaced", json={"properties": {"desired": {"y": 3}}}).json()
    assert twin["tags"] == {}
    desired = twin["properties"]["desired"]
    assert {name: value for name, value in desired.items() if not name.startswith("$")} == {"y": 3}
    assert desired["$version"] == 3


def test_a_twin_may_be_sent_back_as_it_came(standing: Standing) -> None:
    """Clients read a twin, change a member and send all of it."""
    standing.device("round")
    twin: dict[str, Any] = standing.owner.get("/twins/round").json()
    twin["tags"]["site"] = "x"
    answer = standing.owner.patch("/twins/round", json=twin, headers={"If-Match": f'"{twin["etag"]}"'})
    assert answer.status_code == 200
    assert answer.json()["tags"] == {"site": "x"}


def test_the_etag_of_a_twin_must_still_stand(standing: Standing) -> None:
    standing.device("guarded")
    etag = standing.owner.get("/twins/guarded").headers["etag"]
    for method in ("PATCH", "PUT"):
        headers = {"If-Match": '"*"'}
        assert standing.owner.request(method, "/twins/guarded", json={}, headers=headers).status_code == 200
        answer = standing.owner.request(method, "/twins/guarded", json={}, headers={"If-Match": etag})
        assert (answer.status_code, answer.headers["iothub-errorcode"]) == (412, "PreconditionFailed")
        etag = standing.owner.get("/twins/guarded").headers["etag"]


@pytest.mark.parametrize(
    "body",
    [
        {"tags": []},
        {"tags": {"with.dot": 1}},
        {"tags": {"deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": {}}}}}}}}}}}}},
        {"tags": {"large": ["x" * 1000] * 9}},
        {"properties": {"desired": {"large": ["x" * 4000] * 9}}},
        {"properties": []},
    ],
)
def test_what_a_twin_cannot_hold_is_refused(standing: Standing, body: dict[str, Any]) -> None:
    standing.device("full") if standing.owner.get("/devices/full").status_code == 404 else None
    answer = standing.owner.patch("/twins/full", json=body)
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "ArgumentInvalid")
    assert standing.owner.get("/twins/full").json()["version"] == 1


def test_a_connected_device_hears_of_its_desired_properties(standing: Standing) -> None:
    standing.device("hears")
    session = Connected()
    standing.connect(IdentityKey("hears"), session)
    standing.owner.patch("/twins/hears", json={"properties": {"desired": {"rate": 5}}})
    assert session.pushed == [{"rate": 5, "$version": 2}]
    standing.owner.patch("/twins/hears", json={"tags": {"quiet": True}})
    assert len(session.pushed) == 1


def test_what_a_device_reports_is_shown(standing: Standing) -> None:
    standing.device("reports")
    standing.run(standing.registry.report(IdentityKey("reports"), b'{"rate": 5}'))
    reported = standing.owner.get("/twins/reports").json()["properties"]["reported"]
    assert reported["rate"] == 5
    assert reported["$metadata"]["rate"]["$lastUpdatedVersion"] == reported["$version"] == 2


def test_the_tag_of_a_twin_moves_the_device_to_its_group(standing: Standing) -> None:
    standing.device("moved")
    standing.owner.patch("/twins/moved", json={"tags": {"SecurityGroup": "pumps"}})
    record = standing.store.device("moved")
    assert record is not None
    assert record.tag == "pumps"


def test_what_is_not_there_is_not_found(standing: Standing) -> None:
    standing.device("lonely")
    for path, code in (
        ("/twins/nobody", "DeviceNotFound"),
        ("/twins/nobody/modules/m", "DeviceNotFound"),
        ("/twins/lonely/modules/m", "ModuleNotFound"),
    ):
        for method in ("GET", "PATCH", "PUT"):
            answer = standing.owner.request(method, path, json={})
            assert (answer.status_code, answer.headers["iothub-errorcode"]) == (404, code)
