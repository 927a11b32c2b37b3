"""
What an IoT Hub answers where it cannot do what is asked: a name, a number, and words.

The names and numbers are the service's own, as clients tell them apart; the status of HTTP is the first
three digits of the number.
"""

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from fencepost.model.errors import FencepostError

Code = Literal[
    "GenericBadRequest",
    "InvalidProtocolVersion",
    "ArgumentInvalid",
    "ArgumentNull",
    "IotHubFormatError",
    "DeviceDefinedMultipleTimes",
    "BulkRegistryOperationFailure",
    "IotHubUnauthorizedAccess",
    "DeviceMaximumQueueDepthExceeded",
    "GenericNotFound",
    "DeviceNotFound",
    "ModuleNotFound",
    "DeviceNotOnline",
    "GenericMethodNotAllowed",
    "RequestTimedOut",
    "DeviceAlreadyExists",
    "ModuleAlreadyExistsOnDevice",
    "PreconditionFailed",
    "DeviceMessageLockLost",
    "MessageTooLarge",
    "TooManyDevices",
    "GenericUnsupportedMediaType",
    "ThrottlingException",
    "ServerError",
    "GenericBadGateway",
    "ServiceUnavailable",
    "GatewayTimeout",
]
CODES: tuple[Code, ...] = get_args(Code)

Dialect = Literal["registry", "method", "provisioning"]
"""
Where clients look for what went wrong: in `Message` as words, there as a JSON text with the number, or in the
body itself.
"""

NUMBERS: dict[Code, int] = {
    "GenericBadRequest": 400_000,
    "InvalidProtocolVersion": 400_001,
    "ArgumentInvalid": 400_004,
    "ArgumentNull": 400_005,
    "IotHubFormatError": 400_006,
    "DeviceDefinedMultipleTimes": 400_011,
    "BulkRegistryOperationFailure": 400_013,
    "IotHubUnauthorizedAccess": 401_002,
    "DeviceMaximumQueueDepthExceeded": 403_004,
    "GenericNotFound": 404_000,
    "DeviceNotFound": 404_001,
    "ModuleNotFound": 404_010,
    "DeviceNotOnline": 404_103,
    "GenericMethodNotAllowed": 405_000,
    "RequestTimedOut": 408_000,
    "DeviceAlreadyExists": 409_001,
    "ModuleAlreadyExistsOnDevice": 409_301,
    "PreconditionFailed": 412_001,
    "DeviceMessageLockLost": 412_002,
    "MessageTooLarge": 413_001,
    "TooManyDevices": 413_002,
    "GenericUnsupportedMediaType": 415_000,
    "ThrottlingException": 429_001,
    "ServerError": 500_001,
    "GenericBadGateway": 502_000,
    "ServiceUnavailable": 503_001,
    "GatewayTimeout": 504_101,
}


class HubError(FencepostError):
    """A refusal in the words of an IoT Hub; `retry_after` is in seconds, None where waiting does not help."""

    def __init__(
        self, code: Code, detail: str, *, retry_after: int | None = None, dialect: Dialect = "registry"
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.dialect = dialect

    @property
    def number(self) -> int:
        return NUMBERS[self.code]

    @property
    def status(self) -> int:
        return self.number // 1000

    def body(self, tracking: str, at: datetime) -> bytes:
        """Return the error as the body of an answer; `tracking` finds it again, `at` is aware UTC."""
        tracked = f"{tracking}-G:0-TimeStamp:{at:%m/%d/%Y %H:%M:%S}"
        numbered = {
            "errorCode": self.number,
            "trackingId": tracked,
            "message": self.detail,
            "info": None,
            "timestampUtc": at,
        }
        match self.dialect:
            case "registry":
                words = f"ErrorCode:{self.code};{self.detail}"
                said: dict[str, Any] = {"Message": words, "ExceptionMessage": f"Tracking ID:{tracked}"}
            case "method":
                said = {"Message": msgspec.json.encode(numbered).decode(), "ExceptionMessage": ""}
            case "provisioning":
                said = numbered
        return msgspec.json.encode(said)


def code_of_status(status: int) -> Code:
    """Return the plainest code that an HTTP status has: that of all requests, where there is one."""
    codes = [code for code in CODES if NUMBERS[code] // 1000 == status]
    return codes[0] if codes else "GenericBadRequest" if status < 500 else "ServerError"  # noqa: PLR2004
