"""How many devices there are."""

from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey


def test_devices_are_counted(standing: Standing) -> None:
    standing.device("on-1")
    standing.device("on-2")
    standing.device("off-1", status="disabled")
    assert standing.owner.get("/statistics/devices").json() == {
        "totalDeviceCount": 3,
        "enabledDeviceCount": 2,
        "disabledDeviceCount": 1,
    }


def test_those_that_are_connected_are_counted(standing: Standing) -> None:
    assert standing.owner.get("/statistics/service").json() == {"connectedDeviceCount": 0}
    standing.device("here")
    standing.connect(IdentityKey("here"), Connected())
    assert standing.owner.get("/Statistics/Service").json() == {"connectedDeviceCount": 1}
