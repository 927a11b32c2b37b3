"""What an IoT Hub answers where it cannot do what is asked."""

import json
from datetime import UTC, datetime

import pytest

from fencepost.model.hub_error import CODES, NUMBERS, HubError, code_of_status

AT = datetime(2030, 1, 31, 12, 0, 5, tzinfo=UTC)


def test_every_code_has_a_number_whose_beginning_is_the_status() -> None:
    assert set(CODES) == NUMBERS.keys()
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert all(400 <= HubError(code, "").status < 600 for code in CODES)


def test_an_error_is_said_in_words() -> None:
    assert json.loads(HubError("DeviceNotFound", "d").body("ABC", AT)) == {
        "Message": "ErrorCode:DeviceNotFound;d",
        "ExceptionMessage": "Tracking ID:ABC-G:0-TimeStamp:01/31/2030 12:00:05",
    }


def test_an_error_of_a_method_is_json_within_json() -> None:
    body = json.loads(HubError("DeviceNotOnline", "away", dialect="method").body("ABC", AT))
    assert body["ExceptionMessage"] == ""
    assert json.loads(body["Message"]) == {
        "errorCode": 404103,
        "trackingId": "ABC-G:0-TimeStamp:01/31/2030 12:00:05",
        "message": "away",
        "info": None,
        "timestampUtc": "2030-01-31T12:00:05Z",
    }


def test_an_error_of_provisioning_has_its_number_in_the_body() -> None:
    body = json.loads(HubError("IotHubUnauthorizedAccess", "no", dialect="provisioning").body("ABC", AT))
    assert (body["errorCode"], body["message"]) == (401002, "no")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "GenericBadRequest"),
        (404, "GenericNotFound"),
        (405, "GenericMethodNotAllowed"),
        (413, "MessageTooLarge"),
        (418, "GenericBadRequest"),
        (500, "ServerError"),
        (599, "ServerError"),
    ],
)
def test_every_status_has_a_code(status: int, code: str) -> None:
    assert code_of_status(status) == code
