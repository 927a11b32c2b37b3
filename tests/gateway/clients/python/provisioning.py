"""A device that asks the provisioning service where its hub is, by the SDK azure-iot-device."""

from pathlib import Path
from typing import Any

from azure.iot.device import ProvisioningDeviceClient  # type: ignore[import-not-found]
from tests.conversation import converse


def register(
    *, host: str, id_scope: str, registration_id: str, key: str, ca_file: str, **options: Any
) -> dict[str, Any]:
    """Register by a symmetric key and return what the service assigned."""
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=host,
        registration_id=registration_id,
        id_scope=id_scope,
        symmetric_key=key,
        server_verification_cert=Path(ca_file).read_text(encoding="utf-8"),
        **options,
    )
    answer = client.register()
    state = answer.registration_state
    return {"status": answer.status, "hub": state.assigned_hub, "device_id": state.device_id}


if __name__ == "__main__":
    converse({"register": register})
