"""
Whose things these are: what somebody sees of the groups of devices, and what they may do there.

What belongs to a group that they do not see is answered exactly as what does not exist.
"""

from fencepost.model.access import Principal, Role
from fencepost.model.rule import DEFAULT_GROUP
from fencepost.service.answers import Missing
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Among, Service

NO_DEVICE = "there is no such device"


def check(principal: Principal, role: Role, group: str, missing: str) -> None:
    """Raise Missing with this text for what they do not see, Refused for what is not theirs to do."""
    if not principal.may("viewer", group):
        raise Missing(missing)
    if not principal.may(role, group):
        raise Refused(403, f"this takes the role {role} for the group {group}")


def check_device(service: Service, principal: Principal, role: Role, device_id: str) -> None:
    """The same for a device, which belongs to the group that it has now, if to any (`_is_nobodys`)."""
    if not principal.may(role) and _is_nobodys(service, device_id):
        raise Missing(NO_DEVICE)
    group = service.pipeline.processor.detector.group_of(device_id).name
    check(principal, role, group, NO_DEVICE)


def sees_device(service: Service, principal: Principal, device_id: str) -> bool:
    """Whether they see what belongs to a device."""
    if not principal.may("viewer") and _is_nobodys(service, device_id):
        return False
    return principal.may("viewer", service.pipeline.processor.detector.group_of(device_id).name)


def theirs(service: Service, principal: Principal) -> Among | None:
    """Return what says of a device whether they see it, None where they see all."""
    groups, group_of = principal.groups(), service.pipeline.processor.detector.group_of
    return None if groups is None else lambda device_id: group_of(device_id).name.casefold() in groups


def _is_nobodys(service: Service, device_id: str) -> bool:
    """Whether no group can call a device its own: nobody has heard of it, and it would only fall to the default group."""
    detector = service.pipeline.processor.detector
    return not detector.knows(device_id) and detector.group_of(device_id).name.casefold() == DEFAULT_GROUP
