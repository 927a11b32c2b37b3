"""Cloud-to-device messages that services send, and take away again."""

from datetime import UTC, datetime

import pytest
from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey


def test_a_message_waits_for_its_device_with_its_properties(standing: Standing) -> None:
    standing.device("waits")
    session = Connected()
    standing.connect(IdentityKey("waits"), session)
    answer = standing.owner.post(
        "/devices/waits/messages/deviceBound",
        content=b"\x00\xff",
        headers={
            "IoTHub-MessageId": "m-1",
            "iothub-correlationid": "c-1",
            "iothub-ack": "full",
            "iothub-contenttype": "text/plain",
            "iothub-app-site": "plant 7",
            "iothub-expiry": "2090-01-31T12:00:00+01:00",
        },
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert session.woken == 1
    message = standing.run(standing.downlink.take("waits"))
    assert message is not None
    assert message.body == b"\x00\xff"
    assert message.properties == {"site": "plant 7"}
    assert message.system == {
        "message-id": "m-1",
        "correlation-id": "c-1",
        "ack": "full",
        "content-type": "text/plain",
    }
    assert message.expires_at == datetime(2090, 1, 31, 11, tzinfo=UTC)
    assert standing.owner.get("/devices/waits").json()["cloudToDeviceMessageCount"] == 1
    assert standing.owner.get("/twins/waits").json()["cloudToDeviceMessageCount"] == 1


def test_the_queue_of_a_device_is_emptied(standing: Standing) -> None:
    standing.device("emptied")
    for _ in range(3):
        standing.owner.post("/devices/emptied/messages/devicebound", content=b"x")
    answer = standing.owner.delete("/devices/emptied/commands")
    assert answer.status_code == 200
    assert answer.json() == {"deviceId": "emptied", "moduleId": None, "totalMessagesPurged": 3}
    assert standing.owner.delete("/devices/emptied/commands").json()["totalMessagesPurged"] == 0
    assert ("emptied", "QueuePurges") in standing.operations.noted


def test_fifty_messages_wait_and_no_more(standing: Standing) -> None:
    standing.device("crowded")
    statuses = [
        standing.owner.post("/devices/crowded/messages/devicebound", content=b"x").status_code
        for _ in range(51)
    ]
    assert statuses == [204] * 50 + [403]


@pytest.mark.parametrize(("expiry", "status"), [("", 204), ("soon", 400), ("0001-01-01T00:00:00+14:00", 400)])
def test_an_expiry_is_a_time(standing: Standing, expiry: str, status: int) -> None:
    device_id = f"expires-{len(expiry)}"
    standing.device(device_id)
    path = f"/devices/{device_id}/messages/devicebound"
    assert standing.owner.post(path, headers={"iothub-expiry": expiry}).status_code == status


def test_a_message_has_at_most_64_kilobytes(standing: Standing) -> None:
    standing.device("small")
    path = "/devices/small/messages/devicebound"
    assert standing.owner.post(path, content=b"x" * (64 * 1024)).status_code == 204
    assert standing.owner.post(path, content=b"x" * (64 * 1024 + 1)).status_code == 413
    full = standing.owner.post(path, content=b"x" * (64 * 1024), headers={"iothub-app-a": "b"})
    assert full.status_code == 400


def test_nobody_gets_no_message(standing: Standing) -> None:
    assert standing.owner.post("/devices/nobody/messages/devicebound").status_code == 404
    assert standing.owner.delete("/devices/nobody/commands").status_code == 404
